"""Tasks: creating, changing, doing, putting off, and the lists my, team and automatic. Reminders and rules are
sync's.

An all-day task is due on a date, in its assignee's zone; the others at a moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from crm import audit, outbox
from crm.errors import NotFound, Refused
from crm.models import Company, Contact, Deal, Task, User
from crm.privacy import Viewer, member

FIELDS = frozenset(
    {"title", "type", "notes", "owner_id", "due_at", "due_all_day", "recurrence", "contact_id", "company_id", "deal_id"}
)  # fmt: skip
TYPES = ("todo", "call", "email", "meeting", "follow_up")
SECTIONS = ("overdue", "today", "upcoming", "no_date", "done")
PAGE_MAX = 500


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
    """Add a task. ``origin`` tells what made an automatic one. Raises Refused."""
    task = Task(
        title=_title(title), type=_type(type), notes=notes[:10_000], owner_id=owner_id, creator_id=actor_id,
        due_at=due_at, due_all_day=due_all_day, contact_id=contact_id, company_id=company_id, deal_id=deal_id,
        recurrence=recurrence, communication_id=communication_id, origin=origin, awaits=awaits, created_at=now,
    )  # fmt: skip
    session.add(task)
    session.flush()
    audit.record(session, actor_id=actor_id, action="task.create", subject_id=task.id, now=now)
    outbox.emit(session, "task.created", {"task": task.id}, now=now)
    return task


def update(session: Session, task_id: int, changes: Mapping[str, Any], *, actor_id: int | None, now: datetime) -> Task:
    """Change fields (``FIELDS``); a new due date wakes it and its reminder. Raises NotFound, Refused."""
    task = by_id(session, task_id)
    if unknown := set(changes) - FIELDS:
        raise Refused(f"A task has no field {min(unknown)}.", min(unknown))
    clean = dict(changes)
    for field, check in (("title", _title), ("type", _type)):
        if field in clean:
            clean[field] = check(clean[field])
    changed = {field: value for field, value in clean.items() if getattr(task, field) != value}
    for field, value in changed.items():
        setattr(task, field, value)
    if "due_at" in changed:
        task.reminded_at = task.snoozed_until = None
    if changed:
        session.flush()
        detail = {"fields": sorted(changed)}
        audit.record(session, actor_id=actor_id, action="task.update", subject_id=task_id, detail=detail, now=now)
    return task


def done(session: Session, task_id: int, *, actor_id: int | None, now: datetime, by: str = "person") -> Task:
    """Close a task; ``by`` tells what closed it (a person, or the message or meeting that was awaited). Doing it
    twice is once."""
    task = by_id(session, task_id)
    if task.done_at is None:
        task.done_at, task.closed_by = now, by
        session.flush()
        audit.record(session, actor_id=actor_id, action="task.done", subject_id=task_id, detail={"by": by}, now=now)
        outbox.emit(session, "task.done", {"task": task_id}, now=now)
    return task


def reopen(session: Session, task_id: int, *, actor_id: int | None, now: datetime) -> Task:
    """Take a closing back."""
    task = by_id(session, task_id)
    task.done_at = task.closed_by = None
    session.flush()
    audit.record(session, actor_id=actor_id, action="task.reopen", subject_id=task_id, now=now)
    return task


def snooze(session: Session, task_id: int, until: datetime, *, actor_id: int | None, now: datetime) -> Task:
    """Hide a task until a moment to come. Raises Refused for one that is past."""
    if until <= now:
        raise Refused("Choose a time to come.", "until")
    task = by_id(session, task_id)
    task.snoozed_until = until
    session.flush()
    audit.record(session, actor_id=actor_id, action="task.snooze", subject_id=task_id, now=now)
    return task


def assign(session: Session, ids: Iterable[int], owner_id: int | None, *, actor_id: int | None, now: datetime) -> int:
    """Give tasks to somebody, in one step. Returns how many changed."""
    rows = session.scalars(select(Task).where(Task.id.in_(list(ids)), Task.deleted_at.is_(None))).all()
    changed = [task for task in rows if task.owner_id != owner_id]
    for task in changed:
        task.owner_id, task.reminded_at = owner_id, None
    session.flush()
    detail = {"to": owner_id, "tasks": [t.id for t in changed][:PAGE_MAX]}
    audit.record(session, actor_id=actor_id, action="task.assign", detail=detail, now=now)
    return len(changed)


def shift(session: Session, ids: Iterable[int], days: int, *, actor_id: int | None, now: datetime) -> int:
    """Move the due dates of open tasks by days. Returns how many moved."""
    open_ = Task.id.in_(list(ids)), Task.deleted_at.is_(None), Task.done_at.is_(None), Task.due_at.is_not(None)
    rows = session.scalars(select(Task).where(*open_)).all()
    for task in rows:
        if task.due_at is not None:
            task.due_at, task.reminded_at = task.due_at + timedelta(days=days), None
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


@dataclass(frozen=True, slots=True)
class Filter:
    """What a list of tasks is narrowed to. ``automatic``: those that rules made. ``done`` None: open ones, and no
    closed."""

    owner_id: int | None = None
    contact_id: int | None = None
    company_id: int | None = None
    deal_id: int | None = None
    automatic: bool = False
    done: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One line. ``section`` is overdue, today, upcoming, no_date or done, by the viewer's day. Times are UTC."""

    id: int
    title: str
    type: str
    notes: str
    section: str
    due_at: datetime | None
    due_all_day: bool
    owner_id: int | None
    owner: str
    contact_id: int | None
    contact: str
    company_id: int | None
    company: str
    deal_id: int | None
    deal: str
    origin: str | None
    snoozed_until: datetime | None
    done_at: datetime | None
    closed_by: str | None


