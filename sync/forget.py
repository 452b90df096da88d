"""Applies never-log to the past: content is erased, the ledger keeps the remote id, the reason and a keyed hash.
Taking an entry off the list makes the items pending again, so that the next pass fetches them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from crm import search
from crm.models import Communication, EventVersion, Ledger, Link, Participant
from sync.chunks import chunks
from sync.policy import never_log
from sync.service import Service


def affected(session: Session, entries: Sequence[str]) -> list[int]:
    """Communications with a listed address or domain (subdomains too) at any position."""
    found: set[int] = set()
    for chunk in chunks(sorted(entries), 50):
        domains = [e for e in chunk if "@" not in e]
        condition = or_(
            Participant.canonical.in_(chunk),
            Participant.domain.in_(domains),
            *(Participant.domain.endswith("." + d, autoescape=True) for d in domains),
        )
        found.update(session.scalars(select(Participant.communication_id).where(condition).distinct()))
    return sorted(found)


def count(session: Session, entries: Sequence[str]) -> int:
    """How many items adding these entries would erase; shown before it is done."""
    return len(affected(session, entries))


def apply_never_log(service: Service, *, shortened: bool) -> tuple[int, int]:
    """Make the past agree with the list; ``shortened`` says that entries were taken off it. Returns (erased, to be
    fetched again)."""
    with service.db.transaction() as session:
        listed = never_log(session, None)
        ids = affected(session, sorted(listed)) if listed else []
        for chunk in chunks(ids):
            _erase(session, service, chunk)
        return len(ids), _fetch_again(session) if shortened else 0


def _erase(session: Session, service: Service, ids: Sequence[int]) -> None:
    query = select(Ledger.id, Ledger.message_id, Ledger.ical_uid).where(Ledger.communication_id.in_(ids))
    rows = [
        {
            "id": i,
            "state": "skipped",
            "reason": "never_log",
            "message_id": None,
            "ical_uid": None,
            "communication_id": None,
            "key_hash": service.vault.keyed_hash(message_id or uid or ""),
        }
        for i, message_id, uid in session.execute(query)
    ]
    if rows:
        session.execute(update(Ledger), rows)
    uids = select(Communication.ical_uid).where(Communication.id.in_(ids), Communication.ical_uid.is_not(None))
    session.execute(delete(EventVersion).where(EventVersion.uid.in_(uids)))
    search.forget(session, ids)
    session.execute(delete(Link).where(Link.communication_id.in_(ids)))
    session.execute(delete(Communication).where(Communication.id.in_(ids)))


def _fetch_again(session: Session) -> int:
    """Rows skipped as never-log are looked at again at the next pass: the list decides anew, with the content at
    hand."""
    waiting = (Ledger.state == "skipped", Ledger.reason == "never_log")
    total = session.scalar(select(func.count()).where(*waiting)) or 0
    session.execute(update(Ledger).where(*waiting).values(state="pending", reason="never_log_changed"))
    return total
