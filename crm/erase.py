"""Erasing a person, with a certificate of counts; and everything known of a person, for them to have.

Goes: the contact with addresses, numbers, jobs and files; every item they wrote, or that was with nobody else of the
other side, and notes about them alone. Stays, without their identity: items of others they got a copy of. Keyed hashes
of their addresses and of the Message-IDs stay, so that the mailbox does not bring them back. The certificate names
nobody. Text that speaks of them by first name only can't be found and stays; backups made before hold everything
until they are deleted.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from crm import addresses, audit, export, names, outbox, redact, search
from crm.errors import NotFound, Refused
from crm.models import (
    AccessRequest,
    Address,
    Communication,
    Company,
    Contact,
    ContactPhone,
    Deal,
    DealContact,
    EventVersion,
    Job,
    Ledger,
    LifecycleChange,
    Link,
    Marker,
    MessageRef,
    Participant,
    Question,
    RecordFile,
    ReviewState,
    Ruling,
    Suggestion,
    Task,
    Thread,
)
from crm.privacy import Viewer
from crm.redact import Identity
from crm.snapshots import columns
from crm.vault import Vault

CHUNK = 500
BACKUPS = "Backups made before hold the erased content until they are deleted."
AUTHORS = ("from", "sender", "original_from", "organizer", "forwarded")


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was erased, in numbers. Names nobody."""

    contact_id: int
    at: datetime
    counts: dict[str, int]
    note: str = BACKUPS

    def as_dict(self) -> dict[str, Any]:
        """The certificate as JSON."""
        return {**asdict(self), "at": export.moment(self.at)}


@dataclass(slots=True)
class _Plan:
    """Items to go, and items to stay without the person."""

    going: list[int] = field(default_factory=list)
    staying: list[int] = field(default_factory=list)


def find(session: Session, contact: str) -> int:
    """The contact meant by an id or an address. Raises NotFound; Refused for an address of several, naming their
    ids."""
    text = contact.strip()
    if text.isdigit() and session.get(Contact, int(text)) is not None:
        return int(text)
    found = addresses.holders(session, text)
    if len(found) > 1:
        numbers = ", ".join(str(c.id) for c in found)
        raise Refused(f"Several contacts have that address: {numbers}. Name one by its number.")
    if not found:
        raise NotFound("There is no such contact.")
    return found[0].id


def preview(session: Session, contact_id: int) -> dict[str, int]:
    """How many items would go, and how many would stay without the person."""
    ids = _persons(session, contact_id)
    plan = _plan(session, ids, _identity(session, ids))
    return {"items_erased": len(plan.going), "items_anonymised": len(plan.staying)}


def erase(session: Session, contact_id: int, *, vault: Vault, actor_id: int | None, now: datetime) -> Certificate:
    """Erase a contact and whoever was merged into them. Can't be undone. Raises NotFound."""
    ids = _persons(session, contact_id)
    who = _identity(session, ids)
    plan = _plan(session, ids, who)
    counts = {"contacts": len(ids), "addresses": len(who.addresses), "phones": len(who.numbers)}
    counts["hashes_kept"] = _keep_hashes(session, vault, who, plan, now)
    counts["items_erased"] = _remove_items(session, vault, plan.going)
    counts["items_anonymised"] = redact.items(session, plan.staying, who)
    counts["links"] = _remove_pointers(session, ids, who)
    counts["other_rows_redacted"] = redact.elsewhere(session, who)
    counts["files"] = _remove_files(session, ids)
    counts["tasks_unlinked"] = _remove_contact(session, ids)
    audit.record(session, actor_id=actor_id, action="contact.erase", subject_id=contact_id, detail=counts, now=now)
    outbox.identity_changed(session, contacts=ids, now=now)
    session.flush()
    return Certificate(contact_id, now, counts)


def export_person(session: Session, contact_id: int, viewer: Viewer | None = None) -> dict[str, Any]:
    """Everything known of a contact: fields, addresses, numbers, jobs, deals, tasks, and items as far as the viewer
    may read them (without one: as an administrator of the data; the content of private items is left out, their
    number is told)."""
    ids = _persons(session, contact_id)
    who = _identity(session, ids)
    items = sorted(_items(session, ids, who))
    lines = list(export.lines_of(session, viewer or Viewer.system(), items))
    tables = {
        "addresses": Address, "phones": ContactPhone, "jobs": Job, "deal_roles": DealContact, "tasks": Task,
        "conversions": LifecycleChange,
    }  # fmt: skip
    found: dict[str, Any] = {
        "contacts": [columns(c) for c in session.scalars(select(Contact).where(Contact.id.in_(ids)))],
        **{name: _rows(session, table, ids) for name, table in tables.items()},
    }
    found["companies"] = _named(session, Company.name, Company.id, {c["company_id"] for c in found["contacts"]})
    found["deals"] = _named(session, Deal.title, Deal.id, {d["deal_id"] for d in found["deal_roles"]})
    found["files"] = _files(session, ids)
    found["items"] = lines
    found["items_private"] = sum(line["visibility"] == "private" for line in lines)
    return found


