"""The weighted forecast: open deals by the month they are expected to close in."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from crm import forecast
from crm.errors import NotFound
from crm.forecast import Month
from crm.models import Deal
from crm.privacy import Viewer, member
from crm.reports import deal_rows
from crm.reports.shape import Chart, Column, Line, Report, Scope, Table, month_name

COLUMNS = (
    Column("deals", "Deals", "count", True), Column("value", "Value", "money", True),
    Column("weighted", "Weighted", "money", True),
)  # fmt: skip
PASSED, LATER, NONE = "passed", "later", "none"
WORDS = {PASSED: "Date has passed", LATER: "Later", NONE: "No date", "total": "All"}
MONTHS = 6


def table(session: Session, viewer: Viewer, scope: Scope, now: datetime) -> Table:
    """Deals whose date has passed, then a line for each month ahead, those later, and those without a date."""
    today = now.astimezone(scope.zone).date()
    found = forecast.by_month(
        session, viewer, today=today, months=MONTHS, owner_id=scope.owner_id, pipeline_id=scope.pipeline_id
    )
    if not found.total.count:
        return Table("Expected to close", COLUMNS, ())
    months = [(_key(month.first), month) for month in found.months]
    parts = [(PASSED, found.passed), *months, (LATER, found.later), (NONE, found.undated)]
    lines = tuple(_line(key, m) for key, m in parts if m.count or key not in WORDS)
    total = _line("total", found.total)
    return Table("Expected to close", COLUMNS, lines, total, (), Chart("bars", ("value", "weighted")))


def rows(session: Session, viewer: Viewer, scope: Scope, line: str, column: str, now: datetime) -> Table:
    """The deals of a month."""
    member(viewer)
    today = now.astimezone(scope.zone).date()
    rates = deal_rows.rates_on(session, [today])[today]
    where = [Deal.status == "open", *deal_rows.of_scope(scope), *_in_line(line, today)]
    return deal_rows.rows(session, where, lambda _: rates)


def _in_line(line: str, today: date) -> list[ColumnElement[bool]]:
    if line == "total":
        return []
    if line == NONE:
        return [Deal.expected_close.is_(None)]
    if line == PASSED:
        return [Deal.expected_close < today]
    if line == LATER:
        return [Deal.expected_close >= _after(today.replace(day=1), MONTHS)]
    try:
        first = date.fromisoformat(line).replace(day=1)
    except ValueError:
        raise NotFound("There is no such line in this report.") from None
    return [Deal.expected_close >= max(first, today), Deal.expected_close < _after(first, 1)]


def _after(first: date, months: int) -> date:
    total = first.year * 12 + first.month - 1 + months
    return date(total // 12, total % 12 + 1, 1)


def _key(first: date | None) -> str:
    return first.replace(day=1).isoformat() if first else NONE


def _line(key: str, month: Month) -> Line:
    label = WORDS.get(key) or month_name(date.fromisoformat(key))
    marked = "their closing date has passed" if key == PASSED else ""
    return Line(key, label, {"deals": month.count, "value": month.open, "weighted": month.weighted}, marked=marked)


REPORT = Report(
    "forecast", "Weighted forecast",
    "Open deals by the month they are expected to close in: their value, and the same times their probability.",
    "Pipeline", table, rows, frozenset({"owner", "pipeline"}),
)  # fmt: skip
