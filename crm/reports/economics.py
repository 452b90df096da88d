"""What customers cost to win and what they bring: acquisition cost, revenue, what is left, and value to date, by the
source of their first deal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Select, and_, case, func, select
from sqlalchemy.orm import Session

from crm import costs
from crm.currencies import Rates, Sum
from crm.errors import NotFound
from crm.models import Deal
from crm.privacy import Viewer, member
from crm.reports import deal_rows
from crm.reports.revenue import mean
from crm.reports.shape import Chart, Column, Line, Report, Scope, Table, months

COLUMNS = (
    Column("spend", "Spent", "money"), Column("customers", "New customers", "count", True),
    Column("cac", "Cost of one", "money"), Column("revenue", "Won value", "money", True),
    Column("left", "Left of it", "money"), Column("ltv", "A customer to date", "money"),
)  # fmt: skip
NAMELESS = "no source"


@dataclass(frozen=True, slots=True)
class _Found:
    """What is known of each source: spent in the period, won in it, customers that began in it; and of all time
    what those who began with it bought, and how many they are."""

    spent: dict[str, Decimal]
    revenue: dict[str, Sum]
    fresh: dict[str, int]
    lifetime: dict[str, Sum]
    ever: dict[str, int]


def table(session: Session, viewer: Viewer, scope: Scope, now: datetime) -> Table:
    """One line per source, the one with most won value first."""
    member(viewer)
    today = now.astimezone(scope.zone).date()
    rates = deal_rows.rates_on(session, [today])[today]
    found = _read(session, viewer, scope, rates)
    keys = {*found.spent, *found.revenue, *found.fresh}
    if not keys:
        return Table("Source", COLUMNS, ())
    nothing = rates.sum([])
    order = sorted(keys, key=lambda s: (-found.revenue.get(s, nothing).total, s))
    lines = tuple(
        _line(s, found.spent.get(s), found.fresh.get(s, 0), found.revenue.get(s, nothing),
              found.lifetime.get(s), found.ever.get(s, 0))
        for s in order
    )  # fmt: skip
    whole = sum(found.spent.values(), Decimal(0)) if found.spent else None
    revenue, lifetime = (deal_rows.add(sums.values(), rates.base) for sums in (found.revenue, found.lifetime))
    total = _line("total", whole, sum(found.fresh.values()), revenue, lifetime, sum(found.ever.values()))
    says = () if found.spent else ("No cost is entered for these months, so what a customer cost is not known.",)
    return Table("Source", COLUMNS, lines, total, says, Chart("bars", ("spend", "revenue")))


def _read(session: Session, viewer: Viewer, scope: Scope, rates: Rates) -> _Found:
    """Four statements."""
    first = _first_deals()
    in_period = case((and_(first.c.closed_at >= scope.first, first.c.closed_at < scope.end), 1), else_=0)
    counted = select(first.c.source, func.sum(in_period).label("fresh"), func.count().label("ever"))
    customers = session.execute(counted.group_by(first.c.source)).all()
    won = [*deal_rows.won_in(scope.first, scope.end), Deal.deleted_at.is_(None)]
    held = select(first.c.source, *_worth()).select_from(Deal).join(first, first.c.customer == _customer())
    return _Found(
        costs.of(session, viewer, [bucket.day for bucket in months(scope)]),
        _by_source(session, select(_source(Deal.source).label("source"), *_worth()).where(*won), rates),
        {row.source: row.fresh for row in customers if row.fresh},
        _by_source(session, held.where(*_won()), rates), {row.source: row.ever for row in customers},
    )  # fmt: skip


def rows(session: Session, viewer: Viewer, scope: Scope, line: str, column: str, now: datetime) -> Table:
    """The deals won in the period, or those with which new customers began."""
    member(viewer)
    today = now.astimezone(scope.zone).date()
    rates = deal_rows.rates_on(session, [today])[today]
    where = [*deal_rows.won_in(scope.first, scope.end), Deal.deleted_at.is_(None)]
    if line != "total":
        where.append(_source(Deal.source) == ("" if line == NAMELESS else line))
    if column == "customers":
        where.append(Deal.id.in_(select(_first_deals().c.deal_id)))
    elif column != "revenue":
        raise NotFound("There is no such column in this report.")
    return deal_rows.rows(session, where, lambda _: rates)


def _won() -> list[Any]:
    return [Deal.status == "won", Deal.deleted_at.is_(None), Deal.closed_at.is_not(None)]


def _source(column: Any) -> Any:
    return func.coalesce(column, "")


def _customer() -> Any:
    """Who bought: the company; a deal without one is a customer of its own."""
    return func.coalesce(Deal.company_id, -Deal.id)


def _worth() -> tuple[Any, ...]:
    return Deal.currency.label("currency"), Deal.value.label("value")


def _first_deals() -> Any:
    """The deal with which each customer began."""
    order = (Deal.closed_at, Deal.id)
    rank = func.row_number().over(partition_by=_customer(), order_by=order).label("rank")
    source = _source(Deal.source).label("source")
    columns = (Deal.id.label("deal_id"), _customer().label("customer"), source, Deal.closed_at)
    ranked = select(*columns, rank).where(*_won()).subquery()
    return select(ranked).where(ranked.c.rank == 1).subquery()


def _by_source(session: Session, query: Select[Any], rates: Rates) -> dict[str, Sum]:
    """Sums of a query with source, currency and value."""
    found = query.subquery()
    sums = select(found.c.source, found.c.currency, func.sum(found.c.value).label("value"))
    groups: dict[str, list[Any]] = {}
    for row in session.execute(sums.group_by(found.c.source, found.c.currency)):
        groups.setdefault(row.source, []).append((row.currency, deal_rows.exact(row.value)))
    return {source: rates.sum(pairs) for source, pairs in groups.items()}


def _line(
    source: str, spent: Decimal | None, customers: int, revenue: Sum, lifetime: Sum | None, ever: int
) -> Line:
    base = revenue.currency
    one = None if spent is None or not customers else Sum(base, (spent / customers).quantize(deal_rows.PENNY), ())
    cells = {
        "spend": None if spent is None else Sum(base, spent, ()), "customers": customers, "cac": one,
        "revenue": revenue, "left": None if spent is None else Sum(base, revenue.total - spent, ()),
        "ltv": mean(lifetime, ever) if lifetime else None,
    }  # fmt: skip
    return Line(source or NAMELESS, "All" if source == "total" else source or NAMELESS, cells)


REPORT = Report(
    "economics", "Cost and value of customers",
    "By the source of deals: what was spent in the months of the period, how many customers bought for the first time, "
    "cost of one = spent / new customers, the value won in the period at today's rates, left of it = won - spent, and "
    "a customer to date = all that those who began with the source ever bought / how many they are.",
    "Relations", table, rows, frozenset({"period"}),
)  # fmt: skip
