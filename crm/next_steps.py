"""Who has no next step: leads and open deals with neither an open task nor a meeting ahead, so that none is lost.
Records are the team's; of the log only what exists for the viewer counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session, aliased

from crm.held import planned
from crm.models import Communication, Company, Contact, Deal, DealContact, Link, Stage, Task, User
from crm.privacy import Viewer, member, visible

PAGE_MAX = 200


@dataclass(frozen=True, slots=True)
class Stuck:
    """A record without a next step. ``detail`` is its company or stage."""

    kind: str
    id: int
    name: str
    detail: str
    owner_id: int | None
    owner: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """A page of them with the whole number."""

    rows: list[Stuck]
    total: int


def leads(
    session: Session, viewer: Viewer, *, owner_id: int | None = None, now: datetime, limit: int = PAGE_MAX
) -> Found:
    """Leads without an open task of their own or of a deal of theirs, and without a meeting ahead, the oldest
    first."""
    member(viewer)
    deal_task = exists().where(
        DealContact.contact_id == Contact.id, Task.deal_id == DealContact.deal_id, *_open_task()
    )
    where = [
        Contact.lifecycle == "lead", Contact.deleted_at.is_(None), ~_task(Task.contact_id == Contact.id),
        ~deal_task.correlate(Contact), ~_ahead(viewer, "contact", Contact.id, now),
    ]  # fmt: skip
    if owner_id is not None:
        where.append(Contact.owner_id == owner_id)
    columns = (Contact.id, Contact.name, Company.name, Contact.owner_id, User.name, Contact.created_at)
    query = (
        select(*columns)
        .outerjoin(Company, Company.id == Contact.company_id)
        .outerjoin(User, User.id == Contact.owner_id)
        .where(*where)
    )
    return _found(session, "contact", query.order_by(Contact.created_at, Contact.id), limit)


def deals(
    session: Session, viewer: Viewer, *, owner_id: int | None = None, now: datetime, limit: int = PAGE_MAX
) -> Found:
    """Open deals without an open task and without a meeting ahead, the oldest first."""
    member(viewer)
    where = [
        Deal.status == "open", Deal.deleted_at.is_(None), ~_task(Task.deal_id == Deal.id),
        ~_ahead(viewer, "deal", Deal.id, now),
    ]  # fmt: skip
    if owner_id is not None:
        where.append(Deal.owner_id == owner_id)
    columns = (Deal.id, Deal.title, Stage.name, Deal.owner_id, User.name, Deal.created_at)
    query = select(*columns).join(Stage, Stage.id == Deal.stage_id).outerjoin(User, User.id == Deal.owner_id)
    return _found(session, "deal", query.where(*where).order_by(Deal.created_at, Deal.id), limit)


def _found(session: Session, kind: str, query: Any, limit: int) -> Found:
    total = session.scalar(select(func.count()).select_from(query.order_by(None).subquery())) or 0
    rows = session.execute(query.limit(min(limit, PAGE_MAX)))
    return Found([Stuck(kind, i, name, detail or "", o, who or "", at) for i, name, detail, o, who, at in rows], total)


def _open_task() -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return Task.done_at.is_(None), Task.deleted_at.is_(None)


def _task(about: ColumnElement[bool]) -> ColumnElement[bool]:
    return select(Task.id).where(about, *_open_task()).exists()


def _ahead(viewer: Viewer, kind: str, column: Any, now: datetime) -> ColumnElement[bool]:
    """A meeting to come is linked to it."""
    linked = aliased(Link)
    meetings = (
        select(linked.target_id)
        .join(Communication, Communication.id == linked.communication_id)
        .where(linked.target_kind == kind, linked.tombstoned.is_(False), Communication.status == "linked")
        .where(planned(now), visible(viewer))
    )
    return column.in_(meetings)  # type: ignore[no-any-return]

