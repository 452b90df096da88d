"""Messages that may belong to a record and are not on it: suggestions for its page, to be attached with one press.

Of a deal: threads and meetings with its people or its company, since a month before the deal was opened, that are on
no deal. Of a contact: items nobody is attached to whose sender or guest has the same name, an address that is another
way of writing one of theirs, or was suggested by matching. What a person took off the record is not offered again.

Reads only, one statement each, a few groups at most; the verbs are ``sync.decisions``. Only over items that exist for
the viewer: what is not attached yet is its owners' alone (``crm.privacy``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from crm.correspondence import thread_key
from crm.errors import NotFound
from crm.models import Address, Communication, Contact, Deal, DealContact, Link, Participant, Suggestion
from crm.privacy import Viewer, visible
from crm.timeline import group

SHOWN = 5
REACH = timedelta(days=365)
BEFORE_DEAL = timedelta(days=30)
RECENT = 400
ITEMS_MAX = 200
WRITERS = ("from", "original_from", "organizer", "attendee", "reply_to")
_link, _on_deal = aliased(Link), aliased(Link)


@dataclass(frozen=True, slots=True)
class Belonging:
    """A group that may belong to the record: its newest item and how many there are. ``address`` and ``name`` are the
    sender's, where the group is a sender's (of a contact). ``says`` is the reason."""

    newest: Communication
    size: int
    says: str
    address: str = ""
    name: str = ""


def of_deal(session: Session, viewer: Viewer, deal: Deal, *, now: datetime) -> list[Belonging]:
    """Conversations with the people or the company of the deal that are on no deal, the newest first."""
    newest = (Communication.occurred_at.desc(), Communication.id.desc())
    inner = (
        select(
            Communication.id,
            func.row_number().over(partition_by=group(), order_by=newest).label("rank"),
            func.count().over(partition_by=group()).label("size"),
        )
        .where(visible(viewer), *_near(deal, now))
        .subquery()
    )
    query = select(Communication, inner.c.size).join(inner, inner.c.id == Communication.id).where(inner.c.rank == 1)
    found = session.execute(query.order_by(*newest).limit(SHOWN))
    return [Belonging(item, size, "on no deal yet") for item, size in found]


def _near(deal: Deal, now: datetime) -> list[ColumnElement[bool]]:
    """Linked to the deal's people or company, on no deal, not taken off this one, in its time."""
    people = select(DealContact.contact_id).where(DealContact.deal_id == deal.id)
    theirs: ColumnElement[bool] = and_(_link.target_kind == "contact", _link.target_id.in_(people))
    if deal.company_id is not None:
        theirs = or_(theirs, and_(_link.target_kind == "company", _link.target_id == deal.company_id))
    settled = or_(_on_deal.tombstoned.is_(False), _on_deal.target_id == deal.id)
    here = select(_link.communication_id).where(theirs, _link.tombstoned.is_(False))
    on_one = exists().where(_on_deal.communication_id == Communication.id, _on_deal.target_kind == "deal", settled)
    begin = max(deal.created_at - BEFORE_DEAL, now - REACH)
    return [
        Communication.id.in_(here), ~on_one.correlate(Communication), Communication.status == "linked",
        Communication.kind.in_(("email", "meeting")), Communication.cancelled.is_(False),
        Communication.occurred_at >= begin, Communication.occurred_at <= (deal.closed_at or now),
    ]  # fmt: skip


def of_contact(session: Session, viewer: Viewer, contact: Contact, *, now: datetime) -> list[Belonging]:
    """Senders and guests nobody is attached to who may be this contact, the newest first."""
    party, key = _suspects(viewer, contact, now)
    newest = (party.c.occurred_at.desc(), party.c.id.desc())
    ranked = select(
        party,
        func.row_number().over(partition_by=key, order_by=newest).label("rank"),
        func.count().over(partition_by=key).label("size"),
    ).subquery()
    query = select(Communication, ranked).join(ranked, ranked.c.id == Communication.id).where(ranked.c.rank == 1)
    found = session.execute(query.order_by(Communication.occurred_at.desc()).limit(SHOWN)).all()
    return [Belonging(row[0], row.size, _says(row, contact), row.canonical, row.name) for row in found]


