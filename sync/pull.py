"""pull: brings one stream level. Get a batch from the connector, decide, apply it with its cursor, repeat.

    lease -> connector.changes(stream, cursor) -> parse -> screen -> match -> plan -> apply + cursor (one transaction)

No session is open while the connector talks. The cursor is written in the transaction of the rows it covers, so it
never moves past an item that is not in the ledger. A batch that is refused is applied item by item, and the item at
fault is quarantined by name. After a holder of the lease was killed twice, items are marked before each is worked on,
so that one which kills its worker is found out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from connectors.errors import ConnectorError, CursorExpired
from connectors.protocol import Connector, Fetches
from connectors.protocol import Counts as ListsIds
from connectors.types import Batch, Change, Failed, Removed, StreamKind, StreamRole, Upsert
from connectors.types import Stream as RemoteStream
from crm.database import is_race
from crm.models import Account, Stream
from sync import known, lease, sweep, workers
from sync.apply import MAX_ATTEMPTS, Counts, Place, apply
from sync.arrive import Arrival, occurred_at, parse
from sync.intents import Intent
from sync.lease import Lease, LeaseLost
from sync.plan import Entry, last_words, plan
from sync.policy import policy_of
from sync.screen import Policy
from sync.service import Service
from sync.traces import where

log = logging.getLogger(__name__)

PASSES_ON = (OperationalError, LeaseLost, ConnectorError)
"""What is no item's fault: the database is away, the lease is lost, the provider speaks."""
NOT_THE_ITEMS = 3
"""So many items that all fail, and none that does not, have nothing wrong with them."""
CRASHES_UNTIL_CAREFUL = 2
RESETS_ALLOWED = 5
PARKED = timedelta(hours=6)


@dataclass(slots=True)
class Progress:
    """Told after each batch: stream id, counts so far, how many the stream holds."""

    stream_id: int
    name: str
    counts: Counts
    total: int | None


@dataclass(slots=True)
class Pulled:
    """What one pass over one stream did. ``level`` says that nothing is left to fetch."""

    counts: Counts = field(default_factory=Counts)
    level: bool = False
    busy: bool = False


Watch = Callable[[Progress], None]


def remote_stream(row: Stream) -> RemoteStream:
    """The connector's own value for a stored stream."""
    return RemoteStream(
        row.remote_id, row.name, StreamKind(row.kind), StreamRole(row.role), row.default_on, row.remote_count
    )


def is_on(account: Account, row: Stream) -> bool:
    """Whether a stream is synced: the person's choice for it, else the account's lists, else the connector's
    default."""
    if row.selected is not None:
        return row.selected
    if any(row.name.lower() == name.lower() for name in account.exclude_folders):
        return False
    if account.include_folders and row.kind == "mail":
        return any(row.name.lower() == name.lower() for name in account.include_folders)
    return row.default_on


def pull(
    service: Service,
    connector: Connector,
    account_id: int,
    stream_id: int,
    owner: str,
    watch: Watch,
    stop: Callable[[], bool] = lambda: False,
) -> Pulled:
    """Bring one stream level, or as far as ``stop()`` lets it. Raises ConnectorError, and LeaseLost when overtaken."""
    with service.db.transaction() as session:
        held = lease.take(session, stream_id, owner, service.now(), workers.is_alive)
        if held is None:
            return Pulled(busy=True)
        careful = _crashes(session, held)
    try:
        return _Puller(service, connector, account_id, held, watch, stop, careful).run()
    finally:
        with service.db.transaction() as session:
            lease.give_back(session, held)


def _crashes(session: Session, held: Lease) -> bool:
    """Count unclean ends; from the second on, work carefully."""
    row = session.get_one(Stream, held.stream_id)
    row.failures = row.failures + 1 if held.unclean else row.failures
    return held.unclean and row.failures >= CRASHES_UNTIL_CAREFUL


