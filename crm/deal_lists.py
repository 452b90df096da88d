"""Lists of deals: the filter, a page of rows, how many there are. Reads only; deals are the team's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from crm.models import Company, Deal, DealContact, Stage, User
from crm.privacy import Viewer, member

PAGE_MAX = 500
PERIODS = ("month", "next", "quarter", "passed", "undated")


@dataclass(frozen=True, slots=True)
class Filter:
    """What a list of deals is narrowed to. ``text`` looks in title, number and product; ``period`` (of ``PERIODS``)
    is about the expected close, as seen on ``today``; ``ids`` are the only ones wanted."""

    text: str = ""
    owner_id: int | None = None
    company_id: int | None = None
    contact_id: int | None = None
    stage_id: int | None = None
    pipeline_id: int | None = None
    status: str = ""
    period: str = ""
    today: date | None = None
    ids: tuple[int, ...] | None = None


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
    lost_reason: str | None = None


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
    if filters.today is not None:
        found += in_period(filters.period, filters.today)
    if filters.ids is not None:
        found.append(Deal.id.in_(filters.ids))
    if filters.status and filters.status != "all":
        found.append(Deal.status == filters.status)
    if filters.contact_id is not None:
        on = DealContact.deal_id == Deal.id, DealContact.contact_id == filters.contact_id
        found.append(select(DealContact.id).where(and_(*on)).exists())
    if word := filters.text.strip().lower():
        columns = (Deal.title, Deal.number, Deal.product)
        found.append(or_(*(func.lower(c).contains(word, autoescape=True) for c in columns)))
    return found


def period(name: str, today: date) -> tuple[date | None, date | None]:
    """First and last day of a named period, both included; None is open. Pure."""
    first = today.replace(day=1)
    if name == "passed":
        return None, today - timedelta(days=1)
    if name == "month":
        return first, _after(first, 1) - timedelta(days=1)
    if name == "next":
        return _after(first, 1), _after(first, 2) - timedelta(days=1)
    quarter = date(today.year, 3 * ((today.month - 1) // 3) + 1, 1)
    return quarter, _after(quarter, 3) - timedelta(days=1)


def in_period(name: str, today: date) -> list[ColumnElement[bool]]:
    """Conditions on ``Deal`` for its expected close; none for ""."""
    if name not in PERIODS:
        return []
    if name == "undated":
        return [Deal.expected_close.is_(None)]
    first, last = period(name, today)
    low = [Deal.expected_close >= first] if first else []
    return low + ([Deal.expected_close <= last] if last else [])


def _after(first: date, months: int) -> date:
    years, month = divmod(first.month - 1 + months, 12)
    return date(first.year + years, month + 1, 1)


def _row(deal: Deal, stage: Stage, company: str | None, owner: str | None) -> DealRow:
    chance = stage.probability if deal.probability is None else deal.probability
    return DealRow(
        deal.id, deal.title, deal.company_id, company or "", stage.id, stage.name, deal.status, deal.value,
        deal.currency, chance, deal.expected_close, owner or "",
        deal.created_at, deal.closed_at, deal.lost_reason,
    )  # fmt: skip
