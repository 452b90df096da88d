"""Single values of RFC 5545 section 3.3: dates, times, durations, text. Pure and lenient; a value that makes no
sense raises ValueError, and the caller decides whether that costs the property or the component."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Final

_DATE: Final = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)(?:[T ](\d\d):?(\d\d)(?::?(\d\d)(?:\.\d+)?)?\s*(Z|[+-]\d\d:?\d\d)?)?\s*$", re.I
)
_DURATION: Final = re.compile(
    r"([+-]?)P(?:(\d{1,4})W)?(?:(\d{1,5})D)?(?:T?(?:(\d{1,6})H)?(?:(\d{1,7})M)?(?:(\d{1,9})S)?)?T?\s*$", re.I
)
_ESCAPES: Final = re.compile(r"\\(.)", re.S)


def moment(value: str) -> tuple[datetime | date, str]:
    """A date, or a naive datetime with its suffix: "Z", an offset like "+0100", or "" (local or floating).
    24:00 is the next day's start; a leap second is the second before."""
    match = _DATE.match(value.strip())
    if match is None:
        raise ValueError(f"not a date or time: {value[:40]!r}")
    year, month, day = int(match[1]), int(match[2]), int(match[3])
    if match[4] is None:
        return date(year, month, day), ""
    hour, minute, second = int(match[4]), int(match[5]), min(int(match[6] or 0), 59)
    extra = timedelta(days=1) if hour == 24 else timedelta()
    stamp = datetime.combine(date(year, month, day), time(hour % 24, minute, second)) + extra
    return stamp, (match[7] or "").upper().replace(":", "")


def duration(value: str) -> timedelta:
    """A duration; the sign is kept. "P" and "PT" alone are zero."""
    match = _DURATION.match(value.strip())
    if match is None:
        raise ValueError(f"not a duration: {value[:40]!r}")
    weeks, days, hours, minutes, seconds = (int(match[i] or 0) for i in range(2, 7))
    length = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    return -length if match[1] == "-" else length


def offset(value: str) -> timedelta:
    """A UTC offset: +0100, -033045, +01:00."""
    match = re.match(r"([+-])(\d\d):?(\d\d)(?::?(\d\d))?$", value.strip())
    if match is None:
        raise ValueError(f"not an offset: {value[:20]!r}")
    length = timedelta(hours=int(match[2]), minutes=int(match[3]), seconds=int(match[4] or 0))
    return -length if match[1] == "-" else length


def text(value: str, limit: int) -> str:
    """Text with its escapes undone, control characters but line breaks and tabs removed, at most ``limit`` long."""
    plain = _ESCAPES.sub(lambda found: "\n" if found[1] in "nN" else found[1], value[: limit * 2])
    return "".join(c for c in plain if c in "\n\t" or c.isprintable() or ord(c) > 159)[:limit].strip()


def number(value: str) -> int:
    """An integer within 32 bits; ValueError otherwise."""
    found = int(value.strip()[:12])
    if not -(2**31) <= found < 2**31:
        raise ValueError("number out of range")
    return found
