"""One group of the review queue in full: its newest message, its threads, who it could be and why, and what a new
contact would be
filled with. Reads only, within what the viewer may see. A constant number of statements.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session, aliased

from crm.errors import NotFound
from crm.models import Address, Communication, CommunicationBody, Company, Contact, Deal, Participant, Question, Stage
from crm.privacy import Viewer, content_visible, visible
from crm.review import Group, groups, mine, shown_subject
from matching import names, signature
from matching.addresses import Sort, host_of, sort
from matching.domains import shared_kind

CANDIDATES = 5
LINES = 8
ITEMS_MAX = 500
LIKELY = ((0.75, "very likely", "good"), (0.5, "likely", "good"), (0.3, "possible", ""), (0.0, "unlikely", ""))


@dataclass(frozen=True, slots=True)
class Candidate:
    """Who or what it could be. ``kind`` is contact, company, deal or new (a contact not there yet, ``id`` 0).
    ``likely`` says in words
    what ``score`` says in numbers; ``evidence`` are sentences."""

    kind: str
    id: int
    label: str
    detail: str
    score: float
    likely: str
    level: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One item of the group in a line."""

    id: int
    kind: str
    occurred_at: datetime
    subject: str
    direction: str
    snippet: str


@dataclass(frozen=True, slots=True)
class Prefill:
    """What a new contact would be: from the header, the domain and the signature. ``sources`` say which came from
    where."""

    name: str
    address: str
    company: str
    company_id: int | None
    title: str
    phones: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Opened:
    """The group, ready for the right-hand pane. ``ids`` are all its items, newest first; ``lines`` the first few of
    them.
    ``text`` is the newest message's new part, None where the viewer may not read it."""

    group: Group
    ids: tuple[int, ...]
    lines: tuple[Line, ...]
    people: tuple[tuple[str, str], ...]
    text: str | None
    signature: str
    quoted: str
    candidates: tuple[Candidate, ...]
    prefill: Prefill | None
    domain: str
    thread_id: int | None


@dataclass(slots=True)
class _Found:
    """Candidates of all questions of the group, merged by target."""

    score: dict[tuple[str, int], float] = field(default_factory=dict)
    says: dict[tuple[str, int], list[str]] = field(default_factory=dict)

    def add(self, kind: str, target_id: int, score: float, evidence: Iterable[Any]) -> None:
        """Keep the best score and every sentence once."""
        target = (kind, target_id)
        self.score[target] = max(score, self.score.get(target, 0.0))
        says = self.says.setdefault(target, [])
        says.extend(e["says"] for e in evidence if e["says"] not in says)


def open_group(session: Session, viewer: Viewer, key: str, *, now: datetime, known: Group | None = None) -> Opened:
    """The group with this key; ``known`` is its row where the caller has it. Raises NotFound when it is not (any
    more) the
    viewer's to answer."""
    found = [known] if known else groups(session, viewer, "", now=now, key=key)
    items = _items(session, viewer, key) if found else []
    if not items:
        raise NotFound("There is no such question, or it is settled.")
    group, newest = found[0], items[0]
    body = session.get(CommunicationBody, newest.id) if newest.readable else None
    prefill = _prefill(group, body.signature if body else "")
    return Opened(
        group=group,
        ids=tuple(row.id for row in items),
        lines=tuple(_line(row) for row in items[:LINES]),
        people=_people(session, newest.id),
        text=body.text if body else None,
        signature=body.signature if body else "",
        quoted=body.quoted if body else "",
        candidates=_candidates(session, viewer, group, items, prefill),
        prefill=prefill,
        domain=_work_domain(group),
        thread_id=newest.thread_id,
    )


def _items(session: Session, viewer: Viewer, key: str) -> Sequence[Any]:
    query = (
        select(
            Communication.id, Communication.kind, Communication.occurred_at, shown_subject(viewer).label("subject"),
            Communication.direction, Communication.snippet, Communication.thread_id,
            case((content_visible(viewer), 1), else_=0).label("readable"),
        )
        .where(
            Communication.id.in_(
                select(Question.communication_id)
                .join(Communication, Communication.id == Question.communication_id)
                .where(Question.group_key == key, mine(viewer))
            )
        )
        .order_by(Communication.occurred_at.desc(), Communication.id.desc())
        .limit(ITEMS_MAX)
    )  # fmt: skip
    return session.execute(query).all()


def _line(row: Any) -> Line:
    snippet = row.snippet if row.readable else ""
    return Line(row.id, row.kind, row.occurred_at, row.subject, row.direction or "", snippet)


def _people(session: Session, communication_id: int) -> tuple[tuple[str, str], ...]:
    """Role and name (else address) of the newest item's participants."""
    query = select(Participant.role, Participant.name, Participant.canonical).where(
        Participant.communication_id == communication_id
    )
    return tuple(
        (role, name or address) for role, name, address in session.execute(query.order_by(Participant.position))
    )


def _work_domain(group: Group) -> str:
    """The sender's domain where it stands for one company, else ""."""
    host = host_of(group.address) or (group.key.removeprefix("domain:") if group.key.startswith("domain:") else "")
    return "" if not host or shared_kind(host) else host


