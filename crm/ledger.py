"""Reading the ledger for people: what became of every remote item, by state and reason, and the streams it is kept for.

Ids, states and reasons only: no subject, no address of an item ever leaves here. Owners see their accounts', admins
all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.errors import NotFound
from crm.models import Account, Ledger, Stream
from crm.privacy import Viewer, ledger_visible

PAGE_MAX = 200


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One remote item. ``communication_id`` only where it is stored."""

    id: int
    stream: str
    remote_id: str
    state: str
    reason: str | None
    attempts: int
    error: str | None
    seen_at: datetime
    communication_id: int | None


@dataclass(frozen=True, slots=True)
class Tally:
    """How many items of an account are in one state for one reason."""

    state: str
    reason: str | None
    count: int


def account(session: Session, viewer: Viewer, account_id: int) -> Account:
    """The account, for those who may open its ledger. Raises NotFound for everybody else."""
    found = session.scalar(select(Account).where(Account.id == account_id, ledger_visible(viewer)))
    if found is None:
        raise NotFound("There is no such account.")
    return found


def streams(session: Session, viewer: Viewer, account_id: int) -> list[Stream]:
    """The account's folders and calendars by name. Raises NotFound."""
    account(session, viewer, account_id)
    return list(
        session.scalars(select(Stream).where(Stream.account_id == account_id).order_by(Stream.kind.desc(), Stream.name))
    )


def tallies(session: Session, viewer: Viewer, account_id: int | None = None) -> list[Tally]:
    """Counts by state and reason, the largest first; of one account, or of all the viewer may open."""
    query = (
        select(Ledger.state, Ledger.reason, func.count())
        .join(Account, Account.id == Ledger.account_id)
        .where(ledger_visible(viewer), Account.removed_at.is_(None))
        .group_by(Ledger.state, Ledger.reason)
        .order_by(func.count().desc(), Ledger.state, Ledger.reason)
    )
    if account_id is not None:
        query = query.where(Ledger.account_id == account_id)
    return [Tally(state, reason, count) for state, reason, count in session.execute(query)]


def page(
    session: Session, viewer: Viewer, account_id: int, *, state: str = "", reason: str = "",
    stream_id: int | None = None,
    before: int | None = None, limit: int = 50,
) -> list[LedgerRow]:  # fmt: skip
    """Rows, newest first; ``before`` is the id the page before ended with. Raises NotFound."""
    account(session, viewer, account_id)
    query = (
        select(Ledger, Stream.name)
        .join(Stream, Stream.id == Ledger.stream_id)
        .where(Ledger.account_id == account_id)
        .order_by(Ledger.id.desc())
        .limit(min(limit, PAGE_MAX))
    )
    if state:
        query = query.where(Ledger.state == state)
    if reason:
        query = query.where(Ledger.reason == reason)
    if stream_id is not None:
        query = query.where(Ledger.stream_id == stream_id)
    if before is not None:
        query = query.where(Ledger.id < before)
    return [
        LedgerRow(r.id, name, r.remote_id, r.state, r.reason, r.attempts, r.error, r.seen_at, r.communication_id)
        for r, name in session.execute(query)
    ]


def accounts(session: Session, viewer: Viewer) -> list[Account]:
    """Accounts whose ledger the viewer may open, connected ones only, by address."""
    query = select(Account).where(ledger_visible(viewer), Account.removed_at.is_(None))
    return list(session.scalars(query.order_by(Account.address, Account.id)))
