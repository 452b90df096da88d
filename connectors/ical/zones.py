"""Which IANA zone a TZID means, in the files that exist.

In order: an IANA name (behind whatever prefix), a Windows name (CLDR's windowsZones, as icalendar carries it), an
offset in the name, the rules of the file's own VTIMEZONE compared with the IANA zones, a city in the name. A
zone that equals none becomes a fixed offset, written ``UTC+05:45``. Zones of one file never reach another.
"""

from __future__ import annotations

import re
import zoneinfo
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache, lru_cache
from typing import Final

from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from connectors.ical.lines import Component
from connectors.ical.observances import Observance, observances, offset_at

# Asked first when rules are compared, so that the likely name wins among the many that are equal.
_LIKELY: Final = (
    "Europe/Berlin", "Europe/London", "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles",
    "America/Phoenix", "America/Sao_Paulo", "America/Halifax", "America/St_Johns", "America/Anchorage",
    "Pacific/Honolulu", "Europe/Athens", "Europe/Moscow", "Europe/Istanbul", "Asia/Dubai", "Asia/Karachi",
    "Asia/Kolkata", "Asia/Kathmandu", "Asia/Dhaka", "Asia/Bangkok", "Asia/Shanghai", "Asia/Tokyo",
    "Australia/Adelaide", "Australia/Darwin", "Australia/Brisbane", "Australia/Sydney", "Pacific/Auckland",
    "Africa/Johannesburg", "Africa/Lagos", "Africa/Cairo", "Asia/Jerusalem", "Asia/Tehran", "America/Bogota",
    "America/Mexico_City",
)  # fmt: skip
_ALIASES: Final = {"z": "UTC", "utc": "UTC", "gmt": "UTC", "zulu": "UTC", "est": "America/New_York"} | {
    "edt": "America/New_York", "cst": "America/Chicago", "cdt": "America/Chicago", "mst": "America/Denver",
    "mdt": "America/Denver", "pst": "America/Los_Angeles", "pdt": "America/Los_Angeles", "cet": "Europe/Berlin",
    "cest": "Europe/Berlin", "bst": "Europe/London", "eastern": "America/New_York", "central": "America/Chicago",
    "mountain": "America/Denver", "pacific": "America/Los_Angeles", "microsoft/utc": "UTC",
    "central european standard time": "Europe/Warsaw", "kiev": "Europe/Kyiv", "japan": "Asia/Tokyo",
}  # fmt: skip
# Windows' display names that name no city.
_REGIONS: Final = {
    "eastern time": "America/New_York", "central time (us": "America/Chicago", "mountain time": "America/Denver",
    "pacific time": "America/Los_Angeles", "atlantic time": "America/Halifax", "arizona": "America/Phoenix",
    "hawaii": "Pacific/Honolulu", "alaska": "America/Anchorage", "newfoundland": "America/St_Johns",
    "coordinated universal time": "UTC",
}  # fmt: skip
_OFFSET: Final = re.compile(r"^\(?\s*(?:UTC|GMT)?\s*([+-])\s*(\d{1,2})(?::?(\d\d))?\b", re.I)
_SOME_DAY: Final = datetime(2020, 1, 15, 12)  # noqa: DTZ001 - a local wall time
_FIXED: Final = re.compile(r"UTC([+-])(\d\d):(\d\d)$")


@cache
def _names() -> dict[str, str]:
    """Lower-cased IANA name -> name."""
    return {name.lower(): name for name in zoneinfo.available_timezones() if not name.startswith(("posix", "right"))}


@cache
def _cities() -> dict[str, str]:
    """City in lower case -> IANA name ("kuala lumpur" -> "Asia/Kuala_Lumpur")."""
    cities: dict[str, str] = {}
    for name in sorted(_names().values()):
        region, _, city = name.rpartition("/")
        if region and region not in ("Etc", "SystemV", "US", "Canada"):
            cities.setdefault(city.replace("_", " ").lower(), name)
    return cities


_WINDOWS: Final = {name.lower(): zone for name, zone in WINDOWS_TO_OLSON.items()}


@lru_cache(maxsize=1000)
def zone_info(name: str) -> tzinfo:
    """The zone of an IANA name, or of a ``UTC+05:45`` written here. UTC for anything else."""
    fixed = _FIXED.match(name)
    if fixed:
        length = timedelta(hours=int(fixed[2]), minutes=int(fixed[3]))
        return timezone(-length if fixed[1] == "-" else length)
    known = _names().get(name.lower())
    return UTC if known is None or known == "UTC" else zoneinfo.ZoneInfo(known)