def _rows(session: Session, table: Any, ids: list[int]) -> list[dict[str, Any]]:
    return [columns(row) for row in session.scalars(select(table).where(table.contact_id.in_(ids)).order_by(table.id))]


def _named(session: Session, name: Any, key: Any, ids: Iterable[int | None]) -> list[str]:
    return sorted(session.scalars(select(name).where(key.in_([i for i in ids if i is not None]))))


def _persons(session: Session, contact_id: int) -> list[int]:
    """The contact, and those merged into it."""
    if session.get(Contact, contact_id) is None:
        raise NotFound("There is no such contact.")
    found, fresh = {contact_id}, {contact_id}
    while fresh:
        fresh = set(session.scalars(select(Contact.id).where(Contact.merged_into.in_(fresh)))) - found
        found |= fresh
    return sorted(found)


def _identity(session: Session, ids: list[int]) -> Identity:
    """Their addresses (those they share with nobody else), names and numbers."""
    other = exists().where(Address.canonical == _outer.c.canonical, Address.contact_id.not_in(ids))
    held = select(_outer.c.canonical, _outer.c.raw).where(_outer.c.contact_id.in_(ids), ~other)
    texts = {text.strip().lower() for pair in session.execute(held) for text in pair if text.strip()}
    names: set[str] = set()
    for row in session.scalars(select(Contact).where(Contact.id.in_(ids))):
        names |= {row.name, f"{row.first_name or ''} {row.last_name or ''}".strip()} - {""}
    numbers = set(session.scalars(select(ContactPhone.raw).where(ContactPhone.contact_id.in_(ids))))
    return Identity(frozenset(texts), frozenset(names), frozenset(numbers))


_outer = Address.__table__.alias("held")


def _items(session: Session, ids: list[int], who: Identity) -> set[int]:
    """Every item they take part in or are attached to."""
    linked = select(Link.communication_id).where(Link.target_kind == "contact", Link.target_id.in_(ids))
    taking_part = select(Participant.communication_id).where(Participant.canonical.in_(who.addresses))
    return set(session.scalars(linked.union(taking_part)))


def _plan(session: Session, ids: list[int], who: Identity) -> _Plan:
    plan = _Plan()
    for chunk in _chunks(sorted(_items(session, ids, who))):
        people: dict[int, list[Any]] = {}
        query = select(Participant.communication_id, Participant.role, Participant.canonical, Participant.own)
        for party in session.execute(query.where(Participant.communication_id.in_(chunk))):
            people.setdefault(party.communication_id, []).append(party)
        others = _attached_to_others(session, chunk, ids)
        for item in chunk:
            parties = people.get(item, [])
            wrote = any(p.role in AUTHORS and p.canonical in who.addresses for p in parties)
            company = any(not p.own and p.canonical not in who.addresses for p in parties) or item in others
            (plan.going if wrote or not company else plan.staying).append(item)
    return plan


def _attached_to_others(session: Session, chunk: list[int], ids: list[int]) -> set[int]:
    other = select(Link.communication_id).where(
        Link.communication_id.in_(chunk), Link.target_kind == "contact", Link.target_id.not_in(ids),
        Link.tombstoned.is_(False),
    )  # fmt: skip
    return set(session.scalars(other))


def _keep_hashes(session: Session, vault: Vault, who: Identity, plan: _Plan, now: datetime) -> int:
    wanted = {("do_not_recreate", vault.keyed_hash(a)) for a in who.addresses}
    wanted |= {("erased", vault.keyed_hash(a)) for a in who.addresses}
    for chunk in _chunks(plan.going):
        query = select(Communication.message_id, Communication.ical_uid).where(Communication.id.in_(chunk))
        wanted |= {("erased", vault.keyed_hash(key)) for pair in session.execute(query) for key in pair if key}
    known = set(session.execute(select(Marker.kind, Marker.hash)).all())
    fresh = [pair for pair in sorted(wanted) if pair not in known]
    session.add_all([Marker(kind=kind, hash=hash_, created_at=now) for kind, hash_ in fresh])
    session.flush()
    return len(wanted)


