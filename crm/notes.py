"""Calls and notes, written by people: items of the log like any other, by their author, attached by hand and pinned.

The author owns them; teammates read them unless the author keeps them private. Never touched by matching, because
they have no counterparty
addresses and their links are pinned.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm import audit, mentions, outbox, search
from crm.errors import NotFound, Refused
from crm.models import Communication, CommunicationBody, Company, Contact, Deal, Link
from crm.privacy import Viewer, owned

KINDS = ("note", "call")
OUTCOMES = ("reached", "left_message", "no_answer", "busy")
ACTIVITIES = {"chat": "Chat", "click": "Website", "social": "Social media"}
"""What a note may stand for when another system writes it: what somebody did elsewhere. Kept among its marks."""
TEXT_MAX = 20_000
SNIPPET = 200


def add(
    session: Session, viewer: Viewer, *, kind: str, text: str, target: tuple[str, int], at: datetime | None = None,
    minutes: int | None = None, outcome: str | None = None, private: bool = False, activity: str | None = None,
    link: str | None = None, by_us: bool = True, now: datetime,
) -> Communication:  # fmt: skip
    """Write a call or a note on a contact, company or deal (``target`` as kind and id); it reaches their company too.
    ``at`` (UTC)
    defaults to now; ``minutes`` is a call's length. A note may stand for an ``activity`` (a key of ``ACTIVITIES``) with
    the ``link`` it happened at. Teammates mentioned in it (``crm.mentions``) are told. Raises
    Refused. ``by_us`` False: the words are a stranger's, and mention nobody."""
    clean = "\n".join(part for part in (text.strip()[:TEXT_MAX], _link_of(link)) if part)
    if activity and (kind != "note" or activity not in ACTIVITIES):
        raise Refused(f"An activity of a note is {', '.join(ACTIVITIES)}.", "activity")
    if kind not in KINDS or (outcome and outcome not in OUTCOMES):
        raise Refused("That is neither a call nor a note.", "kind")
    if not clean and not outcome:
        raise Refused("Write what was said.", "text")
    if by_us:
        mentions.check(session, clean)
    begun = min(at or now, now)
    row = Communication(
        key=f"n:{uuid.uuid4()}", kind=kind, occurred_at=begun, subject=_subject(kind, clean, minutes, activity),
        snippet=clean[:SNIPPET],
        ends_at=begun + timedelta(minutes=minutes) if minutes else None, status="linked", outcome=outcome or None,
        marks=[activity] if activity else [], sharing="private" if private else None, author_id=viewer.user_id,
        size=len(clean), created_at=now, updated_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    session.add(CommunicationBody(communication_id=row.id, text=clean))
    for kind_, target_id in _targets(session, target):
        session.add(_link(row.id, kind_, target_id, now))
    session.flush()
    search.index(session, [(row.id, row.subject, "", clean)])
    audit.record(
        session,
        actor_id=viewer.user_id,
        action=f"{kind}.create",
        subject_kind="communication",
        subject_id=row.id,
        now=now,
    )
    if by_us:
        mentions.tell(session, viewer, row, clean, about=_name(session, target), now=now)
    outbox.emit(session, "communication.stored", {"ids": [row.id]}, now=now)
    return row


def delete(session: Session, viewer: Viewer, communication_id: int, *, now: datetime) -> None:
    """Take away a call or note one wrote oneself. Raises NotFound for anything else."""
    own = Communication.id == communication_id, Communication.kind.in_(KINDS), owned(viewer)
    row = session.scalar(select(Communication).where(*own))
    if row is None or row.author_id != viewer.user_id:
        raise NotFound("There is no such note of yours.")
    search.forget(session, [row.id])
    session.delete(row)
    session.flush()
    audit.record(
        session,
        actor_id=viewer.user_id,
        action="note.delete",
        subject_kind="communication",
        subject_id=communication_id,
        now=now,
    )


def _link_of(link: str | None) -> str:
    if link and (len(link) > 2_000 or not link.startswith(("https://", "http://")) or not link.isprintable()):
        raise Refused("A link begins with https:// or http://.", "link")
    return link or ""


def _subject(kind: str, text: str, minutes: int | None, activity: str | None) -> str:
    """ "Call, 14 min", a note's first line, or "Chat: " and the first line."""
    if kind == "call":
        return f"Call, {minutes} min" if minutes else "Call"
    first = text.splitlines()[0][:120] if text else "Note"
    return f"{ACTIVITIES[activity]}: {first}" if activity else first


def _targets(session: Session, target: tuple[str, int]) -> list[tuple[str, int]]:
    """The record, and the company behind it."""
    kind, target_id = target
    row: Contact | Deal | None
    if kind == "contact":
        row = session.get(Contact, target_id)
    elif kind == "deal":
        row = session.get(Deal, target_id)
    elif kind == "company":
        return [target]
    else:
        raise Refused("A note belongs to a contact, a company or a deal.", "target")
    if row is None or row.deleted_at is not None:
        raise NotFound("There is no such record.")
    return [target, *([("company", row.company_id)] if row.company_id else [])]


def _name(session: Session, target: tuple[str, int]) -> str:
    """What the record is called."""
    row: Any = session.get({"contact": Contact, "company": Company, "deal": Deal}[target[0]], target[1])
    return "" if row is None else str(row.title if target[0] == "deal" else row.name)


def _link(communication_id: int, kind: str, target_id: int, now: datetime) -> Link:
    says = [{"signal": "decided", "weight": 1.0, "says": "written here"}]
    return Link(
        communication_id=communication_id, target_kind=kind, target_id=target_id, method="decided", score=1.0,
        evidence=says,
        pinned=True, created_at=now,
    )  # fmt: skip
