"""Convergence: whatever happens at Google and whenever a worker dies, in the end the log's view equals the mailbox.

A state machine of deliveries, label changes, deletions, expiries and faults, against a consumer that keeps a batch and
its cursor together or loses both, as the pipeline's transaction does.
"""

from __future__ import annotations

import json
from types import ModuleType

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from connectors.errors import CursorExpired, NeedsPerson, TryLater
from connectors.google import calendar as google_calendar
from connectors.google import gmail, history, listing
from connectors.google.gmail import STREAM
from connectors.types import Batch, Stream, StreamKind
from tests.connectors.google_rig import ADDRESS, Held, Rig

CALENDAR = Stream(ADDRESS, ADDRESS, StreamKind.CALENDAR)
LABELS = ["INBOX", "UNREAD", "STARRED", "SPAM", "TRASH", "Label_14", "Label_15"]
VISIBLE = st.lists(st.sampled_from(LABELS), max_size=3, unique=True)
FAULTS = st.sampled_from(["messages.list", "messages.get", "history.list", "batch", "events.list", "labels.list"])


class Consumer(Held):
    """Sweeps what a complete listing did not show."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def start_over(self) -> None:
        self.cursor, self.seen = None, set()

    def take(self, batch: Batch) -> None:
        self.apply(batch)
        if batch.listing:
            self.seen.update(change.remote_id for change in batch.changes)
        if batch.final:
            for held in (self.content, self.labels, self.skipped):
                for gone in set(held) - self.seen:
                    del held[gone]


class Google(RuleBasedStateMachine):
    """``mail`` and ``events`` are what a log would hold."""

    @initialize()
    def start(self) -> None:
        self.rig = Rig()
        self.rig.__enter__()
        self.rig.box.labels |= {"Label_14": "Deals", "Label_15": "Private"}
        self.calendar = self.rig.person.calendars[ADDRESS]
        self.mail, self.events = Consumer(), Consumer()
        self.rig.known = lambda stream, ids: (self.mail if stream == STREAM.id else self.events).known(stream, ids)
        self.number = 0

    def teardown(self) -> None:
        if hasattr(self, "rig"):
            self.rig.world.faults.clear()
            self._level()
            self._compare()
            self.rig.__exit__(None, None, None)

    @rule(labels=VISIBLE, count=st.integers(1, 7))
    def deliver(self, labels: list[str], count: int) -> None:
        for _ in range(count):
            self.number += 1
            self.rig.deliver(self.number, labels=labels)

    @rule(which=st.integers(0, 50), add=VISIBLE, remove=VISIBLE)
    def relabel(self, which: int, add: list[str], remove: list[str]) -> None:
        if self.rig.box.mails:
            ids = list(self.rig.box.mails)
            self.rig.box.relabel(ids[which % len(ids)], [x for x in add if x not in remove], remove)

    @rule(which=st.integers(0, 50))
    def delete(self, which: int) -> None:
        if self.rig.box.mails:
            self.rig.box.delete(list(self.rig.box.mails)[which % len(self.rig.box.mails)])

    @rule(tell=st.booleans(), empty=st.integers(0, 2))
    def history_form(self, tell: bool, empty: int) -> None:
        self.rig.box.tell_labels, self.rig.box.empty_pages = tell, empty

    @rule(what=st.sampled_from(["history", "pages", "sync", "tokens"]))
    def expire(self, what: str) -> None:
        if what == "history":
            self.rig.box.expire_history()
        elif what == "sync":
            self.calendar.expire_tokens()
        elif what == "tokens":
            self.rig.world.access_tokens.clear()
        else:
            self.rig.box.expire_pages()
            self.calendar.expire_pages()

    @rule()
    def reconnect(self) -> None:
        self.rig.world.revoke(ADDRESS)
        self.rig.secret = json.dumps(self.rig.world.token_json(ADDRESS))

    @rule(method=FAULTS, kind=st.sampled_from(["status", "truncate", "reset"]), times=st.integers(1, 9),
          status=st.sampled_from([403, 429, 500, 503]))  # fmt: skip
    def fault(self, method: str, kind: str, times: int, status: int) -> None:
        self.rig.fault(method, kind=kind, times=times, status=status, reason="userRateLimitExceeded")

    @rule(series=st.booleans())
    def meet(self, series: bool) -> None:
        self.number += 1
        when = {"dateTime": "2026-06-10T10:00:00+02:00", "timeZone": "Europe/Berlin"}
        more = {"recurrence": ["RRULE:FREQ=WEEKLY"]} if series else {}
        self.calendar.put({"id": f"e{self.number}", "summary": f"v{self.number}", "start": when, "end": when, **more})

    @rule(which=st.integers(0, 20), instance=st.booleans())
    def cancel(self, which: int, instance: bool) -> None:
        alive = [key for key, event in self.calendar.events.items() if event["status"] != "cancelled"]
        if alive:
            chosen = alive[which % len(alive)]
            if instance and "recurrence" in self.calendar.events[chosen]:
                self.calendar.cancel_instance(chosen, {"dateTime": f"2026-06-{10 + which % 20}T10:00:00+02:00"})
            else:
                self.calendar.cancel(chosen)

    @rule(batches=st.integers(0, 4), of_mail=st.booleans())
    def sync(self, batches: int, of_mail: bool) -> None:
        """A worker that dies after so many batches; the last one is read and not kept."""
        self._pass(STREAM if of_mail else CALENDAR, self.mail if of_mail else self.events, batches)

    @invariant()
    def nothing_is_shown_that_never_was(self) -> None:
        if hasattr(self, "rig"):
            assert not self.rig.world.model_faults

    def _pass(self, stream: Stream, held: Consumer, most: int | None = None) -> bool:
        """True when it came to its end."""
        connector = self.rig.open()
        try:
            for number, batch in enumerate(connector.changes(stream, held.cursor)):
                if number == most:
                    return False
                held.take(batch)
        except CursorExpired:
            held.start_over()
            return False
        except (TryLater, NeedsPerson):
            return False
        finally:
            connector.close()
        return True

    def _level(self) -> None:
        for stream, held in ((STREAM, self.mail), (CALENDAR, self.events)):
            for _ in range(8):
                if self._pass(stream, held):
                    break
            else:
                raise AssertionError(f"{stream.name} never becomes level")
            assert not held.failed or self._retry(stream, held)

    def _retry(self, stream: Stream, held: Consumer) -> bool:
        """Quarantined items are tried again, as the pipeline does."""
        wanted, held.failed = list(held.failed), {}
        for batch in self.rig.open().fetch(stream, wanted):
            held.apply(batch)
        return not held.failed

    def _compare(self) -> None:
        box = self.rig.box
        hidden = {m.id for m in box.mails.values() if m.labels & {"SPAM", "TRASH"}}
        assert set(self.mail.content) == set(box.mails) - hidden
        assert set(self.mail.skipped) == hidden
        shown = {key: self.mail.labels[key] for key in self.mail.content}
        names = {key: tuple(sorted(box.labels[label] for label in box.mails[key].labels)) for key in shown}
        assert shown == names
        live = {key for key, event in self.calendar.events.items() if event["status"] != "cancelled"}
        confirmed = {k for k, raw in self.events.content.items() if raw.events[0].status != "cancelled"}
        assert confirmed == live


SMALL: list[tuple[ModuleType, str, int]] = [
    (listing, "HEAD", 3), (listing, "CUT", 2), (listing, "LIVE_EVERY", 2), (gmail, "PAGE", 4), (history, "PAGE", 3),
    (history, "MAX_PAGES", 2), (google_calendar, "PAGE", 4), (google_calendar, "CUT", 3),
]  # fmt: skip
KEPT: list[tuple[ModuleType, str, int]] = []
TestGoogle = Google.TestCase
TestGoogle.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


def setup_module() -> None:
    """Small pages and batches, so that few items make many of them."""
    for module, name, value in SMALL:
        KEPT.append((module, name, getattr(module, name)))
        setattr(module, name, value)


def teardown_module() -> None:
    for module, name, value in KEPT:
        setattr(module, name, value)
