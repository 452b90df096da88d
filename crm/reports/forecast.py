"""The weighted forecast: open deals by the month they are expected to close in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, extract, func, select
from sqlalchemy.orm import Session

from crm.currencies import Rates
from crm.errors import NotFound
from crm.models import Deal, Stage
from crm.privacy import Viewer, member
from crm.reports import deal_rows
from crm.reports.shape import Chart, Column, Line, Report, Scope, Table, month_name

COLUMNS = (
    Column("deals", "Deals", "count", True), Column("value", "Value", "money", True),
    Column("weighted", "Weighted", "money", True),
)  # fmt: skip
PASSED, NONE = "passed", "none"


def table(session: Session, viewer: Viewer, scope: Scope, now: datetime) -> Table:
    """Deals whose date has passed, then one line a month, then those without a date."""
    member(viewer)
    today = now.astimezone(scope.zone).date()
    rates = deal_rows.rates_on(session, [today])[today]
    passed = (Deal.expected_close < today).label("passed")
    year, month = (extract(part, Deal.expected_close).label(part) for part in ("year", "month"))
    chance = deal_rows.chance().label("percent")
    query = (
        select(passed, year, month, chance, Deal.currency, func.count().label("deals"),
               func.sum(Deal.value).label("value"))
        .join(Stage, Stage.id == Deal.stage_id)
        .where(Deal.status == "open", *deal_rows.of_scope(scope))
        .group_by(passed, year, month, chance, Deal.currency)
    )  # fmt: skip
    groups: dict[str, list[Any]] = {}
    for row in session.execute(query):
        groups.setdefault(_key(row), []).append(row)
    order = sorted(groups, key=lambda key: (key == NONE, key != PASSED, key))
    lines = tuple(_line(key, _label(key), groups[key], rates) for key in order)
    everything = [row for found in groups.values() for row in found]
    total = _line("total", "All", everything, rates) if lines else None
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
    try:
        first = date.fromisoformat(line).replace(day=1)
    except ValueError:
        raise NotFound("There is no such line in this report.") from None
    following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return [Deal.expected_close >= max(first, today), Deal.expected_close < following]


def _key(row: Any) -> str:
    if row.year is None:
        return NONE
    return PASSED if row.passed else date(int(row.year), int(row.month), 1).isoformat()


def _label(key: str) -> str:
    words = {NONE: "No date", PASSED: "Date has passed"}
    return words[key] if key in words else month_name(date.fromisoformat(key))


def _line(key: str, label: str, found: Sequence[Any], rates: Rates) -> Line:
    held = [(row.currency, deal_rows.exact(row.value)) for row in found]
    likely = [(c, deal_rows.weighted(v, row.percent)) for (c, v), row in zip(held, found, strict=True)]
    deals: int = sum(row.deals for row in found)
    marked = "their closing date has passed" if key == PASSED else ""
    return Line(key, label, {"deals": deals, "value": rates.sum(held), "weighted": rates.sum(likely)}, marked=marked)


REPORT = Report(
    "forecast", "Weighted forecast",
    "Open deals by the month they are expected to close in: their value, and the same times their probability.",
    "Pipeline", table, rows, frozenset({"owner", "pipeline"}),
)  # fmt: skip
