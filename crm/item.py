"""One item, or one thread, opened: text, participants, links with their evidence, who saw it; redacted by the
viewer's tier.

HTML is handed on raw, to be made safe by ``crm.mailhtml`` when shown. A thread costs a constant number of statements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.errors import NotFound
from crm.log_rows import LogRow, Target, build, links, names, participants
from crm.models import (
    Account,
    Communication,
    CommunicationBody,
    Link,
    Participant,
    Question,
    Sighting,
    Suggestion,
    Thread,
    User,
)
from crm.privacy import Tier, Viewer, visible
from crm.reasons import readable

THREAD_MAX = 500


@dataclass(frozen=True, slots=True)
class Party:
    """One participant. ``response`` of a guest: accepted, declined, tentative, none."""

    role: str
    address: str
    name: str
    response: str | None
    own: bool


@dataclass(frozen=True, slots=True)
class LinkView:
    """One attachment to a record, with reasons the viewer may read, the strongest first."""

    id: int
    target: Target
    method: str
    score: float
    pinned: bool
    evidence: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A record that was considered: suggested, or lost, with the reason ``against``."""

    target: Target
    score: float
    lost: bool
    against: str
    evidence: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """One mailbox that saw the item. ``gone``: it is not there any more. ``tier`` is what its owner shares."""

    account: str
    owner: str
    owner_id: int
    tier: str
    gone: bool


@dataclass(frozen=True, slots=True)
class ItemView:
    """An opened item. ``row`` is what its line shows. Text, HTML, attachments, suggestions and Message-ID are given
    with tier full only. ``mine``: the viewer is an owner."""

    row: LogRow
    text: str
    quoted: str
    signature: str
    html: str
    attachments: tuple[dict[str, Any], ...]
    parties: tuple[Party, ...]
    links: tuple[LinkView, ...]
    candidates: tuple[Candidate, ...]
    questions: tuple[str, ...]
    seen: tuple[Seen, ...]
    mine: bool
    message_id: str | None
    ical_uid: str | None
    recurrence_id: str | None
    zone: str | None


@dataclass(frozen=True, slots=True)
class ThreadView:
    """A conversation, oldest first. ``subject`` is that of its first item as far as the viewer may read it."""

    id: int
    subject: str
    items: tuple[ItemView, ...]


def item(session: Session, viewer: Viewer, communication_id: int) -> ItemView:
    """One item. Raises NotFound where it doesn't exist for the viewer."""
    one = session.get(Communication, communication_id)
    found = _views(session, viewer, [one]) if one is not None else []
    if not found:
        raise NotFound("There is no such item.")
    return found[0]


def thread(session: Session, viewer: Viewer, thread_id: int) -> ThreadView:
    """A thread, its newest 500 items. Raises NotFound when nothing in it exists for the viewer."""
    query = select(Communication).where(Communication.thread_id == thread_id, visible(viewer))
    newest = query.order_by(Communication.occurred_at.desc(), Communication.id.desc()).limit(THREAD_MAX)
    views = _views(session, viewer, list(session.scalars(newest))[::-1])
    if not views or session.get(Thread, thread_id) is None:
        raise NotFound("There is no such thread.")
    return ThreadView(thread_id, views[0].row.subject, tuple(views))


def series(session: Session, viewer: Viewer, ical_uid: str) -> list[LogRow]:
    """The instances of a meeting the viewer may see, oldest first, at most 500."""
    query = select(Communication).where(Communication.ical_uid == ical_uid, visible(viewer))
    return build(session, viewer, list(session.scalars(query.order_by(Communication.occurred_at).limit(THREAD_MAX))))


@dataclass(slots=True)
class _Loaded:
    """What belongs to the items, by their id."""

    bodies: dict[int, CommunicationBody]
    parties: dict[int, list[Participant]]
    links: dict[int, list[Link]]
    suggestions: dict[int, list[Suggestion]]
    questions: dict[int, list[str]]
    seen: dict[int, list[Seen]]
    names: dict[tuple[str, int], str]


