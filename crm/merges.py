"""Merging two contacts, or two companies, and taking it back exactly. Everything of the one is re-pointed to the
other, never copied; what would stand there twice is laid into the decision's inverse. Matching then re-evaluates what
both were reached by.

The merged record stays, marked ``merged_into``, so that old addresses of its page still lead somewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm import audit, companies, contacts, outbox
from crm.errors import NotFound, Refused
from crm.models import (
    Address,
    Company,
    CompanyDomain,
    Contact,
    ContactPhone,
    Deal,
    DealContact,
    Decision,
    Job,
    LifecycleChange,
    Link,
    RecordFile,
    Ruling,
    Suggestion,
    Task,
)
from crm.snapshots import columns, plain, rebuilt, typed


@dataclass(frozen=True, slots=True)
class _Part:
    """A table that points at the merged record: by ``column``, where ``unique`` columns may not stand twice."""

    table: Any
    column: str
    unique: tuple[str, ...] = ()
    by_kind: bool = False


_ITEMS = (
    _Part(Link, "target_id", ("communication_id",), by_kind=True),
    _Part(Suggestion, "target_id", ("communication_id", "lost"), by_kind=True),
    _Part(Ruling, "target_id", by_kind=True),
    _Part(RecordFile, "record_id", by_kind=True),
)
PARTS: dict[str, tuple[_Part, ...]] = {
    "contact": (
        _Part(Address, "contact_id", ("canonical",)), _Part(ContactPhone, "contact_id", ("raw",)),
        _Part(Job, "contact_id"), _Part(DealContact, "contact_id", ("deal_id",)), _Part(Task, "contact_id"),
        _Part(LifecycleChange, "contact_id"), *_ITEMS,
    ),
    "company": (
        _Part(CompanyDomain, "company_id", ("domain",)), _Part(Contact, "company_id"), _Part(Job, "company_id"),
        _Part(Deal, "company_id"), _Part(Task, "company_id"), *_ITEMS,
    ),
}  # fmt: skip
TABLES = {part.table.__tablename__: part.table for parts in PARTS.values() for part in parts}
NOUNS: dict[str, Any] = {"contact": Contact, "company": Company}
FILLED = {
    "contact": ("first_name", "last_name", "title", "company_id", "owner_id", "source"),
    "company": ("industry", "size", "owner_id", "source"),
}


def merge(session: Session, noun: str, keep_id: int, gone_id: int, *, actor_id: int | None, now: datetime) -> Decision:
    """Make ``gone_id`` part of ``keep_id``; empty fields of the kept one are filled. Returns the decision, which
    ``unmerge`` takes.

    ``noun`` is contact or company. Raises NotFound, Refused for the same record twice."""
    keep, gone = _find(session, noun, keep_id), _find(session, noun, gone_id)
    if keep.id == gone.id:
        raise Refused("A record can't be merged with itself.")
    inverse: dict[str, Any] = {"keep": keep.id, "gone": gone.id, "moved": [], "removed": [], "fields": {}, "pinned": []}
    touched = _touched(session, noun, keep.id, gone.id)
    for part in PARTS[noun]:
        _move(session, noun, part, keep.id, gone.id, inverse)
    _fill(keep, gone, noun, inverse)
    gone.merged_into = keep.id
    decision = Decision(
        at=now, actor_id=actor_id, kind="merge", scope=noun, subject=f"{noun}:{keep.id}",
        says=f"merged {noun} {gone.name} into {keep.name}", payload={"noun": noun, "keep": keep.id, "gone": gone.id},
        inverse=inverse, items=sum(1 for table, *_ in inverse["moved"] if table == Link.__tablename__),
    )  # fmt: skip
    session.add(decision)
    session.flush()
    detail = {"gone": gone.id, "decision": decision.id}
    audit.record(session, actor_id=actor_id, action=f"{noun}.merge", subject_id=keep.id, detail=detail, now=now)
    outbox.identity_changed(session, **touched, now=now)
    return decision


def unmerge(session: Session, decision_id: int, *, actor_id: int | None, now: datetime) -> None:
    """Take a merge back: every row goes back to where it was, unless it was moved on or removed since. Mail that came
    after the merge is decided anew. Raises NotFound, Refused when it was taken back already."""
    decision = session.get(Decision, decision_id)
    if decision is None or decision.kind != "merge":
        raise NotFound("There is no such merge.")
    noun, inverse = decision.payload["noun"], decision.inverse
    keep, gone = session.get(NOUNS[noun], inverse["keep"]), session.get(NOUNS[noun], inverse["gone"])
    if decision.undone_at is not None or keep is None or gone is None or gone.merged_into != keep.id:
        raise Refused("This merge can't be taken back any more.")
    gone.merged_into = None
    for table, row_id, pointer, before in inverse["moved"]:
        row = session.get(TABLES[table], row_id)
        if row is not None and getattr(row, pointer) == keep.id:
            for name, value in before.items():
                setattr(row, name, value)
    session.flush()
    for table, values in inverse["removed"]:
        _reinsert(session, TABLES[table], values)
    for link_id, tombstoned in inverse["pinned"]:
        if (link := session.get(Link, link_id)) is not None:
            link.pinned, link.tombstoned = False, tombstoned
    for name, (old, new) in inverse["fields"].items():
        if plain(getattr(keep, name)) == new:
            setattr(keep, name, typed(NOUNS[noun], name, old))
    decision.undone_at, decision.undone_by = now, actor_id
    session.flush()
    audit.record(
        session, actor_id=actor_id, action=f"{noun}.unmerge", subject_id=keep.id, detail={"gone": gone.id}, now=now
    )
    outbox.identity_changed(session, **_touched(session, noun, keep.id, gone.id), now=now)


def _find(session: Session, noun: str, row_id: int) -> Any:
    if noun not in NOUNS:
        raise Refused("Only contacts and companies can be merged.")
    return contacts.by_id(session, row_id) if noun == "contact" else companies.by_id(session, row_id)


def _move(session: Session, noun: str, part: _Part, keep_id: int, gone_id: int, inverse: dict[str, Any]) -> None:
    table, name = part.table, part.table.__tablename__
    there = {_key(row, part): row for row in session.scalars(_rows(noun, part, keep_id))} if part.unique else {}
    place = len(there)
    for row in session.scalars(_rows(noun, part, gone_id)).all():
        twin = there.get(_key(row, part)) if part.unique else None
        if twin is not None:
            inverse["removed"].append([name, columns(row)])
            if table is Link:
                _strengthen(twin, row, inverse)
            session.delete(row)
            continue
        before = {part.column: gone_id}
        if table is Address:
            before["position"], row.position, place = row.position, place, place + 1
        if table is CompanyDomain and row.kind == "primary" and there:
            before["kind"], row.kind = row.kind, "alias"
        setattr(row, part.column, keep_id)
        inverse["moved"].append([name, row.id, part.column, before])
    session.flush()


def _rows(noun: str, part: _Part, record_id: int) -> Any:
    query = select(part.table).where(getattr(part.table, part.column) == record_id)
    if part.by_kind:
        query = query.where((part.table.noun if part.table is RecordFile else part.table.target_kind) == noun)
    return query.order_by(part.table.id)


def _key(row: Any, part: _Part) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in part.unique)


def _strengthen(twin: Link, link: Link, inverse: dict[str, Any]) -> None:
    """Both were linked to the item: what a person pinned stays pinned, and beats having been taken off the other."""
    if link.pinned and not twin.pinned:
        inverse["pinned"].append([twin.id, twin.tombstoned])
        twin.pinned, twin.tombstoned = True, False


def _fill(keep: Any, gone: Any, noun: str, inverse: dict[str, Any]) -> None:
    values = {name: getattr(gone, name) for name in FILLED[noun] if not getattr(keep, name) and getattr(gone, name)}
    merged = {**gone.custom, **keep.custom}
    if merged != keep.custom:
        values["custom"] = merged
    if gone.created_at < keep.created_at:
        values["created_at"] = gone.created_at
    for name, value in values.items():
        inverse["fields"][name] = [plain(getattr(keep, name)), plain(value)]
        setattr(keep, name, value)


def _reinsert(session: Session, table: Any, values: dict[str, Any]) -> None:
    """A row that was laid aside, unless what it belonged to is gone."""
    if session.get(table, values["id"]) is not None:
        return
    for name in ("communication_id", "deal_id", "decision_id"):
        column = table.__table__.c.get(name)
        if column is not None and values.get(name) is not None:
            target = next(iter(column.foreign_keys)).column
            if session.scalar(select(target).where(target == values[name])) is None:
                return
    session.add(rebuilt(table, values))
    session.flush()


def _touched(session: Session, noun: str, *ids: int) -> dict[str, list[Any]]:
    if noun == "contact":
        found = session.scalars(select(Address.canonical).where(Address.contact_id.in_(ids)))
        return {"addresses": list(found), "contacts": list(ids)}
    found = session.scalars(select(CompanyDomain.domain).where(CompanyDomain.company_id.in_(ids)))
    return {"domains": list(found), "companies": list(ids)}
