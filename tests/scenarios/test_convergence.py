"""Whatever happens to a mailbox and to its worker, in any order: once it is quiet, the ledger is what the server
holds, the log has every message seen exactly once, sightings tell where it still is, and what a person attached is
still attached.

``CRM_SYNC_TEST_EXAMPLES`` (12) and ``CRM_SYNC_TEST_STEPS`` (20) size the run.
"""

from __future__ import annotations

import os
import uuid
from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from connectors.errors import StreamGone, TryLater
from crm.models import Communication, Ledger, Link, Sighting, Stream
from sync import decisions, passes
from sync.passes import Options
from tests.rig.crashes import Crash, Crasher
from tests.rig.office import NOON, Office, mail
from tests.scenarios.conftest import MakeOffice

EXAMPLES = int(os.environ.get("CRM_SYNC_TEST_EXAMPLES", "12"))
STEPS = int(os.environ.get("CRM_SYNC_TEST_STEPS", "20"))
PICK = st.integers(0, 10_000)
PLACES = st.sampled_from(["INBOX", "Sent", "Folder"])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_mailbox_and_its_log_converge_whatever_happens(make_office: MakeOffice) -> None:
    run_state_machine_as_test(
        lambda: Life(make_office()),
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, database=None, derandomize=EXAMPLES <= 25,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip


class Life(RuleBasedStateMachine):
    """Two mailboxes in memory and the workers that sync them."""

    def __init__(self, office: Office) -> None:
        super().__init__()
        self.office = office
        self.account, self.other = office.mailbox(), office.mailbox("ben")
        self.box = office.boxes[self.account]
        self.box.batch = 3
        self.box.add_stream("Folder")
        self.backup: Any = None
        self.delivered: set[str] = set()
        self.pinned: set[int] = set()
        self.jane = office.contact("jane@acme.example")

    # -- what happens at the server

    @rule(place=PLACES, twice=st.booleans(), age=st.integers(0, 90))
    def deliver(self, place: str, twice: bool, age: int) -> None:
        name = f"<{uuid.uuid4().hex}@mail.example>"
        raw = mail(id=name, subject=name[1:8], text=name, at=NOON - timedelta(days=age))
        self.office.deliver(self.account, raw, stream=self._place(place))
        if twice:
            self.office.deliver(self.other, raw)
        self.delivered.add(name)

    @rule(pick=PICK, place=PLACES, flag=st.sampled_from(["seen", "flagged"]))
    def flag(self, pick: int, place: str, flag: str) -> None:
        if found := self._some(place, pick):
            self.box.flag(self._place(place), found, {flag})

    @rule(pick=PICK, place=PLACES, goal=PLACES)
    def move(self, pick: int, place: str, goal: str) -> None:
        if (found := self._some(place, pick)) and self._place(place) != self._place(goal):
            self.box.move(self._place(place), found, self._place(goal))

    @rule(pick=PICK, place=PLACES)
    def expunge(self, pick: int, place: str) -> None:
        if found := self._some(place, pick):
            self.box.delete(self._place(place), found)

    @rule()
    def rename_a_folder(self) -> None:
        self.box.rename(self._place("Folder"), f"Folder {uuid.uuid4().hex[:6]}")

    @rule(place=PLACES)
    def change_uidvalidity(self, place: str) -> None:
        self.box.reset_validity(self._place(place))

    @rule(place=PLACES)
    def expire_the_cursor(self, place: str) -> None:
        self.box.expire_cursors(self._place(place))

    @rule()
    def take_a_backup(self) -> None:
        self.backup = deepcopy(self.box._folders["INBOX"])

    @rule()
    def restore_the_backup(self) -> None:
        """Items and numbering as they were: ids given since are given again, to other mails."""
        if self.backup is None:
            return
        restored = deepcopy(self.backup)
        if restored.validity != self.box._folders["INBOX"].validity:
            return
        restored.sequence = self.box._folders["INBOX"].sequence
        self.box._folders["INBOX"] = restored
        self.box.expire_cursors("INBOX")

    # -- what happens to the workers

    @rule(drain=st.booleans())
    def sync(self, drain: bool) -> None:
        self.office.sync(drain=drain)

    @rule(at=st.integers(1, 40))
    def crash(self, at: int) -> None:
        crasher = Crasher(at)
        try:
            with crasher.watching(self.office.service.db.engine, list(self.office.boxes.values())):
                self.office.sync(drain=False)
        except Crash:
            self.office.clock.advance(100)

    @rule(soon=st.integers(1, 6), wait=st.sampled_from([None, 5.0, 60.0]))
    def throttle(self, soon: int, wait: float | None) -> None:
        self.box.fail_request(self.box.requests + soon, TryLater("Slow down.", retry_after=wait, throttled=True))
        self.office.sync(drain=False)

    @rule(soon=st.integers(2, 6))
    def a_folder_cannot_be_opened_for_once(self, soon: int) -> None:
        self.box.fail_request(self.box.requests + soon, StreamGone("It cannot be opened just now.", code="busy"))
        self.office.sync(drain=False)

    @rule()
    def a_duplicate_job(self) -> None:
        started: list[int] = []

        def second(number: int) -> None:
            if not started:
                started.append(number)
                passes.run(self.office.service, [self.account])

        self.box.before_yield = second
        self.office.sync(drain=False)
        self.box.before_yield = None

    @rule()
    def a_slice_ends(self) -> None:
        seen: list[int] = []
        self.office.sync(drain=False, options=Options(watch=lambda *_: seen.append(1), stop=lambda: len(seen) > 1))

    @rule(hours=st.sampled_from([-2.0, 0.02, 0.2, 7.0, 30.0]))
    def the_clock_jumps(self, hours: float) -> None:
        self.office.clock.advance(minutes=60 * hours)

    @rule(pick=PICK)
    def a_person_attaches(self, pick: int) -> None:
        items = self.office.rows(Communication)
        if items:
            item = items[pick % len(items)].id
            with self.office.service.db.transaction() as session:
                decisions.attach(session, self.office.viewer(), [item], ("contact", self.jane), now=self.office.clock())
            self.pinned.add(item)

    # -- what must hold

    @invariant()
    def nothing_is_in_the_log_twice(self) -> None:
        names = [row.message_id for row in self.office.rows(Communication)]
        assert len(names) == len(set(names))
        assert set(names) <= self.delivered

    @invariant()
    def what_a_person_attached_stays_attached(self) -> None:
        assert {k.communication_id for k in self.office.rows(Link) if k.pinned} == self.pinned

    def teardown(self) -> None:
        """Quiet: no faults, time for second looks. Then local is remote."""
        self.box._faults.clear()
        for _ in range(4):
            self.office.clock.advance(minutes=12 if _ else 60 * 7)
            reports = self.office.sync()
        assert [r.state for r in reports] == ["level", "level"]
        self._ledger_is_the_server()
        self._log_is_what_was_seen()
        before = self.office.dump()
        self.office.sync()
        assert self.office.dump() == before
        self.office.service.db.dispose()

    def _ledger_is_the_server(self) -> None:
        with self.office.service.db.reading() as session:
            rows = session.query(Ledger.state, Ledger.remote_id, Stream.remote_id).join(
                Stream, Stream.id == Ledger.stream_id
            )
            rows = rows.filter(Ledger.account_id == self.account)
            held = {(stream, remote_id): state for state, remote_id, stream in rows if state != "removed"}
        wanted = {(stream, i) for stream in self.box.stream_ids() for i in self.box.remote_ids(stream)}
        assert set(held) == wanted
        assert set(held.values()) <= {"stored"}

    def _log_is_what_was_seen(self) -> None:
        names = {row.id: row.message_id for row in self.office.rows(Communication)}
        for account, box in self.office.boxes.items():
            there = {_name(item.raw.source) for folder in box._folders.values() for item in folder.items.values()}
            seen = {
                names[s.communication_id]: s.removed_at for s in self.office.rows(Sighting) if s.account_id == account
            }
            assert there <= set(seen)
            assert {name for name, gone in seen.items() if gone is None} == there

    def _place(self, place: str) -> str:
        return next(i for i in self.box.stream_ids() if i.startswith("Folder")) if place == "Folder" else place

    def _some(self, place: str, pick: int) -> str | None:
        ids = sorted(self.box.remote_ids(self._place(place)))
        return ids[pick % len(ids)] if ids else None


def _name(source: bytes) -> str:
    return next(
        line.split(b": ", 1)[1].decode().strip() for line in source.splitlines() if line.startswith(b"Message-ID")
    )
