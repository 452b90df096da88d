"""Ends what is gone: ledger rows that a complete listing did not show, and sightings with no place left.

Never deletes a communication and never touches a link. Refuses to believe a listing that lost most of a stream until
a second one, later, says the same."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, exists, func, select, update
from sqlalchemy.orm import Session, aliased

from crm.models import Ledger, Sighting, Stream
from sync import meetings

CONFIRM = timedelta(minutes=10)
SUSPICIOUS_SHARE = 0.5
SUSPICIOUS_COUNT = 20


THROWN_AWAY = ("trash", "spam")
"""A mail there is at the source still, so the ledger keeps its row; for people it is gone."""


def generation(session: Session, stream: Stream, now: datetime) -> int:
    """Mark rows of former generations removed. Returns how many; 0 when the loss looks suspicious and is not
    confirmed yet."""
    live = (Ledger.stream_id == stream.id, Ledger.state != "removed")
    old = session.scalar(select(func.count()).where(*live, Ledger.generation < stream.generation)) or 0
    total = session.scalar(select(func.count()).where(*live)) or 0
    if not old:
        stream.sweep_after = None
        return 0
    if _suspicious(session, stream, old, total) and not _confirmed(stream, now):
        return 0
    stream.sweep_after = None
    end(session, stream, (Ledger.generation < stream.generation,), now)
    return old


def end(
    session: Session, stream: Stream, which: Sequence[ColumnElement[bool]], now: datetime, reason: str = "gone"
) -> None:
    """Mark these live rows of a stream removed; calendar objects among them let their meetings go."""
    where = (Ledger.stream_id == stream.id, Ledger.state != "removed", *which)
    gone = list(session.scalars(select(Ledger.remote_id).where(*where))) if stream.kind == "calendar" else []
    session.execute(update(Ledger).where(*where).values(state="removed", reason=reason, missing_since=now))
    meetings.withdraw(session, stream, gone, now)


def _suspicious(session: Session, stream: Stream, old: int, total: int) -> bool:
    """Most of the stream is gone, and its items did not come back under new ids."""
    if old < SUSPICIOUS_COUNT or old / total < SUSPICIOUS_SHARE:
        return False
    other = aliased(Ledger)
    again = exists().where(
        other.communication_id == Ledger.communication_id,
        other.stream_id == stream.id,
        other.generation == stream.generation,
    )
    query = select(func.count()).where(
        Ledger.stream_id == stream.id, Ledger.state == "stored", Ledger.generation < stream.generation, ~again
    )
    return (session.scalar(query) or 0) / total >= SUSPICIOUS_SHARE


def _confirmed(stream: Stream, now: datetime) -> bool:
    """The first suspicious listing starts the clock; one after it runs out confirms."""
    if stream.sweep_after is not None and now >= stream.sweep_after:
        return True
    stream.sweep_after = stream.sweep_after or now + CONFIRM
    stream.error = f"{stream.name} suddenly looks almost empty; nothing is marked gone until a second look."
    stream.error_code = "suddenly_empty"
    return False


def unconfirmed(session: Session, account_id: int, now: datetime) -> list[int]:
    """Streams whose second look is due: they are listed from scratch again."""
    query = select(Stream.id).where(
        Stream.account_id == account_id,
        Stream.sweep_after.is_not(None),
        Stream.sweep_after <= now,
        Stream.listing.is_(False),
    )
    return list(session.scalars(query))


def sightings(session: Session, account_id: int, now: datetime) -> int:
    """After all streams of the account were read: a sighting without any place left in it is marked removed. Moves are
    over by then, so a moved mail keeps its sighting."""
    somewhere = exists().where(
        Ledger.communication_id == Sighting.communication_id,
        Ledger.account_id == Sighting.account_id,
        Ledger.state != "removed",
        ~((Ledger.state == "skipped") & Ledger.reason.in_(THROWN_AWAY)),
    )
    once = exists().where(
        Ledger.communication_id == Sighting.communication_id, Ledger.account_id == Sighting.account_id
    )
    result = session.execute(
        update(Sighting)
        .where(Sighting.account_id == account_id, Sighting.removed_at.is_(None), once, ~somewhere)
        .values(removed_at=now)
    )
    return int(getattr(result, "rowcount", 0))
