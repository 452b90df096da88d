"""Deals: creating, changing, moving along their pipeline with history, the people on them, finding.

The status follows the stage's kind. ``version`` guards concurrent edits: whoever gives the version they read gets
Conflict when somebody else was faster.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from crm import audit, outbox, pipelines, workspace
from crm.errors import Conflict, NotFound, Refused
from crm.models import Company, Contact, Deal, DealContact, DealStageChange, Stage, User
from crm.privacy import Viewer, member

FIELDS = frozenset(
    {"title", "number", "product", "company_id", "value", "currency", "probability", "expected_close", "owner_id",
     "source", "lost_reason", "custom", "created_at"}
)  # fmt: skip
MATCHED = frozenset({"title", "number", "product", "company_id", "created_at"})
PAGE_MAX = 500
VALUE_MAX = Decimal(10) ** 15


def create(
    session: Session,
    *,
    title: str,
    stage_id: int | None = None,
    company_id: int | None = None,
    contact_ids: Iterable[int] = (),
    value: Decimal | None = None,
    currency: str | None = None,
    number: str | None = None,
    product: str | None = None,
    probability: int | None = None,
    expected_close: date | None = None,
    owner_id: int | None = None,
    source: str | None = None,
    lost_reason: str | None = None,
    custom: Mapping[str, Any] | None = None,
    created_at: datetime | None = None,
    closed_at: datetime | None = None,
    now: datetime,
    actor_id: int | None,
) -> Deal:
    """Add a deal, in the first stage of the first pipeline unless told. In a won or lost stage it is closed, at
    ``closed_at`` or now. Raises Refused."""
    stage = pipelines.stage(session, stage_id) if stage_id else _first_stage(session)
    born = created_at or now
    deal = Deal(
        title=_title(title), number=number or None, product=product or None, company_id=company_id, stage_id=stage.id,
        pipeline_id=stage.pipeline_id, status=stage.kind, value=_value(value), probability=_percent(probability),
        currency=currency or workspace.get(session, "currency"), expected_close=expected_close, owner_id=owner_id,
        source=source, lost_reason=lost_reason, custom=dict(custom or {}), created_at=born,
        closed_at=None if stage.kind == "open" else max(closed_at or now, born),
    )  # fmt: skip
    session.add(deal)
    session.flush()
    for contact_id in dict.fromkeys(contact_ids):
        session.add(DealContact(deal_id=deal.id, contact_id=contact_id))
    _first_changes(session, deal, stage, actor_id)
    session.flush()
    audit.record(session, actor_id=actor_id, action="deal.create", subject_id=deal.id, now=now)
    outbox.identity_changed(session, deals=[deal.id], now=now)
    return deal


def update(
    session: Session,
    deal_id: int,
    changes: Mapping[str, Any],
    *,
    version: int | None = None,
    actor_id: int | None,
    now: datetime,
) -> Deal:
    """Change fields (``FIELDS``); moving is ``move``. Raises NotFound, Refused, Conflict when ``version`` is not the
    deal's any more."""
    deal = _locked(session, deal_id, version)
    if unknown := set(changes) - FIELDS:
        raise Refused(f"A deal has no field {min(unknown)}.", min(unknown))
    clean = dict(changes)
    for field, check in (("title", _title), ("value", _value), ("probability", _percent)):
        if field in clean:
            clean[field] = check(clean[field])
    changed = {field: value for field, value in clean.items() if getattr(deal, field) != value}
    if not changed:
        return deal
    for field, value in changed.items():
        setattr(deal, field, value)
    deal.version += 1
    session.flush()
    detail = {"fields": sorted(changed)}
    audit.record(session, actor_id=actor_id, action="deal.update", subject_id=deal_id, detail=detail, now=now)
    if MATCHED & set(changed):
        outbox.identity_changed(session, deals=[deal_id], now=now)
    return deal


def move(
    session: Session,
    deal_id: int,
    stage_id: int,
    *,
    lost_reason: str | None = None,
    version: int | None = None,
    actor_id: int | None,
    now: datetime,
) -> Deal:
    """Put a deal into a stage; history and status follow, and an open one's closing date is taken off. Raises as
    ``update``."""
    deal, stage = _locked(session, deal_id, version), pipelines.stage(session, stage_id)
    if stage.id == deal.stage_id:
        return deal
    if stage.archived_at is not None:
        raise Refused("That stage is archived.", "stage")
    session.add(
        DealStageChange(deal_id=deal.id, from_stage_id=deal.stage_id, to_stage_id=stage.id, actor_id=actor_id, at=now)
    )
    deal.stage_id, deal.pipeline_id, deal.status = stage.id, stage.pipeline_id, stage.kind
    deal.closed_at = None if stage.kind == "open" else now
    deal.lost_reason = lost_reason if stage.kind == "lost" else None
    deal.version += 1
    session.flush()
    audit.record(session, actor_id=actor_id, action="deal.move", subject_id=deal_id, detail={"to": stage.id}, now=now)
    outbox.emit(session, "deal.moved", {"deal": deal_id, "to": stage.id, "kind": stage.kind}, now=now)
    outbox.identity_changed(session, deals=[deal_id], now=now)
    return deal


def add_contact(
    session: Session, deal_id: int, contact_id: int, *, role: str | None = None, actor_id: int | None, now: datetime
) -> None:
    """Put a person on a deal, or change their role. Raises NotFound."""
    by_id(session, deal_id)
    same = DealContact.deal_id == deal_id, DealContact.contact_id == contact_id
    row = session.scalar(select(DealContact).where(*same))
    if row is not None:
        row.role = role
        return
    session.add(DealContact(deal_id=deal_id, contact_id=contact_id, role=role))
    _people_changed(session, "deal.contact_add", deal_id, contact_id, actor_id, now)


