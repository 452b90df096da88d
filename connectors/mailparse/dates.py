"""The Date header to an instant and the sender's offset.

Facts: RFC 5322 3.3 and 4.3 (obsolete zones, two-digit years), with what is met beside it: missing weekday, dashes,
dots, AM/PM, ISO 8601, names in full. Never raises; nonsense is None.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_tz

EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
AHEAD = timedelta(days=2)
"""A date further ahead of its arrival than this is nonsense (a wrong clock), not a fact."""

_MONTHS = {name: n for n, name in enumerate(
    ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1)}
_ZONES = {"ut": 0, "utc": 0, "gmt": 0, "z": 0, "est": -300, "edt": -240, "cst": -360, "cdt": -300, "mst": -420,
          "mdt": -360, "pst": -480, "pdt": -420, "bst": 60, "wet": 0, "west": 60, "cet": 60, "cest": 120, "mez": 60,
          "mesz": 120, "met": 60, "mest": 120, "eet": 120, "eest": 180, "msk": 180, "jst": 540, "kst": 540,
          "hkt": 480, "sgt": 480, "aest": 600, "aedt": 660, "nzst": 720, "nzdt": 780, "hst": -600, "akst": -540}
_DATE = re.compile(
    r"(?:[^\W\d]{2,12}\.?,?\s*)?(\d{1,2})[\s.-]+([A-Za-z]{3})[a-z]*\.?,?[\s-]+(\d{2,4}),?\s+"
    r"(\d{1,2})[:.](\d{2})(?:[:.](\d{2})(?:[.,]\d+)?)?\s*([AaPp][Mm])?\s*(?:([+-]\d{2}):?(\d{2})|([A-Za-z]{1,5}))?")
_ZONED = re.compile(r"[+-]\d{4}|\b[A-Z]{2,5}\s*$")
_COMMENT = re.compile(r"\([^()]*\)")


def parse(value: str, received_at: datetime | None = None) -> tuple[datetime | None, int | None]:
    """The date in UTC and the offset in minutes (None where unknown or nonsense).

    ``received_at`` (UTC), where known, exposes dates from the future, which are given as None.
    """
    value = value.strip()
    if not value:
        return None, None
    found = _DATE.match(value) or _DATE.match(_COMMENT.sub(" ", value[:200]).strip())
    date, offset = _written(found) if found else _other(value[:200])
    if date is None or date < EARLIEST or (received_at is not None and date > received_at + AHEAD):
        return None, None
    return date, offset


def _written(found: re.Match[str]) -> tuple[datetime | None, int | None]:
    month = _MONTHS.get(found[2].lower())
    if month is None:
        return None, None
    hour = int(found[4])
    if found[7]:
        hour = hour % 12 + (12 if found[7].lower() == "pm" else 0)
    offset = _offset(found)
    try:
        zone = timezone(timedelta(minutes=offset or 0))
        second = min(int(found[6] or 0), 59)
        written = datetime(_year(found[3]), month, int(found[1]), hour, int(found[5]), second, tzinfo=zone)
        return written.astimezone(UTC), offset
    except (ValueError, OverflowError):
        return None, None


def _year(text: str) -> int:
    year = int(text)
    if len(text) == 2:
        return year + (2000 if year < 50 else 1900)
    return year + 1900 if len(text) == 3 else year


def _offset(found: re.Match[str]) -> int | None:
    """Minutes east of UTC; None for "-0000", unknown names and impossible figures (read as UTC)."""
    if found[8]:
        minutes = int(found[8][1:]) * 60 + int(found[9])
        if int(found[9]) > 59 or minutes > 15 * 60 or (minutes == 0 and found[8][0] == "-"):
            return None
        return -minutes if found[8][0] == "-" else minutes
    return _ZONES.get(found[10].lower()) if found[10] else None


def _other(value: str) -> tuple[datetime | None, int | None]:
    """ISO 8601, asctime and whatever else the standard library makes out."""
    try:
        date = datetime.fromisoformat(value)
        offset = date.utcoffset()
        aware = date.astimezone(UTC) if offset is not None else date.replace(tzinfo=UTC)
        return aware, None if offset is None else int(offset.total_seconds()) // 60
    except (ValueError, OverflowError):
        pass
    try:
        parts = parsedate_tz(value)
        if parts is None:
            return None, None
        seconds = parts[9] or 0
        naive = datetime(*parts[:5], min(parts[5], 59), tzinfo=UTC)
        if abs(seconds) > 15 * 3600:
            seconds = 0
        return naive - timedelta(seconds=seconds), seconds // 60 if _ZONED.search(value) else None
    except (ValueError, OverflowError, TypeError, IndexError):
        return None, None
