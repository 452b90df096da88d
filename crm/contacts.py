"""Contacts: creating, changing, deleting with a way back, finding. What a contact's page shows beside its fields is
``crm.facts``; addresses are ``crm.addresses``; merging is ``crm.merges``; their verbs are named here too, so that
callers need one module.

Every change is audited, and told to the outbox when matching reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy import delete as sql_delete
from sqlalchemy import update as sql_update
from sqlalchemy.orm import Session

from crm import audit, outbox, workspace
from crm.addresses import add as add_address
from crm.addresses import checked, holders, make_primary, set_validity
from crm.addresses import of as addresses
from crm.addresses import own as own_addresses
from crm.addresses import remove as remove_address
from crm.errors import NotFound, Refused
from crm.lifecycle import LIFECYCLES
from crm.lifecycle import checked as checked_lifecycle
from crm.lifecycle import note as note_lifecycle
from crm.models import Address, Company, Contact, ContactPhone, Job, Marker, User
from crm.phones import RAW_MAX, e164
from crm.privacy import Viewer, member
from crm.vault import Vault
from matching.addresses import family

__all__ = [
    "LIFECYCLES", "ContactRow", "Filter", "add_address", "addresses", "by_address", "by_id", "change_job", "create",
    "delete", "make_primary", "page", "remove_address", "restore", "set_phones", "set_validity", "update",
]  # fmt: skip

FIELDS = frozenset(
    {"name", "first_name", "last_name", "title", "company_id", "owner_id", "lifecycle", "source", "opt_out",
     "preferences", "custom"}
)  # fmt: skip
MATCHED = frozenset({"name", "first_name", "last_name", "company_id"})
PAGE_MAX = 500


def create(
    session: Session,
    *,
    name: str = "",
    first_name: str | None = None,
    last_name: str | None = None,
    emails: Iterable[str] = (),
    phones: Iterable[str] = (),
    title: str | None = None,
    company_id: int | None = None,
    owner_id: int | None = None,
    lifecycle: str = "lead",
    source: str | None = None,
    custom: Mapping[str, Any] | None = None,
    created_at: datetime | None = None,
    now: datetime,
    actor_id: int | None,
) -> Contact:
    """Add a contact; the first of ``emails`` is the primary one. Raises Refused for a bad or own address, or when
    there is neither a name nor an address. An address somebody else has makes it a shared one."""
    canonical_ = list(dict.fromkeys(checked(raw) for raw in emails))
    if taken := own_addresses(session, canonical_):
        raise Refused(f"{min(taken)} is an address of our own side; it can't be a contact's.", "email")
    shown = full_name(name, first_name, last_name) or (canonical_[0] if canonical_ else "")
    if not shown:
        raise Refused("A contact needs a name or an e-mail address.", "name")
    contact = Contact(
        name=shown, first_name=first_name, last_name=last_name, title=title, company_id=company_id, owner_id=owner_id,
        lifecycle=checked_lifecycle(lifecycle), source=source, custom=dict(custom or {}), created_at=created_at or now,
    )  # fmt: skip
    session.add(contact)
    session.flush()
    for position, address in enumerate(canonical_):
        row = Address(contact_id=contact.id, raw=address, canonical=address, family=family(address), position=position)
        session.add(row)
    set_phones(session, contact.id, phones)
    note_lifecycle(session, contact, None, actor_id=actor_id, at=contact.created_at)
    audit.record(session, actor_id=actor_id, action="contact.create", subject_id=contact.id, now=now)
    outbox.identity_changed(session, addresses=canonical_, contacts=[contact.id], now=now)
    session.flush()
    return contact


def full_name(name: str, first_name: str | None, last_name: str | None) -> str:
    """The name shown: as given, else first and last, in one line of at most 200 characters."""
    given = " ".join(name.split()) or " ".join(f"{first_name or ''} {last_name or ''}".split())
    return given[:200]


def update(
    session: Session, contact_id: int, changes: Mapping[str, Any], *, actor_id: int | None, now: datetime
) -> Contact:
    """Change fields (``FIELDS``). Raises NotFound, Refused for an unknown field or a bad value."""
    contact = by_id(session, contact_id)
    if unknown := set(changes) - FIELDS:
        raise Refused(f"A contact has no field {min(unknown)}.", min(unknown))
    if "lifecycle" in changes:
        checked_lifecycle(changes["lifecycle"])
    if "name" in changes and not str(changes["name"]).strip():
        raise Refused("A contact needs a name.", "name")
    changed = {field: value for field, value in changes.items() if getattr(contact, field) != value}
    before = contact.lifecycle
    detail = audit.changes(contact, changed)
    for field, value in changed.items():
        setattr(contact, field, value)
    if not changed:
        return contact
    if contact.lifecycle != before:
        note_lifecycle(session, contact, before, actor_id=actor_id, at=now)
    session.flush()
    audit.record(session, actor_id=actor_id, action="contact.update", subject_id=contact_id, detail=detail, now=now)
    if MATCHED & set(changed):
        _tell(session, contact_id, now)
    return contact


def change_job(
    session: Session,
    contact_id: int,
    company_id: int,
    *,
    on: date,
    title: str | None,
    actor_id: int | None,
    now: datetime,
) -> None:
    """They work for ``company_id`` from day ``on``; the job before ends the day before. Old items keep their old
    company."""
    contact = by_id(session, contact_id)
    open_ = session.scalar(select(Job).where(Job.contact_id == contact_id, Job.valid_to.is_(None)))
    if open_ is None and contact.company_id is not None:
        open_ = Job(contact_id=contact_id, company_id=contact.company_id, title=contact.title)
        session.add(open_)
    if open_ is not None:
        if open_.valid_from is not None and on <= open_.valid_from:
            raise Refused("The new job must start after the one before.", "on")
        open_.valid_to = date.fromordinal(on.toordinal() - 1)
    session.add(Job(contact_id=contact_id, company_id=company_id, title=title, valid_from=on))
    contact.company_id, contact.title = company_id, title or contact.title
    session.flush()
    audit.record(session, actor_id=actor_id, action="contact.job", subject_id=contact_id, now=now)
    _tell(session, contact_id, now)


def set_phones(session: Session, contact_id: int, phones: Iterable[str]) -> None:
    """Replace a contact's phone numbers."""
    region = workspace.get(session, "phone_region")
    session.execute(sql_delete(ContactPhone).where(ContactPhone.contact_id == contact_id))
    for raw in dict.fromkeys(p.strip()[:RAW_MAX] for p in phones if p.strip()):
        session.add(ContactPhone(contact_id=contact_id, raw=raw, e164=e164(raw, region)))
    session.flush()


