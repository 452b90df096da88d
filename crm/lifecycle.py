"""Conversions of contacts: lead, client, past client. The contact, its id and its log stay the same; a row remembers
who converted them and when. ``crm.contacts`` and the imports write the rows of their own changes through ``note``.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm import audit
from crm.errors import NotFound, Refused
from crm.models import Contact, LifecycleChange

LIFECYCLES = ("lead", "client", "past_client")
NEXT = {"lead": "client", "client": "past_client", "past_client": "client"}
"""What a press of the button makes of each."""


def checked(word: str) -> str:
    """The word. Raises Refused for another than the three."""
    if word not in LIFECYCLES:
        raise Refused(f"{word!r} is not one of {', '.join(LIFECYCLES)}.", "lifecycle")
    return word


def note(session: Session, contact: Contact, before: str | None, *, actor_id: int | None, at: datetime) -> None:
    """Remember what the contact became; ``before`` is None for a new one."""
    session.add(conversion(contact, before, actor_id=actor_id, at=at))


def conversion(contact: Contact, before: str | None, *, actor_id: int | None, at: datetime) -> LifecycleChange:
    """The row of it, for who adds rows in a way of their own."""
    return LifecycleChange(
        contact_id=contact.id, from_lifecycle=before, to_lifecycle=contact.lifecycle, actor_id=actor_id, at=at
    )


def convert(
    session: Session, contact: Contact, to: str, *, actor_id: int | None, now: datetime
) -> LifecycleChange | None:
    """Make the contact a lead, client or past client. Returns the change, None when they are that already."""
    if contact.lifecycle == checked(to):
        return None
    before, contact.lifecycle = contact.lifecycle, to
    note(session, contact, before, actor_id=actor_id, at=now)
    session.flush()
    detail = {"from": before, "to": to}
    audit.record(session, actor_id=actor_id, action="contact.convert", subject_id=contact.id, detail=detail, now=now)
    return _last(session, contact.id)


def take_back(session: Session, contact: Contact, change_id: int, *, actor_id: int | None, now: datetime) -> str:
    """Undo the last conversion of the contact; returns what they are again. Raises NotFound when something else came
    after it."""
    row = _last(session, contact.id)
    if row is None or row.id != change_id or row.from_lifecycle is None:
        raise NotFound("That conversion can't be taken back any more.")
    contact.lifecycle = row.from_lifecycle
    session.delete(row)
    session.flush()
    audit.record(session, actor_id=actor_id, action="contact.convert_undo", subject_id=contact.id, now=now)
    return contact.lifecycle


def _last(session: Session, contact_id: int) -> LifecycleChange | None:
    query = select(LifecycleChange).where(LifecycleChange.contact_id == contact_id)
    return session.scalar(query.order_by(LifecycleChange.at.desc(), LifecycleChange.id.desc()).limit(1))
