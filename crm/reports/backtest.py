"""Was the forecast right: the weighted value of the deals that were open when a month began, against what of those very
deals was won since. Where all have come to an end, the two should be near each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, case, func, literal, select, union_all
from sqlalchemy.orm import Session

from crm.currencies import Rates
from crm.errors import NotFound
from crm.forecast import weighted
from crm.models import Deal
from crm.privacy import Viewer, member
from crm.reports import deal_rows, pipeline
from crm.reports.shape import Bucket, Chart, Column, Line, Report, Scope, Table, month_name, months

MONTHS = 6
COLUMNS = (
    Column("deals", "Open then", "count", True), Column("weighted", "Weighted then", "money"),
    Column("won", "Won of them since", "money", True), Column("open", "Still open", "count", True),
    Column("hit", "Won of weighted", "share"),
)  # fmt: skip


def table(session: Session, viewer: Viewer, scope: Scope, now: datetime) -> Table:
    """One line for each month that began with open deals, the oldest first; one statement for all."""
    member(viewer)
    today = now.astimezone(scope.zone).date()
    rates = deal_rows.rates_on(session, [today])[today]
    begun = _months(scope)
    found: dict[int, list[Any]] = {}
    for row in session.execute(union_all(*(_month(scope, n, bucket) for n, bucket in enumerate(begun)))):
        found.setdefault(row.number, []).append(row)
    lines = tuple(_line(bucket, found[n], rates) for n, bucket in enumerate(begun) if n in found)
    return Table("At the start of", COLUMNS, lines, None, (), Chart("bars", ("weighted", "won")))


def rows(session: Session, viewer: Viewer, scope: Scope, line: str, column: str, now: datetime) -> Table:
    """The deals that were open then, or those of them that were won since, or are still open."""
    member(viewer)
    if column not in ("deals", "won", "open"):
        raise NotFound("There is no such column in this report.")
    stood = pipeline.stood(scope, _moment(deal_rows.bucket_named(_months(scope), line))).subquery()
    where: list[ColumnElement[bool]] = [Deal.id.in_(select(stood.c.deal_id))]
    where += [Deal.status == column] if column in ("won", "open") else []
    today = now.astimezone(scope.zone).date()
    rates = deal_rows.rates_on(session, [today])[today]
    found = deal_rows.rows(session, where, lambda _: rates)
    if column == "deals":
        found = replace(found, says=(*found.says, "Value, stage and probability are today's."))
    return found


def _months(scope: Scope) -> list[Bucket]:
    """The last ``MONTHS`` months of the scope, each from its first day."""
    whole = replace(scope, since=scope.since.replace(day=1))
    return months(whole)[-MONTHS:]


def _moment(bucket: Bucket) -> datetime:
    return bucket.first - timedelta(microseconds=1)


def _month(scope: Scope, number: int, bucket: Bucket) -> Any:
    """Deals open at the start of a month, by currency, probability and what became of them."""
    stood = pipeline.stood(scope, _moment(bucket)).subquery()
    won = case((Deal.status == "won", Deal.value), else_=0)
    return (
        select(
            literal(number).label("number"), stood.c.currency, stood.c.percent, func.count().label("deals"),
            func.sum(stood.c.value).label("value"), Deal.currency.label("won_in"), func.sum(won).label("won"),
            func.sum(case((Deal.status == "open", 1), else_=0)).label("open"),
        )
        .join(Deal, Deal.id == stood.c.deal_id)
        .group_by(stood.c.currency, stood.c.percent, Deal.currency)
    )  # fmt: skip


def _line(bucket: Bucket, found: Sequence[Any], rates: Rates) -> Line:
    likely = rates.sum((row.currency, weighted(deal_rows.exact(row.value), row.percent)) for row in found)
    won = rates.sum((row.won_in, deal_rows.exact(row.won)) for row in found if row.won)
    cells = {
        "deals": sum(row.deals for row in found), "weighted": likely, "won": won,
        "open": sum(row.open for row in found), "hit": float(won.total / likely.total) if likely.total else None,
    }  # fmt: skip
    return Line(bucket.key, month_name(bucket.day), cells)


REPORT = Report(
    "forecast-check", "Forecast against what came",
    "The deals open at the start of each of the last six months, their value of that day times today's probability of "
    "the stage they were in (or their own), and what of those very deals was won since at today's rates.",
    "Pipeline", table, rows, frozenset({"owner", "pipeline"}),
)  # fmt: skip
