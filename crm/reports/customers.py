"""Best customers: companies by what they bought and how often."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.currencies import Rates
from crm.models import Company, Deal
from crm.privacy import Viewer, member
from crm.reports import deal_rows
from crm.reports.revenue import mean
from crm.reports.shape import Chart, Column, Line, Report, Scope, Table

COLUMNS = (
    Column("deals", "Deals won", "count", True), Column("value", "Won value", "money", True),
    Column("mean", "Mean deal", "money"), Column("every", "One deal each", "days"),
    Column("last", "Last won", "moment"),
)  # fmt: skip
SHOWN = 100
SORTS = (("value", "by won value"), ("deals", "by number of deals"), ("last", "by last deal"))


def table(session: Session, viewer: Viewer, scope: Scope, now: datetime) -> Table:
    """The first hundred companies in the order asked for, and the sum over all."""
    member(viewer)
    today = now.astimezone(scope.zone).date()
    rates = deal_rows.rates_on(session, [today])[today]
    query = (
        select(Deal.company_id, Company.name, Deal.currency, func.count().label("deals"),
               func.sum(Deal.value).label("value"), func.min(Deal.closed_at).label("first"),
               func.max(Deal.closed_at).label("last"))
        .outerjoin(Company, Company.id == Deal.company_id)
        .where(*deal_rows.won_in(scope.first, scope.end), *deal_rows.of_scope(scope))
        .group_by(Deal.company_id, Company.name, Deal.currency)
    )  # fmt: skip
    groups: dict[int, list[Any]] = {}
    for row in session.execute(query):
        groups.setdefault(row.company_id or 0, []).append(row)
    order = sorted(groups, key=lambda company: (_rank(groups[company], scope.sort, rates), -company), reverse=True)
    lines = tuple(_line(company, groups[company], rates) for company in order[:SHOWN])
    says = (f"The first {SHOWN} of {len(order):,}.",) if len(order) > SHOWN else ()
    total = _total([row for found in groups.values() for row in found], rates) if lines else None
    return Table("Company", COLUMNS, lines, total, says, Chart("bars", ("value",)))


def rows(session: Session, viewer: Viewer, scope: Scope, line: str, column: str, now: datetime) -> Table:
    """The deals a company gave us in the period."""
    member(viewer)
    where = [*deal_rows.won_in(scope.first, scope.end), *deal_rows.of_scope(scope)]
    if line != "total":
        company = deal_rows.number_of(line)
        where.append(Deal.company_id == company if company else Deal.company_id.is_(None))
    today = now.astimezone(scope.zone).date()
    rates = deal_rows.rates_on(session, [today])[today]
    return deal_rows.rows(session, where, lambda _: rates)


def _rank(found: Sequence[Any], sort: str, rates: Rates) -> Any:
    """What a company's rows are sorted by; what has no rate counts nothing."""
    if sort == "last":
        return max(row.last for row in found)
    amount = sum(rates.to_workspace(row.value or Decimal(0), row.currency) or Decimal(0) for row in found)
    return (sum(row.deals for row in found), amount) if sort == "deals" else amount


def _line(company: int, found: Sequence[Any], rates: Rates) -> Line:
    value = rates.sum((row.currency, deal_rows.exact(row.value)) for row in found)
    deals: int = sum(row.deals for row in found)
    first, last = min(row.first for row in found), max(row.last for row in found)
    every = (last - first).total_seconds() / 86_400 / (deals - 1) if deals > 1 else None
    cells = {"deals": deals, "value": value, "mean": mean(value, deals), "every": every, "last": last}
    name = (found[0].name or "a company put away") if company else "no company"
    return Line(str(company), name, cells, target=("company", company) if company else None)


def _total(found: Sequence[Any], rates: Rates) -> Line:
    whole = _line(0, found, rates).cells
    return Line("total", "All", {**whole, "every": None})


REPORT = Report(
    "customers", "Best customers",
    "Companies by the value of the deals won with them in the period at today's rates, how many those were, and the "
    "mean days between one and the next.",
    "Relations", table, rows, sorts=SORTS, filters=frozenset({"period", "owner", "pipeline", "sort"}),
)  # fmt: skip
