"""Won value by month of closing, each month at the rates in force at its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.currencies import Rates, Sum
from crm.models import Deal
from crm.privacy import Viewer, member
from crm.reports import deal_rows
from crm.reports.shape import Bucket, Chart, Column, Line, Report, Scope, Table, cut, month_name, months

COLUMNS = (
    Column("deals", "Deals won", "count", True), Column("value", "Won value", "money", True),
    Column("mean", "Mean deal", "money"),
)  # fmt: skip


def table(session: Session, viewer: Viewer, scope: Scope, now: datetime) -> Table:
    """One line a month from the first win on, the oldest first; a month without a win is said to be one."""
    member(viewer)
    buckets = months(scope)
    number = deal_rows.bucket_of(Deal.closed_at, buckets).label("number")
    query = select(number, Deal.currency, func.count().label("deals"), func.sum(Deal.value).label("value"))
    where = [*deal_rows.won_in(buckets[0].first, buckets[-1].end), *deal_rows.of_scope(scope)]
    found = session.execute(query.where(*where).group_by(number, Deal.currency)).all()
    if not found:
        return Table("Month", COLUMNS, (), None, (), None)
    rates = deal_rows.rates_on(session, [rate_day(b, now) for b in buckets])
    lines = tuple(
        _line(b, [row for row in found if row.number == n], rates[rate_day(b, now)]) for n, b in enumerate(buckets)
    )
    begun = next(n for n, line in enumerate(lines) if line.cells["deals"])
    says = cut(scope, buckets, "months") if begun == 0 else ()
    return Table("Month", COLUMNS, lines[begun:], _total(lines), says, Chart("bars", ("value",)))


def rows(session: Session, viewer: Viewer, scope: Scope, line: str, column: str, now: datetime) -> Table:
    """The deals won in a month, or in all."""
    member(viewer)
    buckets = months(scope)
    chosen = Bucket(buckets[0].first, buckets[-1].end) if line == "total" else deal_rows.bucket_named(buckets, line)
    where = [*deal_rows.won_in(chosen.first, chosen.end), *deal_rows.of_scope(scope)]
    return deal_rows.rows(session, where, at_closing(session, buckets, now))


def at_closing(session: Session, buckets: Sequence[Bucket], now: datetime) -> Callable[[Deal], Rates]:
    """The rates of the month in which a deal was won."""
    days = [rate_day(b, now) for b in buckets]
    rates = deal_rows.rates_on(session, days)

    def of(deal: Deal) -> Rates:
        inside = (d for b, d in zip(buckets, days, strict=True) if deal.closed_at and b.first <= deal.closed_at < b.end)
        return rates[next(inside, days[-1])]

    return of


def rate_day(bucket: Bucket, now: datetime) -> date:
    """The day whose rates count: the bucket's last one, today while it runs."""
    last = (bucket.end - timedelta(seconds=1)).date()
    return min(last, now.astimezone(bucket.first.tzinfo).date())


def _line(bucket: Bucket, found: Sequence[Any], rates: Rates) -> Line:
    deals: int = sum(row.deals for row in found)
    value = rates.sum((row.currency, deal_rows.exact(row.value)) for row in found)
    return Line(bucket.key, month_name(bucket.day), {"deals": deals, "value": value, "mean": mean(value, deals)})


def _total(lines: Sequence[Line]) -> Line:
    sums = [line.cells["value"] for line in lines]
    value = deal_rows.add([s for s in sums if isinstance(s, Sum)], next(s.currency for s in sums if isinstance(s, Sum)))
    deals = sum(int(line.cells["deals"]) for line in lines if isinstance(line.cells["deals"], int))
    return Line("total", "All", {"deals": deals, "value": value, "mean": mean(value, deals)})


def mean(value: Sum, deals: int) -> Sum | None:
    """A deal's share of a sum, None without deals."""
    if not deals:
        return None
    return Sum(value.currency, (value.total / deals).quantize(Decimal("0.01")), ())


REPORT = Report(
    "revenue", "Revenue by month",
    "The value of the deals won in each month, by the day they were closed, in the workspace currency at the rate of "
    "the month's end.",
    "Won business", table, rows,
)  # fmt: skip
