"""Tasks that close themselves: one that awaits a reply or a meeting is done when it comes. ``sync.followups`` asks
after every change of the log and once a minute; asking twice changes nothing.

A *reply* is a mail that a person on the other side wrote: for a task about a contact, that contact, not somebody with
them in copy. Automatic answers and newsletters (``crm.silence.by_a_person``) and crowds don't count. A *meeting* counts
when it is in the calendar, neither cancelled nor declined by us, and was not known before; of a series known before, no
further one does. Only what comes after the task was made (or after the mail it waits on) and what exists for the
assignee; where nobody is assigned, what everybody may know of. After a reopening, only what comes after that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from crm import notices, tasks, workspace
from crm.due import zone_of
from crm.errors import NotFound
from crm.facts import no_crowd
from crm.held import stands
from crm.models import Address, AutomationRun, Communication, Company, Contact, Deal, Link, Participant, Task, User
from crm.once import insert_once
from crm.privacy import Viewer, visible
from crm.silence import by_a_person

ITEM, RUN = "item:", "awaited"
AT_ONCE = 1_000
TARGETS: tuple[tuple[str, Any, Any], ...] = (
    ("contact", Task.contact_id, Contact.name), ("deal", Task.deal_id, Deal.title),
    ("company", Task.company_id, Company.name),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Arrived:
    """What closes a task."""

    task_id: int
    communication_id: int
    kind: str
    at: datetime
    contact_id: int | None

    @property
    def key(self) -> str:
        """Names the pair: an item closes a task once, whatever happens to the task later."""
        return f"{self.task_id}:{self.communication_id}"


def close(session: Session, *, now: datetime) -> list[Arrived]:
    """Close what has got what it waited for, tell its assignee, and return what closed what."""
    query = select(Task.owner_id).where(*_waiting()).distinct()
    owners = sorted(session.scalars(query.limit(AT_ONCE)), key=lambda owner: owner or 0)
    return [found for owner in owners for found in _first(_arrived(session, owner, now)) if _close(session, found, now)]


def any_waiting(session: Session) -> bool:
    """Whether any open task waits for something."""
    return session.scalar(select(Task.id).where(*_waiting()).limit(1)) is not None


def _close(session: Session, found: Arrived, now: datetime) -> bool:
    try:
        task = tasks.locked(session, found.task_id)
    except NotFound:
        return False
    if task.done_at is not None:
        return False
    run = {"rule": RUN, "key": found.key, "at": now, "result": {"task": task.id}}
    if insert_once(session, AutomationRun, run) is None:
        return False
    tasks.done(session, task.id, actor_id=None, now=now, by=f"{ITEM}{found.communication_id}")
    if task.owner_id is not None:
        notices.tell(
            session, task.owner_id, key=f"closed:{task.id}:{found.communication_id}", kind="closed",
            text=_says(session, task, found), href=f"/tasks/{task.id}", now=now,
        )  # fmt: skip
    return True


def closer(closed_by: str | None) -> int | None:
    """The item in ``Task.closed_by``, None where a person closed it."""
    number = (closed_by or "").removeprefix(ITEM)
    return int(number) if (closed_by or "").startswith(ITEM) and number.isdecimal() else None


def _waiting() -> Sequence[ColumnElement[bool]]:
    return Task.awaits.is_not(None), Task.done_at.is_(None), Task.deleted_at.is_(None)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A task that waits. Items count that happened after ``begun`` and came after ``since``."""

    task_id: int
    awaits: str
    contact_id: int | None
    target: tuple[str, int]
    begun: datetime
    since: datetime


def _arrived(session: Session, owner_id: int | None, now: datetime) -> list[Arrived]:
    """What came for one assignee's tasks, the earliest first. Three statements and one for each kind of record."""
    user = session.get(User, owner_id) if owner_id is not None else None
    viewer = Viewer(user.id, user.role) if user is not None else EVERYBODY
    tasks_ = _tasks(session, owner_id)
    found: list[Arrived] = []
    for kind in sorted({task.target[0] for task in tasks_}):
        about: dict[int, list[_Waiting]] = {}
        for task in tasks_:
            if task.target[0] == kind:
                about.setdefault(task.target[1], []).append(task)
        floor = min(task.since for held in about.values() for task in held)
        rows = session.execute(_query(kind, sorted(about), floor, viewer, now)).all()
        known = _known_series(session, rows)
        found += [
            Arrived(task.task_id, row.id, row.kind, row.occurred_at, task.contact_id)
            for row in rows
            for task in about[row.target_id]
            if _counts(task, row, known)
        ]
    fresh = _not_before(session, found)
    return _by_the_contact(session, sorted(fresh, key=lambda a: (a.at, a.communication_id)))


EVERYBODY = Viewer(0, "rep")
"""Sees what every teammate sees, and owns nothing."""


