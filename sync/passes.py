"""Runs passes over accounts: opens each account's connectors, keeps its list of streams, pulls them in a good order,
and turns every error into the account's state. One bad stream or account never stops the others."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from connectors.errors import ConnectorError, NeedsPerson, OperatorFault, StreamGone, TryLater
from connectors.protocol import Connector, Usage
from crm.models import Account, Stream
from sync import aliases, reactions, streams, sweep, workers
from sync.apply import Counts
from sync.contexts import Part, open_part, parts_of
from sync.lease import LeaseLost
from sync.limits import Limits
from sync.pull import Progress, is_on, pull
from sync.service import Service
from sync.traces import where

log = logging.getLogger(__name__)

TRIES_WITHOUT_PROGRESS = 6
LONGEST_SLEEP = 120.0
TIDY_AFTER = 1_000
"""So many changes in a pass change what a database's planner has to know."""
SLICE = 300.0
"""Seconds one account may hold a worker while others wait."""


@dataclass(slots=True)
class StreamReport:
    """One stream's share of a pass."""

    id: int
    name: str
    kind: str
    counts: Counts = field(default_factory=Counts)
    level: bool = False
    error: str | None = None
    requests: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class AccountReport:
    """One account's share. ``state``: level, behind, deferred, needs_person or failed. ``retry_after`` in seconds."""

    account_id: int
    account: str
    state: str = "level"
    error: str | None = None
    retry_after: float | None = None
    streams: dict[int, StreamReport] = field(default_factory=dict)
    requests: int = 0
    units: int = 0
    bytes_in: int = 0
    seconds: float = 0.0

    def progress(self) -> int:
        """How much the pass changed; a drain that changes nothing stops sooner."""
        return sum(
            s.counts.stored
            + s.counts.updated
            + s.counts.removed
            + sum(s.counts.skipped.values())
            + s.counts.quarantined
            for s in self.streams.values()
        )


@dataclass(frozen=True, slots=True)
class Options:
    """``only``: mail or calendar. ``streams``: remote stream ids, all when empty. ``stop`` ends the pass between
    batches."""

    only: str | None = None
    streams: frozenset[int] = frozenset()
    watch: Callable[[int, Progress], None] = lambda account_id, progress: None
    stop: Callable[[], bool] = lambda: False


def account_ids(service: Service, chosen: Collection[int] = ()) -> list[int]:
    """Accounts that can be synced: not paused, not removed; all, or those of ``chosen``."""
    with service.db.reading() as session:
        query = select(Account.id).where(Account.removed_at.is_(None), Account.stage != "paused").order_by(Account.id)
        if chosen:
            query = query.where(Account.id.in_(chosen))
        return list(session.scalars(query))


def run(
    service: Service,
    chosen: Collection[int] = (),
    *,
    drain: bool = False,
    options: Options | None = None,
    limits: Limits | None = None,
) -> list[AccountReport]:
    """Sync these accounts (all when none is named), one after the other, here and now. ``drain`` goes on until
    level."""
    limits = limits or Limits(service.sleep)
    options = options or Options()
    ids = account_ids(service, chosen)
    return [(drain_account if drain else one_pass)(service, account_id, options, limits) for account_id in ids]


def drain_account(service: Service, account_id: int, options: Options, limits: Limits) -> AccountReport:
    """Pass after pass until every stream is level; waits as the provider asks, and where another worker is at it; gives
    up after tries without progress."""
    total: AccountReport | None = None
    idle = 0
    while True:
        report = one_pass(service, account_id, options, limits)
        idle = 0 if report.progress() else idle + 1
        total = report if total is None else _merged(total, report)
        if report.state not in ("behind", "deferred") or idle >= TRIES_WITHOUT_PROGRESS or service.stopping.is_set():
            return total
        if (wait := report.retry_after if report.retry_after is not None else min(2.0**idle, 30.0)) > LONGEST_SLEEP:
            return total
        service.sleep(wait if report.state == "deferred" or idle else 0)


def _merged(total: AccountReport, report: AccountReport) -> AccountReport:
    for stream_id, later in report.streams.items():
        earlier = total.streams.get(stream_id)
        if earlier is not None:
            later.counts.add(earlier.counts)
            later.requests += earlier.requests
            later.seconds += earlier.seconds
    report.streams = {**total.streams, **report.streams}
    report.requests += total.requests
    report.units += total.units
    report.bytes_in += total.bytes_in
    report.seconds += total.seconds
    return report


def one_pass(service: Service, account_id: int, options: Options, limits: Limits) -> AccountReport:
    """One pass over one account. Never raises for what a provider or an item does; a bug of ours is logged with its
    trace, named in the report, and stays within this account."""
    with service.db.reading() as session:
        account = session.get_one(Account, account_id)
        report = AccountReport(account_id, account.address)
        parts = parts_of(account)
    begun, usage = time.monotonic(), Usage()
    for part in parts:
        try:
            _part(service, account, part, options, limits, usage, report)
        except ConnectorError as error:
            _failed(service, report, error)
        except LeaseLost:
            report.state = "behind"
        except Exception as error:  # noqa: BLE001 - a bug of ours stays within its account, logged and shown
            log.error("account %s: unexpected %s", account_id, where(error))
            report.state, report.error = "failed", f"Internal error ({type(error).__name__}); it was logged."
            reactions.note(service, account_id, report.state, report.error, "internal")
    report.requests, report.units, report.bytes_in = usage.requests, usage.units, usage.bytes_in
    report.seconds = time.monotonic() - begun
    _settle(service, report, options)
    if report.progress() >= TIDY_AFTER:
        _tidy(service)
    return report


