"""Many tasks in one step, with one undo that restores exactly: complete, snooze, reassign, move by days, delete, or
make new ones. The single verbs are ``crm.tasks``, the undo is ``crm.steps``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm import steps, tasks
from crm.errors import NotFound, Refused
from crm.models import Decision, Task, User
from crm.privacy import Viewer, member

MANY = 500
FIELDS = {
    "done": ("done_at", "closed_by", "awaits_since"),
    "snooze": ("snoozed_until", "reminded_at"),
    "assign": ("owner_id", "reminded_at"),
    "shift": ("due_at", "reminded_at"),
    "delete": ("deleted_at",),
}


def do(
    session: Session, viewer: Viewer, ids: Iterable[int], verb: str, value: Any = None, *, now: datetime
) -> Decision:
    """Do ``verb`` (a key of ``FIELDS``) to tasks. ``value``: until when for snooze, to whom for assign, how many days
    for shift. Raises NotFound when none of the ids is a task, Refused for a bad verb or value."""
    member(viewer)
    if verb not in FIELDS:
        raise Refused("Choose what to do with them.", "verb")
    rows = _rows(session, ids, open_only=verb != "delete")
    step, actor = steps.Step(), viewer.user_id
    for row in rows:
        step.touch(row, *FIELDS[verb])
    chosen = [row.id for row in rows]
    if verb == "done":
        _done(session, step, rows, actor, now)
    elif verb == "snooze":
        for row in rows:
            tasks.snooze(session, row.id, value, actor_id=actor, now=now)
    elif verb == "assign":
        tasks.assign(session, chosen, _active(session, value), actor_id=actor, now=now)
    elif verb == "shift":
        tasks.shift(session, chosen, value, actor_id=actor, now=now)
    else:
        for row in rows:
            tasks.delete(session, row.id, actor_id=actor, now=now)
    return steps.finish(session, step, says=_says(verb, rows, value), what=f"task.{verb}", actor_id=actor, now=now)


def create(session: Session, viewer: Viewer, wanted: Sequence[Mapping[str, Any]], *, now: datetime) -> Decision:
    """Make tasks (arguments of ``tasks.create``) in one step."""
    step = steps.Step()
    for fields in wanted[:MANY]:
        step.made(tasks.create(session, **fields, now=now, actor_id=viewer.user_id))
    count = len(step.new)
    says = f"{count} task{'' if count == 1 else 's'} made"
    return steps.finish(session, step, says=says, what="task.create", actor_id=viewer.user_id, now=now)


def _rows(session: Session, ids: Iterable[int], *, open_only: bool) -> list[Task]:
    wanted = sorted(set(ids))
    if len(wanted) > MANY:
        raise Refused(f"At most {MANY} tasks at once.", "ids")
    query = select(Task).where(Task.id.in_(wanted), Task.deleted_at.is_(None)).order_by(Task.id).with_for_update()
    if open_only:
        query = query.where(Task.done_at.is_(None))
    rows = list(session.scalars(query.execution_options(populate_existing=True)))
    if not rows:
        raise NotFound("None of these is an open task.")
    return rows


def _done(session: Session, step: steps.Step, rows: list[Task], actor_id: int, now: datetime) -> None:
    for row in rows:
        tasks.done(session, row.id, actor_id=actor_id, now=now)
        if row.recurrence and (after := tasks.follower(session, row.id)) is not None:
            step.made(after)


def _active(session: Session, user_id: Any) -> int | None:
    if user_id is None:
        return None
    user = session.get(User, user_id)
    if user is None or not user.active:
        raise Refused("Choose somebody who is still here.", "owner")
    return user.id


def _says(verb: str, rows: Sequence[Task], value: Any) -> str:
    count = len(rows)
    some = f"“{rows[0].title}”" if count == 1 else f"{count} tasks"
    word = {"done": "Done", "snooze": "Put off", "assign": "Given on", "delete": "Deleted"}.get(verb, "")
    if verb == "shift":
        word = f"Moved by {value:+d} day{'' if abs(value) == 1 else 's'}"
    return f"{word}: {some}"
