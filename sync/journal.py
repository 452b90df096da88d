"""What a decision changes, kept so that it can be taken back: pins, tombstones, rulings, records and review states.

Writes rows; decides nothing. ``sync.decisions`` holds the verbs, ``sync.restoring`` puts things back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, or_, select
from sqlalchemy.orm import Session

from crm.errors import Refused
from crm.models import Link, Ruling
from crm.privacy import Viewer
from sync.chunks import chunks

SCOPES = ("item", "address", "domain", "thread")
VERDICTS = {"ignore", "not_a_contact", "private", "never_log"}


@dataclass(slots=True)
class Journal:
    """What a verb changed, so that undo can put it back. ``decision_id`` marks the rows it writes as the decision's."""

    decision_id: int | None = None
    links_before: list[dict[str, Any]] = field(default_factory=list)
    links_made: list[list[Any]] = field(default_factory=list)
    rulings_made: list[int] = field(default_factory=list)
    rulings_ended: list[int] = field(default_factory=list)
    contacts_made: list[int] = field(default_factory=list)
    companies_made: list[int] = field(default_factory=list)
    addresses_made: list[list[Any]] = field(default_factory=list)
    states_before: list[dict[str, Any]] = field(default_factory=list)
    items: list[int] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For ``Decision.inverse``."""
        return {name: getattr(self, name) for name in self.__slots__ if name != "decision_id"}


def pin(
    session: Session, ids: Sequence[int], kind: str, target_id: int, journal: Journal, now: datetime
) -> None:
    """A person's link: pinned, and it takes a former tombstone's place."""
    remember(session, ids, kind, target_id, journal)
    drop(session, ids, kind, target_id)
    says = [{"signal": "decided", "weight": 1.0, "says": f"you, {now:%-d %B}"}]
    made = {"pinned": True, "decision_id": journal.decision_id}
    rows = [link_row(i, kind, target_id, says, now) | made for i in ids]
    session.execute(insert(Link), rows)


def tombstone(
    session: Session, ids: Sequence[int], target: tuple[str, int], journal: Journal, now: datetime
) -> None:
    remember(session, ids, *target, journal)
    drop(session, ids, *target)
    says = [{"signal": "decided", "weight": 0.0, "says": f"taken off by a person, {now:%-d %B}"}]
    made = {"tombstoned": True, "decision_id": journal.decision_id}
    session.execute(insert(Link), [link_row(i, *target, says, now) | made for i in ids])


def link_row(
    communication_id: int, kind: str, target_id: int, says: list[dict[str, Any]], now: datetime
) -> dict[str, Any]:
    return {
        "communication_id": communication_id, "target_kind": kind, "target_id": target_id, "method": "decided",
        "score": 1.0, "evidence": says, "pinned": False, "tombstoned": False, "created_at": now,
    }  # fmt: skip


_LINK = (
    "communication_id", "target_kind", "target_id", "method", "score", "evidence", "pinned", "tombstoned", "created_at",
    "decision_id",
)  # fmt: skip


def remember(session: Session, ids: Sequence[int], kind: str, target_id: int, journal: Journal) -> None:
    """Keep the rows about to be replaced; note which will be new."""
    for chunk in chunks(list(ids)):
        query = select(Link).where(
            Link.communication_id.in_(chunk), Link.target_kind == kind, Link.target_id == target_id
        )
        for row in session.scalars(query):
            values = {name: getattr(row, name) for name in _LINK}
            journal.links_before.append(values | {"created_at": row.created_at.isoformat()})
    journal.links_made.extend([i, kind, target_id] for i in ids)


def drop(session: Session, ids: Sequence[int], kind: str, target_id: int) -> None:
    for chunk in chunks(list(ids)):
        session.execute(
            delete(Link).where(Link.communication_id.in_(chunk), Link.target_kind == kind, Link.target_id == target_id)
        )
    session.expire_all()


def rule(
    session: Session, viewer: Viewer, scope: str, value: str, verdict: str, journal: Journal, now: datetime,
    target: tuple[str, int] | None = None,
) -> None:  # fmt: skip
    """A standing ruling; those of the viewer or of everybody that said otherwise of the same thing end."""
    if scope not in SCOPES or not value:
        raise Refused("Say what the answer is for: this address, this domain, or this thread.")
    same = select(Ruling).where(
        Ruling.scope == scope, Ruling.value == value, Ruling.active.is_(True),
        or_(Ruling.user_id.is_(None), Ruling.user_id == viewer.user_id),
    )  # fmt: skip
    for old in session.scalars(same.order_by(Ruling.id)):
        if _is_overruled(old, verdict, target):
            old.active = False
            journal.rulings_ended.append(old.id)
    rule = Ruling(
        scope=scope, value=value, verdict=verdict, target_kind=target[0] if target else None,
        target_id=target[1] if target else None, created_at=now, active=True,
        user_id=viewer.user_id if verdict in ("ignore", "private") else None, decision_id=journal.decision_id,
    )  # fmt: skip
    session.add(rule)
    session.flush()
    journal.rulings_made.append(rule.id)


def _is_overruled(old: Ruling, verdict: str, target: tuple[str, int] | None) -> bool:
    """Whether a new ruling on the same scope and value ends an old one. An answer that puts aside ends every other; one
    that attaches ends what put aside, what attached to another record of the kind, and what took this record off; one
    that takes a record off ends what attached to it."""
    if old.verdict in ("sharing", "never_log") and verdict != old.verdict:
        return False
    if verdict in VERDICTS:
        return True
    if verdict == "detach":
        return (old.target_kind, old.target_id) == target
    if old.verdict == "detach":
        return (old.target_kind, old.target_id) == target
    return old.verdict in VERDICTS or old.target_kind == (target[0] if target else None)