def _views(session: Session, viewer: Viewer, items: Sequence[Communication]) -> list[ItemView]:
    rows = {row.id: row for row in build(session, viewer, items)}
    shown = [i for i in items if i.id in rows]
    loaded = _load(session, [i.id for i in shown])
    return [_view(viewer, i, rows[i.id], loaded) for i in shown]


def _load(session: Session, ids: list[int]) -> _Loaded:
    bodies = {
        b.communication_id: b
        for b in session.scalars(select(CommunicationBody).where(CommunicationBody.communication_id.in_(ids)))
    }
    attached = links(session, ids)
    offers: dict[int, list[Suggestion]] = {}
    query = select(Suggestion).where(Suggestion.communication_id.in_(ids))
    for offer in session.scalars(query.order_by(Suggestion.lost, Suggestion.score.desc(), Suggestion.id)):
        offers.setdefault(offer.communication_id, []).append(offer)
    questions: dict[int, list[str]] = {}
    asked = select(Question.communication_id, Question.kind).where(Question.communication_id.in_(ids))
    for item_id, kind in session.execute(asked.order_by(Question.id)):
        questions.setdefault(item_id, []).append(kind)
    everything: list[Any] = [row for rows in attached.values() for row in rows]
    everything += [row for rows in offers.values() for row in rows]
    people = participants(session, ids)
    return _Loaded(bodies, people, attached, offers, questions, _seen(session, ids), names(session, everything))


def _seen(session: Session, ids: list[int]) -> dict[int, list[Seen]]:
    query = (
        select(Sighting, Account.address, User.name)
        .join(Account, Account.id == Sighting.account_id)
        .join(User, User.id == Sighting.owner_id)
        .where(Sighting.communication_id.in_(ids))
        .order_by(Sighting.id)
    )
    found: dict[int, list[Seen]] = {}
    for sighting, address, owner in session.execute(query):
        seen = Seen(address, owner, sighting.owner_id, sighting.tier, sighting.removed_at is not None)
        found.setdefault(sighting.communication_id, []).append(seen)
    return found


def _view(viewer: Viewer, one: Communication, row: LogRow, loaded: _Loaded) -> ItemView:
    full = row.tier == Tier.FULL
    body = loaded.bodies.get(one.id) if full else None
    seen = loaded.seen.get(one.id, [])
    parties = [p for p in loaded.parties.get(one.id, []) if full or p.role not in ("bcc", "forwarded")]
    return ItemView(
        row=row, text=body.text if body else "", quoted=body.quoted if body else "",
        signature=body.signature if body else "", html=body.html if body else "",
        attachments=tuple(one.attachments) if full else (),
        parties=tuple(Party(p.role, p.canonical, p.name, p.response, p.own) for p in parties),
        links=tuple(_link(link, row.tier, loaded) for link in loaded.links.get(one.id, []) if _named(link, loaded)),
        candidates=_candidates(loaded.suggestions.get(one.id, []), loaded) if full else (),
        questions=tuple(loaded.questions.get(one.id, ())),
        # private mailboxes that saw it too are nobody's business
        seen=tuple(s for s in seen if s.tier != "private" or s.owner_id == viewer.user_id),
        mine=any(s.owner_id == viewer.user_id for s in seen) or (not seen and one.author_id == viewer.user_id),
        message_id=one.message_id if full else None, ical_uid=one.ical_uid, recurrence_id=one.recurrence_id,
        zone=one.zone,
    )  # fmt: skip


def _named(row: Link | Suggestion, loaded: _Loaded) -> bool:
    return (row.target_kind, row.target_id) in loaded.names


def _target(row: Link | Suggestion, loaded: _Loaded) -> Target:
    return Target(row.target_kind, row.target_id, loaded.names[row.target_kind, row.target_id])


def _link(link: Link, tier: Tier, loaded: _Loaded) -> LinkView:
    evidence = tuple(readable(link.evidence, tier))
    return LinkView(link.id, _target(link, loaded), link.method, link.score, link.pinned, evidence)


def _candidates(offers: list[Suggestion], loaded: _Loaded) -> tuple[Candidate, ...]:
    return tuple(
        Candidate(_target(o, loaded), o.score, o.lost, o.against, tuple(readable(o.evidence, Tier.FULL)))
        for o in offers
        if _named(o, loaded)
    )
