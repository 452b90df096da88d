"""The outgoing calendar feed: a person's open tasks and CRM meetings as a read-only iCalendar file (RFC 5545).

Pure: the caller has already asked the policy what the person may see, and signs and checks the feed's address. Nothing
that is written here can invite anybody: there is no METHOD, no ORGANIZER and no ATTENDEE.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Final, TypeVar

from icalendar import Calendar, Event

Entry = TypeVar("Entry")

MAX_ENTRIES: Final = 5_000
REFRESH: Final = timedelta(hours=1)
_TASK_LENGTH: Final = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class FeedTask:
    """An open task with a due time: an aware datetime, or a date in the person's zone."""

    id: int
    title: str
    due: datetime | date
    about: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class FeedMeeting:
    """One meeting. ``start`` and ``end`` are aware datetimes, or dates of an all-day one (the end is the day after)."""

    id: int
    title: str
    start: datetime | date
    end: datetime | date
    about: str = ""
    location: str = ""
    url: str = ""
    cancelled: bool = False


def calendar_feed(
    tasks: Iterable[FeedTask], meetings: Iterable[FeedMeeting], *, name: str, stamp: datetime, host: str = "crm-sync"
) -> bytes:
    """The feed as bytes, at most 5,000 entries of each kind.

    ``name`` is the calendar's title, ``stamp`` the time it is made (UTC; equal content and stamp give equal bytes, so
    that a cache may compare), ``host`` the domain of the entries' UIDs. Tasks are entries that do not make busy,
    because the programs that subscribe to feeds do not show VTODO.
    """
    calendar = Calendar()
    calendar.add("prodid", "-//crm-sync//calendar feed//EN")
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", name)
    calendar.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", REFRESH)
    for task in _first(tasks):
        calendar.add_component(_task(task, stamp, host))
    for meeting in _first(meetings):
        calendar.add_component(_meeting(meeting, stamp, host))
    return bytes(calendar.to_ical())


def _first(entries: Iterable[Entry]) -> Iterable[Entry]:
    return islice(entries, MAX_ENTRIES)


def _task(task: FeedTask, stamp: datetime, host: str) -> Event:
    length = _TASK_LENGTH if isinstance(task.due, datetime) else timedelta(days=1)
    event = _entry(f"task-{task.id}@{host}", task.title, task.about, task.url, stamp)
    event.add("dtstart", task.due)
    event.add("dtend", task.due + length)
    event.add("transp", "TRANSPARENT")
    event.add("categories", ["Task"])
    return event


def _meeting(meeting: FeedMeeting, stamp: datetime, host: str) -> Event:
    event = _entry(f"meeting-{meeting.id}@{host}", meeting.title, meeting.about, meeting.url, stamp)
    event.add("dtstart", meeting.start)
    event.add("dtend", meeting.end)
    event.add("status", "CANCELLED" if meeting.cancelled else "CONFIRMED")
    if meeting.location:
        event.add("location", meeting.location)
    return event


def _entry(uid: str, title: str, about: str, url: str, stamp: datetime) -> Event:
    event = Event()
    event.add("uid", uid)
    event.add("dtstamp", stamp)
    event.add("summary", title)
    if about:
        event.add("description", about)
    if url:
        event.add("url", url)
    return event