def fixed_name(offset: timedelta) -> str:
    """``UTC+05:45`` for an offset, to the minute; ``UTC`` for none."""
    minutes = int(offset.total_seconds() // 60)
    if not minutes or abs(minutes) >= 24 * 60:
        return "UTC"
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


@lru_cache(maxsize=1000)
def iana_name(tzid: str) -> str:
    """The IANA name a TZID stands for by itself, without a VTIMEZONE; "" when its text does not tell."""
    clean = tzid.strip().strip("\"'").strip()[:200]
    clean = re.sub(r"^TZID=", "", clean, flags=re.I).removeprefix("tzone://").removeprefix("custom_")
    lowered = clean.lower()
    direct = _names().get(lowered) or _WINDOWS.get(lowered) or _ALIASES.get(lowered)
    return direct or _by_suffix(lowered.strip("/").split("/"))


def _by_suffix(parts: list[str]) -> str:
    """``/mozilla.org/20070129_1/America/New_York`` ends with a name."""
    for start in range(1, len(parts)):
        found = _names().get("/".join(parts[start:]))
        if found and "/" in found:
            return found
    return _names().get("/".join(parts), "") if len(parts) > 1 else ""


def _by_text(tzid: str) -> str:
    """What a display name tells: a region ("Eastern Time (US & Canada)"), a city ("Kuala Lumpur, Singapore"), else an
    offset ("(UTC-05:00) ...")."""
    region = next((zone for name, zone in _REGIONS.items() if name in tzid.lower()), "")
    if region:
        return region
    cities = _cities()
    for part in re.split(r"[,()/&]", tzid.lower()):
        if part.strip() in cities:
            return cities[part.strip()]
    match = _OFFSET.match(tzid.strip("\"' "))
    if match is None:
        return ""
    length = timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
    return fixed_name(-length if match[1] == "-" else length)


class Zones:
    """The zones of one calendar file: asks its VTIMEZONEs where a TZID's own text does not tell."""

    def __init__(self, timezones: list[Component], default: str = "") -> None:
        """``default`` is the X-WR-TIMEZONE, "" without one."""
        self._rules: dict[str, tuple[Observance, ...]] = {}
        self._located: dict[str, str] = {}
        for component in timezones[:200]:
            self._take(component)
        self.default = self.name(default, _SOME_DAY) if default else ""

    def _take(self, component: Component) -> None:
        named = {p.name: p.value for p in component.properties()}
        tzid = named.get("TZID", "").strip('"')
        self._located[tzid] = iana_name(named.get("X-LIC-LOCATION", "")) if "X-LIC-LOCATION" in named else ""
        self._rules[tzid] = observances(component)

    def name(self, tzid: str, at: datetime) -> str:
        """The IANA name (or ``UTC+hh:mm``) that a TZID means around a local wall time; "" when nothing tells."""
        clean = tzid.strip().strip('"')
        direct = iana_name(clean) or self._located.get(clean, "")
        if direct:
            return direct
        rules = self._rules.get(clean, ())
        return (equal_zone(rules, at) if rules else "") or _by_text(clean)


def equal_zone(rules: tuple[Observance, ...], at: datetime) -> str:
    """The IANA zone that is nearest to the rules through the year of ``at`` and the next, and equal at ``at`` itself.
    Vendors' rules miss a zone's changes of law by some weeks, so nine samples in ten are enough; else the offset."""
    year = min(max(at.year, 1902), 2100)
    days = ((y, month, day) for y in (year, year + 1) for month in range(1, 13) for day in (4, 18, 28))
    samples = tuple(_SOME_DAY.replace(y, month, day) for y, month, day in days)
    wanted = tuple(offset_at(rules, sample) for sample in samples)
    here = offset_at(rules, at)
    name = _nearest(samples, wanted)
    return name if name and zone_info(name).utcoffset(at) == here else fixed_name(here)


@lru_cache(maxsize=500)
def _nearest(samples: tuple[datetime, ...], wanted: tuple[timedelta, ...]) -> str:
    best, most = "", len(wanted) * 9 // 10
    for name in (*_LIKELY, *sorted(n for n in _names().values() if "/" in n and not n.startswith("Etc"))):
        zone = zone_info(name)
        equal = sum(zone.utcoffset(sample) == offset for sample, offset in zip(samples, wanted, strict=True))
        if equal > most:
            best, most = name, equal
        if equal == len(wanted):
            break
    return best
