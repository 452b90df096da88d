"""Who saw a meeting: every account that holds a version of it saw all its instances, and an account whose every version
left its calendar sees them no more. Deletes no sighting."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from crm.models import Account, EventVersion, Sighting
from crm.privacy import tier_of
from sync.chunks import chunks


def settle(session: Session, ids: Sequence[int], rows: Sequence[EventVersion], now: datetime) -> None:
    """Make the sightings of a series' items ``ids`` equal to what its versions ``rows`` say; ``now`` is their first
    sight."""
    accounts = {r.account_id: r.removed_at for r in rows}
    for r in rows:
        if r.removed_at is None:
            accounts[r.account_id] = None
    owners = dict(
        session.execute(select(Account.id, Account.owner_id).where(Account.id.in_(list(accounts)))).all()
    )
    tiers = dict(
        session.execute(select(Account.id, Account.sharing).where(Account.id.in_(list(accounts)))).all()
    )
    known: set[tuple[int, int]] = set()
    for chunk in chunks(list(ids)):
        query = select(Sighting.communication_id, Sighting.account_id).where(Sighting.communication_id.in_(chunk))
        known.update(session.execute(query))
    fresh = [
        {
            "communication_id": i,
            "account_id": a,
            "owner_id": owners[a],
            "tier": tier_of(tiers[a]).word,
            "seen": True,
            "first_seen_at": now,
            "removed_at": gone,
        }
        for i in ids
        for a, gone in accounts.items()
        if (i, a) not in known
    ]
    if fresh:
        session.execute(insert(Sighting), fresh)
    for account_id, gone in accounts.items():
        for chunk in chunks(list(ids)):
            session.execute(
                update(Sighting)
                .where(Sighting.account_id == account_id, Sighting.communication_id.in_(chunk))
                .where(Sighting.removed_at.is_not(None) if gone is None else Sighting.removed_at.is_(None))
                .values(removed_at=gone)
            )
