"""What stands on top of a record's page: the record, its company and its owner's name, in one statement; and the people
around a contact, with how much they have in common."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from crm import companies, contacts
from crm.errors import NotFound
from crm.models import Communication, Company, Contact, Deal, Link, User
from crm.privacy import Viewer, member, visible

AROUND = 8
REACH = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Head:
    """A record with its company (a live one, else None) and its owner's name, "" for nobody."""

    record: Any
    company: Company | None
    owner: str


@dataclass(frozen=True, slots=True)
class Around:
    """Somebody near a contact. ``items``: how many items of the last year they share, as far as the viewer may know.
    ``colleague``: of the same company."""

    id: int
    name: str
    title: str
    items: int
    colleague: bool


def contact(session: Session, contact_id: int) -> Head:
    """The contact; of a merged one, what it became. Raises NotFound."""
    return _head(session, Contact, contact_id, lambda: contacts.by_id(session, contact_id).id)


def company(session: Session, company_id: int) -> Head:
    """The company; of a merged one, what it became. Raises NotFound."""
    query = select(Company, User.name).outerjoin(User, User.id == Company.owner_id)
    row = session.execute(query.where(Company.id == company_id)).first()
    if row is not None and row[0].merged_into is not None:
        return company(session, companies.by_id(session, company_id).id)
    if row is None or row[0].deleted_at is not None:
        raise NotFound("There is no such company.")
    return Head(row[0], None, row[1] or "")


def deal(session: Session, deal_id: int) -> Head:
    """The deal. Raises NotFound."""
    return _head(session, Deal, deal_id, None)


def _head(session: Session, table: Any, record_id: int, became: Any) -> Head:
    live = and_(Company.id == table.company_id, Company.deleted_at.is_(None))
    query = select(table, Company, User.name).outerjoin(Company, live).outerjoin(User, User.id == table.owner_id)
    row = session.execute(query.where(table.id == record_id)).first()
    if row is not None and became is not None and row[0].merged_into is not None:
        return _head(session, table, became(), became)
    if row is None or row[0].deleted_at is not None:
        raise NotFound("There is no such record.")
    return Head(row[0], row[1], row[2] or "")


def around(session: Session, viewer: Viewer, person: Contact, *, now: datetime) -> list[Around]:
    """Who stands near a contact: on the same items, or at the same company; most in common first."""
    member(viewer)
    mine, other = aliased(Link), aliased(Link)
    items = func.count(func.distinct(Communication.id))
    shared = (
        select(other.target_id.label("contact_id"), items.label("shared"))
        .join(mine, mine.communication_id == other.communication_id)
        .join(Communication, Communication.id == mine.communication_id)
        .where(mine.target_kind == "contact", mine.target_id == person.id, mine.tombstoned.is_(False))
        .where(other.target_kind == "contact", other.target_id != person.id, other.tombstoned.is_(False))
        .where(visible(viewer), Communication.occurred_at > now - REACH)
        .group_by(other.target_id)
        .subquery()
    )
    near: ColumnElement[bool] = shared.c.shared > 0
    if person.company_id is not None:
        near = or_(near, Contact.company_id == person.company_id)
    common = func.coalesce(shared.c.shared, 0)
    query = (
        select(Contact.id, Contact.name, Contact.title, common.label("common"), Contact.company_id)
        .outerjoin(shared, shared.c.contact_id == Contact.id)
        .where(near, Contact.id != person.id, Contact.deleted_at.is_(None), Contact.merged_into.is_(None))
        .order_by(common.desc(), Contact.name, Contact.id)
        .limit(AROUND)
    )
    return [
        Around(i, name, title or "", n, company_id is not None and company_id == person.company_id)
        for i, name, title, n, company_id in session.execute(query)
    ]
