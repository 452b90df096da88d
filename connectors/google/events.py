"""Google Calendar's event resources as CalendarEvents. Pure.

Facts: Calendar API reference, events resource. An exception of a series has an id of its own, ``recurringEventId`` and
``originalStartTime``; a cancelled exception is sure to have nothing else. All-day events carry dates, which are never
shifted by a zone. Special types (out of office, birthdays ...) keep their ``eventType`` as kind.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from connectors.types import Attendee, Busy, CalendarEvent

MAX_ATTENDEES = 2_000
MAX_LINES = 500
MAX_TEXT = 200_000

RESPONSES = {"needsaction": "needs-action"}


def event(found: dict[str, Any], *, zone: str = "UTC") -> CalendarEvent | None:
    """The event, or None when it has no start. ``zone`` is the calendar's, for times that carry none."""
    original = instant(found.get("originalStartTime"), zone)
    start = instant(found.get("start"), zone) or original
    if start is None:
        return None
    end = instant(found.get("end"), zone)
    instance = bool(found.get("recurringEventId"))
    return CalendarEvent(
        uid=str(found.get("iCalUID") or found.get("id") or ""),
        start=start,
        end=end if end is not None and type(end) is type(start) else start,
        zone=zone_name(found.get("start"), zone),
        recurrence_id=_utc(original if original is not None else start) if instance else None,
        sequence=_number(found.get("sequence")),
        modified=moment(found.get("updated")),
        status=str(found.get("status") or "confirmed").lower(),
        summary=_text(found, "summary")[:2_000],
        description=_text(found, "description"),
        location=_text(found, "location")[:2_000],
        organizer=_organizer(found),
        attendees=_attendees(found),
        attendees_omitted=found.get("attendeesOmitted") is True,
        recurrence=tuple(str(line)[:2_000] for line in _list(found, "recurrence")[:MAX_LINES]),
        classification=_classification(found),
        transparency=Busy.FREE if found.get("transparency") == "transparent" else Busy.BUSY,
        kind=str(found.get("eventType") or "default"),
        url=str(found.get("htmlLink") or found.get("hangoutLink") or ""),
    )


INHERITED = ("iCalUID", "summary", "location", "organizer", "attendees", "attendeesOmitted", "visibility", "eventType",
             "transparency", "start", "end")  # fmt: skip
"""What a cancelled instance, which comes bare, takes from its series."""


def bare_instance(found: dict[str, Any], master: dict[str, Any], zone: str) -> CalendarEvent | None:
    """A cancelled instance that came with its id and original start only, told by its series: who was to come, to what,
    and for how long. None when it has no original start."""
    start, began, ended = (
        instant(v, zone) for v in (found.get("originalStartTime"), master.get("start"), master.get("end"))
    )
    told = {
        **{name: master[name] for name in INHERITED if name in master},
        **found,
        "start": found.get("originalStartTime"),
    }
    event_ = event(told, zone=zone)
    if event_ is None or start is None:
        return None
    if isinstance(start, datetime) and isinstance(began, datetime) and isinstance(ended, datetime):
        return replace(event_, end=start + (ended - began))
    if type(start) is type(began) is type(ended) is date:
        return replace(event_, end=start + (ended - began))
    return replace(event_, end=start)


def instant(value: Any, zone: str) -> datetime | date | None:
    """``{"date"}`` as a date, ``{"dateTime", "timeZone"}`` as an aware datetime in that zone; None where neither."""
    if not isinstance(value, dict):
        return None
    if value.get("dateTime"):
        at = moment(value["dateTime"], aware=False)
        where = _zone(str(value.get("timeZone") or zone))
        if at is None:
            return None
        return at.astimezone(where) if at.tzinfo else at.replace(tzinfo=where)
    try:
        return date.fromisoformat(str(value.get("date") or "")[:10])
    except ValueError:
        return None


def moment(value: Any, *, aware: bool = True) -> datetime | None:
    """An RFC 3339 time. With ``aware`` one without an offset is taken as UTC, and all are turned to UTC."""
    text = re.sub(r"[zZ]$", "+00:00", str(value or "").strip())
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    if not aware:
        return at
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def zone_name(value: Any, fallback: str) -> str:
    """The IANA zone of a start, the calendar's where it has none."""
    given = str(value.get("timeZone") or "") if isinstance(value, dict) else ""
    name = given or fallback
    return name if _zone(name).key == name else "UTC"


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def _utc(at: datetime | date) -> datetime | date:
    return at.astimezone(UTC) if isinstance(at, datetime) else at


def _organizer(found: dict[str, Any]) -> Attendee | None:
    given = found.get("organizer")
    if not isinstance(given, dict) or not (given.get("email") or given.get("displayName")):
        return None
    return Attendee(
        str(given.get("email") or ""), str(given.get("displayName") or ""), role="chair", response="accepted"
    )


def _attendees(found: dict[str, Any]) -> tuple[Attendee, ...]:
    return tuple(_attendee(one) for one in _list(found, "attendees")[:MAX_ATTENDEES] if isinstance(one, dict))


def _attendee(one: dict[str, Any]) -> Attendee:
    response = str(one.get("responseStatus") or "needsAction").lower()
    return Attendee(
        address=str(one.get("email") or ""),
        name=str(one.get("displayName") or ""),
        role="optional" if one.get("optional") is True else "required",
        response=RESPONSES.get(response, response),
        kind="resource" if one.get("resource") is True else "individual",
    )


def _classification(found: dict[str, Any]) -> str:
    given = str(found.get("visibility") or "default").lower()
    return given if given in ("private", "confidential") else "public"


def _text(found: dict[str, Any], name: str) -> str:
    return str(found.get(name) or "")[:MAX_TEXT]


def _list(found: dict[str, Any], name: str) -> list[Any]:
    given = found.get(name)
    return given if isinstance(given, list) else []


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
