"""How long deals take from opening to winning: median and mean, by the month they were won."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from statistics import fmean, median

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.models import Deal
from crm.privacy import Viewer, member
from crm.reports import deal_rows, revenue
from crm.reports.shape import Chart, Column, Line, Report, Scope, Table, month_name, months

COLUMNS = (
    Column("deals", "Deals won", "count", True), Column("median", "Median", "days"), Column("mean", "Mean", "days"),
    Column("longest", "Longest", "days"),
)  # fmt: skip
DEALS_MAX = 50_000


def table(session: Session, viewer: Viewer, scope: Scope, now: datetime) -> Table:
    """One line per month in which deals were won."""
    member(viewer)
    buckets = months(scope)
    where = [*deal_rows.won_in(buckets[0].first, buckets[-1].end), *deal_rows.of_scope(scope)]
    query = select(Deal.created_at, Deal.closed_at).where(*where).order_by(Deal.closed_at.desc()).limit(DEALS_MAX)
    pairs = session.execute(query).all()
    taken = [(closed, (closed - opened).total_seconds() / 86_400) for opened, closed in pairs if closed]
    lines = tuple(
        _line(b.key, month_name(b.day), found)
        for b in buckets
        if (found := [days for closed, days in taken if b.first <= closed < b.end])
    )
    total = _line("total", "All", [days for _, days in taken]) if lines else None
    return Table("Month won", COLUMNS, lines, total, (), Chart("line", ("median", "mean")))


def rows(session: Session, viewer: Viewer, scope: Scope, line: str, column: str, now: datetime) -> Table:
    """The deals won in a month, or in all, with when they were opened and closed."""
    return revenue.rows(session, viewer, scope, line, column, now)


def _line(key: str, label: str, days: Sequence[float]) -> Line:
    cells = {"deals": len(days), "median": median(days), "mean": fmean(days), "longest": max(days)}
    return Line(key, label, cells)


REPORT = Report(
    "time-to-close", "Time to close",
    "Days from a deal's opening to its winning, for the deals won in each month.",
    "Won business", table, rows,
)  # fmt: skip