def _prefill(group: Group, signature_text: str) -> Prefill | None:
    """What a new contact would be filled with; None where there is no person's address to make one of."""
    if group.kind != "person" or sort(group.address) is not Sort.PERSON:
        return None
    host = host_of(group.address)
    title = signature.title(signature_text, group.name)
    phones = tuple(signature.phones(signature_text, signature.region_of(host)))[:3]
    name = names.clean(group.name) or group.address.partition("@")[0]
    company = group.company or ("" if shared_kind(host) else host.partition(".")[0].capitalize())
    sources = [f"signature: {', '.join(s for s in (title, *phones) if s)}"] if title or phones else []
    return Prefill(name, group.address, company, group.company_id, title, phones, tuple(sources))


def _candidates(
    session: Session, viewer: Viewer, group: Group, items: Sequence[Any], prefill: Prefill | None
) -> tuple[Candidate, ...]:
    """At most five, the likeliest first; a new contact among them where one could be made."""
    found = _Found()
    ids = [row.id for row in items]
    query = select(Question.candidates).where(Question.group_key == group.key, Question.communication_id.in_(ids))
    for stored in session.scalars(query):
        for one in stored:
            found.add(one["kind"], one["id"], one["score"], one["evidence"])
    labels = _labels(session, list(found.score))
    ranked = [
        _candidate(kind, target_id, *labels[kind, target_id], score, found.says[kind, target_id])
        for (kind, target_id), score in sorted(found.score.items(), key=lambda pair: -pair[1])
        if (kind, target_id) in labels
    ]
    if prefill is not None:
        new = _new(session, viewer, group, prefill, items)
        ranked.insert(sum(1 for c in ranked if c.kind == "contact" and c.score >= 0.5), new)
    return tuple(ranked[:CANDIDATES])


def _candidate(kind: str, target_id: int, label: str, detail: str, score: float, says: Sequence[str]) -> Candidate:
    likely, level = next((words, level) for least, words, level in LIKELY if score >= least)
    return Candidate(kind, target_id, label, detail, score, likely, level, tuple(says[:4]))


def _new(session: Session, viewer: Viewer, group: Group, prefill: Prefill, items: Sequence[Any]) -> Candidate:
    """ "New contact at Nordhavn AB", with what speaks for it."""
    says = []
    if group.company:
        people = f"{group.company_people} {'person' if group.company_people == 1 else 'people'} known there"
        says.append(f"domain {host_of(group.address)} belongs to {group.company}, {people}")
    says.extend(_company_of(session, viewer, group, items))
    says.extend(prefill.sources)
    if not says:
        says.append(f"nobody here has {group.address} yet")
    at = (
        f" at {prefill.company}"
        if group.company
        else f" at a new company, {prefill.company}"
        if prefill.company
        else ""
    )
    return _candidate("new", 0, f"New contact{at}", prefill.name, 0.8 if group.company else 0.55, says)


def _company_of(session: Session, viewer: Viewer, group: Group, items: Sequence[Any]) -> list[str]:
    """Known contacts on the same threads: "on 2 threads with Erik Dahl"."""
    threads = {row.thread_id for row in items if row.thread_id is not None}
    if not threads:
        return []
    party = aliased(Participant)  # visible() looks at participants of its own
    query = (
        select(Contact.name, func.count(func.distinct(Communication.thread_id)))
        .join(Address, Address.contact_id == Contact.id)
        .join(party, party.canonical == Address.canonical)
        .join(Communication, Communication.id == party.communication_id)
        .where(
            Communication.thread_id.in_(list(threads)[:200]), Contact.deleted_at.is_(None),
            Contact.merged_into.is_(None),
            Address.canonical != group.address, visible(viewer),
        )
        .group_by(Contact.id, Contact.name)
        .order_by(func.count(func.distinct(Communication.thread_id)).desc(), Contact.name)
        .limit(2)
    )  # fmt: skip
    return [f"on {n} thread{'' if n == 1 else 's'} with {name}" for name, n in session.execute(query)]


def _labels(session: Session, targets: Sequence[tuple[str, int]]) -> dict[tuple[str, int], tuple[str, str]]:
    """Name and detail of each live target."""
    wanted: dict[str, list[int]] = {}
    for kind, target_id in targets:
        wanted.setdefault(kind, []).append(target_id)
    found: dict[tuple[str, int], tuple[str, str]] = {}
    if ids := wanted.get("contact"):
        first = select(func.min(Address.canonical)).where(Address.contact_id == Contact.id, Address.position == 0)
        query = (
            select(Contact.id, Contact.name, Company.name, first.scalar_subquery())
            .outerjoin(Company, Company.id == Contact.company_id)
            .where(Contact.id.in_(ids), Contact.deleted_at.is_(None), Contact.merged_into.is_(None))
        )
        for contact_id, name, company, address in session.execute(query):
            found["contact", contact_id] = (name, " · ".join(part for part in (company, address) if part))
    if ids := wanted.get("company"):
        live = select(Company.id, Company.name).where(Company.id.in_(ids), Company.deleted_at.is_(None))
        found |= {("company", company_id): (name, "") for company_id, name in session.execute(live)}
    if ids := wanted.get("deal"):
        found |= _deal_labels(session, ids)
    return found


def _deal_labels(session: Session, ids: list[int]) -> dict[tuple[str, int], tuple[str, str]]:
    query = (
        select(Deal.id, Deal.title, Stage.name, Company.name)
        .join(Stage, Stage.id == Deal.stage_id)
        .outerjoin(Company, Company.id == Deal.company_id)
        .where(Deal.id.in_(ids), Deal.deleted_at.is_(None))
    )
    return {
        ("deal", deal_id): (title, " · ".join(part for part in (company, stage) if part))
        for deal_id, title, stage, company in session.execute(query)
    }
