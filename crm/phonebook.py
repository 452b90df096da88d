"""Reads the phone numbers of a contact. Writing them is ``crm.contacts.set_phones``."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.models import ContactPhone


def of(session: Session, contact_id: int) -> list[ContactPhone]:
    """A contact's numbers in the order they were given."""
    return list(
        session.scalars(select(ContactPhone).where(ContactPhone.contact_id == contact_id).order_by(ContactPhone.id))
    )