def ids_of(session: Session, viewer: Viewer, contact: Contact, address: str, name: str, *, now: datetime) -> list[int]:
    """The items of one suggested sender (by address; by name for a guest without one), newest first."""
    party, _ = _suspects(viewer, contact, now)
    same = party.c.canonical == address if address else and_(party.c.canonical == "", party.c.name == name)
    query = select(party.c.id).where(same).order_by(party.c.occurred_at.desc()).limit(ITEMS_MAX)
    return list(session.scalars(query))


def conversation(session: Session, viewer: Viewer, item_id: int) -> tuple[list[int], str]:
    """The items of an item's thread or series that the viewer may see, and the name it is decided under. Raises
    NotFound."""
    mine = select(Communication.thread_id, Communication.ical_uid).where(Communication.id == item_id, visible(viewer))
    row = session.execute(mine).first()
    if row is None:
        raise NotFound("There is no such item.")
    same = Communication.id == item_id
    if row.thread_id is not None:
        same = Communication.thread_id == row.thread_id
    elif row.ical_uid:
        same = Communication.ical_uid == row.ical_uid
    ids = session.scalars(select(Communication.id).where(same, visible(viewer)).limit(ITEMS_MAX))
    return list(ids), thread_key(row.thread_id, row.ical_uid, item_id)


def _suspects(viewer: Viewer, contact: Contact, now: datetime) -> tuple[Any, Any]:
    """Participants of recent unattached items who may be the contact, one per item and address, and what groups
    them."""
    recent = (
        select(Communication.id, Communication.occurred_at)
        .where(Communication.status.in_(("review", "unmatched")), Communication.occurred_at > now - REACH)
        .where(Communication.occurred_at <= now, visible(viewer))
        .order_by(Communication.occurred_at.desc())
        .limit(RECENT)
        .subquery()
    )
    families = select(Address.family).where(Address.contact_id == contact.id, Address.family != "")
    own = select(Address.canonical).where(Address.contact_id == contact.id)
    offered = exists().where(
        Suggestion.communication_id == Participant.communication_id, Suggestion.target_kind == "contact",
        Suggestion.target_id == contact.id, Suggestion.lost.is_(False), Participant.role.in_(("from", "organizer")),
    )  # fmt: skip
    refused = exists().where(
        Link.communication_id == Participant.communication_id, Link.target_kind == "contact",
        Link.target_id == contact.id,
    )  # fmt: skip
    kin, named = Participant.family.in_(families), Participant.name.in_(_spellings(contact))
    party = (
        select(
            recent.c.id, recent.c.occurred_at, Participant.canonical, func.max(Participant.name).label("name"),
            func.max(case((kin, 1), else_=0)).label("kin"), func.max(case((named, 1), else_=0)).label("named"),
        )
        .join(Participant, Participant.communication_id == recent.c.id)
        .where(Participant.own.is_(False), Participant.is_person.is_(True), Participant.role.in_(WRITERS))
        .where(or_(kin, named, offered), Participant.canonical.not_in(own), ~refused.correlate(Participant))
        .group_by(recent.c.id, recent.c.occurred_at, Participant.canonical)
        .subquery()
    )  # fmt: skip
    return party, case((party.c.canonical != "", party.c.canonical), else_=party.c.name)


def _spellings(contact: Contact) -> list[str]:
    """The name as it is, and family name first."""
    words = contact.name.split()
    turned = [f"{words[-1]}, {' '.join(words[:-1])}", f"{words[-1]} {' '.join(words[:-1])}"] if len(words) > 1 else []
    return [contact.name, *turned]


def _says(row: Any, contact: Contact) -> str:
    if row.kin:
        return "the same mailbox, written another way"
    return f"the same name, {row.name}" if row.named else "suggested by what they write"