@dataclass(slots=True)
class _Puller:
    service: Service
    connector: Connector
    account_id: int
    lease: Lease
    watch: Watch
    stop: Callable[[], bool]
    careful: bool
    done: Pulled = field(default_factory=Pulled)

    def run(self) -> Pulled:
        with self.service.db.transaction() as session:
            account, row = self._rows(session)
            remote, on, cursor = remote_stream(row), is_on(account, row), row.cursor
            since = account.since
            row.last_attempt_at = self.service.now()
        if not on:
            self._list_only(remote)
            return self.done
        if self._again(remote) and self._changes(remote, cursor, since) and self._again(remote):
            self._succeeded()
        return self.done

    def _again(self, remote: RemoteStream) -> bool:
        """Fetch by id what is pending and what quarantine lets go; False when told to stop. Each is asked for once."""
        if not isinstance(self.connector, Fetches):
            return True
        below: int | None = None
        while True:
            with self.service.db.reading() as session:
                rows = known.to_fetch_again(session, self.lease.stream_id, self.service.now(), below)
            if not rows:
                return True
            if not self._each(self.connector.fetch(remote, [remote_id for _, remote_id in rows]), moves_cursor=False):
                return False
            below = rows[-1][0]

    def _succeeded(self) -> None:
        """Level. A stream whose emptiness is not believed yet keeps saying so."""
        with self.service.db.transaction() as session:
            lease.renew(session, self.lease, self.service.now())
            _, row = self._rows(session)
            row.last_success_at, row.failures = self.service.now(), 0
            if row.sweep_after is None:
                row.error, row.error_code = None, None
        self.done.level = True

    def _changes(self, remote: RemoteStream, cursor: str | None, since: datetime | None) -> bool:
        """Follow the cursor; when the server does not know it any more, list from scratch, once. True when level."""
        try:
            return self._each(self.connector.changes(remote, cursor, oldest=since), moves_cursor=True)
        except CursorExpired as expired:
            if not self._reset(expired):
                return False
            return self._each(self.connector.changes(remote, None, oldest=since), moves_cursor=True)

    def _reset(self, expired: CursorExpired) -> bool:
        """Start a new generation. A stream that is reset again and again is parked, and says so."""
        now = self.service.now()
        with self.service.db.transaction() as session:
            lease.renew(session, self.lease, now)
            _, row = self._rows(session)
            if row.resets_since is None or now - row.resets_since > timedelta(days=1):
                row.resets, row.resets_since = 0, now
            row.resets += 1
            row.cursor, row.generation, row.listing, row.listed = None, row.generation + 1, True, 0
            row.error, row.error_code = str(expired), expired.code
            if row.resets > RESETS_ALLOWED:
                row.parked_until = now + PARKED
                row.error = f"{row.name} was renumbered {row.resets} times in a day; it is looked at again in 6 hours."
                row.error_code = "resets"
                return False
        log.info("stream %s: listing from scratch (%s)", self.lease.stream_id, expired.code)
        return True

    def _each(self, batches: Iterator[Batch], *, moves_cursor: bool) -> bool:
        """Apply batch after batch; True when the connector had no more."""
        for batch in batches:
            self._batch(batch, moves_cursor)
            if self.stop() or self.service.stopping.is_set():
                return False
        return True

    def _batch(self, batch: Batch, moves_cursor: bool) -> None:
        """Apply a batch with its cursor; where that is refused, item by item, and then the cursor."""
        changes, place = last_words(batch.changes), batch if moves_cursor else None
        if self.careful:
            for change in changes:
                self._carefully(change)
            self._commit([], place)
            return
        entries = [_entry(change) for change in changes]
        try:
            self._twice(entries, place)
        except PASSES_ON:
            raise
        except Exception as error:  # noqa: BLE001 - promise 1: one item never holds up the others; it is found and named
            log.warning("stream %s: a batch was refused (%s); item by item", self.lease.stream_id, type(error).__name__)
            self._singly(entries)
            self._commit([], place)

    def _twice(self, entries: Sequence[Entry], place: Batch | None) -> None:
        """Commit; where another worker stored the same mail or thread at the same moment, once more: what it wrote is
        seen now."""
        try:
            self._commit(entries, place)
        except DBAPIError as error:
            if not is_race(error):
                raise
            self._commit(entries, place)

    def _carefully(self, change: Change) -> None:
        """Note the attempt before any work on the item; one that ended its worker three times is quarantined."""
        if isinstance(change, Upsert) and self._attempt(change) > MAX_ATTEMPTS:
            change = Failed(change.remote_id, "Working on this item ended the worker three times.", "crash")
        self._singly([_entry(change)])

    def _singly(self, entries: Sequence[Entry]) -> None:
        """Apply each alone, and quarantine by name those that cannot be. When none can, the fault is ours: it is
        raised."""
        failed: list[tuple[Entry, Exception]] = []
        for entry in entries:
            try:
                self._commit([entry], None)
            except PASSES_ON:
                raise
            except Exception as error:  # noqa: BLE001 - named in the ledger and, without content, in the log
                failed.append((entry, error))
        if len(failed) == len(entries) >= NOT_THE_ITEMS and not any(isinstance(e, SQLAlchemyError) for _, e in failed):
            raise failed[0][1]
        for entry, fault in failed:
            self._commit([self._refused(entry, fault)], None)

    def _refused(self, entry: Entry, error: Exception) -> Failed:
        """What the ledger says of an item that could not be applied."""
        remote_id, name = (
            entry.upsert.remote_id if isinstance(entry, Arrival) else entry.remote_id,
            type(error).__name__,
        )
        if isinstance(error, SQLAlchemyError):
            return Failed(remote_id, f"The database refused this item ({name}).", "refused")
        log.error("stream %s, item %s: %s", self.lease.stream_id, remote_id, where(error))
        return Failed(remote_id, f"This item met an error of ours ({name}).", "internal")

    def _attempt(self, upsert: Upsert) -> int:
        """Note, before the work, that it is tried; returns how often it was."""
        with self.service.db.transaction() as session:
            lease.renew(session, self.lease, self.service.now())
            account, row = self._rows(session)
            return known.note_attempt(session, account, row, upsert, self.service.now())

    def _commit(self, entries: Sequence[Entry], batch: Batch | None) -> None:
        """One transaction: rows, links, ledger, cursor."""
        now = self.service.now()
        with self.service.db.transaction() as session:
            lease.renew(session, self.lease, now)
            account, row = self._rows(session)
            policy = policy_of(session, self.service.vault, account, on=True)
            place = Place(account, row, now)
            counts = apply(session, place, self._plan(session, row, entries, policy, now), policy)
            if batch is not None:
                _advance(session, row, batch, now)
            if account.stage == "new":
                account.stage = "backfill"
            total, name = row.remote_count, row.name
        self.done.counts.add(counts)
        self.watch(Progress(self.lease.stream_id, name, self.done.counts, total))

    def _plan(
        self, session: Session, row: Stream, entries: Sequence[Entry], policy: Policy, now: datetime
    ) -> list[Intent]:
        arrivals = [e for e in entries if isinstance(e, Arrival)]
        occurred = {a.upsert.remote_id: occurred_at(a, now) for a in arrivals if a.envelope}
        return list(plan(entries, known.gather(session, row.id, entries), policy, occurred))

    def _list_only(self, remote: RemoteStream) -> None:
        """A folder that is switched off: its ids get a row each, and nothing is fetched."""
        if not isinstance(self.connector, ListsIds):
            self.done.level = True
            return
        live: set[str] = set()
        for ids in self.connector.ids(remote):
            live.update(ids)
        with self.service.db.transaction() as session:
            before = known.live_ids(session, self.lease.stream_id)
        fresh: list[Entry] = [Arrival(Upsert(i, skip="folder_off")) for i in sorted(live - before)]
        gone: list[Entry] = [Removed(i) for i in sorted(before - live)]
        for start in range(0, len(fresh) + len(gone), 1000):
            self._commit([*fresh, *gone][start : start + 1000], None)
        with self.service.db.transaction() as session:
            lease.renew(session, self.lease, self.service.now())
            _, row = self._rows(session)
            row.remote_count, row.last_success_at, row.error, row.error_code = len(live), self.service.now(), None, None
            row.cursor, row.failures = None, 0
        self.done.level = True

    def _rows(self, session: Session) -> tuple[Account, Stream]:
        return session.get_one(Account, self.account_id), session.get_one(Stream, self.lease.stream_id)


def _entry(change: Change) -> Entry:
    return parse(change) if isinstance(change, Upsert) else change


def _advance(session: Session, row: Stream, batch: Batch, now: datetime) -> None:
    """Move the cursor with its rows; at the end of a listing from scratch, sweep what it did not show."""
    if batch.cursor is not None:
        row.cursor = batch.cursor
    if batch.total is not None:
        row.remote_count = batch.total
    if batch.listing:
        row.listed += len(batch.changes)
    if batch.final:
        row.listing = False
        sweep.generation(session, row, now)
