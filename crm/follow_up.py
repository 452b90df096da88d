"""Who must not be lost: leads that nobody contacted for too long, and leads and deals without a next step.

A lead was contacted by our last mail to them, call, or meeting held, by whichever teammate; automatic answers,
newsletters and crowds are no contact. One that was never contacted counts from its creation. *Over a week* is more than
7 x 24 hours: 6 days and 23 hours are not. A next step is an open task on the record, or a meeting ahead that is
attached to it and stands. What a colleague keeps private does not exist for the viewer and so is no contact and no
meeting of theirs (privacy.md): two people may get different lists, each right for what they may know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, literal, or_, select, union_all
from sqlalchemy.orm import Session, aliased

from crm.facts import no_crowd
from crm.held import held, planned
from crm.models import Communication, Company, Contact, Deal, Link, Stage, Task, User
from crm.privacy import Viewer, member, visible
from crm.silence import by_a_person

STALE, LEADS, DEALS = "stale", "leads", "deals"


@dataclass(frozen=True, slots=True)
class Lead:
    """One line of a list: a lead, or a deal (then ``company`` may be its only people). ``at`` is the last contact of a
    stale lead, None for never; for the others when the record was made."""

    sort: str
    id: int
    name: str
    company: str
    owner_id: int | None
    owner: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Listed:
    """The first lines of a list, how many there are in all, and how many of them are the viewer's own."""

    rows: tuple[Lead, ...]
    total: int
    mine: int


def lists(
    session: Session,
    viewer: Viewer,
    *,
    now: datetime,
    days: int,
    limit: int = 8,
    sorts: Sequence[str] = (STALE, LEADS, DEALS),
) -> dict[str, Listed]:
    """The lists by name, the viewer's own lines first, then the longest waiting; one statement for all."""
    member(viewer)
    leads, deals = _stepless_leads(viewer, now), _stepless_deals(viewer, now)
    queries = {STALE: _stale(viewer, now, days), LEADS: leads, DEALS: deals}
    parts = [_first(queries[sort], sort, viewer, limit) for sort in sorts]
    found: dict[str, list[Any]] = {sort: [] for sort in sorts}
    for row in session.execute(union_all(*parts)):
        found[row.sort].append(row)
    return {sort: _listed(rows) for sort, rows in found.items()}


def to_call(session: Session, viewer: Viewer, *, now: datetime, days: int, limit: int) -> list[Lead]:
    """Leads that were not contacted for too long and have no next step either, the longest waiting first."""
    member(viewer)
    query = _stale(viewer, now, days).where(*lead_without_step(viewer, now=now))
    return list(_listed(session.execute(select(_first(query, STALE, viewer, limit).subquery())).all()).rows)


def not_contacted(viewer: Viewer, *, now: datetime, days: int) -> list[ColumnElement[bool]]:
    """Conditions on ``Contact``: a lead that nobody contacted for more than ``days`` times 24 hours."""
    cutoff = now - timedelta(days=days)
    lately, ever = _contacted(viewer, now, since=cutoff), _contacted(viewer, now, until=cutoff)
    return [*_lead(), ~lately, or_(Contact.created_at < cutoff, ever)]


def lead_without_step(viewer: Viewer, *, now: datetime) -> list[ColumnElement[bool]]:
    """Conditions on ``Contact``: a lead without open task and without meeting ahead."""
    return [*_lead(), ~_open_task(Task.contact_id == Contact.id), ~_ahead(viewer, "contact", Contact, now)]


def deal_without_step(viewer: Viewer, *, now: datetime) -> list[ColumnElement[bool]]:
    """Conditions on ``Deal``: an open one without open task and without meeting ahead."""
    open_ = [Deal.status == "open", Deal.deleted_at.is_(None)]
    return [*open_, ~_open_task(Task.deal_id == Deal.id), ~_ahead(viewer, "deal", Deal, now)]


def last_contact(viewer: Viewer, now: datetime) -> Any:
    """When a ``Contact`` was last contacted by anybody of ours, as a column; NULL for never."""
    query = select(func.max(Communication.occurred_at)).select_from(Link)
    return _ours(query, viewer, now).where(Link.target_id == Contact.id).correlate(Contact).scalar_subquery()


