"""Who reaches their goal: what each person is to win in the period's months, and what they won."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm import goals
from crm.currencies import Sum
from crm.models import Deal, User
from crm.privacy import Viewer, member
from crm.reports import deal_rows, revenue
from crm.reports.shape import Bucket, Chart, Column, Line, Report, Scope, Table, months

COLUMNS = (
    Column("goal", "Goal", "money"), Column("value", "Won value", "money", True),
    Column("deals", "Deals won", "count", True), Column("share", "Reached", "share"),
    Column("open", "Still to win", "money"),
)  # fmt: skip


def table(session: Session, viewer: Viewer, scope: Scope, now: datetime) -> Table:
    """One line per active person, and per one who left but won in the period; the one furthest along first."""
    member(viewer)
    buckets = months(scope)
    set_ = goals.of(session, viewer, [b.day for b in buckets])
    number = deal_rows.bucket_of(Deal.closed_at, buckets).label("number")
    where = [*deal_rows.won_in(buckets[0].first, buckets[-1].end), *deal_rows.of_scope(scope)]
    sums = func.count().label("deals"), func.sum(Deal.value).label("value")
    query = select(Deal.owner_id, number, Deal.currency, *sums)
    found = session.execute(query.where(*where).group_by(Deal.owner_id, number, Deal.currency)).all()
    people = session.execute(select(User.id, User.name, User.active, User.role).order_by(User.name)).all()
    days = [revenue.rate_day(b, now) for b in buckets]
    rates = deal_rows.rates_on(session, days)
    lines = [
        _line(str(p.id), p.name, _goal(set_, p.id, buckets), [r for r in found if r.owner_id == p.id], rates, days)
        for p in people
        if scope.owner_id in (None, p.id)
    ]
    shown = [line for line in lines if line.cells["goal"] is not None or line.cells["deals"]]
    shown.sort(key=lambda line: -(line.cells["share"] or 0.0))  # type: ignore[operator]
    total = _line("total", "All", _all(shown), found, rates, days) if shown else None
    says = () if any(line.cells["goal"] is not None for line in shown) else ("No goal is set for these months.",)
    return Table("Person", COLUMNS, tuple(shown), total, says, Chart("bars", ("goal", "value")))


def rows(session: Session, viewer: Viewer, scope: Scope, line: str, column: str, now: datetime) -> Table:
    """The deals somebody won, or all."""
    member(viewer)
    buckets = months(scope)
    where = [*deal_rows.won_in(buckets[0].first, buckets[-1].end), *deal_rows.of_scope(scope)]
    if line != "total":
        where.append(Deal.owner_id == deal_rows.number_of(line))
    return deal_rows.rows(session, where, revenue.at_closing(session, buckets, now))


def _goal(set_: dict[tuple[int, date], Decimal], user_id: int, buckets: Sequence[Bucket]) -> Decimal | None:
    """The sum over the months that have one; None when none has. A month that the period cuts counts whole."""
    held = [g for b in buckets if (g := set_.get((user_id, b.day.replace(day=1)))) is not None]
    return sum(held, Decimal(0)) if held else None


def _all(lines: Sequence[Line]) -> Decimal | None:
    held = [goal.total for line in lines if isinstance(goal := line.cells["goal"], Sum)]
    return sum(held, Decimal(0)) if held else None


def _line(key: str, label: str, goal: Decimal | None, found: Sequence[Any], rates: Any, days: Sequence[date]) -> Line:
    sums = [rates[days[row.number]].sum([(row.currency, deal_rows.exact(row.value))]) for row in found]
    value = deal_rows.add(sums, rates[days[-1]].base)
    left = None if goal is None else Sum(value.currency, max(Decimal(0), goal - value.total), ())
    cells = {
        "goal": None if goal is None else Sum(value.currency, goal, ()), "value": value,
        "deals": sum(row.deals for row in found), "share": float(value.total / goal) if goal else None, "open": left,
    }  # fmt: skip
    reached = goal is not None and value.total >= goal
    return Line(key, label, cells, marked="goal reached" if reached else "")


REPORT = Report(
    "goals", "Goals",
    "What each person is to win in the months of the period, and the value of the deals of theirs won in it at the "
    "rate of each month's end.",
    "Team", table, rows, period="month",
)  # fmt: skip
