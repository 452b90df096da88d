"""When a task is due, and what a day is, in somebody's time zone. Pure: no table, no clock.

An all-day task keeps its date at midnight UTC and means that day everywhere; for reminding it counts from a morning
hour of the assignee's zone. A time that a clock skips in spring is read as the moment after the gap (PEP 495,
fold=0)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from crm.errors import Refused

MORNING = 8
FIRST, LAST = date(1990, 1, 1), date(2199, 12, 31)


def zone_of(name: str | None) -> ZoneInfo:
    """The zone of that IANA name; UTC where it is unknown."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def at(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """A local day and time as UTC."""
    return datetime.combine(day, clock, zone).astimezone(UTC)


def morning(day: date, zone: ZoneInfo, hour: int = MORNING) -> datetime:
    """The morning of a local day, UTC."""
    return at(day, time(hour), zone)


def all_day(day: date) -> datetime:
    """How an all-day task keeps its date."""
    return datetime.combine(day, time(), UTC)


def day_of(due_at: datetime, whole_day: bool, zone: ZoneInfo) -> date:
    """The local date something is due on."""
    return due_at.date() if whole_day else due_at.astimezone(zone).date()


def moment(due_at: datetime | None, whole_day: bool, snoozed_until: datetime | None, zone: ZoneInfo) -> datetime | None:
    """When the assignee is to be told: the due time, or the morning of the due day; a snooze puts it off. UTC."""
    if due_at is None:
        return snoozed_until
    due = morning(due_at.date(), zone) if whole_day else due_at
    return max(due, snoozed_until) if snoozed_until else due


def today(now: datetime, zone: ZoneInfo) -> date:
    """The local date of a moment."""
    return now.astimezone(zone).date()


def end_of_day(now: datetime, zone: ZoneInfo) -> datetime:
    """When the local day of ``now`` is over, UTC."""
    return at(today(now, zone) + timedelta(days=1), time(), zone)


def put_off(now: datetime, zone: ZoneInfo, *, days: int | None = None, day: date | None = None) -> datetime:
    """Until when a snooze of ``days``, or to a ``day``, lasts: the morning of that day in ``zone``. Raises Refused for
    a day that is not to come."""
    wanted = day if day is not None else today(now, zone) + timedelta(days=days or 1)
    until = morning(sane(wanted, "until"), zone)
    if until <= now:
        raise Refused("Choose a day to come.", "until")
    return until


def sane(day: date, field: str = "due") -> date:
    """The day, when calendars reach it. Raises Refused."""
    if not FIRST <= day <= LAST:
        raise Refused(f"Choose a day from {FIRST.year} to {LAST.year}.", field)
    return day
