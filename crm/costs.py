"""What was spent to win customers, by month and source of leads, entered by those who lead the team, in the workspace
currency. "" is the source of what no source is told of."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from crm import audit
from crm.errors import NotAllowed, Refused
from crm.models import Cost, Deal
from crm.once import insert_once
from crm.privacy import Viewer, member

VALUE_MAX = Decimal(10) ** 12
SOURCES_MAX = 50


def put(
    session: Session, viewer: Viewer, month: date, source: str, amount: Decimal | None, *, now: datetime
) -> None:
    """Set what a source cost in a month (any day of it), or take it away with None. Raises NotAllowed for who doesn't
    lead, Refused for an amount that can't be."""
    if not viewer.leads:
        raise NotAllowed("Costs are entered by managers and admins.")
    if amount is not None and not (amount.is_finite() and 0 <= amount < VALUE_MAX):
        raise Refused("A cost is an amount from 0.", "amount")
    first = month.replace(day=1)
    row = session.scalar(select(Cost).where(Cost.month == first, Cost.source == source))
    before = row.amount if row is not None else None
    if before == amount:
        return
    same = Cost.month == first, Cost.source == source
    if amount is None:
        session.execute(delete(Cost).where(*same))
    else:
        insert_once(session, Cost, {"month": first, "source": source, "amount": amount})
        session.execute(update(Cost).where(*same).values(amount=amount))
    detail = {"month": first.isoformat(), "source": source, "to": None if amount is None else f"{amount:f}"}
    audit.record(session, actor_id=viewer.user_id, action="cost.put", detail=detail, now=now)


def of(session: Session, viewer: Viewer, months: Iterable[date]) -> dict[str, Decimal]:
    """What each source cost in these months together; a source without an entry is not in it."""
    member(viewer)
    query = select(Cost.source, func.sum(Cost.amount)).where(Cost.month.in_({day.replace(day=1) for day in months}))
    return {source: Decimal(str(amount)) for source, amount in session.execute(query.group_by(Cost.source))}


def sources(session: Session) -> list[str]:
    """The sources that deals have, the most used first; "" at the end."""
    query = select(Deal.source).where(Deal.source.is_not(None), Deal.source != "", Deal.deleted_at.is_(None))
    used = query.group_by(Deal.source).order_by(func.count().desc(), Deal.source).limit(SOURCES_MAX)
    return [*(source for source in session.scalars(used) if source), ""]
