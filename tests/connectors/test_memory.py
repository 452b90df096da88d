"""The in-memory provider passes the contract suite, and its faults do what they say."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

import pytest

from connectors.errors import CursorExpired, NeedsPerson, StreamGone, TryLater
from connectors.protocol import Connector
from connectors.providers import memory
from connectors.types import Stream, StreamRole
from tests.connectors.contract import NOON, ConnectorContract, Seen, drain, mail, make_context, name

_names = itertools.count()


class MemoryDriver:
    can = ("flags", "remove", "move", "old", "incremental")
    main = "INBOX"
    other = "Clients"

    def __init__(self) -> None:
        self.box_name = f"box-{next(_names)}"
        self.box = memory.mailbox(self.box_name)
        self.box.batch = 100
        self.box.add_stream(self.other)
        self._ids: dict[tuple[str, str], str] = {}
        self._clock = NOON

    def open(self) -> Connector:
        return memory.PROVIDER.open(make_context({"mailbox": self.box_name}, secret="right"))

    def deliver(self, folder: str, data: bytes, *, received: datetime | None = None) -> None:
        self._clock += timedelta(seconds=1)
        self._ids[folder, _message_id(data)] = self.box.deliver(folder, data, received_at=received or self._clock)

    def deliver_many(self, folder: str, mails: Collection[bytes]) -> None:
        for data in mails:
            self.deliver(folder, data)

    def flag(self, folder: str, message_id: str, flag: str) -> None:
        self.box.flag(folder, self._ids[folder, message_id], {flag})

    def delete(self, folder: str, message_id: str) -> None:
        self.box.delete(folder, self._ids[folder, message_id])

    def move(self, folder: str, message_id: str, target: str) -> None:
        self._ids[target, message_id] = self.box.move(folder, self._ids[folder, message_id], target)

    def advance(self, seconds: float) -> None:
        self._clock += timedelta(seconds=seconds)


class TestContract(ConnectorContract):
    @pytest.fixture
    def driver(self) -> Iterator[MemoryDriver]:
        made = MemoryDriver()
        yield made
        memory.forget(made.box_name)


def test_a_reset_validity_expires_the_cursor_and_gives_new_ids(driver: MemoryDriver) -> None:
    driver.deliver("INBOX", mail(1))
    connector = driver.open()
    seen = drain(connector, "INBOX")
    driver.box.reset_validity("INBOX")
    with pytest.raises(CursorExpired):
        drain(connector, "INBOX", seen.cursor)
    anew = drain(connector, "INBOX")
    assert anew.present() == seen.present() and not set(anew.names) & set(seen.names)


def test_expired_cursors_keep_ids(driver: MemoryDriver) -> None:
    driver.deliver("INBOX", mail(1))
    connector = driver.open()
    seen = drain(connector, "INBOX")
    driver.box.expire_cursors("INBOX")
    with pytest.raises(CursorExpired):
        drain(connector, "INBOX", seen.cursor)
    assert drain(connector, "INBOX").names == seen.names


def test_nonsense_as_a_cursor_is_an_expired_one(driver: MemoryDriver) -> None:
    with pytest.raises(CursorExpired):
        drain(driver.open(), "INBOX", "nonsense")


def test_a_moved_mail_keeps_its_content_id(driver: MemoryDriver) -> None:
    driver.deliver("INBOX", mail(1))
    before = [change for batch in drain(driver.open(), "INBOX").batches for change in batch.changes]
    driver.move("INBOX", name(1), "Clients")
    after = [change for batch in drain(driver.open(), "Clients").batches for change in batch.changes]
    assert before[0].content_id == after[0].content_id != ""  # type: ignore[union-attr]


def test_a_renamed_stream_is_gone_under_its_old_name_and_whole_under_the_new(driver: MemoryDriver) -> None:
    driver.deliver("Clients", mail(1))
    old = Stream("Clients", "Clients")
    driver.box.rename("Clients", "Customers")
    connector = driver.open()
    with pytest.raises(StreamGone):
        list(connector.changes(old, None))
    assert drain(connector, "Customers").present() == {name(1)}


def test_planned_faults_hit_the_request_they_were_planned_for_and_no_other(driver: MemoryDriver) -> None:
    connector = driver.open()
    driver.box.fail_request(2, TryLater("Busy.", retry_after=5))
    connector.streams()
    with pytest.raises(TryLater):
        connector.streams()
    connector.streams()
    assert connector.usage.requests == 3


def test_a_crash_before_a_batch_loses_only_that_batch(driver: MemoryDriver) -> None:
    driver.deliver_many("INBOX", [mail(n) for n in range(250)])

    def crash(batch: int) -> None:
        if batch == 1:
            raise KeyboardInterrupt

    driver.box.before_yield = crash
    seen = Seen()
    with pytest.raises(KeyboardInterrupt):
        drain(driver.open(), "INBOX", into=seen)
    assert len(seen.batches) == 1 and seen.cursor is None


def test_a_wrong_password_needs_a_person(driver: MemoryDriver) -> None:
    driver.box.password = "another"
    with pytest.raises(NeedsPerson):
        driver.open()


def test_trash_is_off_unless_chosen(driver: MemoryDriver) -> None:
    assert not driver.box.add_stream("Trash", role=StreamRole.TRASH).default_on


def _message_id(data: bytes) -> str:
    return next(line[12:].strip() for line in data.decode().splitlines() if line.startswith("Message-ID: "))


@pytest.fixture
def driver() -> Iterator[MemoryDriver]:
    made = MemoryDriver()
    yield made
    memory.forget(made.box_name)
