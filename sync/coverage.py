"""The coverage audit: compares what the source holds, by id, with the ledger. Names what is missing and requeues it;
never guesses and never trusts a cursor."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from connectors.errors import ConnectorError
from connectors.protocol import Connector
from connectors.protocol import Counts as ListsIds
from crm.models import Account, Ledger, Stream
from sync import accounts, known, streams, sweep
from sync.chunks import chunks
from sync.contexts import open_part, parts_of
from sync.limits import Limits
from sync.passes import account_ids
from sync.pull import remote_stream
from sync.service import Service

MISSING_SHOWN = 1000


@dataclass(slots=True)
class StreamCoverage:
    """One stream: how many ids the source has, how many of them the ledger has, and those it has not."""

    name: str
    remote: int
    ledger: int
    missing: list[str] = field(default_factory=list)

    @property
    def coverage(self) -> float:
        """Share of the source's items that the ledger accounts for; 1.0 for an empty stream."""
        return 1.0 if not self.remote else (self.remote - len(self.missing)) / self.remote


def audit(service: Service, chosen: Collection[int] = ()) -> dict[str, Any]:
    """The ``audit --json`` answer of contract.md. Gaps become pending rows, which the next pass fetches."""
    accounts = [_account(service, account_id) for account_id in account_ids(service, chosen)]
    remote = sum(s["remote"] for a in accounts for s in a["streams"])
    missing = sum(a["missing"] for a in accounts)
    return {
        "accounts": accounts,
        "coverage": 1.0 if not remote else (remote - missing) / remote,
        "missing": missing,
        "failed": sum(a["error"] is not None for a in accounts),
    }


def _account(service: Service, account_id: int) -> dict[str, Any]:
    with service.db.reading() as session:
        account = session.get_one(Account, account_id)
    found: list[StreamCoverage] = []
    error: str | None = None
    for part in parts_of(account):
        try:
            connector = open_part(service, account, part, Limits(service.sleep))
        except ConnectorError as problem:
            error = str(problem)
            continue
        try:
            found.extend(_part(service, account_id, part.name, connector))
        except ConnectorError as problem:
            error = str(problem)
        finally:
            connector.close()
    remote, missing = sum(s.remote for s in found), sum(len(s.missing) for s in found)
    return {
        "account": account.address,
        "account_id": account_id,
        "coverage": 1.0 if not remote else (remote - missing) / remote,
        "missing": missing,
        "error": error,
        "streams": [
            {
                "stream": s.name,
                "remote": s.remote,
                "ledger": s.ledger,
                "coverage": s.coverage,
                "missing": s.missing[:MISSING_SHOWN],
            }
            for s in found
        ],
    }


def _part(service: Service, account_id: int, part: str, connector: Connector) -> list[StreamCoverage]:
    if not isinstance(connector, ListsIds):
        return []
    shown = list(connector.streams())
    accounts.relearn_aliases(service, account_id, accounts.own_addresses(connector))
    with service.db.transaction() as session:
        streams.keep(session, account_id, part, shown, service.now())
    with service.db.reading() as session:
        query = select(Stream).where(
            Stream.account_id == account_id, Stream.part == part, Stream.missing_since.is_(None)
        )
        rows = list(session.scalars(query.order_by(Stream.id)))
    return [_stream(service, connector, row) for row in rows]


def _stream(service: Service, connector: ListsIds, row: Stream) -> StreamCoverage:
    remote: set[str] = set()
    begun = service.now()
    for ids in connector.ids(remote_stream(row)):
        remote.update(ids)
    with service.db.transaction() as session:
        listed = known.live_ids(session, row.id)
        missing = sorted(remote - listed)
        told = StreamCoverage(row.name, len(remote), len(remote & listed), missing)
        _requeue(session, row, missing, service)
        stored = session.get_one(Stream, row.id)
        _gone(session, stored, listed - remote, len(listed), begun)
        stored.coverage, stored.last_audit_at, stored.remote_count = told.coverage, service.now(), len(remote)
    return told


def _requeue(session: Session, row: Stream, missing: list[str], service: Service) -> None:
    """A gap gets a pending row; one whose row says removed comes back."""
    for chunk in chunks(missing):
        where = (Ledger.stream_id == row.id, Ledger.remote_id.in_(chunk))
        back = set(session.scalars(select(Ledger.remote_id).where(*where)))
        session.execute(update(Ledger).where(*where).values(state="pending", reason="audit", missing_since=None))
        fresh = [
            {
                "account_id": row.account_id, "stream_id": row.id, "remote_id": remote_id, "state": "pending",
                "reason": "audit", "generation": row.generation, "seen_at": service.now(), "flags": [], "labels": [],
            }
            for remote_id in chunk
            if remote_id not in back
        ]  # fmt: skip
        if fresh:
            session.execute(insert(Ledger), fresh)


def _gone(session: Session, row: Stream, gone: set[str], listed: int, begun: datetime) -> None:
    """Rows the source has no more, but for those seen since the audit began. When that is most of a stream, nothing is
    believed: it is listed from scratch, and the sweep takes its second look."""
    if len(gone) >= sweep.SUSPICIOUS_COUNT and len(gone) / listed >= sweep.SUSPICIOUS_SHARE:
        streams.restart_row(row)
        return
    for chunk in chunks(sorted(gone)):
        sweep.end(session, row, (Ledger.remote_id.in_(chunk), Ledger.seen_at < begun), begun)