def _remove_items(session: Session, vault: Vault, ids: Sequence[int]) -> int:
    """Items with all that hangs on them; the ledger keeps the row, the reason and a keyed hash."""
    threads: set[int] = set()
    for chunk in _chunks(ids):
        query = select(Communication.thread_id, Communication.message_id, Communication.ical_uid)
        rows = session.execute(query.where(Communication.id.in_(chunk))).all()
        threads |= {row.thread_id for row in rows if row.thread_id is not None}
        _hide_in_ledger(session, vault, chunk)
        refs = [row.message_id for row in rows if row.message_id]
        session.execute(delete(MessageRef).where(MessageRef.message_id.in_(refs)))
        search.forget(session, chunk)
        session.execute(update(Task).where(Task.communication_id.in_(chunk)).values(communication_id=None))
        session.execute(delete(AccessRequest).where(AccessRequest.communication_id.in_(chunk)))
        session.execute(delete(Communication).where(Communication.id.in_(chunk)))
        uids = {row.ical_uid for row in rows if row.ical_uid}
        left = set(session.scalars(select(Communication.ical_uid).where(Communication.ical_uid.in_(uids))))
        session.execute(delete(EventVersion).where(EventVersion.uid.in_(uids - left)))
    for chunk in _chunks(sorted(threads)):
        empty = ~exists().where(Communication.thread_id == Thread.id)
        session.execute(delete(Thread).where(Thread.id.in_(chunk), empty))
    session.expire_all()
    return len(ids)


def _hide_in_ledger(session: Session, vault: Vault, chunk: list[int]) -> None:
    query = select(Ledger.id, Ledger.message_id, Ledger.ical_uid).where(Ledger.communication_id.in_(chunk))
    rows = [
        {
            "id": row.id, "state": "skipped", "reason": "erased", "message_id": None, "ical_uid": None,
            "communication_id": None, "key_hash": vault.keyed_hash(row.message_id or row.ical_uid or ""),
        }
        for row in session.execute(query)
    ]  # fmt: skip
    if rows:
        session.execute(update(Ledger), rows)


def _remove_pointers(session: Session, ids: list[int], who: Identity) -> int:
    """Links, suggestions, questions, rulings and snoozes that name the person."""
    about = func.count(Link.id)
    total = session.scalar(select(about).where(Link.target_kind == "contact", Link.target_id.in_(ids))) or 0
    for table in (Link, Suggestion):
        session.execute(delete(table).where(table.target_kind == "contact", table.target_id.in_(ids)))
    keys = [f"{kind}:{text}" for kind, texts in (("address", who.addresses), ("name", who.names)) for text in texts]
    session.execute(delete(Question).where(Question.group_key.in_(keys)))
    session.execute(delete(ReviewState).where(ReviewState.group_key.in_(keys)))
    named = Ruling.value.in_(who.addresses)
    session.execute(delete(Ruling).where(or_(named, (Ruling.target_kind == "contact") & Ruling.target_id.in_(ids))))
    return total


def _remove_files(session: Session, ids: list[int]) -> int:
    """Files that were put on them, those deleted before too. Files of a company or deal are not looked into."""
    theirs = delete(RecordFile).where(RecordFile.noun == "contact", RecordFile.record_id.in_(ids))
    return len(session.scalars(theirs.returning(RecordFile.id)).all())


def _files(session: Session, ids: list[int]) -> list[dict[str, Any]]:
    """Their files with the content, base64."""
    query = select(RecordFile).where(RecordFile.noun == "contact", RecordFile.record_id.in_(ids))
    rows = session.scalars(query.where(RecordFile.deleted_at.is_(None)).order_by(RecordFile.id))
    return [{**columns(row, {"content"}), "content": b64encode(row.content).decode()} for row in rows]


def _remove_contact(session: Session, ids: list[int]) -> int:
    tasks = session.execute(
        update(Task).where(Task.contact_id.in_(ids)).values(contact_id=None).returning(Task.id)
    ).all()  # fmt: skip
    for table in (Address, ContactPhone, Job, DealContact):
        session.execute(delete(table).where(table.contact_id.in_(ids)))
    session.execute(update(Contact).where(Contact.id.in_(ids)).values(merged_into=None))
    session.execute(delete(Contact).where(Contact.id.in_(ids)))
    names.forget(session, "contact", ids)
    session.expire_all()
    return len(tasks)


def _chunks(ids: Sequence[int]) -> Iterator[list[int]]:
    for at in range(0, len(ids), CHUNK):
        yield list(ids[at : at + CHUNK])
