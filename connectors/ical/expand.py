"""From the components of one series to its instances in a window (RFC 5545 sections 3.8.4.4 and 3.8.5).

Works on CalendarEvent values, wherever they come from. Wall times are kept over changes of clocks: the weekly meeting
at nine stays at nine. An instance is named by its original time, also after it was moved. What an endless or hostile
rule costs is bounded by a number of steps and a number of instances.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

from connectors.ical.lines import property_of
from connectors.ical.rules import Budget, Spent, times
from connectors.ical.stamps import in_utc, resolved
from connectors.ical.zones import Zones, zone_info
from connectors.types import CalendarEvent

MAX_RULES: Final = 20
MAX_DATES: Final = 20_000
_ANSWERS: Final = frozenset({"REPLY", "COUNTER", "REFRESH", "DECLINECOUNTER"})
_DAY: Final = timedelta(days=1)
_EARLIEST: Final = datetime(2, 1, 1)  # noqa: DTZ001 - a wall time
_FIRST: Final = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One instance. ``start`` and ``end`` are UTC; an all-day instance runs from midnight to midnight UTC of its dates.
    ``recurrence_id`` is the original start (UTC datetime, or date), None for an event that is no series. ``event``
    is the component that says what the instance is: master or override."""

    event: CalendarEvent
    start: datetime
    end: datetime
    recurrence_id: datetime | date | None
    cancelled: bool = False
    all_day: bool = False


@dataclass(frozen=True, slots=True)
class Expansion:
    """``truncated``: instances may be missing, as the limit was met, the budget spent, or a rule made no sense."""

    instances: tuple[Occurrence, ...]
    truncated: bool = False


def expand(
    events: Sequence[CalendarEvent],
    *,
    start: datetime,
    end: datetime,
    limit: int = 2000,
    steps: int = 200_000,
    floating: str = "UTC",
) -> Expansion:
    """The instances of one series (components of equal uid) that touch the window from ``start`` to ``end`` (aware),
    ascending by start.

    At most ``limit`` of them, and at most ``steps`` days or times looked at: about half a second of one core for
    the default. ``floating`` is the IANA zone of times without one.
    """
    series = _Series(events, start.astimezone(UTC), end.astimezone(UTC), zone_info(floating), Budget(steps))
    found: list[Occurrence] = []
    for instance in series.instances():
        if instance.start < series.end and (instance.end > series.start or instance.start >= series.start):
            found.append(instance)
        if len(found) > limit:
            break
    found.sort(key=lambda one: (one.start, str(one.recurrence_id)))
    return Expansion(tuple(found[:limit]), series.truncated or len(found) > limit)