def _lead() -> list[ColumnElement[bool]]:
    return [Contact.lifecycle == "lead", Contact.deleted_at.is_(None), Contact.merged_into.is_(None)]


def _contacted(
    viewer: Viewer, now: datetime, *, since: datetime | None = None, until: datetime | None = None
) -> ColumnElement[bool]:
    """We contacted them from ``since`` on, or before ``until``."""
    query = _ours(select(literal(1)).select_from(Link), viewer, now).where(Link.target_id == Contact.id)
    if since is not None:
        query = query.where(Communication.occurred_at >= since)
    if until is not None:
        query = query.where(Communication.occurred_at < until)
    return query.correlate(Contact).exists()


def _ours(query: Select[Any], viewer: Viewer, now: datetime) -> Select[Any]:
    """Our mails, calls and meetings held with contacts, as far as they exist for the viewer."""
    mail = and_(Communication.kind == "email", Communication.direction == "outbound", by_a_person())
    return query.join(Communication, Communication.id == Link.communication_id).where(
        Link.target_kind == "contact", Link.tombstoned.is_(False), Communication.status == "linked",
        Communication.occurred_at <= now, or_(mail, Communication.kind == "call", held(now)), no_crowd(),
        visible(viewer),
    )  # fmt: skip


def _open_task(about: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(about, Task.done_at.is_(None), Task.deleted_at.is_(None))


def _ahead(viewer: Viewer, kind: str, noun: Any, now: datetime) -> ColumnElement[bool]:
    query = select(literal(1)).select_from(Link).join(Communication, Communication.id == Link.communication_id)
    attached = Link.target_kind == kind, Link.target_id == noun.id, Link.tombstoned.is_(False)
    meeting = Communication.status == "linked", planned(now), visible(viewer)
    return query.where(*attached, *meeting).correlate(noun).exists()


def _stale(viewer: Viewer, now: datetime, days: int) -> Any:
    return _leads(last_contact(viewer, now)).where(*not_contacted(viewer, now=now, days=days))


def _stepless_leads(viewer: Viewer, now: datetime) -> Any:
    return _leads(Contact.created_at).where(*lead_without_step(viewer, now=now))


def _leads(at: Any) -> Any:
    company, owner = aliased(Company), aliased(User)
    columns = (
        Contact.id.label("id"), Contact.name.label("name"), company.name.label("company"),
        Contact.owner_id.label("owner_id"), owner.name.label("owner"), at.label("at"),
    )  # fmt: skip
    query = select(*columns).outerjoin(company, company.id == Contact.company_id)
    return query.outerjoin(owner, owner.id == Contact.owner_id)


def _stepless_deals(viewer: Viewer, now: datetime) -> Any:
    company, owner = aliased(Company), aliased(User)
    columns = (
        Deal.id.label("id"), Deal.title.label("name"), company.name.label("company"), Deal.owner_id.label("owner_id"),
        owner.name.label("owner"), Deal.created_at.label("at"),
    )  # fmt: skip
    query = select(*columns).join(Stage, Stage.id == Deal.stage_id).outerjoin(company, company.id == Deal.company_id)
    return query.outerjoin(owner, owner.id == Deal.owner_id).where(*deal_without_step(viewer, now=now))


def _first(query: Any, sort: str, viewer: Viewer, limit: int) -> Any:
    """The first lines of a list, each with the sizes of the whole."""
    rows = query.subquery()
    own = case((rows.c.owner_id == viewer.user_id, 1), else_=0)
    counted = select(
        literal(sort).label("sort"), rows, func.count().over().label("total"), func.sum(own).over().label("mine")
    )
    ordered = counted.order_by(own.desc(), rows.c.at.is_not(None), rows.c.at, rows.c.id).limit(limit)
    return select(ordered.subquery())


def _listed(found: Sequence[Any]) -> Listed:
    rows = tuple(
        Lead(row.sort, row.id, row.name, row.company or "", row.owner_id, row.owner or "nobody", row.at)
        for row in found
    )
    return Listed(rows, int(found[0].total) if found else 0, int(found[0].mine) if found else 0)
