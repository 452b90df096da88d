"""The STANDARD and DAYLIGHT parts of a VTIMEZONE (RFC 5545 section 3.6.5), evaluated for one year at a time, so that
rules from the year 1601 or without an end cost nothing. Only yearly rules by month occur in the wild; others are
taken as a single change at their DTSTART."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from connectors.ical.lines import Component
from connectors.ical.values import moment, offset

_WEEKDAYS: Final = {"MO": 0, "TU": 1, "WE": 2, "TH": 3, "FR": 4, "SA": 5, "SU": 6}
_LIMIT: Final = 300
_DAY: Final = timedelta(days=1)  # UNTIL is UTC, onsets are local
_NEVER: Final = datetime(9999, 1, 1)  # noqa: DTZ001 - all times here are local wall times


@dataclass(frozen=True, slots=True)
class Observance:
    """One change of offset: at ``start`` (local wall time before the change), each year by ``month``/``ordinal``/
    ``weekday`` (or ``monthday``) until ``until`` when ``yearly``, and at each of ``extra``."""

    start: datetime
    before: timedelta
    after: timedelta
    yearly: bool = False
    month: int = 1
    ordinal: int = 1
    weekday: int | None = None
    monthdays: tuple[int, ...] = ()
    until: datetime = _NEVER
    extra: tuple[datetime, ...] = ()

    def onset(self, year: int) -> datetime | None:
        """The latest change that this observance makes in or before ``year``, None when it has not begun."""
        fixed = [at for at in (self.start, *self.extra) if at.year <= year]
        if self.yearly:
            fixed += [at for y in (year, self.until.year) if (at := self._in(min(y, year))) and at >= self.start]
        return max((at for at in fixed if at <= self.until + _DAY), default=None)

    def _in(self, year: int) -> datetime | None:
        day = self._day(year)
        return None if day is None else datetime.combine(day, self.start.time())

    def _day(self, year: int) -> date | None:
        last = calendar.monthrange(year, self.month)[1]
        days = [date(year, self.month, d) for d in range(1, last + 1)]
        if self.monthdays:
            days = [d for d in days if d.day in self.monthdays or d.day - last - 1 in self.monthdays]
        if self.weekday is None:
            return next((d for d in days if self.monthdays or d.day == self.start.day), None)
        days = [d for d in days if d.weekday() == self.weekday]
        index = 0 if self.monthdays else (self.ordinal - 1 if self.ordinal > 0 else self.ordinal)
        return days[index] if -len(days) <= index < len(days) else None


def observances(component: Component) -> tuple[Observance, ...]:
    """The observances of a VTIMEZONE that can be read; the others are left out."""
    found = (_observance(child) for child in component.children[:_LIMIT] if child.name in ("STANDARD", "DAYLIGHT"))
    return tuple(one for one in found if one is not None)


def _observance(component: Component) -> Observance | None:
    named = {p.name: p.value for p in component.properties()}
    try:
        start = _local(named["DTSTART"])
        before, after = offset(named.get("TZOFFSETFROM", named["TZOFFSETTO"])), offset(named["TZOFFSETTO"])
        dates = [v for p in component.properties() if p.name == "RDATE" for v in p.value.split(",")[:_LIMIT]]
        extra = tuple(_local(value) for value in dates[:_LIMIT])
        return _with_rule(Observance(start, before, after, extra=extra), named.get("RRULE", ""))
    except (KeyError, ValueError, OverflowError):
        return None


def _local(value: str) -> datetime:
    found, _ = moment(value.partition("/")[0])
    return found if isinstance(found, datetime) else datetime.combine(found, datetime.min.time())


def _with_rule(one: Observance, rule: str) -> Observance:
    parts = {k.strip().upper(): v for k, _, v in (part.partition("=") for part in rule.split(";"))}
    if parts.get("FREQ", "").upper() != "YEARLY":
        return one
    by_day = re.match(r"([+-]?\d)?(MO|TU|WE|TH|FR|SA|SU)$", parts.get("BYDAY", "").upper())
    monthdays = tuple(int(v) for v in parts.get("BYMONTHDAY", "").split(",") if v)[:31]
    return Observance(
        one.start,
        one.before,
        one.after,
        yearly=True,
        month=min(max(int(parts.get("BYMONTH", one.start.month)), 1), 12),
        ordinal=int(by_day[1] or 1) if by_day else 1,
        weekday=_WEEKDAYS[by_day[2]] if by_day else None,
        monthdays=monthdays,
        until=_local(parts["UNTIL"]) if parts.get("UNTIL") else _NEVER,
        extra=one.extra,
    )


def offset_at(rules: tuple[Observance, ...], local: datetime) -> timedelta:
    """The offset in force at a local wall time; before all rules, the one the first rule leaves."""
    best: tuple[datetime, timedelta] | None = None
    for rule in rules:
        onset = rule.onset(local.year)
        if onset is not None and onset > local:
            onset = rule.onset(local.year - 1) if local.year > 1 else None
        if onset is not None and onset <= local and (best is None or onset > best[0]):
            best = (onset, rule.after)
    if best is not None:
        return best[1]
    return min(rules, key=lambda rule: rule.start).before
