"""Writes the demo's meetings as iCalendar files and invitations: single, recurring with a moved and a cancelled
instance, private, all-day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from icalendar import Alarm, Calendar, Event, vCalAddress, vText

Guest = tuple[str, str, str]
"""Name, address ("" for a guest without one), response."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """One event or series."""

    uid: str
    summary: str
    start: datetime | date
    hours: float
    organizer: tuple[str, str]
    guests: Sequence[Guest]
    rule: str = ""
    cancelled: bool = False
    private: bool = False
    moved: tuple[datetime, datetime] | None = None
    dropped: datetime | None = None

    def ics(self, stamp: datetime, method: str = "") -> str:
        """The calendar object; ``stamp`` is DTSTAMP (UTC)."""
        calendar = Calendar()
        calendar.add("prodid", "-//crm-sync demo//EN")
        calendar.add("version", "2.0")
        if method:
            calendar.add("method", method)
        calendar.add_component(self._event(stamp, self.start))
        if self.moved:
            override = self._event(stamp, self.moved[1], repeats=False)
            override.add("recurrence-id", self.moved[0])
            calendar.add_component(override)
        return bytes(calendar.to_ical()).decode()

    def _event(self, stamp: datetime, start: datetime | date, *, repeats: bool = True) -> Event:
        event = Event()
        event.add("uid", self.uid)
        event.add("dtstamp", stamp)
        event.add("summary", self.summary)
        event.add("dtstart", start)
        event.add("dtend", start + timedelta(hours=self.hours) if isinstance(start, datetime) else start + timedelta(days=1))
        event.add("status", "CANCELLED" if self.cancelled else "CONFIRMED")
        if self.private:
            event.add("class", "PRIVATE")
        if self.rule and repeats:
            name, _, value = self.rule.partition(":")
            event.add(name, dict(part.split("=") for part in value.split(";")))
            if self.dropped:
                event.add("exdate", self.dropped)
        event["organizer"] = _person(*self.organizer)
        for name, address, response in self.guests:
            guest = _person(name, address)
            guest.params["PARTSTAT"] = vText(response)
            event.add("attendee", guest, encode=False)
        alarm = Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("trigger", timedelta(minutes=-10))
        event.add_component(alarm)
        return event


def _person(name: str, address: str) -> vCalAddress:
    found = vCalAddress(f"mailto:{address}" if address else "invalid:nomail")
    found.params["CN"] = vText(name)
    return found


def at(day: date, hour: int, minute: int = 0) -> datetime:
    """A working hour of a day, UTC."""
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
