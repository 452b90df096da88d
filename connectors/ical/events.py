"""One VEVENT component becomes one CalendarEvent. Raises BadItem, naming the UID, for an event whose start can't be
told; everything else that is wrong in it costs only the property it is in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Final, TypeVar

from connectors.errors import BadItem
from connectors.ical.lines import Component, Property
from connectors.ical.people import attendee
from connectors.ical.stamps import in_utc, recurrence_line, stamp
from connectors.ical.uids import canonical_uid
from connectors.ical.values import duration, number, text
from connectors.ical.zones import Zones
from connectors.types import Attendee, Busy, CalendarEvent

Found = TypeVar("Found")

MAX_ATTENDEES: Final = 2_000
MAX_TEXT: Final = 65_536
MAX_SUMMARY: Final = 1_000
MAX_UID: Final = 1_000
MAX_RULES: Final = 2_000

_RECURRENCE: Final = frozenset({"RRULE", "RDATE", "EXDATE", "EXRULE"})
_PUBLIC: Final = frozenset({"public", "private", "confidential"})
_STATUSES: Final = frozenset({"confirmed", "tentative", "cancelled"})


def event(component: Component, zones: Zones, method: str) -> CalendarEvent:
    """The event of a VEVENT. Raises BadItem."""
    found = list(component.properties())
    named = {p.name: p for p in reversed(found)}
    uid = _uid(named)
    try:
        start, zone = stamp(named["DTSTART"], zones)
    except (KeyError, ValueError, OverflowError):
        raise BadItem("The event has no start that can be read.", remote_id=uid) from None
    sensitivity = named["CLASS"].value.lower() if "CLASS" in named else "public"
    organizer = attendee(named["ORGANIZER"]) if "ORGANIZER" in named else None
    attendees = _attendees(found)
    return CalendarEvent(
        uid=uid or _made_up(named),
        start=start,
        end=_end(named, start, zones),
        zone=zone,
        recurrence_id=_optional(named, "RECURRENCE-ID", lambda p: in_utc(stamp(p, zones)[0])),
        this_and_future="RECURRENCE-ID" in named
        and named["RECURRENCE-ID"].params.get("RANGE", "").upper() == "THISANDFUTURE",
        sequence=_optional(named, "SEQUENCE", lambda p: max(number(p.value), 0)) or 0,
        dtstamp=_instant(named, "DTSTAMP", zones),
        modified=_instant(named, "LAST-MODIFIED", zones),
        method=method,
        status=_status(named),
        summary=_text(named, "SUMMARY", MAX_SUMMARY),
        description=_text(named, "DESCRIPTION", MAX_TEXT),
        location=_text(named, "LOCATION", MAX_SUMMARY),
        organizer=organizer if organizer and (organizer.address or organizer.name) else None,
        attendees=attendees,
        recurrence=_recurrence(found, zones),
        # RFC 5545 3.8.1.3: an unknown class is to be treated as private.
        classification=sensitivity if sensitivity in _PUBLIC else "private",
        transparency=_transparency(named),
        kind=_kind(named, attendees),
        url=_text(named, "URL", MAX_SUMMARY),
    )


def _uid(named: dict[str, Property]) -> str:
    return canonical_uid(text(named["UID"].value, MAX_UID)) if "UID" in named else ""


def _made_up(named: dict[str, Property]) -> str:
    """A stable identity for an event without UID: from what does not change in a copy of it."""
    parts = [named[name].value for name in ("DTSTART", "SUMMARY", "ORGANIZER") if name in named]
    return f"no-uid-{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()[:32]}"


def _optional(named: dict[str, Property], name: str, read: Callable[[Property], Found]) -> Found | None:
    """What a property says; None where it is missing or makes no sense."""
    try:
        return read(named[name]) if name in named else None
    except (ValueError, OverflowError):
        return None


def _instant(named: dict[str, Property], name: str, zones: Zones) -> datetime | None:
    found = _optional(named, name, lambda p: in_utc(stamp(p, zones)[0]))
    return found if isinstance(found, datetime) else None


def _text(named: dict[str, Property], name: str, limit: int) -> str:
    return text(named[name].value, limit) if name in named else ""


def _status(named: dict[str, Property]) -> str:
    status = named["STATUS"].value.lower() if "STATUS" in named else ""
    return status if status in _STATUSES else "confirmed"


def _end(named: dict[str, Property], start: datetime | date, zones: Zones) -> datetime | date:
    """DTEND, else DTSTART + DURATION, else the whole day for a date and no time at all for a datetime."""
    end = _optional(named, "DTEND", lambda p: stamp(p, zones)[0])
    length = _optional(named, "DURATION", lambda p: duration(p.value))
    if end is None and length is not None:
        end = _optional(named, "DURATION", lambda _: _after(start, length))
    if isinstance(start, datetime):
        if not isinstance(end, datetime):
            end = start if end is None else datetime.combine(end, start.timetz())
        if end.tzinfo is None or start.tzinfo is None:
            end = end.replace(tzinfo=start.tzinfo)
        return max(end, start)
    end = end.date() if isinstance(end, datetime) else end
    return end if end is not None and end > start else _after(start, timedelta(days=1))


def _after(start: datetime | date, length: timedelta) -> datetime | date:
    """Days are wall days, the rest is real time (RFC 5545 3.3.6), so an hour stays an hour over a change of clocks."""
    if not isinstance(start, datetime) or start.tzinfo is None:
        return start + (length if isinstance(start, datetime) else timedelta(days=max(length.days, 0)))
    whole = start + timedelta(days=length.days)
    return (whole.astimezone(UTC) + timedelta(seconds=length.seconds)).astimezone(start.tzinfo)


def _attendees(found: Iterable[Property]) -> tuple[Attendee, ...]:
    """In order, one per address (the first counts), at most 2,000."""
    seen: dict[str, Attendee] = {}
    for one in found:
        if one.name == "ATTENDEE" and len(seen) < MAX_ATTENDEES:
            person = attendee(one)
            if person.address or person.name:
                seen.setdefault(person.address.lower() or f"name:{person.name}", person)
    return tuple(seen.values())


def _recurrence(found: Iterable[Property], zones: Zones) -> tuple[str, ...]:
    lines = (recurrence_line(one, zones) for one in found if one.name in _RECURRENCE)
    return tuple(dict.fromkeys(line for line in lines if line))[:MAX_RULES]


def _transparency(named: dict[str, Property]) -> Busy:
    busy = named["X-MICROSOFT-CDO-BUSYSTATUS"].value.upper() if "X-MICROSOFT-CDO-BUSYSTATUS" in named else ""
    transparent = "TRANSP" in named and named["TRANSP"].value.upper() == "TRANSPARENT"
    return Busy.FREE if transparent or busy == "FREE" else Busy.BUSY


def _kind(named: dict[str, Property], attendees: tuple[Attendee, ...]) -> str:
    """Outlook and Apple mark what is no meeting; with guests, an entry is one whatever the mark says."""
    busy = named["X-MICROSOFT-CDO-BUSYSTATUS"].value.upper() if "X-MICROSOFT-CDO-BUSYSTATUS" in named else ""
    if attendees or not busy:
        return "default"
    return {"OOF": "outOfOffice", "WORKINGELSEWHERE": "workingLocation"}.get(busy, "default")
