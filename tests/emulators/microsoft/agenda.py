"""What the model keeps of calendars: single events, series with exceptions, and a log of what was touched.

Occurrences are computed, as in Exchange: their ids derive from the master's and the date. A deleted occurrence and a
rescheduled series leave no tombstone in a delta; that is how Graph behaves, and the point of modelling it.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.emulators.microsoft.mailbox import make_id, stamp

GLOBAL_ID = "040000008200E00074C5B7101A82E008"
UNDATED = "00000000" + "C0FFEE00C0FFEE01" + "00" * 8 + "10000000"
"""Of a GlobalObjectId: no instance date, a creation time, the reserved bytes, the length of what follows."""

STUB = ("@odata.type", "@odata.etag", "id", "type", "seriesMasterId", "start", "end")


def written(moment: datetime, zone: str = "UTC") -> dict[str, str]:
    """A dateTimeTimeZone as Graph writes it under ``outlook.timezone="UTC"``."""
    return {"dateTime": moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.0000000"), "timeZone": zone}


@dataclass
class Event:
    """A single event, or the master of a series (``interval`` days, ``count`` times). ``exceptions`` hold changed
    properties by the number of the occurrence, ``deleted`` the numbers that are gone."""

    id: str
    calendar: str
    properties: dict[str, Any]
    start: datetime
    end: datetime
    interval: int = 0
    count: int = 0
    exceptions: dict[int, dict[str, Any]] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)

    @property
    def series(self) -> bool:
        """Whether this is the master of a series."""
        return self.count > 0

    def member_id(self, number: int) -> str:
        """The id of an occurrence: of its master and its original date."""
        day = self.original(number).strftime("%Y%m%dT%H%M")
        digest = hashlib.sha256((self.id + day).encode()).digest()[:15]
        return f"{self.id[:24]}{base64.urlsafe_b64encode(digest).decode()}{day}EA="

    def original(self, number: int) -> datetime:
        """The start an occurrence has by its pattern."""
        return self.start + timedelta(days=self.interval * number)


class Agenda:
    """One user's calendars."""

    def __init__(self, address: str, now: Callable[[], datetime]) -> None:
        self.address = address
        self.now = now
        self.lock = threading.RLock()
        self.calendars: dict[str, dict[str, Any]] = {}
        self.events: dict[str, Event] = {}
        self.log: list[tuple[int, str, str]] = []
        self.sequence = 0
        self.listeners: list[Callable[[str, str, str], None]] = []
        self.default = self.create_calendar("Calendar", default=True)

    def create_calendar(self, name: str, *, default: bool = False, owner: str = "", editable: bool = True) -> str:
        """A new calendar; returns its id."""
        key = make_id("AAMkCAL")
        self.calendars[key] = {
            "id": key,
            "name": name,
            "color": "auto",
            "changeKey": make_id("CQ"),
            "isDefaultCalendar": default,
            "canShare": True,
            "canViewPrivateItems": True,
            "canEdit": editable,
            "isRemovable": not default,
            "owner": {"name": owner or self.address, "address": owner or self.address},
        }
        return key

    def _touch(self, event: Event, change: str) -> None:
        self.sequence += 1
        self.log.append((self.sequence, event.calendar, event.id))
        for listener in list(self.listeners):
            listener(f"events/{event.id}", event.calendar, change)

    def add(
        self, start: datetime, end: datetime, *, calendar: str = "", interval: int = 0, count: int = 0, **more: Any
    ) -> Event:
        """A new event, or a series of ``count`` occurrences every ``interval`` days."""
        with self.lock:
            key = make_id("AAkCEV")
            unique = hashlib.sha256(key.encode()).hexdigest()[:32].upper()
            held = {**_defaults(self.address, self.now()), "iCalUId": f"{GLOBAL_ID}{UNDATED}{unique}", **more}
            event = Event(key, calendar or self.default, held, start, end, interval, count)
            self.events[key] = event
            self._touch(event, "created")
            return event

    def update(self, key: str, *, start: datetime | None = None, end: datetime | None = None, **more: Any) -> None:
        """Change an event or a whole series."""
        with self.lock:
            event = self.events[key]
            event.start, event.end = start or event.start, end or event.end
            event.properties.update(more, lastModifiedDateTime=stamp(self.now()))
            self._touch(event, "updated")

    def change_occurrence(self, key: str, number: int, **more: Any) -> None:
        """Make an occurrence an exception (``start`` and ``end`` as datetimes)."""
        with self.lock:
            self.events[key].exceptions.setdefault(number, {}).update(more)
            self._touch(self.events[key], "updated")

    def delete_occurrence(self, key: str, number: int) -> None:
        """Delete one occurrence; a delta gives no tombstone for it."""
        with self.lock:
            self.events[key].deleted.add(number)
            self._touch(self.events[key], "updated")

    def delete(self, key: str) -> None:
        """Delete an event or a whole series."""
        with self.lock:
            event = self.events.pop(key)
            self._touch(event, "deleted")

    def instances(self, event: Event, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
        """What of an event lies in a window, whole."""
        if not event.series:
            if event.start < end and event.end > start:
                yield self.render(event)
            return
        for number in range(event.count):
            if number not in event.deleted:
                whole = self.member(event, number)
                first, last = _parsed(whole["start"]), _parsed(whole["end"])
                if first < end and last > start:
                    yield whole

    def member(self, event: Event, number: int) -> dict[str, Any]:
        """One occurrence or exception, whole."""
        changed = dict(event.exceptions.get(number, {}))
        original = event.original(number)
        first = changed.pop("start", original)
        last = changed.pop("end", first + (event.end - event.start))
        day = original.strftime("%Y%m%d")
        instance = f"{int(day[:4]):04X}{int(day[4:6]):02X}{int(day[6:]):02X}"
        uid = str(event.properties["iCalUId"])
        own = uid[: len(GLOBAL_ID)] + instance + uid[len(GLOBAL_ID) + 8 :] if uid.startswith(GLOBAL_ID) else uid
        return {
            "@odata.type": "#microsoft.graph.event",
            **event.properties,
            **changed,
            "id": event.member_id(number),
            "type": "exception" if number in event.exceptions else "occurrence",
            "seriesMasterId": event.id,
            "iCalUId": own,
            "originalStart": stamp(original),
            "start": written(first),
            "end": written(last),
            "recurrence": None,
        }

    def render(self, event: Event) -> dict[str, Any]:
        """A single event or a master, whole."""
        pattern: dict[str, Any] | None = None
        if event.series:
            pattern = {
                "pattern": {"type": "daily", "interval": event.interval},
                "range": {
                    "type": "numbered",
                    "startDate": event.start.strftime("%Y-%m-%d"),
                    "numberOfOccurrences": event.count,
                },
            }
        return {
            "@odata.type": "#microsoft.graph.event",
            **event.properties,
            "id": event.id,
            "type": "seriesMaster" if event.series else "singleInstance",
            "seriesMasterId": None,
            "start": written(event.start),
            "end": written(event.end),
            "recurrence": pattern,
        }

    def find(self, key: str) -> dict[str, Any] | None:
        """An event, a master or an occurrence by id, whole."""
        if key in self.events:
            return self.render(self.events[key])
        for event in self.events.values():
            for number in range(event.count):
                if event.member_id(number) == key and number not in event.deleted:
                    return self.member(event, number)
        return None


def _parsed(held: dict[str, str]) -> datetime:
    return datetime.fromisoformat(held["dateTime"][:19]).replace(tzinfo=UTC)


def _defaults(address: str, now: datetime) -> dict[str, Any]:
    return {
        "createdDateTime": stamp(now),
        "lastModifiedDateTime": stamp(now),
        "changeKey": make_id("CQ"),
        "categories": [],
        "originalStartTimeZone": "W. Europe Standard Time",
        "originalEndTimeZone": "W. Europe Standard Time",
        "subject": "",
        "bodyPreview": "",
        "importance": "normal",
        "sensitivity": "normal",
        "isAllDay": False,
        "isCancelled": False,
        "isOrganizer": True,
        "isDraft": False,
        "responseRequested": True,
        "showAs": "busy",
        "webLink": "https://outlook.example/calendar/item",
        "onlineMeetingUrl": None,
        "isOnlineMeeting": False,
        "hasAttachments": False,
        "hideAttendees": False,
        "body": {"contentType": "text", "content": ""},
        "location": {"displayName": ""},
        "attendees": [],
        "organizer": {"emailAddress": {"name": address, "address": address}},
        "onlineMeeting": None,
    }
