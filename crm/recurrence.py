"""Repeating tasks: a small part of RFC 5545 recurrence rules (FREQ, INTERVAL, BYMONTHDAY), read, written and stepped.
Pure.

FREQ is DAILY, WEEKLY, MONTHLY or YEARLY. A monthly or yearly rule keeps the day of the month it began on (BYMONTHDAY),
so that the 31st comes back after February; in a shorter month it falls on the last day (what RFC 7529 calls
SKIP=BACKWARD)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

from crm import due
from crm.errors import Refused

UNITS = {"DAILY": "day", "WEEKLY": "week", "MONTHLY": "month", "YEARLY": "year"}
INTERVAL_MAX = 365
STEPS_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Repeats:
    """A rule as read. ``month_day`` for monthly and yearly ones."""

    unit: str
    interval: int = 1
    month_day: int | None = None

    @property
    def text(self) -> str:
        """As stored: an RRULE without its name."""
        parts = [f"FREQ={self.unit}", f"INTERVAL={self.interval}"]
        return ";".join([*parts, *([f"BYMONTHDAY={self.month_day}"] if self.month_day else [])])

    @property
    def says(self) -> str:
        """ "every 2 weeks"."""
        word = UNITS[self.unit]
        return f"every {word}" if self.interval == 1 else f"every {self.interval} {word}s"


def read(text: str) -> Repeats:
    """Parse a rule. Raises Refused for anything this does not step exactly."""
    parts = dict(part.partition("=")[::2] for part in text.upper().removeprefix("RRULE:").strip().split(";") if part)
    unit, interval, day = parts.pop("FREQ", ""), parts.pop("INTERVAL", "1"), parts.pop("BYMONTHDAY", "")
    if unit not in UNITS or parts or not interval.isdecimal() or not 1 <= int(interval) <= INTERVAL_MAX:
        raise Refused("A task repeats every so many days, weeks, months or years.", "recurrence")
    if day and (unit not in ("MONTHLY", "YEARLY") or not day.isdecimal() or not 1 <= int(day) <= 31):
        raise Refused("A task repeats on a day of the month from 1 to 31.", "recurrence")
    return Repeats(unit, int(interval), int(day) if day else None)


def anchored(text: str, first: date) -> str:
    """The rule with the day of the month it began on."""
    rule = read(text)
    if rule.unit in ("MONTHLY", "YEARLY") and rule.month_day is None:
        rule = Repeats(rule.unit, rule.interval, first.day)
    return rule.text


def next_due(text: str, due_at: datetime, whole_day: bool, zone: ZoneInfo, *, after: datetime) -> datetime:
    """The first occurrence later than both ``due_at`` and the local day of ``after``: missed ones are left out. A time
    of day stays what the clock on the wall says in ``zone``."""
    rule, begun = read(text), due.day_of(due_at, whole_day, zone)
    floor = max(begun, due.today(after, zone))
    day = next(day for n in range(1, STEPS_MAX) if (day := _step(rule, begun, n)) > floor)
    if whole_day:
        return due.all_day(day)
    return due.at(day, due_at.astimezone(zone).time(), zone)


def _step(rule: Repeats, begun: date, n: int) -> date:
    """The n-th occurrence after the first."""
    count = n * rule.interval
    if rule.unit in ("DAILY", "WEEKLY"):
        return begun + timedelta(days=count * (7 if rule.unit == "WEEKLY" else 1))
    moved = begun + (relativedelta(months=count) if rule.unit == "MONTHLY" else relativedelta(years=count))
    last = (moved + relativedelta(day=31)).day
    return moved.replace(day=min(rule.month_day or begun.day, last))
