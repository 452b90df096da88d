"""What comes next on a deal: its open tasks, or else a meeting that is planned. A task that was put off counts from
the moment it comes back; one without a date is a next step like any other. Set-based: one statement.

An all-day task is due on its date in the viewer's zone; the others at their moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.orm import Session

from crm.models import Task
from crm.silence import Silence

STATES = ("overdue", "today", "none", "future")
"""In the order deals are shown in: what is late first, what is in hand last."""


@dataclass(frozen=True, slots=True)
class NextStep:
    """``state`` is overdue, today, none or future. ``at`` (UTC) is when it is due, ``whole_day`` whether only its date
    counts; None without a date. ``meeting``: it is a meeting ahead and no task."""

    state: str
    at: datetime | None = None
    whole_day: bool = False
    meeting: bool = False

    @property
    def rank(self) -> int:
        """Its place in the order of ``STATES``."""
        return STATES.index(self.state)


NOTHING = NextStep("none")


def of_deals(
    session: Session, deal_ids: Any, silences: Mapping[int, Silence], *, now: datetime, zone: ZoneInfo
) -> dict[int, NextStep]:
    """The next step of each deal of ``silences``, which know of meetings ahead. ``deal_ids``: the same deals, as ids or
    as a query."""
    tasks = {row.deal_id: row for row in session.execute(_earliest(deal_ids, now))}
    return {
        deal_id: of_task(tasks[deal_id], now, zone) if deal_id in tasks else of_meeting(silence.next_meeting, now, zone)
        for deal_id, silence in silences.items()
    }


def of_task(row: Any, now: datetime, zone: ZoneInfo) -> NextStep:
    """The step of a row with ``day`` (the earliest all-day date) and ``moment`` (the earliest moment). Pure."""
    today = now.astimezone(zone).date()
    if row.day is not None and (row.moment is None or row.day.date() <= row.moment.astimezone(zone).date()):
        state = "overdue" if row.day.date() < today else "today" if row.day.date() == today else "future"
        if state != "today" or row.moment is None or row.moment >= now:
            return NextStep(state, row.day, True)
    if row.moment is None:
        return NextStep("future")
    if row.moment < now:
        return NextStep("overdue", row.moment)
    return NextStep("today" if row.moment.astimezone(zone).date() == today else "future", row.moment)


def of_meeting(at: datetime | None, now: datetime, zone: ZoneInfo) -> NextStep:
    """The step of a deal without open tasks. Pure."""
    if at is None:
        return NOTHING
    same_day = at.astimezone(zone).date() == now.astimezone(zone).date()
    return NextStep("today" if same_day else "future", at, meeting=True)


def _earliest(deal_ids: Any, now: datetime) -> Any:
    """For each deal with open tasks the earliest all-day date, and the earliest moment."""
    put_off = and_(Task.snoozed_until.is_not(None), Task.snoozed_until > now)
    back = or_(Task.snoozed_until.is_(None), Task.snoozed_until <= now)
    day = case((and_(back, Task.due_all_day.is_(True)), Task.due_at))
    moment = case((put_off, Task.snoozed_until), (Task.due_all_day.is_(False), Task.due_at))
    query = select(Task.deal_id, func.min(day).label("day"), func.min(moment).label("moment"))
    open_ = Task.done_at.is_(None), Task.deleted_at.is_(None)
    return query.where(Task.deal_id.in_(deal_ids), *open_).group_by(Task.deal_id)