def delete(
    session: Session, contact_id: int, *, vault: Vault, actor_id: int | None, now: datetime, recreate: bool = False
) -> None:
    """Put a contact away (``restore`` brings it back). Unless ``recreate``, its addresses are marked, as keyed
    hashes, so that the mailbox does not create it again."""
    contact = by_id(session, contact_id)
    contact.deleted_at = now
    if not recreate:
        for row in addresses(session, contact_id):
            _mark(session, vault.keyed_hash(row.canonical), now)
    session.flush()
    audit.record(session, actor_id=actor_id, action="contact.delete", subject_id=contact_id, now=now)
    _tell(session, contact_id, now)


def restore(session: Session, contact_id: int, *, vault: Vault, actor_id: int | None, now: datetime) -> None:
    """Bring a deleted contact back, with everything it had."""
    contact = session.get(Contact, contact_id)
    if contact is None or contact.deleted_at is None or contact.merged_into is not None:
        raise NotFound("There is no such deleted contact.")
    contact.deleted_at = None
    hashes = [vault.keyed_hash(row.canonical) for row in addresses(session, contact_id)]
    session.execute(sql_delete(Marker).where(Marker.kind == "do_not_recreate", Marker.hash.in_(hashes)))
    session.flush()
    audit.record(session, actor_id=actor_id, action="contact.restore", subject_id=contact_id, now=now)
    _tell(session, contact_id, now)


def assign(session: Session, ids: Iterable[int], owner_id: int | None, *, actor_id: int | None, now: datetime) -> int:
    """Give contacts to an owner, in one step. Returns how many changed."""
    wanted = list(ids)
    query = sql_update(Contact).where(Contact.id.in_(wanted), Contact.owner_id.is_distinct_from(owner_id))
    count = len(session.scalars(query.values(owner_id=owner_id).returning(Contact.id)).all())
    detail = {"to": owner_id, "contacts": wanted[:PAGE_MAX]}
    audit.record(session, actor_id=actor_id, action="contact.assign", detail=detail, now=now)
    return count


