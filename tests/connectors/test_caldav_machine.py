"""Whatever happens to a calendar between syncs, and wherever a sync is broken off: in the end we hold what it holds."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from connectors.calendar import parse_calendar
from connectors.errors import CursorExpired
from connectors.providers import caldav
from connectors.types import Batch, Cursor, RawCalendar, Stream, StreamKind, Upsert
from tests.connectors.contract import make_context
from tests.rig.caldav_servers import PASSWORD, USER, CalDavServer, radicale_server

NAMES = st.sampled_from(["a", "b", "c", "d e@f"])
TITLES = st.sampled_from(["Review", "Lunch", "Kick-off"])


class CalendarMachine(RuleBasedStateMachine):
    """``truth`` is the server's content; ``held`` what a consumer that applies each batch with its cursor has."""

    def __init__(self) -> None:
        super().__init__()
        self.batch, caldav.BATCH = caldav.BATCH, 2  # type: ignore[misc]
        self.folder = tempfile.TemporaryDirectory()
        self.running = radicale_server(Path(self.folder.name))
        self.server: CalDavServer = self.running.__enter__()
        self.truth: dict[str, str] = {}
        self.held: dict[str, str] = {}
        self.seen: set[str] = set()
        self.cursor: Cursor | None = None

    @initialize()
    def start(self) -> None:
        self.calendar = self.server.make_calendar("work")
        self.stream = Stream(self.calendar, "work", StreamKind.CALENDAR)
        config = {"url": self.server.url, "username": USER, "timeout": 20}
        self.connector: Any = caldav.PROVIDER.open(make_context(config, secret=PASSWORD))

    @rule(name=NAMES, title=TITLES)
    def put(self, name: str, title: str) -> None:
        self.server.put(self.calendar, f"{name}.ics", event(name, title))
        self.truth[f"{name}.ics"] = title

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        if f"{name}.ics" in self.truth:
            self.server.delete(self.calendar, f"{name}.ics")
            del self.truth[f"{name}.ics"]

    @rule()
    def forget_tokens(self) -> None:
        self.server.forget_tokens()

    @rule(batches=st.integers(0, 2))
    def sync_and_die(self, batches: int) -> None:
        """The process dies after some batches; what was applied stays."""
        self.seen = set()
        try:
            for number, batch in enumerate(self.connector.changes(self.stream, self.cursor)):
                if number == batches:
                    return
                self.apply(batch)
        except CursorExpired:
            self.cursor = None

    @rule()
    def sync(self) -> None:
        try:
            self.drain()
        except CursorExpired:
            self.cursor = None
            self.drain()
        assert self.held == self.truth

    @invariant()
    def the_connector_invents_nothing(self) -> None:
        assert all(name.endswith(".ics") for name in self.held)

    def drain(self) -> None:
        self.seen = set()
        for batch in self.connector.changes(self.stream, self.cursor):
            self.apply(batch)

    def apply(self, batch: Batch) -> None:
        for change in batch.changes:
            if isinstance(change, Upsert):
                assert isinstance(change.raw, RawCalendar)
                self.held[change.remote_id] = parse_calendar(change.raw.ics).events[0].summary
                self.seen.add(change.remote_id)
            else:
                self.held.pop(change.remote_id, None)
        if batch.final:
            self.held = {name: title for name, title in self.held.items() if name in self.seen}
        if batch.cursor is not None:
            self.cursor, self.seen = batch.cursor, set()

    def teardown(self) -> None:
        caldav.BATCH = self.batch  # type: ignore[misc]
        self.connector.close()
        self.running.__exit__(None, None, None)
        self.folder.cleanup()


def event(uid: str, title: str) -> bytes:
    """An event as a file."""
    lines: tuple[str, ...] = ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", "BEGIN:VEVENT", f"UID:{uid}")
    lines += ("DTSTAMP:20260101T000000Z", "DTSTART:20260304T090000Z", "DURATION:PT1H", f"SUMMARY:{title}")
    return "\r\n".join((*lines, "END:VEVENT", "END:VCALENDAR", "")).encode()


TestCalendarMachine = CalendarMachine.TestCase
TestCalendarMachine.settings = settings(
    max_examples=6, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
