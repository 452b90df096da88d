"""Tasks: creating, changing, doing, putting off, giving on; one by one here, many at once in ``crm.task_steps``. The
lists are ``crm.task_lists``, reminders ``crm.reminders``, closing by itself ``crm.awaited``.

An all-day task is due on a date, in its assignee's zone; the others at a moment. When a repeating one is done, its
next occurrence is made, once; taking the closing back takes an unfinished follower away.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm import audit, due, notices, outbox, recurrence
from crm.errors import NotFound, Refused
from crm.models import Company, Contact, Deal, Task, User
from crm.task_lists import PAGE_MAX, SECTIONS, Counts, Filter, TaskRow, conditions, count_due, counts, page, section

__all__ = [
    "AWAITS", "FIELDS", "PAGE_MAX", "SECTIONS", "TYPES", "Counts", "Filter", "TaskRow", "assign", "by_id", "conditions",
    "count_due", "counts", "create", "delete", "done", "follower", "locked", "page", "reopen", "restore", "section",
    "shift", "snooze", "update", "wake",
]  # fmt: skip

FIELDS = frozenset(
    {"title", "type", "notes", "owner_id", "due_at", "due_all_day", "recurrence", "contact_id", "company_id", "deal_id",
     "awaits"}
)  # fmt: skip
TYPES = ("todo", "call", "email", "meeting", "follow_up")
AWAITS = ("reply", "meeting", "any")
RECORDS: dict[str, Any] = {"contact_id": Contact, "company_id": Company, "deal_id": Deal}
DAYS_MAX = 3660


def create(
    session: Session,
    *,
    title: str,
    type: str = "todo",
    notes: str = "",
    owner_id: int | None = None,
    due_at: datetime | None = None,
    due_all_day: bool = True,
    contact_id: int | None = None,
    company_id: int | None = None,
    deal_id: int | None = None,
    communication_id: int | None = None,
    recurrence: str | None = None,
    origin: str | None = None,
    awaits: str | None = None,
    now: datetime,
    actor_id: int | None,
) -> Task:
    """Add a task. ``origin`` tells what made an automatic one, ``awaits`` (reply, meeting or any, of its contact, deal
    or company) what closes it by itself, ``recurrence`` an RRULE. Raises Refused."""
    task = Task(
        title=_title(title), type=_type(type), notes=notes[:10_000], owner_id=owner_id, creator_id=actor_id,
        due_at=due_at, due_all_day=due_all_day, contact_id=contact_id, company_id=company_id, deal_id=deal_id,
        recurrence=recurrence or None, communication_id=communication_id, origin=origin, awaits=awaits or None,
        awaits_since=now if awaits else None, created_at=now,
    )  # fmt: skip
    _check(session, task, set(RECORDS))
    session.add(task)
    session.flush()
    audit.record(session, actor_id=actor_id, action="task.create", subject_id=task.id, now=now)
    outbox.emit(session, "task.created", {"task": task.id}, now=now)
    return task


def update(session: Session, task_id: int, changes: Mapping[str, Any], *, actor_id: int | None, now: datetime) -> Task:
    """Change fields (``FIELDS``); a new due date wakes it and its reminder, a new assignee is told. Raises NotFound,
    Refused."""
    task = by_id(session, task_id)
    if unknown := set(changes) - FIELDS:
        raise Refused(f"A task has no field {min(unknown)}.", min(unknown))
    clean = dict(changes)
    for field, check in (("title", _title), ("type", _type)):
        if field in clean:
            clean[field] = check(clean[field])
    changed = {field: value for field, value in clean.items() if getattr(task, field) != value}
    detail = audit.changes(task, changed)
    with session.no_autoflush:
        for field, value in changed.items():
            setattr(task, field, value)
        _check(session, task, set(changed))
    if {"due_at", "due_all_day"} & set(changed):
        task.reminded_at = task.snoozed_until = None
    if "awaits" in changed:
        task.awaits_since = now if task.awaits else None
    if changed:
        session.flush()
        audit.record(session, actor_id=actor_id, action="task.update", subject_id=task_id, detail=detail, now=now)
    if "owner_id" in changed and not _told(session, [task], actor_id, now):
        task.reminded_at = None
    return task


def done(session: Session, task_id: int, *, actor_id: int | None, now: datetime, by: str = "person") -> Task:
    """Close a task; ``by`` tells what closed it: ``person``, or ``item:<id>`` of the message or meeting that was
    awaited. The next occurrence of a repeating one is made. Doing it twice is once."""
    task = locked(session, task_id)
    if task.done_at is None:
        task.done_at, task.closed_by = now, by
        session.flush()
        _repeat(session, task, now)
        audit.record(session, actor_id=actor_id, action="task.done", subject_id=task_id, detail={"by": by}, now=now)
        outbox.emit(session, "task.done", {"task": task_id}, now=now)
    return task


def reopen(session: Session, task_id: int, *, actor_id: int | None, now: datetime) -> Task:
    """Take a closing back, and an unfinished follower away. What closed it by itself doesn't close it again."""
    task = locked(session, task_id)
    task.done_at = task.closed_by = None
    if task.awaits:
        task.awaits_since = now
    if (after := follower(session, task_id)) is not None and after.done_at is None:
        after.deleted_at = now
    session.flush()
    audit.record(session, actor_id=actor_id, action="task.reopen", subject_id=task_id, now=now)
    return task


