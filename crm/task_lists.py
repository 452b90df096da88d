"""Lists of tasks: filters, rows, sections by the viewer's day, and their counts. Reads only; the verbs are
``crm.tasks``. Tasks are the team's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select
from sqlalchemy.orm import Session

from crm import due
from crm.models import Company, Contact, Deal, Task, User
from crm.privacy import Viewer, member

SECTIONS = ("overdue", "today", "upcoming", "no_date", "done")
PAGE_MAX = 500
AGES = ((2, "less than 2 days"), (7, "2 to 6 days"), (30, "1 to 4 weeks"), (None, "30 days and more"))
"""How long overdue: a bound in days, and its words."""


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
    recurrence: str | None = None
    awaits: str | None = None
    communication_id: int | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many there are of each section, over the whole filter, and of the overdue by age."""

    overdue: int
    today: int
    upcoming: int
    no_date: int
    ages: tuple[tuple[str, int], ...]


def page(
    session: Session,
    viewer: Viewer,
    filters: Filter | None = None,
    *,
    now: datetime,
    zone: str = "UTC",
    limit: int = 200,
) -> list[TaskRow]:
    """Tasks by due date, undated last; done ones newest first. ``zone`` says where today ends."""
    member(viewer)
    chosen = filters or Filter()
    by = (Task.done_at.desc(), Task.id) if chosen.done else (Task.due_at.is_(None), Task.due_at, Task.id)
    query = _joined().where(*conditions(chosen, now)).order_by(*by).limit(min(limit, PAGE_MAX))
    here = ZoneInfo(zone)
    return [_row(t, now, here, *map(_text, rest)) for t, *rest in session.execute(query)]


def queue(session: Session, viewer: Viewer, *, now: datetime, zone: str, skip: frozenset[int] = frozenset(),
          limit: int = 50) -> list[TaskRow]:  # fmt: skip
    """The viewer's own open tasks that are overdue or due today, for doing one after the other; ``skip`` are left
    out."""
    member(viewer)
    here = ZoneInfo(zone)
    mine = [*conditions(Filter(owner_id=viewer.user_id), now), due_by_tonight(now, here), Task.id.not_in(skip)]
    query = _joined().where(*mine).order_by(Task.due_at, Task.id).limit(limit)
    return [_row(t, now, here, *map(_text, rest)) for t, *rest in session.execute(query)]


def row(session: Session, viewer: Viewer, task_id: int, *, now: datetime, zone: str) -> TaskRow | None:
    """One task as a line, None for a deleted or unknown one."""
    member(viewer)
    found = session.execute(_joined().where(Task.id == task_id, Task.deleted_at.is_(None))).first()
    return _row(found[0], now, ZoneInfo(zone), *map(_text, found[1:])) if found else None


def counts(session: Session, viewer: Viewer, filters: Filter, *, now: datetime, zone: str) -> Counts:
    """Sections and ages of the filter, in one statement."""
    member(viewer)
    here = ZoneInfo(zone)
    late = overdue(now, here)
    tonight = due_by_tonight(now, here)
    oldest = [_overdue_for(days, now, here) for days, _ in AGES if days is not None]
    sums = [late, and_(tonight, ~late), and_(Task.due_at.is_not(None), ~tonight), Task.due_at.is_(None), *oldest]
    query = select(*(func.coalesce(func.sum(case((condition, 1), else_=0)), 0) for condition in sums))
    found = [int(n) for n in session.execute(query.where(*conditions(filters, now))).one()]
    steps = [found[0], *found[4:], 0]
    ages = tuple((words, steps[at] - steps[at + 1]) for at, (_, words) in enumerate(AGES))
    return Counts(found[0], found[1], found[2], found[3], ages)


def count_due(session: Session, viewer: Viewer, *, now: datetime, zone: str = "UTC") -> int:
    """How many open tasks of the viewer are overdue or due by the end of their day, for the badge."""
    return session.scalar(due_query(viewer, now, zone)) or 0


def due_query(viewer: Viewer, now: datetime, zone: str) -> Select[Any]:
    """The same as a query of one number."""
    mine = conditions(Filter(owner_id=viewer.user_id), now)
    return select(func.count()).select_from(Task).where(*mine, due_by_tonight(now, ZoneInfo(zone)))


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
        found += [Task.origin.is_not(None), Task.origin != "import", Task.origin.not_like("repeats:%")]
    if word := filters.text.strip().lower():
        found.append(func.lower(Task.title).contains(word, autoescape=True))
    return found


def overdue(now: datetime, zone: ZoneInfo) -> ColumnElement[bool]:
    """Condition on ``Task``: its day has passed in ``zone``, or its moment."""
    return _overdue_for(0, now, zone)


def due_by_tonight(now: datetime, zone: ZoneInfo) -> ColumnElement[bool]:
    """Condition on ``Task``: overdue, or due before the local day ends."""
    whole = and_(Task.due_all_day, Task.due_at < due.all_day(due.today(now, zone) + timedelta(days=1)))
    return or_(whole, and_(~Task.due_all_day, Task.due_at < due.end_of_day(now, zone)))


def section(task: Task, now: datetime, zone: ZoneInfo) -> str:
    """Which section a task is in, by the day in ``zone``; an all-day one is overdue when its date has passed
    there."""
    if task.done_at is not None:
        return "done"
    if task.due_at is None:
        return "no_date"
    today = due.today(now, zone)
    day = due.day_of(task.due_at, task.due_all_day, zone)
    if day < today or (not task.due_all_day and task.due_at < now):
        return "overdue"
    return "today" if day == today else "upcoming"


def _overdue_for(days: int, now: datetime, zone: ZoneInfo) -> ColumnElement[bool]:
    """Overdue for at least so many days."""
    whole = and_(Task.due_all_day, Task.due_at < due.all_day(due.today(now, zone)) - timedelta(days=days))
    return or_(whole, and_(~Task.due_all_day, Task.due_at < now - timedelta(days=days)))


def _joined() -> Any:
    return (
        select(Task, User.name, Contact.name, Company.name, Deal.title)
        .outerjoin(User, User.id == Task.owner_id)
        .outerjoin(Contact, Contact.id == Task.contact_id)
        .outerjoin(Company, Company.id == Task.company_id)
        .outerjoin(Deal, Deal.id == Task.deal_id)
    )


def _row(t: Task, now: datetime, zone: ZoneInfo, owner: str, contact: str, company: str, deal: str) -> TaskRow:
    return TaskRow(
        t.id, t.title, t.type, t.notes, section(t, now, zone), t.due_at, t.due_all_day, t.owner_id, owner, t.contact_id,
        contact, t.company_id, company, t.deal_id, deal, t.origin, t.snoozed_until, t.done_at, t.closed_by,
        t.recurrence, t.awaits, t.communication_id,
    )  # fmt: skip


def _text(value: str | None) -> str:
    return value or ""
