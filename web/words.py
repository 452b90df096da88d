"""How facts are said on a page: moments in the viewer's zone, counts, money, sizes. Pure; ``now`` is given.

Every moment is a ``<time datetime>`` in UTC with the local words inside and the full local time as its title.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel.dates import format_date, format_datetime, format_time
from babel.numbers import format_decimal
from markupsafe import Markup

from crm.currencies import money

LOCALE = "en_GB"
__all__ = [
    "LOCALE", "ago", "count", "day", "full", "money", "month", "number", "percent", "short_date", "size", "span",
    "stamp", "zone",
]  # fmt: skip


def zone(name: str) -> ZoneInfo:
    """The zone of that IANA name; UTC when it is unknown."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def ago(moment: datetime, now: datetime) -> str:
    """ "40 s", "5 min", "2 h", "3 d": the distance, without a direction."""
    seconds = int(abs((now - moment).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def day(moment: datetime, now: datetime, tz: ZoneInfo) -> str:
    """ "today 10:14", "yesterday", "Tue 10:00" (the coming week), "4 Mar", "4 Mar 2024"."""
    local, today = moment.astimezone(tz), now.astimezone(tz).date()
    clock = format_time(local, "HH:mm", locale=LOCALE)
    distance = (local.date() - today).days
    if distance in (-1, 0, 1):
        return f"{('yesterday', 'today', 'tomorrow')[distance + 1]} {clock}"
    if 1 < distance < 7:
        return f"{format_date(local.date(), 'EEE', locale=LOCALE)} {clock}"
    return short_date(local.date(), today)


def short_date(value: date, today: date) -> str:
    """ "4 Mar", with the year when it is another one."""
    return format_date(value, "d MMM" if value.year == today.year else "d MMM yyyy", locale=LOCALE)


def full(moment: datetime, tz: ZoneInfo) -> str:
    """ "Wed 4 Mar 2026, 10:14 GMT"."""
    return format_datetime(moment.astimezone(tz), "EEE d MMM yyyy, HH:mm z", tzinfo=tz, locale=LOCALE)


def month(moment: datetime, tz: ZoneInfo) -> str:
    """ "March 2026"."""
    return format_date(moment.astimezone(tz).date(), "LLLL yyyy", locale=LOCALE)


def stamp(moment: datetime | None, text: str, tz: ZoneInfo) -> Markup:
    """A ``<time>`` element around ``text``."""
    if moment is None:
        return Markup("")
    iso = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(iso, full(moment, tz), text)


def number(value: float | int | Decimal | None) -> str:
    """With thousands separated."""
    return "" if value is None else format_decimal(value, locale=LOCALE)


def count(value: int, one: str, many: str | None = None) -> str:
    """ "1 mail", "1,204 mails"."""
    return f"{number(value)} {one if value == 1 else many or one + 's'}"


def size(value: int | None) -> str:
    """ "640 bytes", "12 kB", "3.4 MB"."""
    if not value:
        return ""
    if value < 1000:
        return f"{value} bytes"
    return f"{value / 1000:.0f} kB" if value < 1_000_000 else f"{value / 1_000_000:.1f} MB"


def span(seconds: float | None) -> str:
    """ "14 min", "1 h 5 min", "3 d": a length of time, or time left."""
    if seconds is None:
        return ""
    length = timedelta(seconds=round(seconds))
    if length < timedelta(minutes=1):
        return f"{length.seconds} s"
    minutes = int(length.total_seconds() // 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 1440:
        return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")
    return f"{minutes // 1440} d"


def percent(value: float | None) -> str:
    """ "100 %", "99.9 %"; never rounded up to 100."""
    if value is None:
        return ""
    shown = int(value * 1000) / 10
    return f"{shown:g} %"
