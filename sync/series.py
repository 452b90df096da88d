"""Moves the window of recurring meetings on: as days pass, instances of endless series come within a year of now and
need their rows. Run daily (``sync.jobs``), in small transactions.

Only series that miss instances are rebuilt, so that a day on which nothing comes into the window writes nothing. A
series whose last instance is over and that gave no further one is not looked at again: whatever could change it, a
mail or a calendar, rebuilds it then. Reads no clock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.models import Communication, EventVersion
from sync import meetings
from sync.chunks import chunks
from sync.service import Service

AT_ONCE = 50
GAP_MAX = 5 * timedelta(days=366)
"""No rule that people use leaves more than four years between two instances (29 February)."""


def roll(service: Service, account_id: int, over: Callable[[], bool] = lambda: False) -> int:
    """Bring the windows of an account's series up to now, until ``over()``. Returns how many were rebuilt."""
    now, done = service.now(), 0
    with service.db.reading() as session:
        running = going_on(session, account_id, now)
    for chunk in chunks(running, AT_ONCE):
        if over() or service.stopping.is_set():
            break
        with service.db.reading() as session:
            behind = stale(session, chunk, now)
        if behind:
            with service.db.transaction() as session:
                meetings.rebuild(session, behind, now)
        done += len(behind)
    return done


def going_on(session: Session, account_id: int, now: datetime) -> list[str]:
    """UIDs of series that may have instances to come, in an order that differs from day to day, so that a job which is
    cut short does not leave out the same ones each time."""
    known = select(EventVersion.uid).where(EventVersion.account_id == account_id, EventVersion.removed_at.is_(None))
    query = (
        select(Communication.ical_uid)
        .where(Communication.kind == "meeting", Communication.recurrence_id.is_not(None))
        .where(Communication.ical_uid.in_(known))
        .group_by(Communication.ical_uid)
        .having(func.max(Communication.occurred_at) > now - GAP_MAX)
    )
    uids = [uid for uid in session.scalars(query) if uid]
    return sorted(uids, key=lambda uid: hashlib.sha256(f"{now.date()} {uid}".encode()).digest())


def stale(session: Session, uids: Collection[str], now: datetime) -> list[str]:
    """Those of the series that have an instance in the window without a row. Writes nothing."""
    versions = meetings.versions_of(session, uids)
    stored: dict[str, set[str]] = {uid: set() for uid in uids}
    query = select(Communication.ical_uid, Communication.recurrence_id).where(
        Communication.ical_uid.in_(list(uids)), Communication.kind == "meeting"
    )
    for uid, recurrence_id in session.execute(query):
        stored[str(uid)].add(recurrence_id or "")
    return [uid for uid in uids if _wanted(versions.get(uid, []), now) - stored[uid]]


def _wanted(versions: list[EventVersion], now: datetime) -> set[str]:
    return {instance.recurrence_id for instance in meetings.instances_of(versions, now)}
