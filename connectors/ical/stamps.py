"""Properties whose value is a date or time, brought into a known zone: DTSTART and its like, and the recurrence lines
as ``CalendarEvent.recurrence`` keeps them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Final

from connectors.ical.lines import Property
from connectors.ical.values import moment, offset
from connectors.ical.zones import Zones, fixed_name, zone_info

MAX_RULE: Final = 4_000
MAX_DATES: Final = 5_000


def stamp(found: Property, zones: Zones) -> tuple[datetime | date, str]:
    """The value as written, aware where a zone is known, and the zone's name ("UTC" for floating times and days).
    Raises ValueError."""
    return resolved(found.value, found.params.get("TZID", ""), found.params.get("VALUE", ""), zones)


def resolved(value: str, tzid: str, kind: str, zones: Zones) -> tuple[datetime | date, str]:
    """The same for one value of a list. A TZID nobody knows leaves the time floating."""
    at, suffix = moment(value)
    if not 2 <= at.year <= 9998:
        raise ValueError("year out of range")
    if not isinstance(at, datetime):
        return at, "UTC"
    if kind.upper() == "DATE" and not tzid:
        return at.date(), "UTC"
    if suffix == "Z":
        return at.replace(tzinfo=UTC), "UTC"
    name = fixed_name(offset(suffix)) if suffix else (zones.name(tzid, at) if tzid else "") or zones.default
    return (at.replace(tzinfo=zone_info(name)), name) if name else (at, "UTC")


def in_utc(at: datetime | date) -> datetime | date:
    """A datetime in UTC - a floating one by its wall time, so that it is the same for everyone - or the date."""
    if not isinstance(at, datetime):
        return at
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def recurrence_line(found: Property, zones: Zones) -> str:
    """RRULE and EXRULE verbatim; RDATE and EXDATE with their values in UTC, floating, or as dates. "" for a line of
    which nothing can be read."""
    if found.name in ("RRULE", "EXRULE"):
        rule = found.value.strip().upper().replace(" ", "")
        return f"{found.name}:{rule}" if "FREQ=" in rule and len(rule) <= MAX_RULE else ""
    kept: dict[str, list[str]] = {}
    for value in found.value.split(",")[:MAX_DATES]:
        written = _rewritten(value, found, zones)
        if written:
            kept.setdefault(written[0], []).append(written[1])
    # One line each way of writing; a list of both is possible only in broken files, and the first is the larger.
    kind = max(kept, key=lambda key: len(kept[key]), default="")
    return f"{found.name}{kind}:{','.join(kept[kind])}" if kept else ""


def _rewritten(value: str, found: Property, zones: Zones) -> tuple[str, str] | None:
    first, slash, rest = value.partition("/")
    try:
        at, _ = resolved(first, found.params.get("TZID", ""), found.params.get("VALUE", ""), zones)
        if not slash:
            return (";VALUE=DATE" if not isinstance(at, datetime) else "", _written(at))
        end = rest if rest[:1] in "Pp+-" else _written(resolved(rest, found.params.get("TZID", ""), "", zones)[0])
        return ";VALUE=PERIOD", f"{_written(at)}/{end}"
    except (ValueError, OverflowError):
        return None


def _written(at: datetime | date) -> str:
    if not isinstance(at, datetime):
        return f"{at:%Y%m%d}".rjust(8, "0")
    suffix = "Z" if at.tzinfo else ""
    utc = at.astimezone(UTC) if at.tzinfo else at
    return f"{utc:%Y%m%dT%H%M%S}".rjust(15, "0") + suffix