def follower(session: Session, task_id: int) -> Task | None:
    """The occurrence after a done one, if it is there."""
    query = select(Task).where(Task.origin == f"repeats:{task_id}", Task.deleted_at.is_(None)).order_by(Task.id)
    return session.scalar(query.limit(1))


def snooze(session: Session, task_id: int, until: datetime, *, actor_id: int | None, now: datetime) -> Task:
    """Hide a task until a moment to come; it reminds then. Raises Refused for one that is past."""
    if until <= now:
        raise Refused("Choose a time to come.", "until")
    task = by_id(session, task_id)
    task.snoozed_until, task.reminded_at = until, None
    session.flush()
    audit.record(session, actor_id=actor_id, action="task.snooze", subject_id=task_id, now=now)
    return task


def wake(session: Session, task_id: int, *, actor_id: int | None, now: datetime) -> Task:
    """Take a snooze back; what it reminded of before is not said again."""
    task = by_id(session, task_id)
    task.snoozed_until = None
    session.flush()
    audit.record(session, actor_id=actor_id, action="task.wake", subject_id=task_id, now=now)
    return task


def assign(session: Session, ids: Iterable[int], owner_id: int | None, *, actor_id: int | None, now: datetime) -> int:
    """Give tasks to somebody, in one step. Returns how many changed."""
    rows = session.scalars(select(Task).where(Task.id.in_(list(ids)), Task.deleted_at.is_(None))).all()
    changed = [task for task in rows if task.owner_id != owner_id]
    before = sorted({task.owner_id for task in changed if task.owner_id is not None})
    for task in changed:
        task.owner_id = owner_id
    if not _told(session, changed, actor_id, now):
        for task in changed:
            task.reminded_at = None
    session.flush()
    detail = {"from": before, "to": owner_id, "tasks": [t.id for t in changed][:PAGE_MAX]}
    audit.record(session, actor_id=actor_id, action="task.assign", detail=detail, now=now)
    return len(changed)


def shift(session: Session, ids: Iterable[int], days: int, *, actor_id: int | None, now: datetime) -> int:
    """Move the due dates of open tasks by days; a time of day stays what the assignee's clock says. Returns how many
    moved. Raises Refused for a number that leaves the calendar."""
    if not -DAYS_MAX <= days <= DAYS_MAX:
        raise Refused(f"Move by at most {DAYS_MAX} days.", "days")
    open_ = Task.id.in_(list(ids)), Task.deleted_at.is_(None), Task.done_at.is_(None), Task.due_at.is_not(None)
    rows = session.scalars(select(Task).where(*open_)).all()
    for task in rows:
        if task.due_at is not None:
            task.due_at, task.reminded_at = _moved(session, task, task.due_at, days), None
    session.flush()
    detail = {"days": days, "tasks": [t.id for t in rows][:PAGE_MAX]}
    audit.record(session, actor_id=actor_id, action="task.shift", detail=detail, now=now)
    return len(rows)


def delete(session: Session, task_id: int, *, actor_id: int | None, now: datetime) -> None:
    """Put a task away (``restore`` brings it back)."""
    by_id(session, task_id).deleted_at = now
    session.flush()
    audit.record(session, actor_id=actor_id, action="task.delete", subject_id=task_id, now=now)


def restore(session: Session, task_id: int, *, actor_id: int | None, now: datetime) -> None:
    """Bring a deleted task back. Raises NotFound."""
    task = session.get(Task, task_id)
    if task is None or task.deleted_at is None:
        raise NotFound("There is no such deleted task.")
    task.deleted_at = None
    session.flush()
    audit.record(session, actor_id=actor_id, action="task.restore", subject_id=task_id, now=now)


