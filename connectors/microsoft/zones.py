"""Windows time zone names to IANA names, by icalendar's kept table (CLDR windowsZones).

Never guesses: a name nobody knows ("Customized Time Zone", ``tzone://Microsoft/Custom``) is UTC.
Source: Graph dateTimeTimeZone resource ("Windows time zone names" and IANA names are both legal).
"""

from __future__ import annotations

from functools import lru_cache
from zoneinfo import ZoneInfo

from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

_FOLDED = {name.casefold(): iana for name, iana in WINDOWS_TO_OLSON.items()}


@lru_cache(maxsize=1024)
def iana(name: str | None) -> str:
    """The IANA name for a Windows or IANA zone name; "UTC" for one that is unknown, empty or None."""
    wanted = (name or "").strip()[:100]
    mapped = _FOLDED.get(wanted.casefold(), wanted)
    if not mapped or mapped in ("Etc/UTC", "Etc/GMT"):
        return "UTC"
    try:
        return ZoneInfo(mapped).key
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        return "UTC"
