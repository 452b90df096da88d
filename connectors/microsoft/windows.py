"""The window of time a calendar is followed in: a year back and a year on, by whole months, and what was covered.

Graph takes no window longer than 1,825 days (ErrorCalendarViewRangeTooBig). Times are UTC, as Graph writes them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from connectors.protocol import Context

MEMORY = "microsoft_window:"
MAX_SPAN = timedelta(days=1825)

Span = tuple[str, str]
"""Start and end."""


def month(context: Context) -> str:
    """The month it is, which a window belongs to."""
    return context.now().astimezone(UTC).strftime("%Y-%m")


def span(context: Context, oldest: datetime | None) -> Span:
    """The window for now; ``oldest`` sets another start."""
    now = context.now().astimezone(UTC)
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = (first + timedelta(days=32)).replace(day=1)
    end = following.replace(year=following.year + 1)
    start = first.replace(year=first.year - 1)
    if oldest is not None:
        start = min(oldest.astimezone(UTC).replace(microsecond=0), now)
    return _text(max(start, end - MAX_SPAN)), _text(end)


def for_listing(context: Context, calendar: str, oldest: datetime | None) -> Span:
    """The window of a listing from scratch: it also takes in what an earlier window covered, so that what has left
    the window since does not look deleted."""
    start, end = span(context, oldest)
    before = covered(context, calendar)
    if before is None:
        return start, end
    return max(min(start, before[0]), _text(datetime.fromisoformat(end) - MAX_SPAN)), end


def covered(context: Context, calendar: str) -> Span | None:
    """From the earliest start of all windows so far to the end of the last."""
    found = context.memory.get(MEMORY + calendar)
    return (str(found[0]), str(found[1])) if isinstance(found, (list, tuple)) and len(found) == 2 else None


def remember(context: Context, calendar: str, window: Span) -> None:
    """Keep what is covered now."""
    before = covered(context, calendar)
    now = (min(window[0], before[0]) if before else window[0], window[1])
    if now != before:
        context.remember(MEMORY + calendar, list(now))


def _text(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