def by_id(session: Session, task_id: int) -> Task:
    """The task. Raises NotFound for a deleted or unknown one."""
    task = session.get(Task, task_id)
    if task is None or task.deleted_at is not None:
        raise NotFound("There is no such task.")
    return task


def locked(session: Session, task_id: int) -> Task:
    """The task, locked for this transaction where the engine can: two that close it at once close it once."""
    query = select(Task).where(Task.id == task_id, Task.deleted_at.is_(None))
    task = session.scalar(query.with_for_update().execution_options(populate_existing=True))
    if task is None:
        raise NotFound("There is no such task.")
    return task


def zone_of(session: Session, user_id: int | None) -> ZoneInfo:
    """The zone of a task's assignee; UTC for nobody's."""
    user = session.get(User, user_id) if user_id else None
    return due.zone_of(user.time_zone if user else None)


def _told(session: Session, given: Sequence[Task], actor_id: int | None, now: datetime) -> bool:
    """Tell who was given tasks by somebody else, in one line however many they are; what was due before doesn't remind
    again then. False when there is nobody to tell, or nothing."""
    to = given[0].owner_id if given else None
    giver = session.get(User, actor_id) if actor_id is not None else None
    if to is None or giver is None or to == giver.id:
        return False
    one = given[0]
    what = f"a task: {one.title}" if len(given) == 1 else f"{len(given)} tasks"
    return notices.tell(
        session, to, key=f"given:{one.id}:{now:%Y%m%dT%H%M%S%f}", kind="given", text=f"{giver.name} gave you {what}",
        href=f"/tasks/{one.id}" if len(given) == 1 else "/tasks", now=now,
    )  # fmt: skip


def _repeat(session: Session, task: Task, now: datetime) -> None:
    """Make the occurrence after a done one, unless it is there."""
    if not task.recurrence or task.due_at is None or follower(session, task.id) is not None:
        return
    zone = zone_of(session, task.owner_id)
    following = recurrence.next_due(task.recurrence, task.due_at, task.due_all_day, zone, after=now)
    live = {
        field: value
        for field, model in RECORDS.items()
        if (value := getattr(task, field)) is not None and not _gone(session.get(model, value))
    }
    create(
        session, title=task.title, type=task.type, notes=task.notes, owner_id=task.owner_id, due_at=following,
        due_all_day=task.due_all_day, communication_id=task.communication_id, recurrence=task.recurrence,
        origin=f"repeats:{task.id}", awaits=task.awaits if live else None, **live, now=now, actor_id=None,
    )  # fmt: skip


def _moved(session: Session, task: Task, due_at: datetime, days: int) -> datetime:
    zone = zone_of(session, task.owner_id)
    day = due.sane(due.day_of(due_at, task.due_all_day, zone) + timedelta(days=days), "days")
    return due_at + timedelta(days=days) if task.due_all_day else due.at(day, due_at.astimezone(zone).time(), zone)


def _check(session: Session, task: Task, changed: Collection[str]) -> None:
    """Raise Refused for records there are not (those ``changed``: one may have gone since), a date out of reach, or
    fields that don't go together."""
    for field, model in RECORDS.items():
        if field in changed and (value := getattr(task, field)) is not None and _gone(session.get(model, value)):
            raise Refused(f"There is no such {field.removesuffix('_id')}.", field)
    if task.owner_id is not None and session.get(User, task.owner_id) is None:
        raise Refused("There is no such person.", "owner_id")
    zone = zone_of(session, task.owner_id)
    if task.due_at is not None:
        due.sane(due.day_of(task.due_at, task.due_all_day, zone))
    if task.recurrence:
        if task.due_at is None:
            raise Refused("A task that repeats needs a due date.", "due")
        task.recurrence = recurrence.anchored(task.recurrence, due.day_of(task.due_at, task.due_all_day, zone))
    if task.awaits and task.awaits not in AWAITS:
        raise Refused(f"{task.awaits!r} is not one of {', '.join(AWAITS)}.", "awaits")
    if task.awaits and not any(getattr(task, field) for field in RECORDS):
        raise Refused("Say whose reply or meeting it waits for: a contact, a company or a deal.", "awaits")


def _gone(row: Contact | Company | Deal | None) -> bool:
    return row is None or row.deleted_at is not None


def _title(raw: str) -> str:
    title = " ".join(str(raw).split())[:300]
    if not title:
        raise Refused("A task needs a title.", "title")
    return title


def _type(word: str) -> str:
    if word not in TYPES:
        raise Refused(f"{word!r} is not one of {', '.join(TYPES)}.", "type")
    return word
