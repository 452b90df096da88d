"""Lists of deals: the filter, a page of rows, how many there are. Reads only; deals are the team's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from crm.models import Company, Deal, DealContact, Stage, User
from crm.privacy import Viewer, member

PAGE_MAX = 500


@dataclass(frozen=True, slots=True)
class Filter:
    """What a list of deals is narrowed to. ``text`` looks in title, number and product."""

    text: str = ""
    owner_id: int | None = None
    company_id: int | None = None
    contact_id: int | None = None
    stage_id: int | None = None
    pipeline_id: int | None = None
    status: str = ""


@dataclass(frozen=True, slots=True)
class DealRow:
    """One line of the list."""

    id: int
    title: str
    company_id: int | None
    company: str
    stage_id: int
    stage: str
    status: str
    value: Decimal | None
    currency: str
    probability: int
    expected_close: date | None
    owner: str
    created_at: datetime
    closed_at: datetime | None


def page(
    session: Session, viewer: Viewer, filters: Filter | None = None, *, after: int | None = None, limit: int = 50
) -> list[DealRow]:
    """Deals, newest first, for everybody of the team. ``after`` is the id the page before ended with."""
    member(viewer)
    query = (
        select(Deal, Stage, Company.name, User.name)
        .join(Stage, Stage.id == Deal.stage_id)
        .outerjoin(Company, Company.id == Deal.company_id)
        .outerjoin(User, User.id == Deal.owner_id)
        .where(*conditions(filters or Filter()))
        .order_by(Deal.id.desc())
        .limit(min(limit, PAGE_MAX))
    )
    if after is not None:
        query = query.where(Deal.id < after)
    return [_row(*found) for found in session.execute(query)]


def count(session: Session, viewer: Viewer, filters: Filter | None = None) -> int:
    """How many deals the filter leaves."""
    member(viewer)
    return session.scalar(select(func.count()).select_from(Deal).where(*conditions(filters or Filter()))) or 0


def conditions(filters: Filter) -> list[ColumnElement[bool]]:
    """The filter as SQL conditions on ``Deal``; deleted ones are never in."""
    found: list[ColumnElement[bool]] = [Deal.deleted_at.is_(None)]
    for name in ("owner_id", "company_id", "stage_id", "pipeline_id"):
        if (value := getattr(filters, name)) is not None:
            found.append(getattr(Deal, name) == value)
    if filters.status:
        found.append(Deal.status == filters.status)
    if filters.contact_id is not None:
        on = DealContact.deal_id == Deal.id, DealContact.contact_id == filters.contact_id
        found.append(select(DealContact.id).where(and_(*on)).exists())
    if word := filters.text.strip().lower():
        columns = (Deal.title, Deal.number, Deal.product)
        found.append(or_(*(func.lower(c).contains(word, autoescape=True) for c in columns)))
    return found


def _row(deal: Deal, stage: Stage, company: str | None, owner: str | None) -> DealRow:
    chance = stage.probability if deal.probability is None else deal.probability
    return DealRow(
        deal.id, deal.title, deal.company_id, company or "", stage.id, stage.name, deal.status, deal.value,
        deal.currency, chance, deal.expected_close, owner or "",
        deal.created_at, deal.closed_at,
    )  # fmt: skip
