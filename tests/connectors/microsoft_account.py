"""A connected Microsoft account on the model server, as the tests of the connector use it.

Holds what the product would hold: the secret with compare-and-swap, the per-account facts, and a ledger of remote ids
by stream that answers ``Context.known``.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.errors import CursorExpired, TryLater
from connectors.protocol import Context, Usage
from connectors.providers.microsoft import PROVIDER, MicrosoftMailbox
from connectors.types import Batch, CalendarEvent, Failed, RawMessage, RemoteEvents, Removed, Stream, StreamKind, Upsert
from tests.connectors.contract import NOON, Clock, make_context
from tests.emulators.microsoft import Server
from tests.emulators.microsoft.agenda import Agenda
from tests.emulators.microsoft.answers import Fault, error
from tests.emulators.microsoft.mailbox import Mailbox

ADDRESS = "rep@ourco.example"


class Account:
    """One account and the server it lives on."""

    def __init__(self, server: Server, clock: Clock, address: str = ADDRESS) -> None:
        self.server = server
        self.clock = clock
        self.address = address
        self.box: Mailbox = server.user(address)
        self.agenda: Agenda = server.agendas[address]
        self.secret = json.dumps({"refresh_token": server.identity.issue_refresh(address)})
        self.saved: list[str] = []
        self.memory: dict[str, Any] = {}
        self.settings = server.settings()
        self.config: dict[str, Any] = {"address": address}
        self.ledger: dict[str, set[str]] = defaultdict(set)
        self.usage = Usage()
        self.acquired: list[tuple[str, int]] = []
        self.winner = ""

    def context(self) -> Context:
        """A fresh context on the account."""
        base = make_context(self.config, clock=self.clock, settings=self.settings, usage=self.usage)
        return replace(
            base,
            memory=dict(self.memory),  # what was known when it was opened, as in the product
            remember=self.memory.__setitem__,
            secret=lambda: self.secret,
            save_secret=self._save,
            acquire=lambda key, units: self.acquired.append((key, units)),
            known=self._known,
        )

    def _save(self, secret: str) -> bool:
        if self.winner:  # another process saves first
            self.secret, self.winner = self.winner, ""
            return False
        self.secret = secret
        self.saved.append(secret)
        return True

    def _known(self, stream: str, remote_ids: Collection[str]) -> Collection[str]:
        return self.ledger[stream] & set(remote_ids)

    def open(self) -> MicrosoftMailbox:
        """A new connector."""
        connector = PROVIDER.open(self.context())
        assert isinstance(connector, MicrosoftMailbox)
        return connector

    def stream(self, connector: MicrosoftMailbox, name: str) -> Stream:
        """The stream of that name."""
        return next(one for one in connector.streams() if one.name == name)

    def folder(self, name: str = "Inbox") -> Stream:
        """A mail stream, without asking the server."""
        return Stream(id=self.box.folder(name).id, name=name)

    def calendar(self) -> Stream:
        """The default calendar's stream, without asking the server."""
        return Stream(id=self.agenda.default, name="Calendar", kind=StreamKind.CALENDAR)

    def fault(self, match: str, status: int, code: str, *, inner: str = "", **more: Any) -> None:
        """Order an error answer for requests whose "METHOD /path" matches."""
        headers = {k.replace("_", "-"): v for k, v in more.pop("headers", {}).items()}
        times, skip, inside = more.pop("times", 1), more.pop("skip", 0), more.pop("inside", None)
        self.server.faults.add(Fault(match, error(status, code, headers=headers, inner=inner), times, skip, inside))


class Copy:
    """What a consumer holds of one stream after applying batches."""

    def __init__(self, account: Account, stream: Stream) -> None:
        self.account = account
        self.stream = stream
        self.cursor: str | None = None
        self.held: dict[str, Upsert] = {}
        self.content: dict[str, Upsert] = {}
        self.removed: list[tuple[str, str]] = []
        self.failed: list[Failed] = []
        self.batches: list[Batch] = []
        self.listed: set[str] = set()

    def sync(self, connector: MicrosoftMailbox | None = None, **window: Any) -> Copy:
        """One pass, with a new connector unless one is given."""
        mine = connector or self.account.open()
        try:
            for batch in mine.changes(self.stream, self.cursor, **window):
                self.apply(batch)
        finally:
            if connector is None:
                mine.close()
        return self

    def again(self, **window: Any) -> Copy:
        """A listing from scratch, as after CursorExpired."""
        self.cursor = None
        self.listed = set()
        return self.sync(**window)

    def apply(self, batch: Batch) -> None:
        """Take a batch in; a listing that ends sweeps what it did not name."""
        assert len(batch.changes) <= 250
        self.batches.append(batch)
        ledger = self.account.ledger[self.stream.id]
        for change in batch.changes:
            if isinstance(change, Upsert):
                self._take(change)
                ledger.add(change.remote_id)
                self.listed.add(change.remote_id)
            elif isinstance(change, Removed):
                self.removed.append((change.remote_id, change.reason))
                self.held.pop(change.remote_id, None)
                ledger.discard(change.remote_id)
            else:
                self.failed.append(change)
        self.cursor = batch.cursor if batch.cursor is not None else self.cursor
        if batch.final:
            for lost in set(self.held) - self.listed:
                del self.held[lost]
                ledger.discard(lost)
        if not batch.listing or batch.final:
            self.listed = set()

    def recover(self, stop_after: int | None = None) -> None:
        """One pass as a worker does it: at most ``stop_after`` batches are applied, then it dies; an expired cursor
        means a listing from scratch; what is to be tried later is left for the next pass."""
        try:
            connector = self.account.open()
            for number, batch in enumerate(connector.changes(self.stream, self.cursor)):
                if number == stop_after:
                    break
                self.apply(batch)
            connector.close()
        except CursorExpired:
            self.cursor, self.listed = None, set()
        except TryLater as error:
            self.account.clock.time += timedelta(seconds=(error.retry_after or 1) + 1)

    def _take(self, change: Upsert) -> None:
        self.held[change.remote_id] = change
        if change.raw is not None:
            self.content[change.remote_id] = change

    @property
    def ids(self) -> set[str]:
        """Remote ids there now."""
        return set(self.held)

    def mail(self, remote_id: str) -> RawMessage:
        """The content last seen of a mail."""
        raw = self.content[remote_id].raw
        assert isinstance(raw, RawMessage)
        return raw

    def event(self, remote_id: str) -> CalendarEvent:
        """The event last seen under an id."""
        raw = self.content[remote_id].raw
        assert isinstance(raw, RemoteEvents)
        return raw.events[0]

    def events(self) -> list[CalendarEvent]:
        """All events there now, by start."""
        return sorted((self.event(one) for one in self.held), key=lambda one: str(one.start))


def accounts() -> Iterator[Account]:
    """For a fixture: a fresh server with one account."""
    clock = Clock()
    with Server(now=clock.now) as server:
        yield Account(server, clock)


def at(day: int, hour: int = 9, month: int = 3) -> datetime:
    """A moment in 2026, UTC."""
    return datetime(2026, month, day, hour, tzinfo=UTC)


HOUR = timedelta(hours=1)
__all__ = ["ADDRESS", "HOUR", "NOON", "Account", "Copy", "accounts", "at"]
