"""The journal of an import, and taking it back exactly. A created row goes when it is as the import left it and
nothing of somebody else's hangs on it; a changed field gets its old value when it still has the import's. Whatever
else there is stays, and is named.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from crm import names, outbox
from crm.csvrows import Context
from crm.models import (
    Address,
    Company,
    CompanyDomain,
    Contact,
    ContactPhone,
    Deal,
    DealContact,
    DealStageChange,
    DealValueChange,
    Field,
    ImportBatch,
    Job,
    LifecycleChange,
    Link,
    RecordFile,
    Suggestion,
    Task,
)
from crm.snapshots import columns, plain, typed

CHUNK = 500
TABLES: dict[str, Any] = {
    "contact": Contact, "company": Company, "deal": Deal, "task": Task, "address": Address, "phone": ContactPhone,
    "company_domain": CompanyDomain, "deal_contact": DealContact, "stage_change": DealStageChange,
    "value_change": DealValueChange, "field": Field, "lifecycle": LifecycleChange,
}  # fmt: skip
RECORDS = ("task", "deal", "contact", "company")  # undone in this order: what points comes before what is pointed at
PARTS = {
    "address": "contact", "phone": "contact", "company_domain": "company", "deal_contact": "deal",
    "stage_change": "deal", "value_change": "deal", "lifecycle": "contact",
}  # fmt: skip
OWN_PARTS = {
    "contact": (Address, ContactPhone), "company": (CompanyDomain,),
    "deal": (DealContact, DealStageChange, DealValueChange),
}  # fmt: skip
POINTERS: dict[str, list[tuple[str, Any]]] = {
    "contact": [("deal", DealContact.contact_id), ("task", Task.contact_id), ("job", Job.contact_id)],
    "company": [("contact", Contact.company_id), ("deal", Deal.company_id), ("task", Task.company_id),
                ("job", Job.company_id)],
    "deal": [("task", Task.deal_id)],
}  # fmt: skip


@dataclass(slots=True)
class Undone:
    """What was taken back. ``kept`` are sentences on what was left, and why."""

    removed: dict[str, int] = field(default_factory=dict)
    restored: int = 0
    kept: list[str] = field(default_factory=list)


def seal(context: Context, batch_id: int) -> list[Any]:
    """The journal as JSON, with a fingerprint of each created record as the import leaves it; marks records with the
    batch."""
    session = context.session
    entries: list[Any] = []
    for noun, ids in context.created.items():
        prints = _prints(session, noun, ids) if noun in RECORDS else {}
        entries += [{"new": noun, "id": i, **({"print": prints[i]} if i in prints else {})} for i in ids]
        if noun in RECORDS:
            for chunk in _chunks(ids):
                session.execute(update(TABLES[noun]).where(TABLES[noun].id.in_(chunk)).values(import_id=batch_id))
    for (noun, row_id), before in context.changed.items():
        row = session.get_one(TABLES[noun], row_id)
        fields = {name: [plain(old), plain(getattr(row, name))] for name, old in before.items()}
        entries.append({"set": noun, "id": row_id, "fields": fields})
    return entries


def take_back(session: Session, batch: ImportBatch, *, now: datetime) -> Undone:
    """Undo the batch's journal. Tells matching what it touched."""
    done = Undone()
    created: dict[str, dict[int, str]] = {}
    for entry in batch.journal:
        if "new" in entry:
            created.setdefault(entry["new"], {})[entry["id"]] = entry.get("print", "")
    touched: dict[str, set[Any]] = {key: set() for key in outbox.IDENTITY_KEYS}
    for entry in batch.journal:
        if "set" in entry:
            _restore(session, entry, done, touched)
    going: dict[str, set[int]] = {}
    for noun in RECORDS:
        going[noun] = _going(session, noun, created, going, done)
    _remove_parts(session, created, going, done, touched)
    for noun in RECORDS:
        _remove(session, noun, going[noun], done, touched)
    _remove_fields(session, created.get("field", {}), done)
    outbox.identity_changed(session, now=now, **touched)
    return done


def _restore(session: Session, entry: dict[str, Any], done: Undone, touched: dict[str, set[Any]]) -> None:
    noun, row = entry["set"], session.get(TABLES[entry["set"]], entry["id"])
    if row is None:
        done.kept.append(f"{noun} {entry['id']} is gone; its old values can't be put back")
        return
    for name, (old, new) in entry["fields"].items():
        if plain(getattr(row, name)) != new:
            done.kept.append(f"{noun} {_label(row)!r}: {name} was changed since")
            continue
        setattr(row, name, typed(type(row), name, old))
        done.restored += 1
    key = {"contact": "contacts", "company": "companies", "deal": "deals"}.get(noun)
    if key:
        touched[key].add(row.id)
    session.flush()


