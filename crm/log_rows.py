"""Turns communications into rows to show, as far as the viewer may see each: one set of queries for any number of
rows.

What a tier hides is replaced here, once, for every page: below *subject* the subject is a sentence ("E-mail with
Jonas, 4 March"), below *full* there is no snippet, no attachment and no blind copy recipient.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, literal, select, union_all
from sqlalchemy.orm import Session

from crm.models import Communication, Company, Contact, Deal, Link, Participant
from crm.privacy import Tier, Viewer, tiers_of, visible
from crm.reasons import why, why_not

PEOPLE_SHOWN = 8
CHUNK = 500
GUESTS_SHOWN = 20
FILES_SHOWN = 3
KINDS = {"email": "E-mail", "meeting": "Meeting", "call": "Call", "note": "Note"}
ANSWERS = {
    "accepted": "comes", "declined": "does not come", "tentative": "may come", "needs-action": "has not answered",
}  # fmt: skip
ORDER = ("from", "original_from", "organizer", "sender", "reply_to", "to", "attendee", "cc", "bcc")


@dataclass(frozen=True, slots=True)
class Target:
    """A record an item is attached to."""

    kind: str
    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Guest:
    """Someone who takes part in a meeting. ``answer`` is a few words, "" where none is known; ``own`` says own
    side."""

    name: str
    answer: str
    own: bool


@dataclass(frozen=True, slots=True)
class LogRow:
    """One line of the log or of a record's timeline, redacted. ``subject`` is a sentence below the subject tier.
    ``people`` are names, the other side first; ``guests`` those of a meeting. ``thread_count`` counts what the viewer
    may see of the thread or series. ``why`` is one line. Times are UTC."""

    id: int
    kind: str
    direction: str | None
    occurred_at: datetime
    ends_at: datetime | None
    all_day: bool
    subject: str
    snippet: str
    people: tuple[str, ...]
    people_more: int
    contacts: tuple[Target, ...]
    companies: tuple[Target, ...]
    deals: tuple[Target, ...]
    why: str
    status: str
    reason: str | None
    tier: Tier
    seen_in: int
    thread_id: int | None
    series: str | None
    thread_count: int
    attachments: int
    cancelled: bool
    outcome: str | None
    marks: tuple[str, ...] = field(default_factory=tuple)
    guests: tuple[Guest, ...] = field(default_factory=tuple)
    files: tuple[str, ...] = field(default_factory=tuple)
    pinned: bool = False
    cancelled_count: int = 0

    @property
    def visibility(self) -> str:
        """The tier as a word."""
        return self.tier.word


def build(
    session: Session, viewer: Viewer, items: Sequence[Communication], *, counts: dict[int, int] | None = None
) -> list[LogRow]:
    """Rows for items in their order; those that don't exist for the viewer are left out. At most six statements per
    500 items. ``counts`` are sizes of folded groups by item id; without it the visible size of each thread is
    asked."""
    rows: list[LogRow] = []
    for at in range(0, len(items), CHUNK):
        rows += _chunk(session, viewer, items[at : at + CHUNK], counts)
    return rows


def _chunk(
    session: Session, viewer: Viewer, items: Sequence[Communication], counts: dict[int, int] | None
) -> list[LogRow]:
    ids = [item.id for item in items]
    seen = tiers_of(session, viewer, items)
    people = participants(session, ids)
    attached = links(session, ids)
    named = names(session, [link for found in attached.values() for link in found])
    sizes = counts if counts is not None else _sizes(session, viewer, items)
    return [
        _row(item, *seen[item.id], people.get(item.id, []), attached.get(item.id, []), named, sizes.get(item.id, 1))
        for item in items
        if seen[item.id][0] > Tier.PRIVATE
    ]


def _row(
    item: Communication,
    tier: Tier,
    seen_in: int,
    parties: list[Participant],
    attached: list[Link],
    named: dict[tuple[str, int], str],
    count: int,
) -> LogRow:
    shown = people_of(parties, tier)
    targets = [Target(link.target_kind, link.target_id, named[link.target_kind, link.target_id])
               for link in attached if (link.target_kind, link.target_id) in named]  # fmt: skip
    full = tier == Tier.FULL
    return LogRow(
        id=item.id, kind=item.kind, direction=item.direction, occurred_at=item.occurred_at, ends_at=item.ends_at,
        all_day=item.all_day, subject=subject_of(item, tier, shown), snippet=item.snippet if full else "",
        people=tuple(shown[:PEOPLE_SHOWN]), people_more=max(0, len(shown) - PEOPLE_SHOWN),
        contacts=tuple(t for t in targets if t.kind == "contact"),
        companies=tuple(t for t in targets if t.kind == "company"), deals=tuple(t for t in targets if t.kind == "deal"),
        why=_why(item, attached, tier), status=item.status, reason=item.reason, tier=tier, seen_in=seen_in,
        thread_id=item.thread_id, series=item.ical_uid if item.kind == "meeting" else None, thread_count=count,
        attachments=len(item.attachments) if full else 0, cancelled=item.cancelled,
        outcome=item.outcome if full else None, marks=tuple(item.marks),
        guests=guests(parties) if item.kind == "meeting" else (), pinned=item.pinned_at is not None,
        files=tuple(str(a.get("name") or "file") for a in item.attachments[:FILES_SHOWN]) if full else (),
    )  # fmt: skip


def guests(parties: Iterable[Participant]) -> tuple[Guest, ...]:
    """People of a meeting, each once, the other side first; rooms are nobody."""
    found: dict[str, Guest] = {}
    for p in sorted(parties, key=lambda p: (p.own, p.position)):
        name = p.name or p.canonical
        if p.is_person and name:
            before = found.get(p.canonical or name)
            answer = ANSWERS.get(p.response or "", "") or (before.answer if before else "")
            found[p.canonical or name] = Guest(before.name if before else name, answer, p.own)
    return tuple(found.values())[:GUESTS_SHOWN]


def subject_of(item: Communication, tier: Tier, people: Sequence[str]) -> str:
    """The subject, or below its tier who and when: "E-mail with Jonas, 4 March"."""
    if tier >= Tier.SUBJECT:
        return item.subject
    if item.kind == "meeting" and "private" in item.marks:
        return f"Busy, {item.occurred_at.day} {item.occurred_at:%B}"
    shown = f" with {people[0]}" if people else ""
    more = f" and {len(people) - 1} more" if len(people) > 1 else ""
    return f"{KINDS.get(item.kind, item.kind)}{shown}{more}, {item.occurred_at.day} {item.occurred_at:%B}"


def people_of(parties: Iterable[Participant], tier: Tier) -> list[str]:
    """Names (else addresses) of who takes part, the other side first, each once; blind copies only for those who see
    all."""
    rank = {role: place for place, role in enumerate(ORDER)}
    rows = [p for p in parties if p.role in rank and (p.role != "bcc" or tier == Tier.FULL)]
    rows.sort(key=lambda p: (p.own, rank[p.role], p.position))
    found: dict[str, str] = {}
    for party in rows:
        found.setdefault(party.canonical or party.name, party.name or party.canonical)
    return [name for name in found.values() if name]


def participants(session: Session, ids: Sequence[int]) -> dict[int, list[Participant]]:
    """Participants by item, in order."""
    query = select(Participant).where(Participant.communication_id.in_(ids))
    found: dict[int, list[Participant]] = {}
    for party in session.scalars(query.order_by(Participant.communication_id, Participant.position, Participant.id)):
        found.setdefault(party.communication_id, []).append(party)
    return found


def links(session: Session, ids: Sequence[int]) -> dict[int, list[Link]]:
    """Links by item, the surest first; those a person took off are left out."""
    query = select(Link).where(Link.communication_id.in_(ids), Link.tombstoned.is_(False))
    found: dict[int, list[Link]] = {}
    surest = (Link.pinned.desc(), Link.score.desc(), Link.target_kind, Link.target_id)
    for link in session.scalars(query.order_by(*surest)):
        found.setdefault(link.communication_id, []).append(link)
    return found


def names(session: Session, targets: Iterable[Link]) -> dict[tuple[str, int], str]:
    """Names of live records by (kind, id)."""
    wanted: dict[str, set[int]] = {"contact": set(), "company": set(), "deal": set()}
    for target in targets:
        wanted[target.target_kind].add(target.target_id)
    columns = {
        "contact": (Contact.id, Contact.name, Contact.deleted_at), "deal": (Deal.id, Deal.title, Deal.deleted_at),
        "company": (Company.id, Company.name, Company.deleted_at),
    }  # fmt: skip
    queries = [
        select(literal(kind), key, name).where(key.in_(wanted[kind]), gone.is_(None))
        for kind, (key, name, gone) in columns.items()
        if wanted[kind]
    ]
    if not queries:
        return {}
    return {(kind, row_id): text for kind, row_id, text in session.execute(union_all(*queries))}


def _sizes(session: Session, viewer: Viewer, items: Sequence[Communication]) -> dict[int, int]:
    threads = {item.thread_id for item in items if item.thread_id is not None}
    query = select(Communication.thread_id, func.count(Communication.id)).where(
        Communication.thread_id.in_(threads), visible(viewer)
    )
    sizes = dict(session.execute(query.group_by(Communication.thread_id)).all())
    return {item.id: sizes.get(item.thread_id, 1) for item in items}


def _why(item: Communication, attached: list[Link], tier: Tier) -> str:
    if not attached:
        return why_not(item.status, item.reason)
    best = attached[0]
    return why(best.evidence, best.method, pinned=best.pinned, tier=tier)
