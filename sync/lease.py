"""Leases on streams: taken by conditional UPDATE, fenced by a token, never popped.

A worker that lost its lease (it slept, or its host stalled) finds another token in the row and may write nothing.
Who holds a lease is a fact of the database, so a flush of Redis or a killed worker loses no work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, or_, update
from sqlalchemy.orm import Session

from crm.models import Stream

LEASE = timedelta(seconds=90)


class LeaseLost(Exception):
    """Another worker took the stream over; this one must drop what it holds. Nothing was written."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A held lease. ``unclean`` says that the holder before never gave it back: it was killed."""

    stream_id: int
    token: int
    unclean: bool


def take(
    session: Session, stream_id: int, owner: str, now: datetime, is_alive: Callable[[str], bool] = lambda owner: True
) -> Lease | None:
    """Take the stream's lease, or None while somebody else holds it. One conditional UPDATE decides. A holder of whom
    ``is_alive`` says that it has died does not hold it any more."""
    row = session.get(Stream, stream_id, populate_existing=True)
    if row is None:
        return None
    token, unclean = row.lease_token, row.lease_owner is not None
    free = or_(Stream.lease_until.is_(None), Stream.lease_until <= now)
    if row.lease_owner is not None and not is_alive(row.lease_owner):
        free = Stream.lease_owner == row.lease_owner
    result = session.execute(
        update(Stream)
        .where(Stream.id == stream_id, Stream.lease_token == token, free)
        .values(lease_token=token + 1, lease_owner=owner, lease_until=now + LEASE)
    )
    if cast(CursorResult[Any], result).rowcount != 1:
        return None
    return Lease(stream_id, token + 1, unclean)


def renew(session: Session, lease: Lease, now: datetime) -> None:
    """Prolong within the caller's transaction, and so prove that the lease is still ours. Raises LeaseLost."""
    result = session.execute(
        update(Stream)
        .where(Stream.id == lease.stream_id, Stream.lease_token == lease.token)
        .values(lease_until=now + LEASE)
    )
    if cast(CursorResult[Any], result).rowcount != 1:
        raise LeaseLost(f"stream {lease.stream_id}")


def give_back(session: Session, lease: Lease) -> None:
    """Release, if it is still ours."""
    session.execute(
        update(Stream)
        .where(Stream.id == lease.stream_id, Stream.lease_token == lease.token)
        .values(lease_owner=None, lease_until=None)
    )
