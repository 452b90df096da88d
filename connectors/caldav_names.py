"""What CalDAV calendars and their objects are called, and the small questions asked of a calendar: its title, if it
holds events, whether it is still there. Hrefs are compared unquoted, because servers quote them differently."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote, urlsplit

from caldav.lib import error


def is_gone(calendar: Any) -> bool:
    """Whether the calendar itself is no longer there: some servers refuse a report on nothing with a 403 or 405."""
    answer = calendar.client.propfind(str(calendar.url), ["{DAV:}resourcetype"], 0)
    return int(answer.status) in (404, 410)


def holds_events(calendar: Any) -> bool:
    """A server that does not say which components a calendar takes is asked for events."""
    try:
        kinds = calendar.get_supported_components()
    except (error.DAVError, KeyError, AttributeError, TypeError):
        return True
    return not kinds or "VEVENT" in kinds


def title(calendar: Any) -> str:
    """The name people gave it; a calendar that does not tell is called by the last part of its path."""
    try:
        title = calendar.get_display_name()
    except error.DAVError:
        title = None
    return str(title or calendar.url.path.rstrip("/").rpartition("/")[2])[:200]


def parts(names: list[str], size: int) -> list[list[str]]:
    """The names in lists of at most ``size``."""
    return [names[at : at + size] for at in range(0, len(names), size)]


def href(calendar: Any, url: Any) -> str:
    """The name of an object below its calendar, unquoted; "" for the calendar itself and for what lies elsewhere."""
    base = unquote(str(calendar.url.path)).rstrip("/") + "/"
    path = unquote(urlsplit(str(url)).path)
    name = path[len(base) :] if path.startswith(base) else ""
    return "" if name.endswith("/") else name


def quoted(name: str) -> str:
    """The name as a relative URL."""
    return quote(name, safe="/@")
