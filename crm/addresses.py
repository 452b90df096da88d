"""E-mail addresses of contacts: adding, taking off, dates of validity, and which addresses are our own.

An empty canonical is never stored, and a contact never gets an address of our own side: it would attach every mail of
that mailbox to them. One address on two contacts is allowed, a shared address: matching asks.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from sqlalchemy import func, select, union
from sqlalchemy.orm import Session

from crm import audit, outbox
from crm.errors import NotFound, Refused
from crm.models import Account, AccountAlias, Address, Contact, User
from matching.addresses import canonical, family, host_of

PER_CONTACT_MAX = 50


def checked(raw: str) -> str:
    """The canonical form. Raises Refused for what is no e-mail address."""
    address = canonical(raw)
    if "." not in host_of(address) or len(address) > 320:
        raise Refused(f"{raw.strip()[:80]!r} is not an e-mail address.", "email")
    return address


def own(session: Session, addresses: Iterable[str]) -> set[str]:
    """Which of these canonical addresses are our own side's: users', accounts' and their aliases'."""
    wanted = list(addresses)
    if not wanted:
        return set()
    query = union(
        select(User.email).where(User.email.in_(wanted)),
        select(func.lower(Account.address)).where(func.lower(Account.address).in_(wanted)),
        select(AccountAlias.canonical).where(AccountAlias.canonical.in_(wanted)),
    )
    return set(session.scalars(query))


def add(
    session: Session,
    contact_id: int,
    raw: str,
    *,
    valid_from: date | None = None,
    valid_to: date | None = None,
    source: str = "person",
    actor_id: int | None,
    now: datetime,
) -> Address:
    """Give a contact an address, last in their order. Raises Refused for an address that is none, is theirs already,
    or is our own."""
    address = checked(raw)
    _check_dates(valid_from, valid_to)
    if own(session, [address]):
        raise Refused(f"{address} is an address of our own side; it can't be a contact's.", "email")
    rows = of(session, contact_id)
    if any(row.canonical == address for row in rows):
        raise Refused(f"{address} is theirs already.", "email")
    if len(rows) >= PER_CONTACT_MAX:
        raise Refused(f"A contact has at most {PER_CONTACT_MAX} addresses.", "email")
    row = Address(
        contact_id=contact_id, raw=raw.strip(), canonical=address, family=family(address), source=source,
        position=max((r.position for r in rows), default=-1) + 1, valid_from=valid_from, valid_to=valid_to,
    )  # fmt: skip
    session.add(row)
    session.flush()
    _changed(session, "contact.address_add", contact_id, address, actor_id, now)
    return row


def remove(session: Session, contact_id: int, raw: str, *, actor_id: int | None, now: datetime) -> None:
    """Take an address off a contact. Raises NotFound."""
    row = _find(session, contact_id, raw)
    session.delete(row)
    session.flush()
    _changed(session, "contact.address_remove", contact_id, row.canonical, actor_id, now)


def set_validity(
    session: Session,
    contact_id: int,
    raw: str,
    *,
    valid_from: date | None,
    valid_to: date | None,
    actor_id: int | None,
    now: datetime,
) -> None:
    """Say from and until when (both days included, either open) the address was theirs. Raises NotFound, Refused."""
    _check_dates(valid_from, valid_to)
    row = _find(session, contact_id, raw)
    row.valid_from, row.valid_to = valid_from, valid_to
    session.flush()
    _changed(session, "contact.address_dates", contact_id, row.canonical, actor_id, now)


def make_primary(session: Session, contact_id: int, raw: str, *, actor_id: int | None, now: datetime) -> None:
    """Put an address first: exports name the contact by it. Raises NotFound."""
    chosen = _find(session, contact_id, raw)
    others = [row for row in of(session, contact_id) if row.id != chosen.id]
    for position, row in enumerate([chosen, *others]):
        row.position = position
    session.flush()
    audit.record(
        session, actor_id=actor_id, action="contact.address_primary", subject_kind="contact", subject_id=contact_id,
        now=now,
    )  # fmt: skip


def of(session: Session, contact_id: int) -> list[Address]:
    """A contact's addresses, the primary one first."""
    query = select(Address).where(Address.contact_id == contact_id).order_by(Address.position, Address.id)
    return list(session.scalars(query))


def holders(session: Session, raw: str) -> list[Contact]:
    """Contacts who have this address, however it is written; deleted and merged ones not."""
    address = canonical(raw)
    if not address:
        return []
    query = (
        select(Contact)
        .join(Address, Address.contact_id == Contact.id)
        .where(Address.canonical == address, Contact.deleted_at.is_(None), Contact.merged_into.is_(None))
        .order_by(Contact.id)
    )
    return list(session.scalars(query))


def _find(session: Session, contact_id: int, raw: str) -> Address:
    same = Address.contact_id == contact_id, Address.canonical == canonical(raw)
    row = session.scalar(select(Address).where(*same))
    if row is None:
        raise NotFound("The contact has no such address.")
    return row


def _check_dates(valid_from: date | None, valid_to: date | None) -> None:
    if valid_from and valid_to and valid_to < valid_from:
        raise Refused("The last day is before the first.", "valid_to")


def _changed(
    session: Session, action: str, contact_id: int, address: str, actor_id: int | None, now: datetime
) -> None:
    audit.record(session, actor_id=actor_id, action=action, subject_kind="contact", subject_id=contact_id, now=now)
    outbox.identity_changed(session, addresses=[address], contacts=[contact_id], now=now)
