"""What a decision changes, kept so that it can be taken back exactly: pins, tombstones, rulings, records and review states.

Writes rows; decides nothing. ``sync.decisions`` holds the verbs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from crm import companies, contacts
from crm.errors import Refused
from crm.models import Link, ReviewState, Ruling
from crm.privacy import Viewer
from crm.vault import Vault
from sync.attach import chunks

SCOPES = ("item", "address", "domain", "thread")
VERDICTS = {"ignore", "not_a_contact", "private", "never_log"}


@dataclass(slots=True)
class Journal:
    """What a verb changed, so that undo can put it back."""

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
        return {name: getattr(self, name) for name in self.__slots__}


def pin(
    session: Session, ids: Sequence[int], kind: str, target_id: int, journal: Journal, now: datetime
) -> None:
    """A person's link: pinned, and it takes a former tombstone's place."""
    remember(session, ids, kind, target_id, journal)
    drop(session, ids, kind, target_id)
    says = [{"signal": "decided", "weight": 1.0, "says": f"you, {now:%-d %B}"}]
    rows = [link_row(i, kind, target_id, says, now) | {"pinned": True} for i in ids]
    session.execute(insert(Link), rows)


def tombstone(
    session: Session, ids: Sequence[int], target: tuple[str, int], journal: Journal, now: datetime
) -> None:
    remember(session, ids, *target, journal)
    drop(session, ids, *target)
    says = [{"signal": "decided", "weight": 0.0, "says": f"taken off by a person, {now:%-d %B}"}]
    session.execute(insert(Link), [link_row(i, *target, says, now) | {"tombstoned": True} for i in ids])


def link_row(communication_id: int, kind: str, target_id: int, says: list[dict[str, Any]], now: datetime) -> dict[str, Any]:
    return {
        "communication_id": communication_id, "target_kind": kind, "target_id": target_id, "method": "decided",
        "score": 1.0, "evidence": says, "pinned": False, "tombstoned": False, "created_at": now,
    }  # fmt: skip


_LINK = (
    "communication_id", "target_kind", "target_id", "method", "score", "evidence", "pinned", "tombstoned", "created_at",
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
    """A standing ruling; one that said otherwise of the same thing ends."""
    if scope not in SCOPES or not value:
        raise Refused("Say what the answer is for: this address, this domain, or this thread.")
    same = select(Ruling).where(Ruling.scope == scope, Ruling.value == value, Ruling.active.is_(True))
    for old in session.scalars(same.where(Ruling.verdict != "sharing")):
        if (old.verdict == verdict and old.target_kind == (target[0] if target else None)) or verdict in VERDICTS:
            old.active = False
            journal.rulings_ended.append(old.id)
    rule = Ruling(
        scope=scope, value=value, verdict=verdict, target_kind=target[0] if target else None,
        target_id=target[1] if target else None, created_at=now, active=True, hits=0,
        user_id=viewer.user_id if verdict in ("ignore", "private") else None,
    )  # fmt: skip
    session.add(rule)
    session.flush()
    journal.rulings_made.append(rule.id)


def restore(session: Session, journal: dict[str, Any], viewer: Viewer, vault: Vault, now: datetime) -> None:
    for communication_id, kind, target_id in journal["links_made"]:
        drop(session, [communication_id], kind, target_id)
    rows = [row | {"created_at": datetime.fromisoformat(row["created_at"])} for row in journal["links_before"]]
    if rows:
        session.execute(insert(Link), rows)
    if journal["rulings_made"]:
        session.execute(update(Ruling).where(Ruling.id.in_(journal["rulings_made"])).values(active=False))
    if journal["rulings_ended"]:
        session.execute(update(Ruling).where(Ruling.id.in_(journal["rulings_ended"])).values(active=True))
    for contact_id, address in journal["addresses_made"]:
        contacts.remove_address(session, contact_id, address, actor_id=viewer.user_id, now=now)
    for contact_id in journal["contacts_made"]:
        contacts.delete(session, contact_id, vault=vault, actor_id=viewer.user_id, now=now, recreate=True)
    restore_companies(session, journal["companies_made"], viewer, now)
    for state in journal["states_before"]:
        until = datetime.fromisoformat(state["snoozed_until"]) if state["snoozed_until"] else None
        session.execute(
            update(ReviewState)
            .where(ReviewState.group_key == state["group_key"], ReviewState.user_id == viewer.user_id)
            .values(snoozed_until=until, assignee_id=state["assignee_id"])
        )


def restore_companies(session: Session, ids: Sequence[int], viewer: Viewer, now: datetime) -> None:
    for company_id in ids:
        companies.delete(session, company_id, actor_id=viewer.user_id, now=now)