def by_id(session: Session, contact_id: int) -> Contact:
    """The contact, also when merged away (then the one it became). Raises NotFound for a deleted or unknown one."""
    contact = session.get(Contact, contact_id)
    for _ in range(20):
        if contact is None or contact.merged_into is None:
            break
        contact = session.get(Contact, contact.merged_into)
    if contact is None or contact.deleted_at is not None:
        raise NotFound("There is no such contact.")
    return contact


def by_address(session: Session, raw: str) -> Contact | None:
    """The one contact with this address, whatever its case, blanks or notation. None for nobody, and for a shared
    address that is nobody's or several people's primary one."""
    found = holders(session, raw)
    if len(found) <= 1:
        return found[0] if found else None
    address = checked(raw)
    first = [c for c in found if (a := addresses(session, c.id)) and a[0].canonical == address]
    return first[0] if len(first) == 1 else None


@dataclass(frozen=True, slots=True)
class Filter:
    """What a list of contacts is narrowed to. ``text`` looks in names and addresses. Empty means all."""

    text: str = ""
    owner_id: int | None = None
    company_id: int | None = None
    lifecycle: str = ""
    ids: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class ContactRow:
    """One line of the list. ``email`` is the primary address, "" for none."""

    id: int
    name: str
    email: str
    title: str
    company_id: int | None
    company: str
    owner: str
    lifecycle: str
    created_at: datetime


def page(
    session: Session,
    viewer: Viewer,
    filters: Filter | None = None,
    *,
    after: tuple[str, int] | None = None,
    limit: int = 50,
) -> list[ContactRow]:
    """Contacts by name. They are the team's: everybody sees all of them, no mail content is in them. ``after`` is the
    (name, id) the page before ended with."""
    member(viewer)
    query = (
        select(Contact, Address.canonical, Company.name, User.name)
        .outerjoin(Company, Company.id == Contact.company_id)
        .outerjoin(User, User.id == Contact.owner_id)
        .outerjoin(Address, and_(Address.contact_id == Contact.id, Address.id == _primary()))
        .where(*conditions(filters or Filter()))
        .order_by(Contact.name, Contact.id)
        .limit(min(limit, PAGE_MAX))
    )
    if after is not None:
        query = query.where(or_(Contact.name > after[0], and_(Contact.name == after[0], Contact.id > after[1])))
    return [_row(*found) for found in session.execute(query)]


def _row(c: Contact, email: str | None, company: str | None, owner: str | None) -> ContactRow:
    names = (company or "", owner or "")
    return ContactRow(c.id, c.name, email or "", c.title or "", c.company_id, *names, c.lifecycle, c.created_at)


def count(session: Session, viewer: Viewer, filters: Filter | None = None) -> int:
    """How many contacts the filter leaves."""
    member(viewer)
    return session.scalar(select(func.count()).select_from(Contact).where(*conditions(filters or Filter()))) or 0


def conditions(filters: Filter) -> list[ColumnElement[bool]]:
    """The filter as SQL conditions on ``Contact``; deleted and merged ones are never in."""
    found: list[ColumnElement[bool]] = [Contact.deleted_at.is_(None), Contact.merged_into.is_(None)]
    if filters.text.strip():
        like = f"%{_escape(filters.text.strip().lower())}%"
        addressed = select(Address.contact_id).where(Address.canonical.like(like, escape="\\"))
        found.append(or_(func.lower(Contact.name).like(like, escape="\\"), Contact.id.in_(addressed)))
    if filters.owner_id is not None:
        found.append(Contact.owner_id == filters.owner_id)
    if filters.company_id is not None:
        found.append(Contact.company_id == filters.company_id)
    if filters.lifecycle:
        found.append(Contact.lifecycle == filters.lifecycle)
    if filters.ids is not None:
        found.append(Contact.id.in_(filters.ids))
    return found


def _primary() -> Any:
    first = select(Address.id).where(Address.contact_id == Contact.id).order_by(Address.position, Address.id).limit(1)
    return first.correlate(Contact).scalar_subquery()


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _mark(session: Session, hash_: str, now: datetime) -> None:
    same = Marker.kind == "do_not_recreate", Marker.hash == hash_
    if session.scalar(select(Marker.id).where(*same)) is None:
        session.add(Marker(kind="do_not_recreate", hash=hash_, created_at=now))


def _tell(session: Session, contact_id: int, now: datetime) -> None:
    touched = [row.canonical for row in addresses(session, contact_id)]
    outbox.identity_changed(session, addresses=touched, contacts=[contact_id], now=now)
