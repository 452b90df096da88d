"""Who must not be lost, by owner: leads nobody contacted for too long, leads and deals without a next step."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import func, literal, select, union_all
from sqlalchemy.orm import Session

from crm import follow_up, workspace
from crm.errors import NotFound
from crm.models import Company, Contact, Deal, User
from crm.privacy import Viewer, member
from crm.reports import deal_rows
from crm.reports.shape import ROWS_MAX, Chart, Column, Line, Report, Scope, Table

COLUMNS = (
    Column("stale", "Leads not contacted", "count", True), Column("leads", "Leads without next step", "count", True),
    Column("deals", "Deals without next step", "count", True),
)  # fmt: skip
LEADS = (
    Column("company", "Company", "text"), Column("owner", "Owner", "text"),
    Column("contacted", "Last contacted", "moment"), Column("known", "Known since", "moment"),
)  # fmt: skip


def table(session: Session, viewer: Viewer, scope: Scope, now: datetime) -> Table:
    """One line per owner."""
    member(viewer)
    parts = []
    for sort, noun, where in _conditions(session, viewer, scope, now):
        owned = select(literal(sort).label("sort"), noun.owner_id.label("owner_id"), func.count().label("found"))
        parts.append(owned.select_from(noun).where(*where).group_by(noun.owner_id))
    counted = union_all(*parts).subquery()
    query = select(counted.c.sort, counted.c.owner_id, counted.c.found, User.name)
    groups: dict[tuple[int, str], dict[str, int]] = {}
    for row in session.execute(query.outerjoin(User, User.id == counted.c.owner_id)):
        groups.setdefault((row.owner_id or 0, row.name or "nobody"), {})[row.sort] = row.found
    order = sorted(groups, key=lambda key: (-sum(groups[key].values()), key[1]))
    lines = tuple(_line(str(i), name, groups[i, name]) for i, name in order)
    every = {c.key: sum(found.get(c.key, 0) for found in groups.values()) for c in COLUMNS}
    days = int(workspace.get(session, "silent_days"))
    says = () if days == 7 else (f"Not contacted means: for more than {days} days.",)
    total = _line("total", "All", every) if lines else None
    return Table("Owner", COLUMNS, lines, total, says, Chart("stacked", tuple(c.key for c in COLUMNS)))


def rows(session: Session, viewer: Viewer, scope: Scope, line: str, column: str, now: datetime) -> Table:
    """The leads, or the deals, of an owner or of all."""
    member(viewer)
    found = next((f for f in _conditions(session, viewer, scope, now) if f[0] == column), None)
    if found is None:
        raise NotFound("There is no such column in this report.")
    _, noun, where = found
    if line != "total":
        owner = deal_rows.number_of(line)
        where = [*where, noun.owner_id == owner if owner else noun.owner_id.is_(None)]
    if noun is Deal:
        today = now.astimezone(scope.zone).date()
        rates = deal_rows.rates_on(session, [today])[today]
        return deal_rows.rows(session, where, lambda _: rates)
    return _lead_rows(session, viewer, where, now)


def _conditions(session: Session, viewer: Viewer, scope: Scope, now: datetime) -> list[tuple[str, Any, list[Any]]]:
    days = int(workspace.get(session, "silent_days"))
    found: list[tuple[str, Any, list[Any]]] = [
        ("stale", Contact, follow_up.not_contacted(viewer, now=now, days=days)),
        ("leads", Contact, follow_up.lead_without_step(viewer, now=now)),
        ("deals", Deal, follow_up.deal_without_step(viewer, now=now)),
    ]
    if scope.owner_id is None:
        return found
    return [(sort, noun, [*where, noun.owner_id == scope.owner_id]) for sort, noun, where in found]


def _lead_rows(session: Session, viewer: Viewer, where: list[Any], now: datetime) -> Table:
    contacted = follow_up.last_contact(viewer, now).label("contacted")
    query = (
        select(Contact.id, Contact.name, Contact.created_at, Company.name.label("company"), User.name.label("owner"),
               contacted)
        .outerjoin(Company, Company.id == Contact.company_id)
        .outerjoin(User, User.id == Contact.owner_id)
        .where(*where)
        .order_by(Contact.created_at, Contact.id)
        .limit(ROWS_MAX)
    )  # fmt: skip
    lines = tuple(
        Line(str(row.id), row.name, {"company": row.company or "", "owner": row.owner or "nobody",
                                     "contacted": row.contacted, "known": row.created_at}, target=("contact", row.id))
        for row in session.execute(query)
    )  # fmt: skip
    return Table("Lead", LEADS, lines)


def _line(key: str, label: str, found: dict[str, int]) -> Line:
    return Line(key, label, {c.key: found.get(c.key, 0) for c in COLUMNS})


REPORT = Report(
    "follow-up", "Not to be lost",
    "Leads whom nobody of ours mailed, called or met for more than a week (7 x 24 hours; since their creation if "
    "never; automatic answers, newsletters and what a colleague keeps private do not count), and leads and open deals "
    "without an open task or a meeting ahead.",
    "Relations", table, rows, frozenset({"owner"}),
)  # fmt: skip