def _going(
    session: Session, noun: str, created: dict[str, dict[int, str]], going: dict[str, set[int]], done: Undone
) -> set[int]:
    """Created records of a noun that can go: untouched, and nothing that stays points at them."""
    prints = created.get(noun, {})
    now_ = _prints(session, noun, prints)
    free = {i for i, was in prints.items() if now_.get(i) == was}
    held = _held(session, noun, free, going)
    stay = {i: "was changed since" for i in prints if i in now_ and i not in free} | held
    for chunk in _chunks(sorted(stay)):
        for row in session.scalars(select(TABLES[noun]).where(TABLES[noun].id.in_(chunk))):
            done.kept.append(f"{noun} {_label(row)!r} {stay[row.id]}")
    return free - set(held)


def _held(session: Session, noun: str, ids: set[int], going: dict[str, set[int]]) -> dict[int, str]:
    """Records that something staying points at, with the reason in half a sentence."""
    found: dict[int, str] = {}
    for chunk in _chunks(sorted(ids)):
        for what, column in POINTERS.get(noun, []):
            table = column.class_
            owner = table.deal_id if table is DealContact else table.id
            for pointed, pointer in session.execute(select(column, owner).where(column.in_(chunk))):
                if pointer not in going.get(what, ()):
                    found[pointed] = f"is used by a {what} that stays"
        if noun != "task":
            decided = select(Link.target_id).where(Link.target_kind == noun, Link.target_id.in_(chunk), Link.pinned)
            found.update(dict.fromkeys(session.scalars(decided), "has items that somebody attached"))
            filed = select(RecordFile.record_id).where(RecordFile.noun == noun, RecordFile.record_id.in_(chunk))
            found.update(dict.fromkeys(session.scalars(filed), "has files that somebody put there"))
    return found


def _remove_parts(
    session: Session,
    created: dict[str, dict[int, str]],
    going: dict[str, set[int]],
    done: Undone,
    touched: dict[str, set[Any]],
) -> None:
    """Addresses, domains and the like that the import gave to records it had not made. Those of records that were
    made by it and stay, stay with them."""
    stays = {noun: set(created.get(noun, {})) - going[noun] for noun in RECORDS}
    for part in PARTS:
        table = TABLES[part]
        owner = PARTS[part]
        for chunk in _chunks(sorted(created.get(part, {}))):
            for row in session.scalars(select(table).where(table.id.in_(chunk))):
                owner_id = getattr(row, f"{owner}_id")
                if owner_id in stays[owner]:
                    continue
                if part == "address":
                    touched["addresses"].add(row.canonical)
                if part == "company_domain":
                    touched["domains"].add(row.domain)
                session.delete(row)
                if owner_id not in going[owner]:
                    done.removed[part] = done.removed.get(part, 0) + 1
            session.flush()


def _remove(session: Session, noun: str, ids: set[int], done: Undone, touched: dict[str, set[Any]]) -> None:
    """Delete records with their links and suggestions."""
    key = {"contact": "contacts", "company": "companies", "deal": "deals"}.get(noun)
    for chunk in _chunks(sorted(ids)):
        if key:
            touched[key].update(chunk)
            for table in (Link, Suggestion):
                session.execute(delete(table).where(table.target_kind == noun, table.target_id.in_(chunk)))
            names.forget(session, noun, chunk)
        session.execute(delete(TABLES[noun]).where(TABLES[noun].id.in_(chunk)))
    if ids:
        done.removed[noun] = len(ids)


def _remove_fields(session: Session, ids: Iterable[int], done: Undone) -> None:
    """Custom fields the import defined, unless some record has a value in them now."""
    for row in session.scalars(select(Field).where(Field.id.in_(list(ids)))).all():
        used = session.scalars(select(TABLES[row.noun].custom))
        if any(row.name in custom for custom in used):
            done.kept.append(f"custom field {row.label!r} has values")
        else:
            session.delete(row)
    session.flush()


def _prints(session: Session, noun: str, ids: Iterable[int]) -> dict[int, str]:
    """A fingerprint per record that exists: its own columns, and those of its parts."""
    table, found = TABLES[noun], dict[int, list[Any]]()
    for chunk in _chunks(sorted(ids)):
        for row in session.scalars(select(table).where(table.id.in_(chunk)).execution_options(populate_existing=True)):
            found[row.id] = [columns(row, {"import_id"})]
        for part in OWN_PARTS.get(noun, ()):
            owner = getattr(part, f"{noun}_id")
            for row in session.scalars(select(part).where(owner.in_(chunk)).order_by(part.id)):
                found[getattr(row, f"{noun}_id")].append(columns(row))
    return {i: hashlib.sha256(json.dumps(v, sort_keys=True).encode()).hexdigest()[:20] for i, v in found.items()}


def _label(row: Any) -> str:
    return str(getattr(row, "name", None) or getattr(row, "title", row.id))


def _chunks(ids: Iterable[int]) -> Iterator[list[int]]:
    rest = list(ids)
    for at in range(0, len(rest), CHUNK):
        yield rest[at : at + CHUNK]


def count(session: Session, batch_id: int) -> int:
    """How many records still carry the batch's mark."""
    tables = [TABLES[noun] for noun in RECORDS if noun != "company"] + [Company]
    totals = (session.scalar(select(func.count()).select_from(t).where(t.import_id == batch_id)) for t in tables)
    return sum(total or 0 for total in totals)
