"""Tasks and items of the log together: the message a task was made of, the item that closed it, and the tasks of an
item. An item is shown only as far as it exists for the viewer."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from crm import awaited, log_rows
from crm.log_rows import LogRow
from crm.models import Communication, Task
from crm.privacy import Tier, Viewer, member, tiers
from crm.task_lists import TaskRow

MANY = 20


def of_task(session: Session, viewer: Viewer, task: TaskRow | None) -> dict[str, LogRow | None]:
    """``of``: what it was made of, ``closed``: what closed it; None where there is none, or none for the viewer."""
    if task is None:
        return {"of": None, "closed": None}
    wanted = {"of": task.communication_id, "closed": awaited.closer(task.closed_by)}
    shown = rows(session, viewer, (i for i in wanted.values() if i is not None))
    return {name: shown.get(i or 0) for name, i in wanted.items()}


def rows(session: Session, viewer: Viewer, ids: Iterable[int]) -> dict[int, LogRow]:
    """Items by id, as lines; those that don't exist for the viewer are left out."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    items = session.scalars(select(Communication).where(Communication.id.in_(wanted))).all()
    return {row.id: row for row in log_rows.build(session, viewer, items, counts={i.id: 1 for i in items})}


def of_item(session: Session, viewer: Viewer, item_id: int) -> list[Task]:
    """Tasks made of an item, or closed by it, newest first."""
    member(viewer)
    about = or_(Task.communication_id == item_id, Task.closed_by == f"{awaited.ITEM}{item_id}")
    query = select(Task).where(about, Task.deleted_at.is_(None)).order_by(Task.id.desc())
    return list(session.scalars(query.limit(MANY)))


def exists_for(session: Session, viewer: Viewer, item_id: int) -> bool:
    """Whether the viewer may know of the item."""
    return tiers(session, viewer, [item_id])[item_id] > Tier.PRIVATE
