"""Deals: creating, changing, moving along their pipeline, the people on them. Lists are ``crm.deal_lists``, histories
``crm.deal_history``; their names are this module's too.

The status follows the stage's kind. ``version`` guards concurrent edits: whoever gives the version they read gets
Conflict when somebody else was faster.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm import audit, deal_history, outbox, pipelines, workspace
from crm.currencies import VALUE_MAX
from crm.deal_history import StageMove, history
from crm.deal_lists import PAGE_MAX, DealRow, Filter, conditions, count, page
from crm.errors import Conflict, NotFound, Refused
from crm.models import Address, Contact, Deal, DealContact, Stage

__all__ = [
    "FIELDS", "MATCHED", "PAGE_MAX", "DealRow", "Filter", "StageMove", "add_contact", "by_id", "conditions", "count",
    "create", "delete", "history", "move", "page", "people", "remove_contact", "restore", "update",
    "written",
]  # fmt: skip
FIELDS = frozenset(
    {"title", "number", "product", "company_id", "value", "currency", "probability", "expected_close", "owner_id",
     "source", "lost_reason", "won_reason", "custom", "created_at"}
)  # fmt: skip
MATCHED = frozenset({"title", "number", "product", "company_id", "created_at"})
REASON_MAX = 500
YEARS = range(1990, 2200)


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
        currency=currency or workspace.get(session, "currency"), expected_close=_day(expected_close), owner_id=owner_id,
        source=source, lost_reason=lost_reason, custom=dict(custom or {}), created_at=born,
        closed_at=None if stage.kind == "open" else max(closed_at or now, born),
    )  # fmt: skip
    session.add(deal)
    session.flush()
    for contact_id in dict.fromkeys(contact_ids):
        session.add(DealContact(deal_id=deal.id, contact_id=contact_id))
    deal_history.born(session, deal, stage, pipelines.stages(session, stage.pipeline_id), actor_id)
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
    for field, check in (("title", _title), ("value", _value), ("probability", _percent), ("expected_close", _day)):
        if field in clean:
            clean[field] = check(clean[field])
    changed = {field: value for field, value in clean.items() if getattr(deal, field) != value}
    if not changed:
        return deal
    detail = audit.changes(deal, changed)
    for field, value in changed.items():
        setattr(deal, field, value)
    if {"value", "currency"} & set(changed):
        deal_history.worth(session, deal, actor_id, now)
    deal.version += 1
    session.flush()
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
    won_reason: str | None = None,
    version: int | None = None,
    closed_at: datetime | None = None,
    across: bool = False,
    actor_id: int | None,
    now: datetime,
) -> Deal:
    """Put a deal into a stage; history and status follow. In a won or lost stage it is closed at ``closed_at`` or now
    and keeps the reason given; in an open one it has neither. A stage of another pipeline is taken only ``across``.
    Raises as ``update``."""
    deal, stage = _locked(session, deal_id, version), pipelines.stage(session, stage_id)
    if stage.id == deal.stage_id:
        return deal
    if stage.archived_at is not None:
        raise Refused(f"The stage {stage.name} is archived.", "stage")
    if stage.pipeline_id != deal.pipeline_id and not across:
        raise Refused(f"The stage {stage.name} belongs to another pipeline.", "stage")
    deal_history.moved(session, deal, deal.stage_id, stage.id, actor_id, now)
    deal.stage_id, deal.pipeline_id, deal.status = stage.id, stage.pipeline_id, stage.kind
    deal.closed_at = None if stage.kind == "open" else closed_at or now
    deal.lost_reason = _reason(lost_reason) if stage.kind == "lost" else None
    deal.won_reason = _reason(won_reason) if stage.kind == "won" else None
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


def written(session: Session, deal_id: int) -> dict[int, str]:
    """The people of a deal as a form lists them: by contact id the main address, or the name of one without any."""
    main = select(Address.raw).where(Address.contact_id == Contact.id)
    first = main.order_by(Address.position, Address.id).limit(1).scalar_subquery()
    query = select(Contact.id, Contact.name, first.label("address")).join(
        DealContact, DealContact.contact_id == Contact.id
    )
    on_it = query.where(DealContact.deal_id == deal_id, Contact.deleted_at.is_(None)).order_by(DealContact.id)
    return {row.id: row.address or row.name for row in session.execute(on_it)}


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


def _reason(text: str | None) -> str | None:
    """One line, or None for nothing."""
    return " ".join((text or "").split())[:REASON_MAX] or None


def _day(value: date | None) -> date | None:
    if value is not None and value.year not in YEARS:
        raise Refused(f"A closing date is between {YEARS.start} and {YEARS.stop - 1}.", "expected_close")
    return value