def _tasks(session: Session, owner_id: int | None) -> list[_Waiting]:
    mine = Task.owner_id == owner_id if owner_id is not None else Task.owner_id.is_(None)
    query = (
        select(Task, Communication.occurred_at)
        .outerjoin(Communication, Communication.id == Task.communication_id)
        .where(*_waiting(), mine)
        .order_by(Task.id)
        .limit(AT_ONCE)
    )
    found = []
    for task, begun in session.execute(query):
        target = next(((kind, value) for kind, column, _ in TARGETS if (value := getattr(task, column.key))), None)
        if target is not None:
            since = task.awaits_since or task.created_at
            found.append(_Waiting(task.id, task.awaits or "", task.contact_id, target, begun or task.created_at, since))
    return found


def _not_before(session: Session, found: list[Arrived]) -> list[Arrived]:
    """Without items that closed the task before."""
    keys = [one.key for one in found]
    done: set[str] = set()
    for at in range(0, len(keys), 500):
        query = select(AutomationRun.key).where(AutomationRun.rule == RUN, AutomationRun.key.in_(keys[at : at + 500]))
        done.update(session.scalars(query))
    return [one for one in found if one.key not in done]


def _query(kind: str, ids: Sequence[int], floor: datetime, viewer: Viewer, now: datetime) -> Any:
    """Items of these records that may be what somebody waits for. The coalesce keeps SQLite from going through the
    whole log by status where a few links lead there."""
    reply = and_(Communication.kind == "email", Communication.direction == "inbound", Communication.occurred_at <= now,
                 by_a_person(), no_crowd())  # fmt: skip
    meeting = and_(Communication.kind == "meeting", stands())
    columns = (
        Link.target_id, Communication.id, Communication.kind, Communication.occurred_at, Communication.created_at,
        Communication.ical_uid, Communication.recurrence_id,
    )  # fmt: skip
    return (
        select(*columns)
        .join(Communication, Communication.id == Link.communication_id)
        .where(Link.target_kind == kind, Link.target_id.in_(ids), Link.tombstoned.is_(False))
        .where(func.coalesce(Communication.status, "") == "linked", Communication.cancelled.is_(False))
        .where(or_(Communication.created_at > floor, Communication.occurred_at > floor))
        .where(or_(reply, meeting), visible(viewer))
    )


def _counts(task: _Waiting, row: Any, known: dict[str, datetime]) -> bool:
    """Whether an item is what this very task waits for. Pure."""
    came = row.created_at > task.since
    if row.kind == "email":
        fits = task.awaits in ("reply", "any") and (came or row.occurred_at > task.since)
    else:
        old = row.recurrence_id is not None and known.get(row.ical_uid, task.since) < task.since
        fits = task.awaits in ("meeting", "any") and came and not old
    return fits and row.occurred_at > task.begun


def _known_series(session: Session, rows: Sequence[Any]) -> dict[str, datetime]:
    """Since when each series of recurring meetings is in the log."""
    uids = sorted({row.ical_uid for row in rows if row.kind == "meeting" and row.recurrence_id is not None})
    found: dict[str, datetime] = {}
    for at in range(0, len(uids), 500):
        first = func.min(Communication.created_at, type_=Communication.created_at.type)
        query = select(Communication.ical_uid, first).where(Communication.ical_uid.in_(uids[at : at + 500]))
        found.update((uid or "", begun) for uid, begun in session.execute(query.group_by(Communication.ical_uid)))
    return found


def _by_the_contact(session: Session, found: list[Arrived]) -> list[Arrived]:
    """Without mails about a contact that somebody else wrote and they only got: whose From is not an address of
    theirs, but of others, or of nobody known while one of theirs is among those it went to."""
    mails = {a.communication_id for a in found if a.kind == "email" and a.contact_id is not None}
    if not mails:
        return found
    query = (
        select(Participant.communication_id, Participant.role, Address.contact_id)
        .join(Address, Address.canonical == Participant.canonical)
        .where(Participant.communication_id.in_(mails), Participant.role.in_(("from", "to", "cc")))
    )
    wrote: dict[int, set[int]] = {}
    got: dict[int, set[int]] = {}
    for item_id, role, contact_id in session.execute(query):
        (wrote if role == "from" else got).setdefault(item_id, set()).add(contact_id)
    return [a for a in found if a.communication_id not in mails or _theirs(a, wrote, got)]


def _theirs(found: Arrived, wrote: dict[int, set[int]], got: dict[int, set[int]]) -> bool:
    authors = wrote.get(found.communication_id)
    if found.contact_id is None or (authors and found.contact_id in authors):
        return True
    return not authors and found.contact_id not in got.get(found.communication_id, set())


def _first(found: Iterable[Arrived]) -> list[Arrived]:
    """The earliest of each task."""
    kept: dict[int, Arrived] = {}
    for one in found:
        kept.setdefault(one.task_id, one)
    return list(kept.values())


def _says(session: Session, task: Task, found: Arrived) -> str:
    name = next((_name(session, task, column, label) for _, column, label in TARGETS if getattr(task, column.key)), "")
    day = found.at.astimezone(zone_of(str(workspace.get(session, "time_zone"))))
    what = "a mail came" if found.kind == "email" else "a meeting is in the calendar"
    return f"Closed by itself: “{task.title}”. {name}: {what}, {day.day} {day:%b}."


def _name(session: Session, task: Task, column: Any, label: Any) -> str:
    table = label.class_
    return session.scalar(select(label).where(table.id == getattr(task, column.key))) or "somebody"