class _Series:
    """The components of one UID, sorted into master, overrides, and overrides that hold from then on."""

    def __init__(
        self, events: Sequence[CalendarEvent], start: datetime, end: datetime, floating: tzinfo, budget: Budget
    ) -> None:
        self.start, self.end, self._floating, self._budget = start, end, floating, budget
        self.truncated = False
        # Lotus sends a whole series as one override "from the first instance on" with the dates of the others.
        masters = [event for event in events if event.recurrence_id is None] or [
            replace(event, recurrence_id=None) for event in events if event.this_and_future and event.recurrence
        ]
        self._master = max(masters, key=_version) if masters else None
        self._zone = self._zone_of(self._master) if self._master else floating
        self._overrides: dict[datetime | date, CalendarEvent] = {}
        for event in sorted((e for e in events if e.recurrence_id is not None), key=_version):
            self._overrides[self._key(event)] = event
        following = ((key, event) for key, event in self._overrides.items() if event.this_and_future)
        self._following = sorted(following, key=lambda pair: _instant(pair[0]))

    def instances(self) -> Iterator[Occurrence]:
        """Overrides first, then what the rules give, ascending."""
        master = self._master
        excluded = self._dates(master)[1] if master is not None and master.recurrence else set()
        for key, event in self._overrides.items():
            # An answer to an instance does not bring it back once its series excludes it.
            if event.method not in _ANSWERS or self._wall_of_key(key) not in excluded:
                yield self._occurrence(event, key, *self._span(event))
        if master is None:
            return
        if not master.recurrence:
            if master.start not in self._overrides:
                yield self._occurrence(master, None, *self._span(master))
            return
        for local in self._locals(master):
            key = self._named(local)
            if key not in self._overrides:
                yield self._instance(master, local, key)

    def _instance(self, master: CalendarEvent, local: datetime, key: datetime | date) -> Occurrence:
        """The instance at a wall time, by the latest override that holds from then on, else by the master."""
        event, shift = master, timedelta()
        for since, later in self._following:
            if _instant(since) <= _instant(key):
                event, shift = later, self._wall(later.start) - self._wall_of_key(since)
        begin, finish = self._span(event)
        at = self._utc(local + shift)
        return self._occurrence(event, key, at, at + (finish - begin))

    def _locals(self, master: CalendarEvent) -> Iterator[datetime]:
        """Wall times of the instances, ascending, each once, exclusions left out."""
        first = self._wall(master.start)
        reach = self._reach(master)
        begin, finish = self._bounds(reach)
        added, excluded = self._dates(master)
        excluded |= set(self._ruled(master, "EXRULE:", first, begin, finish))
        sources = [iter(sorted({first, *added}))]
        sources += [self._rule(rule, first, begin, finish) for rule in _values(master, "RRULE:")]
        before = None
        for local in heapq.merge(*sources):
            if local != before and begin <= local <= finish and local not in excluded:
                yield local
            before = local

    def _ruled(
        self, master: CalendarEvent, kind: str, first: datetime, begin: datetime, finish: datetime
    ) -> Iterator[datetime]:
        for rule in _values(master, kind):
            yield from self._rule(rule, first, begin, finish)

    def _rule(self, rule: str, first: datetime, begin: datetime, finish: datetime) -> Iterator[datetime]:
        """A rule's wall times up to the end of the window; what is wrong with it costs the rest of it only."""
        try:
            for local in times(rule, first, self._zone, begin, self._budget):
                if local > finish:
                    return
                yield local
        except (Spent, ValueError, OverflowError, ArithmeticError, TypeError):
            self.truncated = True

    def _dates(self, master: CalendarEvent) -> tuple[set[datetime], set[datetime]]:
        """RDATE and EXDATE as wall times. An EXDATE that is a date takes every instance of that day."""
        added: set[datetime] = set()
        excluded: set[datetime] = set()
        for line in master.recurrence[:MAX_DATES]:
            found = property_of(line)
            if found is None or found.name not in ("RDATE", "EXDATE"):
                continue
            target = added if found.name == "RDATE" else excluded
            for value in found.value.split(",")[:MAX_DATES]:
                local = self._date_value(value.partition("/")[0], found.params, master)
                if local is None:
                    self.truncated = True
                else:
                    target.add(local)
        return added, excluded

    def _date_value(self, value: str, params: object, master: CalendarEvent) -> datetime | None:
        tzid = params.get("TZID", "") if isinstance(params, dict) else ""
        try:
            at, _ = resolved(value, tzid, "", Zones([]))
            return self._wall_on(at, master)
        except (ValueError, OverflowError):
            return None

    def _reach(self, master: CalendarEvent) -> timedelta:
        """How far an instance's own time may lie from the wall time its rule gives: its length, and moves."""
        begin, finish = self._span(master)
        reach = finish - begin + _DAY * 2
        for key, event in self._following:
            first, last = self._span(event)
            reach += (last - first) + abs(self._wall(event.start) - self._wall_of_key(key))
        return reach

    def _bounds(self, reach: timedelta) -> tuple[datetime, datetime]:
        try:
            begin = max(self.start.replace(tzinfo=None) - reach, _EARLIEST)
        except OverflowError:
            begin = _EARLIEST
        try:
            finish = self.end.replace(tzinfo=None) + reach
        except OverflowError:
            finish = self.end.replace(tzinfo=None)
        return begin, finish

    # -- between wall times, instants and keys

    def _zone_of(self, event: CalendarEvent) -> tzinfo:
        if isinstance(event.start, datetime) and event.start.tzinfo is not None:
            # The name is what survives storage; the offset of a stored value says nothing of the rest of the year.
            return zone_info(event.zone) if event.zone not in ("", "UTC") else event.start.tzinfo
        return self._floating if isinstance(event.start, datetime) else UTC

    def _wall(self, at: datetime | date) -> datetime:
        """The naive wall time in the series' zone."""
        if not isinstance(at, datetime):
            return datetime.combine(at, datetime.min.time())
        return at if at.tzinfo is None else at.astimezone(self._zone).replace(tzinfo=None)

    def _wall_on(self, at: datetime | date, master: CalendarEvent) -> datetime:
        """The wall time that a date or time names as an instance of the master."""
        if not isinstance(master.start, datetime):
            return datetime.combine(at.date() if isinstance(at, datetime) else at, datetime.min.time())
        if not isinstance(at, datetime):
            return datetime.combine(at, self._wall(master.start).time())
        if master.start.tzinfo is None:
            return at.replace(tzinfo=None)
        return self._wall(at)

    def _wall_of_key(self, key: datetime | date) -> datetime:
        if isinstance(key, datetime) and self._is_floating():
            return key.replace(tzinfo=None)
        return self._wall(key)

    def _is_floating(self) -> bool:
        start = self._master.start if self._master else None
        return isinstance(start, datetime) and start.tzinfo is None

    def _utc(self, local: datetime) -> datetime:
        """The instant of a wall time; one that the clocks skip is as far after the change as it was written before, one
        that comes twice is the first (RFC 5545 section 3.3.5)."""
        return local.replace(tzinfo=self._zone).astimezone(UTC)

    def _named(self, local: datetime) -> datetime | date:
        """The recurrence id of the instance at a wall time."""
        if self._master is not None and not isinstance(self._master.start, datetime):
            return local.date()
        return local.replace(tzinfo=UTC) if self._is_floating() else self._utc(local)

    def _key(self, event: CalendarEvent) -> datetime | date:
        """The recurrence id of an override, in the kind the master has: files mix dates and times."""
        key = event.recurrence_id if event.recurrence_id is not None else event.start
        if self._master is None or isinstance(key, datetime) == isinstance(self._master.start, datetime):
            return in_utc(key)
        if isinstance(key, datetime):
            midnight = (key.hour, key.minute) == (0, 0)
            return key.date() if midnight else key.astimezone(zone_info(event.zone)).date()
        return self._named(self._wall_on(key, self._master))

    def _span(self, event: CalendarEvent) -> tuple[datetime, datetime]:
        """Start and end in UTC. An all-day event runs between midnights in UTC."""
        first, last = self._moment(event.start), self._moment(event.end)
        return first, max(first, last)

    def _moment(self, at: datetime | date) -> datetime:
        if not isinstance(at, datetime):
            return datetime.combine(at, datetime.min.time(), UTC)
        return (at if at.tzinfo else at.replace(tzinfo=self._floating)).astimezone(UTC)

    def _occurrence(
        self, event: CalendarEvent, key: datetime | date | None, start: datetime, end: datetime
    ) -> Occurrence:
        gone = event.status == "cancelled" or event.method == "CANCEL"
        whole = self._master is not None and self._master.status == "cancelled" and self._master is not event
        return Occurrence(event, start, end, key, gone or whole, not isinstance(event.start, datetime))


def _values(event: CalendarEvent, prefix: str) -> Iterable[str]:
    """The values of the RRULE or EXRULE lines. ``RRULE;X=Y:`` does not occur: connectors write the lines."""
    return [line[len(prefix) :] for line in event.recurrence if line.upper().startswith(prefix)][:MAX_RULES]


def _version(event: CalendarEvent) -> tuple[int, datetime, datetime]:
    return event.sequence, event.dtstamp or _FIRST, event.modified or _FIRST


def _instant(key: datetime | date) -> datetime:
    return key if isinstance(key, datetime) else datetime.combine(key, datetime.min.time(), UTC)
