"""Customers who go quiet: people whose mails, calls and meetings fell well below what was usual with them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import Session

from crm.errors import NotFound
from crm.facts import no_crowd
from crm.held import held
from crm.models import Communication, Company, Contact, Link, User
from crm.privacy import Viewer, member, subject_visible, visible
from crm.reports import deal_rows
from crm.reports.shape import ROWS_MAX, Chart, Column, Line, Report, Scope, Table
from crm.silence import by_a_person

SPAN = timedelta(days=30)
BEFORE = 3
USUAL_LEAST = 2.0
FELL_TO = 0.5
SHOWN = 100
COLUMNS = (
    Column("now", "Last 30 days", "count", True), Column("usual", "Usual in 30 days", "count", True),
    Column("fell", "Fell by", "share"), Column("company", "Company", "text"), Column("owner", "Owner", "text"),
    Column("last", "Last from them", "moment"),
)  # fmt: skip
ITEMS = (Column("at", "When", "moment"), Column("kind", "Kind", "text"))


def table(session: Session, viewer: Viewer, scope: Scope, now: datetime) -> Table:
    """Those who fell most, first."""
    member(viewer)
    late = func.max(Communication.occurred_at)
    recent = func.sum(case((Communication.occurred_at > now - SPAN, 1), else_=0))
    usual = (func.count() - recent) * 1.0 / BEFORE
    query = (
        select(Contact.id, Contact.name, Company.name.label("company"), User.name.label("owner"),
               recent.label("now"), usual.label("usual"), late.label("last"))
        .select_from(Link)
        .join(Communication, Communication.id == Link.communication_id)
        .join(Contact, Contact.id == Link.target_id)
        .outerjoin(Company, Company.id == Contact.company_id)
        .outerjoin(User, User.id == Contact.owner_id)
        .where(*_counted(viewer, scope, now))
        .group_by(Contact.id, Contact.name, Company.name, User.name)
        .having(usual >= USUAL_LEAST, recent <= usual * FELL_TO)
        .order_by((usual - recent).desc(), Contact.id)
        .limit(SHOWN + 1)
    )  # fmt: skip
    found = session.execute(query).all()
    says = (f"The first {SHOWN}.",) if len(found) > SHOWN else ()
    return Table("Person", COLUMNS, tuple(map(_line, found[:SHOWN])), None, says, Chart("bars", ("usual", "now")))


def rows(session: Session, viewer: Viewer, scope: Scope, line: str, column: str, now: datetime) -> Table:
    """What they wrote, said and met about in the last 30 days, or in the 90 before."""
    member(viewer)
    if column not in ("now", "usual"):
        raise NotFound("There is no such column in this report.")
    recent = Communication.occurred_at > now - SPAN
    query = (
        select(Communication.id, Communication.occurred_at, Communication.kind, Communication.subject,
               subject_visible(viewer).label("open"))
        .select_from(Link)
        .join(Communication, Communication.id == Link.communication_id)
        .join(Contact, Contact.id == Link.target_id)
        .where(*_counted(viewer, scope, now), Contact.id == deal_rows.number_of(line))
        .where(recent if column == "now" else ~recent)
        .order_by(Communication.occurred_at.desc()).limit(ROWS_MAX)
    )  # fmt: skip
    lines = tuple(
        Line(str(row.id), (row.subject if row.open else "") or "no subject shown",
             {"at": row.occurred_at, "kind": row.kind}, target=("item", row.id))
        for row in session.execute(query)
    )  # fmt: skip
    says = ("The 90 days before; a third of them is what was usual.",) if column == "usual" else ()
    return Table("Item", ITEMS, lines, None, says)


def _counted(viewer: Viewer, scope: Scope, now: datetime) -> list[ColumnElement[bool]]:
    """What came from the other side in the last four spans, as far as it exists for the viewer."""
    mail = and_(Communication.kind == "email", Communication.direction == "inbound")
    theirs = or_(mail, Communication.kind == "call", held(now))
    found = [
        Link.target_kind == "contact", Link.tombstoned.is_(False), Contact.deleted_at.is_(None),
        Communication.status == "linked", Communication.occurred_at <= now,
        Communication.occurred_at > now - SPAN * (BEFORE + 1), theirs, by_a_person(), no_crowd(), visible(viewer),
    ]  # fmt: skip
    return found if scope.owner_id is None else [*found, Contact.owner_id == scope.owner_id]


def _line(row: Any) -> Line:
    usual = float(row.usual)
    cells = {
        "now": int(row.now), "usual": round(usual, 1), "fell": 1 - int(row.now) / usual, "company": row.company or "",
        "owner": row.owner or "nobody", "last": row.last,
    }  # fmt: skip
    marked = "nothing any more" if not row.now else ""
    return Line(str(row.id), row.name, cells, target=("contact", row.id), marked=marked)


REPORT = Report(
    "engagement", "Going quiet",
    "People from whom at most half as many mails, calls and meetings came in the last 30 days as was usual in the 90 "
    "days before (at least two a month); what a colleague keeps private does not count.",
    "Relations", table, rows, frozenset({"owner"}),
)  # fmt: skip
