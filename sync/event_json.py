"""Calendar components as JSON and back, for the rows that keep every version. Loses nothing that ``CalendarEvent``
holds; reads only what it wrote."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any

from connectors.ical.zones import zone_info
from connectors.types import Attendee, Busy, CalendarEvent

_INSTANTS = ("dtstamp", "modified")


def to_json(event: CalendarEvent) -> dict[str, Any]:
    """Plain JSON values; times as ISO 8601 (with offset, without for floating ones, dates alone for all-day)."""
    values = asdict(event)
    for name in ("start", "end", "recurrence_id", *_INSTANTS):
        values[name] = values[name].isoformat() if values[name] is not None else None
    values["transparency"] = str(event.transparency)
    values["attendees"] = [asdict(a) for a in event.attendees]
    values["recurrence"] = list(event.recurrence)
    return values


def from_json(values: dict[str, Any]) -> CalendarEvent:
    """The event that ``to_json`` was given, its times in its own zone again."""
    zone = values["zone"]
    organizer = values["organizer"]
    fields = dict(values) | {
        "start": _when(values["start"], zone),
        "end": _when(values["end"], zone),
        "recurrence_id": _when(values["recurrence_id"], "UTC") if values["recurrence_id"] else None,
        "dtstamp": _when(values["dtstamp"], "UTC") if values["dtstamp"] else None,
        "modified": _when(values["modified"], "UTC") if values["modified"] else None,
        "transparency": Busy(values["transparency"]),
        "organizer": Attendee(**organizer) if organizer else None,
        "attendees": tuple(Attendee(**a) for a in values["attendees"]),
        "recurrence": tuple(values["recurrence"]),
    }
    return CalendarEvent(**fields)


def _when(text: str, zone: str) -> datetime | date:
    if len(text) == 10:
        return date.fromisoformat(text)
    at = datetime.fromisoformat(text)
    return at.astimezone(zone_info(zone)) if at.tzinfo is not None else at


def identity(recurrence_id: datetime | date | None) -> str:
    """A recurrence id as it is stored and exported: "" for none, ``2026-03-04T09:00:00Z``, or a date."""
    if recurrence_id is None:
        return ""
    if isinstance(recurrence_id, datetime):
        at = recurrence_id if recurrence_id.tzinfo else recurrence_id.replace(tzinfo=UTC)
        return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return recurrence_id.isoformat()
