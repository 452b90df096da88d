"""What each person is to win in a month, entered by those who lead the team, in the workspace currency."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from crm import audit
from crm.errors import NotAllowed, NotFound, Refused
from crm.models import Goal, User
from crm.once import insert_once
from crm.privacy import Viewer, member

VALUE_MAX = Decimal(10) ** 12


def put(session: Session, viewer: Viewer, user_id: int, month: date, amount: Decimal | None, *, now: datetime) -> None:
    """Set somebody's goal of a month (any day of it), or take it away with None. Raises NotAllowed for who doesn't
    lead, NotFound for nobody, Refused for an amount that can't be."""
    if not viewer.leads:
        raise NotAllowed("Goals are set by managers and admins.")
    if session.get(User, user_id) is None:
        raise NotFound("There is no such person.")
    if amount is not None and not (amount.is_finite() and 0 <= amount < VALUE_MAX):
        raise Refused("A goal is an amount from 0.", "amount")
    first = month.replace(day=1)
    row = session.scalar(select(Goal).where(Goal.user_id == user_id, Goal.month == first))
    before = row.amount if row is not None else None
    if before == amount:
        return
    if amount is None:
        session.execute(delete(Goal).where(Goal.user_id == user_id, Goal.month == first))
    else:
        insert_once(session, Goal, {"user_id": user_id, "month": first, "amount": amount})
        session.execute(update(Goal).where(Goal.user_id == user_id, Goal.month == first).values(amount=amount))
    detail = {"month": first.isoformat(), "from": _plain(before), "to": _plain(amount)}
    audit.record(session, actor_id=viewer.user_id, action="goal.put", subject_id=user_id, detail=detail, now=now)


def of(session: Session, viewer: Viewer, months: Iterable[date]) -> dict[tuple[int, date], Decimal]:
    """Goals by person and first day of the month. They are the team's to see."""
    member(viewer)
    query = select(Goal.user_id, Goal.month, Goal.amount).where(Goal.month.in_({day.replace(day=1) for day in months}))
    return {(user_id, month): amount for user_id, month, amount in session.execute(query)}


def _plain(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:f}"