def _tidy(service: Service) -> None:
    """What was pulled is kept whether or not the database could be told of its size just now."""
    try:
        service.db.tidy()
    except SQLAlchemyError as error:
        log.warning("statistics were not gathered: %s", where(error))


_WORSE = ("level", "behind", "deferred", "failed", "needs_person")


def _failed(service: Service, report: AccountReport, error: ConnectorError) -> None:
    state = reactions.react(service, report.account_id, error)
    if _WORSE.index(state) >= _WORSE.index(report.state):
        report.state, report.error = state, str(error)
    if isinstance(error, TryLater):
        report.retry_after = max(report.retry_after or 0.0, error.retry_after or 0.0) or None


def _part(
    service: Service,
    account: Account,
    part: Part,
    options: Options,
    limits: Limits,
    usage: Usage,
    report: AccountReport,
) -> None:
    connector = open_part(service, account, part, limits, usage)
    try:
        found = list(connector.streams())
        with service.db.transaction() as session:
            streams.keep(session, account.id, part.name, found, service.now())
        for row in _ordered(service, account, part, options):
            if options.stop() or service.stopping.is_set():
                report.state = max(report.state, "behind", key=_WORSE.index)
                return
            _stream(service, connector, account, row, options, usage, report)
    finally:
        connector.close()


_ROLES = ("inbox", "sent", "all", "archive", "calendar", "other", "drafts", "junk", "trash")


def _ordered(service: Service, account: Account, part: Part, options: Options) -> list[Stream]:
    """Streams of this part to pull now: those that are on first, inbox and sent before the rest."""
    now = service.now()
    with service.db.reading() as session:
        query = select(Stream).where(
            Stream.account_id == account.id, Stream.part == part.name, Stream.missing_since.is_(None)
        )
        rows = [
            row
            for row in session.scalars(query)
            if (options.only in (None, row.kind))
            and (not options.streams or row.id in options.streams)
            and (row.parked_until is None or row.parked_until <= now)
        ]
    return sorted(rows, key=lambda row: (not is_on(account, row), _ROLES.index(row.role), row.name))


def _stream(
    service: Service,
    connector: Connector,
    account: Account,
    row: Stream,
    options: Options,
    usage: Usage,
    report: AccountReport,
) -> None:
    """Pull one stream; an error of its own stays its own."""
    told = report.streams.setdefault(row.id, StreamReport(row.id, row.name, row.kind))
    before, begun = usage.requests, time.monotonic()

    def watch(progress: Progress) -> None:
        told.counts = progress.counts
        options.watch(account.id, progress)

    try:
        done = pull(service, connector, account.id, row.id, workers.me(), watch, options.stop)
        told.counts, told.level = done.counts, done.level
        if not done.level:
            report.state = max(report.state, "behind", key=_WORSE.index)
    except StreamGone as error:
        told.error = str(error)
        reactions.stream_gone(service, row.id, error)
        if not error.permanent:
            report.state = max(report.state, "behind", key=_WORSE.index)
            report.error = report.error or str(error)
    except (NeedsPerson, OperatorFault, TryLater) as error:
        told.error = str(error)
        reactions.stream_error(service, row.id, error)
        raise
    finally:
        told.requests += usage.requests - before
        told.seconds += time.monotonic() - begun


def _settle(service: Service, report: AccountReport, options: Options) -> None:
    """After all streams: end sightings that have no place left, write the account's state, learn who else we are."""
    with service.db.transaction() as session:
        if report.state == "level" and not options.streams and options.only is None:
            sweep.sightings(session, report.account_id, service.now())
            for stream_id in sweep.unconfirmed(session, report.account_id, service.now()):
                streams.restart(session, stream_id)
        account = session.get_one(Account, report.account_id)
        first = account.stage in ("new", "backfill")  # a worker killed after it stored mail left this to its successor
        if report.state in ("level", "behind"):
            reactions.healthy(account, report.state, service.now())
        fed = [told.id for told in report.streams.values() if told.counts.stored or first]
        aliases.learn(session, report.account_id, fed, service.now())


def as_dict(reports: Iterable[AccountReport]) -> dict[str, Any]:
    """The ``sync --json`` answer of contract.md."""
    return {"accounts": [_account_dict(r) for r in reports]}


def _account_dict(report: AccountReport) -> dict[str, Any]:
    return {
        "account": report.account,
        "account_id": report.account_id,
        "state": report.state,
        "error": report.error,
        "requests": report.requests,
        "quota_units": report.units,
        "bytes": report.bytes_in,
        "seconds": round(report.seconds, 3),
        "streams": [
            {
                "stream": s.name,
                "kind": s.kind,
                "level": s.level,
                "error": s.error,
                "listed": s.counts.listed,
                "stored": s.counts.stored,
                "updated": s.counts.updated,
                "removed": s.counts.removed,
                "skipped": dict(sorted(s.counts.skipped.items())),
                "quarantined": s.counts.quarantined,
                "pending": s.counts.pending,
                "requests": s.requests,
                "seconds": round(s.seconds, 3),
            }
            for s in report.streams.values()
        ],
    }
