"""Whatever happens at the source and to the workers, mail folders and calendars converge to what the source holds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from connectors.types import StreamKind
from tests.connectors.contract import NOON, Clock, mail
from tests.connectors.microsoft_account import HOUR, Account, Copy
from tests.emulators.microsoft import Server

FOLDERS = ("inbox", "archive", "deleteditems")
folders = st.sampled_from(FOLDERS)
picks = st.integers(0, 50)
BOUNDS = settings(
    max_examples=6,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # a failure's steps are printed; shrinking over real sockets takes minutes
)


class Source(RuleBasedStateMachine):
    """What both machines share: a server that misbehaves, workers that die."""

    def __init__(self) -> None:
        super().__init__()
        clock = Clock()
        self.server = Server(now=clock.now).start()
        self.server.identity.refresh_days = 900
        self.account = Account(self.server, clock)
        self.copies: list[Copy] = []

    def teardown(self) -> None:
        try:
            self._settle()
        finally:
            self.server.stop()

    def _settle(self) -> None:
        """Quiescence: the source is left alone, workers run until nothing changes; then all must be equal."""
        self.server.faults.clear()
        self.server.manners.lag = 0
        self.account.clock.time += timedelta(seconds=120)
        for _ in range(4):
            for copy in self.copies:
                copy.recover()
        self.check()

    def check(self) -> None:
        """The copies are what the source holds."""

    @rule(which=picks, stop=st.one_of(st.none(), st.integers(0, 3)))
    def work(self, which: int, stop: int | None) -> None:
        self.copies[which % len(self.copies)].recover(stop)

    @rule(status=st.sampled_from([410, 400, 404]))
    def expire_cursors(self, status: int) -> None:
        self.server.tokens.expire(status)

    @rule(status=st.sampled_from([429, 503, 500]), wait=st.sampled_from(["1", "60"]), inside=st.booleans())
    def misbehave(self, status: int, wait: str, inside: bool) -> None:
        self.account.fault("GET|POST", status, "x", times=2, skip=1, inside=inside, headers={"Retry_After": wait})

    @rule(lag=st.sampled_from([0.0, 5.0]), duplicates=st.booleans(), shuffled=st.booleans(), partial=st.booleans())
    def change_manners(self, lag: float, duplicates: bool, shuffled: bool, partial: bool) -> None:
        manners = self.server.manners
        manners.lag, manners.duplicates, manners.shuffled = lag, duplicates, shuffled
        manners.partial_updates = manners.masters = partial

    @rule()
    def revoke_access(self) -> None:
        self.server.identity.revoke()

    @rule(seconds=st.integers(1, 4000))
    def wait(self, seconds: int) -> None:
        self.account.clock.time += timedelta(seconds=seconds)

    @invariant()
    def every_request_asked_for_immutable_ids(self) -> None:
        assert self.server.statistics.without_immutable == []


class Mail(Source):
    """Messages come, move, change and go."""

    @initialize()
    def begin(self) -> None:
        self.copies = [Copy(self.account, self.account.folder(self.account.box.folder(one).name)) for one in FOLDERS]
        self.number = 0

    def _pick(self, which: int) -> str:
        held = sorted(self.account.box.messages)
        return held[which % len(held)] if held else ""

    @rule(folder=folders, count=st.sampled_from([1, 3, 120]))
    def deliver(self, folder: str, count: int) -> None:
        for _ in range(count):
            self.number += 1
            self.account.clock.time += timedelta(seconds=1)
            self.account.box.deliver(folder, mail(self.number))

    @rule(which=picks, folder=folders)
    def move(self, which: int, folder: str) -> None:
        one = self._pick(which)
        if one and self.account.box.messages[one].folder != self.account.box.folder(folder).id:
            self.account.box.move(one, folder)

    @rule(which=picks, read=st.booleans())
    def flag(self, which: int, read: bool) -> None:
        if one := self._pick(which):
            self.account.box.update(one, isRead=read)

    @rule(which=picks)
    def delete(self, which: int) -> None:
        if one := self._pick(which):
            self.account.box.delete(one)

    def check(self) -> None:
        for copy in self.copies:
            there: Any = self.account.box.folders[copy.stream.id].messages
            assert copy.ids == there
            assert there <= set(copy.content), "everything has been seen with its content"


class Meetings(Source):
    """Events and series come, change, lose occurrences and go."""

    @initialize()
    def begin(self) -> None:
        self.copies = [Copy(self.account, self.account.calendar())]

    def _pick(self, which: int, *, series: bool) -> str:
        held = sorted(key for key, one in self.account.agenda.events.items() if one.series is series)
        return held[which % len(held)] if held else ""

    @rule(day=st.integers(-300, 300), count=st.sampled_from([0, 0, 6, 130]))
    def add(self, day: int, count: int) -> None:
        start = NOON + timedelta(days=day)
        self.account.agenda.add(start, start + HOUR, interval=1, count=count, subject="x")

    @rule(which=picks, hours=st.integers(1, 40), series=st.booleans())
    def reschedule(self, which: int, hours: int, series: bool) -> None:
        if one := self._pick(which, series=series):
            start = self.account.agenda.events[one].start + timedelta(hours=hours)
            self.account.agenda.update(one, start=start, end=start + HOUR)

    @rule(which=picks, number=st.integers(0, 5))
    def delete_occurrence(self, which: int, number: int) -> None:
        if one := self._pick(which, series=True):
            self.account.agenda.delete_occurrence(one, number)

    @rule(which=picks, number=st.integers(0, 5))
    def change_occurrence(self, which: int, number: int) -> None:
        if one := self._pick(which, series=True):
            self.account.agenda.change_occurrence(one, number, subject="special")

    @rule(which=picks, series=st.booleans())
    def delete(self, which: int, series: bool) -> None:
        if one := self._pick(which, series=series):
            self.account.agenda.delete(one)

    @rule(days=st.sampled_from([10, 40]))
    def let_months_pass(self, days: int) -> None:
        if self.account.clock.time < NOON + timedelta(days=80):
            self.account.clock.time += timedelta(days=days)

    def check(self) -> None:
        [copy] = self.copies
        agenda = self.account.agenda
        start, end = NOON - timedelta(days=330), NOON + timedelta(days=330)
        there = {one["id"]: one for event in agenda.events.values() for one in agenda.instances(event, start, end)}
        held = {one for one in copy.ids if start <= copy.event(one).start < end}  # type: ignore[operator]
        assert held == set(there)
        for key, one in there.items():
            found = copy.event(key)
            assert found.start.strftime("%Y-%m-%dT%H:%M") == one["start"]["dateTime"][:16]
            assert found.summary == one["subject"]


class Killed(BaseException):
    """The worker is gone."""


@pytest.mark.parametrize("kind", ["mail", "calendar"])
def test_a_worker_killed_at_any_request_loses_and_doubles_nothing(kind: str) -> None:
    died = True
    at = 0
    while died:
        at += 1
        died = _killed_at(at, kind)
    assert at > 6, "every request of the scenario has been died at"


def _killed_at(at: int, kind: str) -> bool:
    """Two passes, the ``at``-th request of which kills the worker; then others finish. Tells whether it came to it."""
    clock = Clock()
    with Server(now=clock.now) as server:
        account = Account(server, clock)
        copies = _filled(account, kind)
        fuse = _Fuse(account, at)
        for change in (lambda: None, lambda: _changed(account, kind)):
            change()
            for copy in copies:
                fuse.run(copy)
        for copy in (*copies, *copies):
            fuse.run(copy)
        _compare(account, copies)
        return fuse.burnt


class _Fuse:
    """Kills the worker at a request, once."""

    def __init__(self, account: Account, at: int) -> None:
        self.account, self.left, self.burnt = account, at, False
        account.acquired = self  # type: ignore[assignment]

    def append(self, _asked: tuple[str, int]) -> None:
        self.left -= 1
        if self.left == 0:
            self.burnt = True
            raise Killed

    def run(self, copy: Copy) -> None:
        try:
            copy.recover()
        except Killed:
            copy.recover()


def _filled(account: Account, kind: str) -> list[Copy]:
    if kind == "calendar":
        for number in range(3):
            start = NOON + timedelta(days=number)
            account.agenda.add(start, start + HOUR, interval=2, count=105 if number else 0, subject="x")
        return [Copy(account, account.calendar())]
    for number in range(110):
        account.box.deliver("inbox", mail(number))
    return [Copy(account, account.folder(name)) for name in ("Inbox", "Archive")]


def _changed(account: Account, kind: str) -> None:
    if kind == "calendar":
        single, *series = account.agenda.events
        account.agenda.update(single, subject="new")
        account.agenda.delete_occurrence(series[0], 3)
        account.agenda.update(series[1], start=NOON + timedelta(hours=5), end=NOON + timedelta(hours=6))
        return
    first, second, third, *_ = sorted(account.box.messages)
    account.box.delete(first)
    account.box.move(second, "archive")
    account.box.move(third, "archive")
    account.box.move(third, "inbox")
    account.box.deliver("inbox", mail(999))


def _compare(account: Account, copies: list[Copy]) -> None:
    for copy in copies:
        if copy.stream.kind is StreamKind.MAIL:
            assert copy.ids == account.box.folders[copy.stream.id].messages
        else:
            agenda, window = account.agenda, (NOON - timedelta(days=300), NOON + timedelta(days=380))
            there = [one for event in agenda.events.values() for one in agenda.instances(event, *window)]
            assert copy.ids == {one["id"] for one in there}
            assert {copy.event(one["id"]).summary for one in there} == {one["subject"] for one in there}


TestMail = Mail.TestCase
TestMail.settings = BOUNDS
TestMeetings = Meetings.TestCase
TestMeetings.settings = BOUNDS
