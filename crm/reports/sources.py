"""Which sources of leads convert: people by where they came from, and what was won with them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Select, exists, func, select
from sqlalchemy.orm import Session, aliased

from crm.currencies import Rates
from crm.errors import NotFound
from crm.models import Company, Contact, Deal, DealContact, User
from crm.privacy import Viewer, member
from crm.reports import deal_rows
from crm.reports.shape import ROWS_MAX, Chart, Column, Line, Report, Scope, Table

COLUMNS = (
    Column("leads", "Leads", "count", True), Column("won", "Won", "count", True), Column("rate", "Rate", "share"),
    Column("deals", "Deals won", "count", True), Column("value", "Won value", "money", True),
)  # fmt: skip
PEOPLE = (
    Column("company", "Company", "text"), Column("lifecycle", "They are a", "text"), Column("owner", "Owner", "text"),
    Column("known", "Known since", "moment"),
)  # fmt: skip
UNKNOWN = "unknown"


def table(session: Session, viewer: Viewer, scope: Scope, now: datetime) -> Table:
    """One line per source, the one with most leads first."""
    member(viewer)
    today = now.astimezone(scope.zone).date()
    rates = deal_rows.rates_on(session, [today])[today]
    source = _source().label("source")
    leads = session.execute(
        select(source, func.count().label("leads"), func.count().filter(_won_one()).label("won"))
        .where(*_people(scope)).group_by(source).order_by(func.count().desc(), source)
    ).all()  # fmt: skip
    deals: dict[str, list[Any]] = {}
    for row in session.execute(_deals_by_source(scope)):
        deals.setdefault(row.source, []).append(row)
    lines = tuple(_line(row.source, row.leads, row.won, deals.get(row.source, []), rates) for row in leads)
    return Table("Source", COLUMNS, lines, _total(leads, deals, rates), (), Chart("bars", ("leads", "won")))


def rows(session: Session, viewer: Viewer, scope: Scope, line: str, column: str, now: datetime) -> Table:
    """The people of a source, those of them that were won, or the deals won with them."""
    member(viewer)
    if column in ("deals", "value"):
        deals = _first_person(scope)
        if line != "total":
            deals = deals.where(_source() == line)
        today = now.astimezone(scope.zone).date()
        rates = deal_rows.rates_on(session, [today])[today]
        return deal_rows.rows(session, [Deal.id.in_(deals), Deal.status == "won"], lambda _: rates)
    if column not in ("leads", "won"):
        raise NotFound("There is no such column in this report.")
    where = _people(scope)
    where += [_source() == line] if line != "total" else []
    where += [_won_one()] if column == "won" else []
    return _people_rows(session, where)


def _source() -> Any:
    return func.coalesce(func.nullif(Contact.source, ""), UNKNOWN)


def _people(scope: Scope) -> list[Any]:
    """Conditions on ``Contact``: first known in the period."""
    found = [Contact.deleted_at.is_(None), Contact.created_at >= scope.first, Contact.created_at < scope.end]
    return found if scope.owner_id is None else [*found, Contact.owner_id == scope.owner_id]


def _won_one() -> Any:
    """They are on a won deal."""
    on, deal = aliased(DealContact), aliased(Deal)
    same = on.contact_id == Contact.id, deal.id == on.deal_id
    return exists().where(*same, deal.status == "won", deal.deleted_at.is_(None)).correlate(Contact)


def _first_person(scope: Scope) -> Select[Any]:
    """Deals whose first person is one of the period's leads: a deal counts for one source only."""
    first = select(func.min(DealContact.id)).group_by(DealContact.deal_id)
    query = select(DealContact.deal_id).join(Contact, Contact.id == DealContact.contact_id)
    return query.where(DealContact.id.in_(first), *_people(scope))


def _deals_by_source(scope: Scope) -> Select[Any]:
    source = _source().label("source")
    query = _first_person(scope).join(Deal, Deal.id == DealContact.deal_id)
    query = query.where(Deal.status == "won", Deal.deleted_at.is_(None)).group_by(source, Deal.currency)
    return query.with_only_columns(
        source, Deal.currency, func.count().label("deals"), func.sum(Deal.value).label("value"),
        maintain_column_froms=True,
    )  # fmt: skip


def _line(source: str, leads: int, won: int, deals: list[Any], rates: Rates) -> Line:
    value = rates.sum((row.currency, deal_rows.exact(row.value)) for row in deals)
    count: int = sum(row.deals for row in deals)
    cells = {"leads": leads, "won": won, "rate": won / leads if leads else None, "deals": count, "value": value}
    return Line(source, source, cells)


def _total(leads: Any, deals: dict[str, list[Any]], rates: Rates) -> Line | None:
    if not leads:
        return None
    every = [row for found in deals.values() for row in found]
    line = _line("total", sum(row.leads for row in leads), sum(row.won for row in leads), every, rates)
    return Line("total", "All", line.cells)


def _people_rows(session: Session, where: list[Any]) -> Table:
    query = (
        select(Contact, Company.name, User.name)
        .outerjoin(Company, Company.id == Contact.company_id)
        .outerjoin(User, User.id == Contact.owner_id)
        .where(*where)
        .order_by(Contact.created_at.desc(), Contact.id)
        .limit(ROWS_MAX)
    )
    lines = tuple(
        Line(str(c.id), c.name, {"company": company or "", "lifecycle": c.lifecycle.replace("_", " "),
                                 "owner": owner or "nobody", "known": c.created_at}, target=("contact", c.id))
        for c, company, owner in session.execute(query)
    )  # fmt: skip
    return Table("Person", PEOPLE, lines)


REPORT = Report(
    "sources", "Conversion by source",
    "People first known in the period by the source they came from, and the share of them that is on a won deal by "
    "now; a deal's value counts for the source of its first person.",
    "Relations", table, rows, frozenset({"period", "owner"}),
)  # fmt: skip
