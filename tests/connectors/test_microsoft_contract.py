"""The contract suite over Microsoft 365, on the model server."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from connectors.types import Batch, Cursor, Removed, Stream, Upsert
from tests.connectors.contract import ConnectorContract
from tests.connectors.microsoft_account import Account, accounts


class Recorded:
    """A connector whose account's ledger is what a consumer holds that resumes from the given cursor."""

    def __init__(self, account: Account, snapshots: dict[tuple[str, Cursor], set[str]]) -> None:
        self._account = account
        self._snapshots = snapshots
        self._connector = account.open()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connector, name)

    def ids(self, stream: Stream) -> Iterator[Collection[str]]:
        return self._connector.ids(stream)

    def fetch(self, stream: Stream, remote_ids: Collection[str]) -> Iterator[Batch]:
        return self._connector.fetch(stream, remote_ids)

    def changes(self, stream: Stream, since: Cursor | None, **window: Any) -> Iterator[Batch]:
        held = set(self._snapshots.get((stream.id, since), ())) if since else set()
        self._account.ledger[stream.id] = held
        for batch in self._connector.changes(stream, since, **window):
            yield batch
            held.update(one.remote_id for one in batch.changes if isinstance(one, Upsert))
            held.difference_update(one.remote_id for one in batch.changes if isinstance(one, Removed))
            if batch.cursor:
                self._snapshots[stream.id, batch.cursor] = set(held)


class Driver:
    """The model server as the suite drives it."""

    can: Collection[str] = ("flags", "remove", "move", "old", "incremental")
    main = "Inbox"
    other = "Archive"

    def __init__(self, account: Account) -> None:
        self.account = account
        self.snapshots: dict[tuple[str, Cursor], set[str]] = {}

    def open(self) -> Any:
        return Recorded(self.account, self.snapshots)

    def deliver(self, folder: str, data: bytes, *, received: datetime | None = None) -> None:
        self.account.clock.time += timedelta(seconds=1)
        self.account.box.deliver(folder, data, received)

    def deliver_many(self, folder: str, mails: Collection[bytes]) -> None:
        for one in mails:
            self.deliver(folder, one)

    def flag(self, folder: str, message_id: str, flag: str) -> None:
        changes = {"\\Flagged": {"flag": {"flagStatus": "flagged"}}, "\\Seen": {"isRead": True}}
        self.account.box.update(message_id, **changes[flag])

    def delete(self, folder: str, message_id: str) -> None:
        self.account.box.delete(message_id)

    def move(self, folder: str, message_id: str, target: str) -> None:
        self.account.box.move(message_id, target)

    def advance(self, seconds: float) -> None:
        self.account.clock.time += timedelta(seconds=seconds)


class TestMicrosoft(ConnectorContract):
    """Runs every promise of the suite."""

    @pytest.fixture
    def driver(self, account: Account) -> Driver:
        return Driver(account)


@pytest.fixture
def account() -> Iterator[Account]:
    yield from accounts()