def page(
    session: Session,
    viewer: Viewer,
    filters: Filter | None = None,
    *,
    now: datetime,
    zone: str = "UTC",
    limit: int = 200,
) -> list[TaskRow]:
    """Tasks by due date, undated last; done ones newest first. Tasks are the team's. ``zone`` says where today
    ends."""
    member(viewer)
    chosen = filters or Filter()
    query = (
        select(Task, User.name, Contact.name, Company.name, Deal.title)
        .outerjoin(User, User.id == Task.owner_id)
        .outerjoin(Contact, Contact.id == Task.contact_id)
        .outerjoin(Company, Company.id == Task.company_id)
        .outerjoin(Deal, Deal.id == Task.deal_id)
        .where(*conditions(chosen, now))
        .limit(min(limit, PAGE_MAX))
    )
    by = (Task.done_at.desc(), Task.id) if chosen.done else (Task.due_at.is_(None), Task.due_at, Task.id)
    here = ZoneInfo(zone)
    return [_row(t, now, here, *map(_text, rest)) for t, *rest in session.execute(query.order_by(*by))]


def count_due(session: Session, viewer: Viewer, *, now: datetime) -> int:
    """How many open tasks of the viewer are overdue or due within the day, for the badge."""
    mine = conditions(Filter(owner_id=viewer.user_id), now)
    due = Task.due_at < now + timedelta(days=1)
    return session.scalar(select(func.count()).select_from(Task).where(*mine, due)) or 0


def conditions(filters: Filter, now: datetime) -> list[ColumnElement[bool]]:
    """The filter as SQL conditions on ``Task``; deleted ones are never in, snoozed ones not among the open."""
    found: list[ColumnElement[bool]] = [Task.deleted_at.is_(None)]
    if filters.done:
        found.append(Task.done_at.is_not(None))
    else:
        found += [Task.done_at.is_(None), or_(Task.snoozed_until.is_(None), Task.snoozed_until <= now)]
    for name in ("owner_id", "contact_id", "company_id", "deal_id"):
        if (value := getattr(filters, name)) is not None:
            found.append(getattr(Task, name) == value)
    if filters.automatic:
        found += [Task.origin.is_not(None), Task.origin != "import"]
    if word := filters.text.strip().lower():
        found.append(func.lower(Task.title).contains(word, autoescape=True))
    return found


def section(task: Task, now: datetime, zone: ZoneInfo) -> str:
    """Which section a task is in, by the day in ``zone``; an all-day one is overdue when its date has passed
    there."""
    if task.done_at is not None:
        return "done"
    if task.due_at is None:
        return "no_date"
    today = now.astimezone(zone).date()
    due = task.due_at.date() if task.due_all_day else task.due_at.astimezone(zone).date()
    if due < today or (not task.due_all_day and task.due_at < now):
        return "overdue"
    return "today" if due == today else "upcoming"


def _row(t: Task, now: datetime, zone: ZoneInfo, owner: str, contact: str, company: str, deal: str) -> TaskRow:
    return TaskRow(
        t.id, t.title, t.type, t.notes, section(t, now, zone), t.due_at, t.due_all_day, t.owner_id, owner, t.contact_id,
        contact, t.company_id, company, t.deal_id, deal, t.origin, t.snoozed_until, t.done_at, t.closed_by,
    )  # fmt: skip


def _text(value: str | None) -> str:
    return value or ""


def _title(raw: str) -> str:
    title = " ".join(str(raw).split())[:300]
    if not title:
        raise Refused("A task needs a title.", "title")
    return title


def _type(word: str) -> str:
    if word not in TYPES:
        raise Refused(f"{word!r} is not one of {', '.join(TYPES)}.", "type")
    return word
