"""Calendars: from iCalendar bytes to events, from events to instances, from versions of an event to its state.

Pure: no clock, no network, no state kept between calls. Everything is bounded, so that hostile input takes the limit
and never the worker. RFC 5545 (iCalendar), RFC 5546 (iTIP), with what Outlook, Google, Apple, Exchange, Zoom and Lotus
make of them.

How the parts go together, for whoever stores meetings:

1. ``parse_calendar(ics)`` for each RawCalendar and each text/calendar part or .ics attachment of a mail; providers
   with JSON hand over CalendarEvent values already. ``problems`` are to be counted; the events beside them are good.
2. Keep every component version: key (uid, recurrence_id), what it came from (mail or calendar), and for mail the
   sender and the time of receipt. ``meeting_identity(event)`` gives the key.
3. ``merge_versions(versions)`` folds all versions of one key into the present state (``merge_series`` all keys of one
   UID); call it again with all of them when another arrives: the result does not depend on the order. A ``Version``
   from a mail carries its sender; what the sender may not say comes back in ``Merged.refused``.
4. ``expand(events, start=, end=)`` takes the merged master and overrides of one UID (the event of each ``Merged``, its
   status already "cancelled" where it is) and gives the instances of a window. ``Occurrence.recurrence_id`` is the
   instance's identity, also when it was moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from connectors.errors import BadItem
from connectors.ical import lines
from connectors.ical.events import event
from connectors.ical.expand import Expansion, Occurrence, expand
from connectors.ical.merge import Merged, Version, merge_series, merge_versions
from connectors.ical.zones import Zones
from connectors.types import CalendarEvent

__all__ = [
    "Expansion",
    "Merged",
    "Occurrence",
    "ParsedCalendar",
    "Version",
    "expand",
    "meeting_identity",
    "merge_series",
    "merge_versions",
    "parse_calendar",
]


@dataclass(frozen=True, slots=True)
class ParsedCalendar:
    """``method`` is the iTIP method in upper case, "" for a plain calendar. ``problems`` name what could not be read
    (``remote_id`` is the UID where there is one)."""

    events: tuple[CalendarEvent, ...]
    method: str = ""
    problems: tuple[BadItem, ...] = ()


def parse_calendar(ics: bytes) -> ParsedCalendar:
    """All events of an iCalendar file, in its order; tasks, journals and free/busy are passed over. One bad event
    does not cost the others. Raises BadItem when it is no calendar at all, or larger than 50 MB."""
    tree = lines.read(ics)
    calendars = [c for c in tree.root.children if c.name == "VCALENDAR"] or [tree.root]
    events: list[CalendarEvent] = []
    problems: list[BadItem] = []
    methods = [_read(calendar, events, problems) for calendar in calendars]
    if tree.truncated:
        problems.append(BadItem(f"Only the first {lines.MAX_COMPONENTS} components were read.", code="too_large"))
    return ParsedCalendar(tuple(events), next((m for m in methods if m), ""), tuple(problems))


def _read(calendar: lines.Component, events: list[CalendarEvent], problems: list[BadItem]) -> str:
    named = {p.name: p.value for p in calendar.properties()}
    method = named.get("METHOD", "").strip().upper()[:20]
    zones = Zones(list(calendar.named("VTIMEZONE")), named.get("X-WR-TIMEZONE", ""))
    for component in calendar.named("VEVENT"):
        try:
            found = event(component, zones, method)
        except BadItem as problem:
            problems.append(problem)
            continue
        if component.closed:
            events.append(found)
        else:
            problems.append(BadItem("The file is cut within this event.", remote_id=found.uid, code="cut"))
    return method


def meeting_identity(event: CalendarEvent) -> tuple[str, datetime | date | None]:
    """The key under which an event is one meeting, over calendars, users and mail: UID and recurrence id (UTC
    datetime, or date; None for a single event or the series itself)."""
    return event.uid, event.recurrence_id
