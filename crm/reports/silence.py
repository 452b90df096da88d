"""Open deals by how long nothing came back from the other side."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm import silence
from crm.currencies import Rates
from crm.models import Company, Deal, Stage, User
from crm.privacy import Viewer, member
from crm.reports import deal_rows
from crm.reports.shape import ROWS_MAX, Chart, Column, Line, Report, Scope, Table
from crm.silence import Silence

COLUMNS = (
    Column("deals", "Deals", "count", True), Column("value", "Value", "money", True),
    Column("late", "Over their limit", "count", True),
)  # fmt: skip
DEALS = (
    Column("company", "Company", "text"), Column("stage", "Stage", "text"), Column("owner", "Owner", "text"),
    Column("value", "Value", "money"), Column("days", "Silent", "days"), Column("says", "Last two-way contact", "text"),
)  # fmt: skip
SPANS = ((0, 7, "Up to 7 days"), (8, 14, "8 to 14 days"), (15, 30, "15 to 30 days"), (31, 60, "31 to 60 days"),
         (61, 10**6, "More than 60 days"))  # fmt: skip


def table(session: Session, viewer: Viewer, scope: Scope, now: datetime) -> Table:
    """One line per span of days."""
    found, rates = _deals(session, viewer, scope, now)
    if not found:
        return Table("Silent for", COLUMNS, ())
    inside = {least: [(d, s) for d, s in found if least <= s.days <= most] for least, most, _ in SPANS}
    lines = tuple(_line(str(least), label, inside[least], rates) for least, _, label in SPANS)
    total = _line("total", "All", found, rates)
    return Table("Silent for", COLUMNS, lines, total, (), Chart("bars", ("deals", "late")))


def rows(session: Session, viewer: Viewer, scope: Scope, line: str, column: str, now: datetime) -> Table:
    """The deals of a span, the longest silent first."""
    found, rates = _deals(session, viewer, scope, now)
    if line != "total":
        start = deal_rows.number_of(line)
        most = next((most for least, most, _ in SPANS if least == start), -1)
        found = [(d, s) for d, s in found if start <= s.days <= most]
    if column == "late":
        found = [(d, s) for d, s in found if s.too_long]
    found.sort(key=lambda pair: -pair[1].days)
    lines = tuple(_deal(d, s, rates) for d, s in found[:ROWS_MAX])
    return Table("Deal", DEALS, lines, Line("total", f"{len(lines)} deals", {"value": _sum(found[:ROWS_MAX], rates)}))


def _deals(session: Session, viewer: Viewer, scope: Scope, now: datetime) -> tuple[list[tuple[Any, Silence]], Rates]:
    """Open deals with how they stand."""
    member(viewer)
    today = now.astimezone(scope.zone).date()
    where = [Deal.status == "open", *deal_rows.of_scope(scope)]
    columns = (Deal.id, Deal.title, Deal.value, Deal.currency, Stage.name.label("stage"), Company.name.label("company"),
               User.name.label("owner"))  # fmt: skip
    query = (
        select(*columns)
        .join(Stage, Stage.id == Deal.stage_id)
        .outerjoin(Company, Company.id == Deal.company_id)
        .outerjoin(User, User.id == Deal.owner_id)
        .where(*where)
        .order_by(Deal.id)
    )
    rows_ = session.execute(query).all()
    wanted: Any = select(Deal.id).where(*where)
    stood = silence.of_deals(session, viewer, wanted, now=now)
    return [(row, stood[row.id]) for row in rows_], deal_rows.rates_on(session, [today])[today]


def _sum(found: Sequence[tuple[Any, Silence]], rates: Rates) -> Any:
    return rates.sum((d.currency, d.value) for d, _ in found)


def _line(key: str, label: str, found: Sequence[tuple[Any, Silence]], rates: Rates) -> Line:
    late = sum(s.too_long for _, s in found)
    return Line(key, label, {"deals": len(found), "value": _sum(found, rates), "late": late})


def _deal(deal: Any, stood: Silence, rates: Rates) -> Line:
    cells = {
        "company": deal.company or "", "stage": deal.stage, "owner": deal.owner or "nobody",
        "value": rates.sum([(deal.currency, deal.value)]) if deal.value is not None else None,
        "days": stood.days, "says": stood.says,
    }  # fmt: skip
    marked = "over its limit" if stood.too_long else ""
    return Line(str(deal.id), deal.title, cells, target=("deal", deal.id), marked=marked)


REPORT = Report(
    "silence", "Silence",
    "Open deals by days since the other side last wrote, was reached by phone or met us (automatic replies, "
    "newsletters and what a colleague keeps private do not count), against the limit of their stage.",
    "Pipeline", table, rows, frozenset({"owner", "pipeline"}),
)  # fmt: skip
