"""What stands in a person's outgoing calendar feed: their open tasks with a due time, and the meetings of the log that
their own mailboxes saw, from a month back to a year ahead.

Asks the privacy policy as that person, so that the feed never tells more than the log does; nothing of a meeting but
its title and who takes part goes out. Cancelled meetings stay in it, marked, because subscribers keep what they had.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from crm import log_rows, timeline
from crm.feed import MAX_ENTRIES, FeedMeeting, FeedTask
from crm.log_rows import LogRow
from crm.models import Communication, Task
from crm.privacy import Viewer
from crm.timeline import LogFilter

BACK, AHEAD = timedelta(days=31), timedelta(days=366)
Address = Callable[[str, int], str]
"""Gives the page of a task or meeting: ("task" or "meeting", id)."""


def tasks(session: Session, user_id: int, zone: ZoneInfo, *, page: Address) -> list[FeedTask]:
    """The person's open tasks that are due at some time; a due day is the day in their ``zone``."""
    mine = or_(Task.owner_id == user_id, (Task.owner_id.is_(None)) & (Task.creator_id == user_id))
    query = select(Task).where(mine, Task.done_at.is_(None), Task.deleted_at.is_(None), Task.due_at.is_not(None))
    found = session.scalars(query.order_by(Task.due_at, Task.id).limit(MAX_ENTRIES))
    return [FeedTask(t.id, t.title, _due(t, zone), t.notes or "", page("task", t.id)) for t in found]


def meetings(session: Session, viewer: Viewer, *, now: datetime, page: Address) -> list[FeedMeeting]:
    """The meetings around ``now`` (UTC) that the person's mailboxes saw and that are about somebody known."""
    chosen = LogFilter(
        kinds=frozenset({"meeting"}), status="linked", user_id=viewer.user_id, since=now - BACK, until=now + AHEAD
    )
    where = timeline.conditions(session, viewer, chosen)
    query = select(Communication).where(*where).order_by(Communication.occurred_at, Communication.id)
    items = list(session.scalars(query.limit(MAX_ENTRIES)))
    sizes = {item.id: 1 for item in items}
    return [_meeting(row, page) for row in log_rows.build(session, viewer, items, counts=sizes)]


def _meeting(row: LogRow, page: Address) -> FeedMeeting:
    start: datetime | date = row.occurred_at
    end: datetime | date = row.ends_at or row.occurred_at
    if row.all_day:  # between midnights in UTC, whatever the zone
        start = row.occurred_at.date()
        end = max(end.date() if isinstance(end, datetime) else end, start + timedelta(days=1))
    about = ", ".join(row.people)
    return FeedMeeting(row.id, row.subject, start, end, about, url=page("meeting", row.id), cancelled=row.cancelled)


def _due(task: Task, zone: ZoneInfo) -> datetime | date:
    assert task.due_at is not None
    return task.due_at.date() if task.due_all_day else task.due_at.astimezone(zone)
