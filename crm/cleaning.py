"""Keeping the list clean: contacts that may be one person, and addresses that don't work. Proposes; merges and
removes nothing.

Duplicates are judged by ``matching.duplicates`` over all live contacts; pairs a person said are two people stay away.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, aliased

from crm import audit
from crm.errors import NotFound, Refused
from crm.models import Address, Communication, Contact, ContactPhone, Decision, Participant
from crm.privacy import Viewer, member, visible
from matching import duplicates as judge
from matching.addresses import Sort, sort
from matching.directory import AddressEntry, ContactRecord

CONTACTS_MAX = 200_000
NOT_ONE = "not_duplicate"
BOUNCERS = ("mailer-daemon@", "postmaster@")
SAYS = {
    Sort.NO_REPLY: "nobody reads mail at it", Sort.BOUNCE: "it is for bounces", Sort.RELAY: "it is a reply relay",
    Sort.RESOURCE: "it is a room or a calendar", Sort.X500: "it is an internal Exchange name",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pair:
    """Two contacts that may be one, the older first, with reasons as sentences. ``score`` 0 to 1."""

    left_id: int
    left: str
    right_id: int
    right: str
    score: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Suspect:
    """An address of a contact that likely doesn't work, and why."""

    contact_id: int
    contact: str
    address: str
    why: str


def pairs(session: Session, viewer: Viewer, *, limit: int = 100) -> list[Pair]:
    """Likely duplicates, the likeliest first."""
    member(viewer)
    records = _records(session)
    names = {record.id: record.label for record in records}
    apart = _apart(session)
    found = (d for d in judge.find(records) if (d.left, d.right) not in apart)
    return [
        Pair(d.left, names[d.left], d.right, names[d.right], d.score, d.reasons)
        for d, _ in zip(found, range(limit), strict=False)
    ]


def keep_apart(session: Session, left_id: int, right_id: int, *, actor_id: int | None, now: datetime) -> Decision:
    """They are two people: the pair is not proposed any more. The decision can be undone with ``propose_again``."""
    left, right = sorted((left_id, right_id))
    if left == right:
        raise Refused("A contact is no duplicate of itself.")
    decision = Decision(
        at=now, actor_id=actor_id, kind=NOT_ONE, scope="contact", subject=f"contact:{left}",
        says="said that two contacts are two people", payload={"left": left, "right": right},
    )  # fmt: skip
    session.add(decision)
    session.flush()
    detail = {"from": right}
    audit.record(session, actor_id=actor_id, action="contact.keep_apart", subject_id=left, detail=detail, now=now)
    return decision


def propose_again(session: Session, decision_id: int, *, actor_id: int | None, now: datetime) -> None:
    """Take ``keep_apart`` back. Raises NotFound."""
    decision = session.get(Decision, decision_id)
    if decision is None or decision.kind != NOT_ONE or decision.undone_at is not None:
        raise NotFound("There is no such decision.")
    decision.undone_at, decision.undone_by = now, actor_id
    session.flush()


def suspects(session: Session, viewer: Viewer, *, limit: int = 200) -> list[Suspect]:
    """Addresses that are nobody's by their form, and those our mail bounced from, as far as the viewer may know of
    the bounce."""
    member(viewer)
    live = (
        select(Address.canonical, Contact.id, Contact.name)
        .join(Contact, Contact.id == Address.contact_id)
        .where(Contact.deleted_at.is_(None), Contact.merged_into.is_(None))
        .order_by(Contact.name, Contact.id)
    )
    bounced = _bounced(session, viewer)
    found: list[Suspect] = []
    for address, contact_id, name in session.execute(live.execution_options(yield_per=2_000)):
        kind = sort(address)
        why = SAYS.get(kind) or (f"our mail of {bounced[address]:%-d %B %Y} came back" if address in bounced else "")
        if why:
            found.append(Suspect(contact_id, name, address, why))
        if len(found) >= limit:
            break
    return found


def _bounced(session: Session, viewer: Viewer) -> dict[str, datetime]:
    """Addresses of the only recipient of a mail of ours that a delivery report answered, and when."""
    report, sender = aliased(Communication), aliased(Participant)
    reported = (
        select(report.thread_id)
        .join(sender, sender.communication_id == report.id)
        .where(report.reason == "automatic", sender.role == "from")
        .where(or_(*(sender.canonical.startswith(word) for word in BOUNCERS)))
    )
    query = (
        select(Communication.id, Communication.occurred_at, Participant.canonical)
        .join(Participant, Participant.communication_id == Communication.id)
        .where(Communication.thread_id.in_(reported), Communication.direction == "outbound", visible(viewer))
        .where(Participant.role.in_(("to", "cc")), Participant.own.is_(False))
    )
    recipients: dict[int, list[tuple[str, datetime]]] = defaultdict(list)
    for item_id, at, address in session.execute(query):
        recipients[item_id].append((address, at))
    return {people[0][0]: people[0][1] for people in recipients.values() if len(people) == 1}


def _records(session: Session) -> list[ContactRecord]:
    """All live contacts as matching knows them, in three statements."""
    live = Contact.deleted_at.is_(None), Contact.merged_into.is_(None)
    held: dict[int, list[AddressEntry]] = defaultdict(list)
    addresses = select(Address.contact_id, Address.canonical, Address.valid_from, Address.valid_to)
    for contact_id, address, start, end in session.execute(addresses.order_by(Address.position, Address.id)):
        held[contact_id].append(AddressEntry(contact_id, address, start, end))
    numbers: dict[int, list[str]] = defaultdict(list)
    for contact_id, raw, e164 in session.execute(select(ContactPhone.contact_id, ContactPhone.raw, ContactPhone.e164)):
        numbers[contact_id].append(e164 or raw)
    query = select(Contact.id, Contact.name, Contact.company_id).where(*live).order_by(Contact.id).limit(CONTACTS_MAX)
    return [
        ContactRecord(i, name, tuple(held[i]), company, (), tuple(numbers[i]))
        for i, name, company in session.execute(query)
    ]


def _apart(session: Session) -> set[tuple[int, int]]:
    query = select(Decision.payload).where(Decision.kind == NOT_ONE, Decision.undone_at.is_(None))
    return {(payload["left"], payload["right"]) for payload in session.scalars(query)}