def remove_contact(session: Session, deal_id: int, contact_id: int, *, actor_id: int | None, now: datetime) -> None:
    """Take a person off a deal. Raises NotFound."""
    same = DealContact.deal_id == deal_id, DealContact.contact_id == contact_id
    row = session.scalar(select(DealContact).where(*same))
    if row is None:
        raise NotFound("They are not on this deal.")
    session.delete(row)
    _people_changed(session, "deal.contact_remove", deal_id, contact_id, actor_id, now)


def delete(session: Session, deal_id: int, *, actor_id: int | None, now: datetime) -> None:
    """Put a deal away (``restore`` brings it back)."""
    by_id(session, deal_id).deleted_at = now
    session.flush()
    audit.record(session, actor_id=actor_id, action="deal.delete", subject_id=deal_id, now=now)
    outbox.identity_changed(session, deals=[deal_id], now=now)


def restore(session: Session, deal_id: int, *, actor_id: int | None, now: datetime) -> None:
    """Bring a deleted deal back. Raises NotFound."""
    deal = session.get(Deal, deal_id)
    if deal is None or deal.deleted_at is None:
        raise NotFound("There is no such deleted deal.")
    deal.deleted_at = None
    session.flush()
    audit.record(session, actor_id=actor_id, action="deal.restore", subject_id=deal_id, now=now)
    outbox.identity_changed(session, deals=[deal_id], now=now)


def by_id(session: Session, deal_id: int) -> Deal:
    """The deal. Raises NotFound for a deleted or unknown one."""
    deal = session.get(Deal, deal_id)
    if deal is None or deal.deleted_at is not None:
        raise NotFound("There is no such deal.")
    return deal


def people(session: Session, deal_id: int) -> list[tuple[Contact, str]]:
    """The contacts on a deal with their roles, in the order they were put on it."""
    query = (
        select(Contact, DealContact.role)
        .join(DealContact, DealContact.contact_id == Contact.id)
        .where(DealContact.deal_id == deal_id, Contact.deleted_at.is_(None))
        .order_by(DealContact.id)
    )
    return [(contact, role or "") for contact, role in session.execute(query)]


@dataclass(frozen=True, slots=True)
class StageMove:
    """One line of a deal's history. ``days`` is how long it stayed in the stage it came to, None while it is
    there."""

    at: datetime
    from_stage: str
    to_stage: str
    actor: str
    days: float | None


def history(session: Session, deal_id: int) -> list[StageMove]:
    """Stage changes, oldest first."""
    names = {stage.id: stage.name for stage in session.scalars(select(Stage))}
    query = (
        select(DealStageChange, User.name)
        .outerjoin(User, User.id == DealStageChange.actor_id)
        .where(DealStageChange.deal_id == deal_id)
        .order_by(DealStageChange.at, DealStageChange.id)
    )
    rows = session.execute(query).all()
    until = [row.at for row, _ in rows[1:]] + [None]
    return [
        StageMove(
            row.at, names.get(row.from_stage_id or 0, ""), names[row.to_stage_id], actor or "system",
            (end - row.at).total_seconds() / 86400 if end else None,
        )
        for (row, actor), end in zip(rows, until, strict=True)
    ]  # fmt: skip


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


def _locked(session: Session, deal_id: int, version: int | None) -> Deal:
    """The deal, locked for this transaction where the engine can, and of the version its editor saw."""
    query = select(Deal).where(Deal.id == deal_id, Deal.deleted_at.is_(None))
    deal = session.scalar(query.with_for_update().execution_options(populate_existing=True))
    if deal is None:
        raise NotFound("There is no such deal.")
    if version is not None and version != deal.version:
        raise Conflict("Somebody changed this deal meanwhile; look at it again.")
    return deal


def _first_stage(session: Session) -> Stage:
    return next(s for s in pipelines.stages(session, pipelines.ensure_default(session).id) if s.kind == "open")


def _first_changes(session: Session, deal: Deal, stage: Stage, actor_id: int | None) -> None:
    """The history of a deal that is born: into its stage; for one born closed, into the first open stage and then to
    its end."""
    before = None
    if deal.closed_at is not None:
        first = next((s for s in pipelines.stages(session, stage.pipeline_id) if s.kind == "open"), None)
        if first is not None:
            before = first.id
            session.add(DealStageChange(deal_id=deal.id, to_stage_id=first.id, actor_id=actor_id, at=deal.created_at))
    at = deal.closed_at or deal.created_at
    session.add(DealStageChange(deal_id=deal.id, from_stage_id=before, to_stage_id=stage.id, actor_id=actor_id, at=at))


def _people_changed(
    session: Session, action: str, deal_id: int, contact_id: int, actor_id: int | None, now: datetime
) -> None:
    session.flush()
    audit.record(
        session, actor_id=actor_id, action=action, subject_id=deal_id, detail={"contact": contact_id}, now=now
    )  # fmt: skip
    outbox.identity_changed(session, deals=[deal_id], contacts=[contact_id], now=now)


def _title(raw: str) -> str:
    title = " ".join(str(raw).split())[:300]
    if not title:
        raise Refused("A deal needs a title.", "title")
    return title


def _value(value: Decimal | None) -> Decimal | None:
    if value is not None and not (value.is_finite() and 0 <= value < VALUE_MAX):
        raise Refused("A value is a number from 0.", "value")
    return value


def _percent(value: int | None) -> int | None:
    if value is not None and not 0 <= value <= 100:
        raise Refused("A probability is from 0 to 100.", "probability")
    return value
