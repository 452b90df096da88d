"""Gmail passes the contract suite of all mail connectors, over the model server.

Gmail has one stream, so the tests that move mails between folders speak here of labels in place of folders.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.types import Stream
from tests.connectors import contract
from tests.connectors.contract import ConnectorContract, closing, name
from tests.connectors.google_rig import Rig


class GmailDriver:
    """The mailbox from the outside. Folders are the one stream and, as ``other``, the trash."""

    can = ("flags", "remove", "old", "incremental")
    main = other = "mailbox"

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.ids: dict[str, str] = {}
        rig.time = contract.NOON
        self.count = 0

    def open(self) -> Any:
        return self.rig.open()

    def deliver(self, folder: str, data: bytes, *, received: datetime | None = None) -> None:
        self.count += 1
        at = received or datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=self.count)
        found = self.rig.box.deliver(data, ["INBOX", "UNREAD"], millis=int(at.timestamp() * 1000))
        self.ids[str(found.tree.message["Message-ID"])] = found.id

    def deliver_many(self, folder: str, mails: Collection[bytes]) -> None:
        for data in mails:
            self.deliver(folder, data)

    def flag(self, folder: str, message_id: str, flag: str) -> None:
        self.rig.box.relabel(self.ids[message_id], ["STARRED"], [])

    def delete(self, folder: str, message_id: str) -> None:
        self.rig.box.delete(self.ids[message_id])

    def move(self, folder: str, message_id: str, target: str) -> None:
        self.rig.box.relabel(self.ids[message_id], ["TRASH"], ["INBOX"])

    def advance(self, seconds: float) -> None:
        self.rig.time += timedelta(seconds=seconds)


class TestGmail(ConnectorContract):
    many = 320

    @pytest.fixture
    def driver(self, rig: Rig) -> GmailDriver:
        return GmailDriver(rig)

    def test_removed_mail_is_named_once_and_only_then(self, driver: Any) -> None:
        driver.deliver_many(driver.main, [contract.mail(n) for n in range(5)])
        with closing(driver.open()) as connector:
            seen = contract.drain(connector, driver.main)
            driver.delete(driver.main, name(2))
            gone = contract.drain(connector, driver.main, seen.cursor)
            again = contract.drain(connector, driver.main, gone.cursor)
        assert gone.removed == [seen.remote_id(name(2))]
        assert again.removed == []

    def test_an_abandoned_listing_harms_nothing(self, driver: Any) -> None:
        driver.deliver_many(driver.main, [contract.mail(n) for n in range(self.many)])
        with closing(driver.open()) as connector:
            next(connector.changes(contract.stream_of(connector, driver.main), None))
            assert contract.drain(connector, driver.main).present() == {name(n) for n in range(self.many)}

    def test_a_calendar_stream_that_is_not_there_is_a_connector_error(self, driver: Any) -> None:
        gone = Stream(id="nobody@example.com", name="x", kind=contract_kind())
        with closing(driver.open()) as connector, pytest.raises(contract.ConnectorError):
            list(connector.changes(gone, None))


def contract_kind() -> Any:
    from connectors.types import StreamKind

    return StreamKind.CALENDAR


@pytest.fixture
def rig() -> Iterator[Rig]:
    with Rig() as made:
        yield made
