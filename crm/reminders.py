"""Reminders: a due task tells its assignee, exactly once, at its due moment: a time as it is, an all-day one in the
morning of that day in the assignee's zone, a snoozed one when it wakes. ``sync.chores`` asks once a minute.

A task is claimed by a conditional update and its notice written in the same transaction: of several workers one wins,
and a crash between leaves both undone. A new due date, assignee or snooze makes a new moment, which reminds again.
Tasks that an import brought already overdue are marked without a word; nobody's tasks wait until they are somebody's.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.orm import Session

from crm import due, notices
from crm.models import Task, User

AT_ONCE = 200
LOOKED_AT = 5_000
AHEAD = timedelta(hours=14)
"""A day begins in the zone +14 this long before it does in UTC."""


def remind(session: Session, *, now: datetime, limit: int = AT_ONCE) -> int:
    """Claim due tasks and tell their assignees. Returns how many were told; call again while it is ``limit``."""
    told = 0
    for task, user in _candidates(session, now):
        if told >= limit:
            break
        zone = due.zone_of(user.time_zone)
        moment = due.moment(task.due_at, task.due_all_day, task.snoozed_until, zone)
        if moment is None or moment > now or not _claim(session, task, now):
            continue
        if task.import_id is not None and moment < task.created_at:
            continue
        told += notices.tell(
            session, user.id, key=f"due:{task.id}:{moment:%Y%m%dT%H%M}", kind="due", text=_says(task, zone),
            href=f"/tasks/{task.id}", now=now,
        )  # fmt: skip
    return told


def _candidates(session: Session, now: datetime) -> Any:
    """Open tasks that may be due somewhere by now, with their assignees."""
    horizon = now + AHEAD
    latest = func.coalesce(Task.snoozed_until, Task.due_at)
    due_soon = or_(
        and_(Task.due_at.is_not(None), Task.due_at <= horizon),
        and_(Task.due_at.is_(None), Task.snoozed_until.is_not(None)),
    )
    query = (
        select(Task, User)
        .join(User, User.id == Task.owner_id)
        .where(Task.done_at.is_(None), Task.deleted_at.is_(None), Task.reminded_at.is_(None), User.active, due_soon)
        .where(or_(Task.snoozed_until.is_(None), Task.snoozed_until <= now))
        .order_by(latest, Task.id)
        .limit(LOOKED_AT)
    )
    return session.execute(query).all()


def _claim(session: Session, task: Task, now: datetime) -> bool:
    """Mark it as reminded; False when another worker was faster, or it was done meanwhile."""
    mine = Task.id == task.id, Task.reminded_at.is_(None), Task.done_at.is_(None), Task.deleted_at.is_(None)
    claimed: Any = session.execute(update(Task).where(*mine).values(reminded_at=now))
    return bool(claimed.rowcount)


def _says(task: Task, zone: Any) -> str:
    if task.due_at is None:
        return f"Back again: {task.title}"
    if task.due_all_day:
        return f"Due {task.due_at.day} {task.due_at:%b}: {task.title}"
    return f"Due {task.due_at.astimezone(zone):%H:%M}: {task.title}"
