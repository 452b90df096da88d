"""One RRULE or EXRULE (RFC 5545 section 3.3.10) as a lazy sequence of local wall times, never longer than its budget.

dateutil evaluates the rule. By itself it may search to the year 9999 without yielding once (the 30th of February), so
every day it looks at is counted, and when the budget is spent the search is broken off.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, Final

from dateutil.rrule import MONTHLY, YEARLY, rrule, rrulestr

from connectors.ical.values import moment

MAX_SET_POSITIONS: Final = 60
MAX_TIMES: Final = 1_440
_KNOWN: Final = frozenset(
    {"FREQ", "INTERVAL", "COUNT", "WKST", "BYSECOND", "BYMINUTE", "BYHOUR", "BYSETPOS"}
    | {"BYDAY", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYMONTH"}
)
_DAY_PARTS: Final = ("BYDAY", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO")
_UNITS: Final = {
    "SECONDLY": timedelta(seconds=1),
    "MINUTELY": timedelta(minutes=1),
    "HOURLY": timedelta(hours=1),
    "DAILY": timedelta(days=1),
    "WEEKLY": timedelta(weeks=1),
}
_SEARCHED: Final = {"SECONDLY": 2_000, "MINUTELY": 40, "HOURLY": 4}
_WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_RANGES: Final = {"BYSECOND": (0, 59), "BYMINUTE": (0, 59), "BYHOUR": (0, 23), "BYMONTH": (1, 12)}


class Spent(Exception):
    """The budget is used up; what was found so far stands."""


class Budget:
    """Steps that an expansion may still take, over all its rules."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def spend(self, steps: int) -> None:
        """Raises Spent."""
        self.left -= steps
        if self.left < 0:
            raise Spent


class _Counted(tuple[int, ...]):
    """A set of allowed months or weekdays that counts how often it is asked."""

    budget: Budget
    cost: int

    @classmethod
    def of(cls, values: Iterable[int], budget: Budget, cost: int) -> _Counted:
        made = cls(values)
        made.budget, made.cost = budget, cost
        return made

    def __contains__(self, value: object) -> bool:
        self.budget.spend(self.cost)
        return super().__contains__(value)


def times(rule: str, start: datetime, zone: tzinfo, begin: datetime, budget: Budget) -> Iterator[datetime]:
    """The wall times (naive, in ``zone``) of a rule from ``begin`` on, ascending; earlier ones may come as well.

    ``rule`` is the value of the line; ``start`` the naive DTSTART. Raises ValueError for a rule that makes no sense or
    is beyond measure, Spent when the budget is used up.
    """
    parts = _parts(rule)
    until = _until(parts.pop("UNTIL", ""), zone)
    if until is not None and until < start:
        return
    cost = _cost(parts)
    if "COUNT" not in parts:
        start = _forwarded(parts, start, begin)
    made: Any = rrulestr(";".join(f"{key}={value}" for key, value in parts.items()), dtstart=start)
    _count_steps(made, budget, cost)
    for at in made:
        budget.spend(cost)
        if until is not None and at > until:
            return
        yield at


def _count_steps(made: Any, budget: Budget, cost: int) -> None:
    """dateutil asks these two sets for every day it looks at. All weekdays, where a rule names none, change nothing."""
    if not isinstance(made, rrule):
        raise ValueError("not a single rule")
    inner: Any = made
    # A yearly or monthly rule passes the months it leaves out quickly; the others look at each of their days.
    if inner._bymonth and inner._freq not in (YEARLY, MONTHLY):
        inner._bymonth = _Counted.of(inner._bymonth, budget, cost)
    inner._byweekday = _Counted.of(inner._byweekday or range(7), budget, cost)


def _parts(rule: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in rule.upper().replace(" ", "").split(";"):
        key, equals, value = part.partition("=")
        if key == "RSCALE" and value not in ("", "GREGORIAN"):
            raise ValueError("only the Gregorian calendar is known")
        if equals and value and (key in _KNOWN or key == "UNTIL"):
            parts[key] = _clean(key, value)
    interval = int(parts.get("INTERVAL", "1")[:10])
    parts["INTERVAL"] = str(min(max(interval, 1), 1_000_000))
    if parts.get("FREQ") not in (*_UNITS, "MONTHLY", "YEARLY"):
        raise ValueError("no frequency")
    return parts


def _clean(key: str, value: str) -> str:
    """Each value once, and only where it can be met at all."""
    values = list(dict.fromkeys(value.split(",")))
    if key in _RANGES:
        low, high = _RANGES[key]
        values = [v for v in values if low <= int(v) <= high]
    if key == "BYDAY":
        values = [v for v in values if re.fullmatch(r"[+-]?\d{0,2}(MO|TU|WE|TH|FR|SA|SU)", v)]
    if not values or len(values) > 400:
        raise ValueError(f"{key} makes no sense")
    return ",".join(values)


def _cost(parts: dict[str, str]) -> int:
    """What one step of the rule costs, in simple steps. Raises ValueError when it is beyond measure."""
    times_a_day = 1
    for key in ("BYHOUR", "BYMINUTE", "BYSECOND"):
        times_a_day *= len(parts[key].split(",")) if key in parts else 1
    positions = len(parts["BYSETPOS"].split(",")) if "BYSETPOS" in parts else 0
    if times_a_day > MAX_TIMES or positions > MAX_SET_POSITIONS:
        raise ValueError("the rule is beyond measure")
    within_day = parts["FREQ"] in _SEARCHED
    searched = within_day and any(key in parts for key in ("BYHOUR", "BYMINUTE", "BYSECOND"))
    # Below a day, dateutil searches for the next time that fits, one unit after another.
    return (
        (_SEARCHED[parts["FREQ"]] if searched else 1) + (times_a_day // 8 if positions or within_day else 0) + positions
    )


def _until(value: str, zone: tzinfo) -> datetime | None:
    """The last wall time. A date means the whole day; UTC is brought into the zone of the start."""
    if not value:
        return None
    at, suffix = moment(value)
    if not isinstance(at, datetime):
        return datetime.combine(at, datetime.max.time())
    return at.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None) if suffix and 1 < at.year < 9999 else at


def _forwarded(parts: dict[str, str], start: datetime, begin: datetime) -> datetime:
    """A start as near before ``begin`` as keeps the rule's rhythm, so that an old series costs nothing. What the rule
    takes from its DTSTART is written into ``parts`` first."""
    freq, interval = parts["FREQ"], int(parts["INTERVAL"])
    if begin - start < timedelta(days=400):
        return start
    if freq in _UNITS:
        if freq == "WEEKLY" and not any(part in parts for part in _DAY_PARTS):
            parts["BYDAY"] = _WEEKDAYS[start.weekday()]
        step = _UNITS[freq] * interval
        return start + step * max((begin - start) // step - 1, 0)
    if not any(part in parts for part in _DAY_PARTS):
        if freq == "YEARLY":
            parts.setdefault("BYMONTH", str(start.month))
        parts["BYMONTHDAY"] = str(start.day)
    months = interval * (12 if freq == "YEARLY" else 1)
    gone = (begin.year - start.year) * 12 + begin.month - start.month
    month = start.month - 1 + months * max(gone // months - 1, 0)
    if month == start.month - 1:
        return start
    first = date(start.year + month // 12, 1 if freq == "YEARLY" else month % 12 + 1, 1)
    return datetime.combine(first, start.time())
