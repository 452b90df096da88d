"""Graph's calendars: listing, calendarView and its delta (with and without parentheses), events, instances."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tests.emulators.microsoft import delta, options
from tests.emulators.microsoft.agenda import STUB, Agenda, Event
from tests.emulators.microsoft.answers import Refusal, Reply, Request
from tests.emulators.microsoft.mail_routes import ID, paged

CALENDAR = r"^(?:/calendars" + ID.format("calendar") + r"|/calendar)?"
ROUTES: list[tuple[str, str]] = [
    (r"^/calendars$", "calendars"),
    (r"^/calendar$", "calendar"),
    (r"^/calendars" + ID.format("calendar") + r"$", "calendar"),
    (CALENDAR + r"/calendarview/(?:microsoft\.graph\.)?delta(?:\(\))?$", "view_delta"),
    (CALENDAR + r"/calendarview$", "view"),
    (CALENDAR + r"/events$", "events"),
    (CALENDAR + r"/events" + ID.format("event") + r"$", "event"),
    (CALENDAR + r"/events" + ID.format("event") + r"/instances$", "instances"),
]
DEFAULT_PAGE = 10
NO_OPTIONS = ("$select", "$expand", "$filter", "$orderby", "$search", "$top")
MAX_DAYS = 1825


class CalendarRoutes:
    """Answers requests about one user's calendars."""

    def __init__(self, tokens: delta.Tokens, manners: delta.Manners) -> None:
        self.tokens = tokens
        self.manners = manners

    def answer(self, agenda: Agenda, request: Request, base: str) -> Reply | None:
        """The answer, or None for a path that is not the calendars'."""
        for pattern, name in ROUTES:
            found = re.match(pattern, request.path, re.IGNORECASE)
            if found:
                named = {k.removesuffix("q"): v for k, v in found.groupdict().items() if v}
                with agenda.lock:
                    reply: Reply = getattr(self, f"_{name}")(agenda, request, base, **named)
                    return reply
        return None

    def _find(self, agenda: Agenda, calendar: str) -> str:
        key = calendar or agenda.default
        if key in agenda.calendars:
            return key
        if key.startswith("AAMk"):
            raise Refusal(404, "ErrorItemNotFound", "The specified object was not found in the store.")
        raise Refusal(400, "ErrorInvalidIdMalformed", "Id is malformed.")

    def _calendars(self, agenda: Agenda, request: Request, base: str) -> Reply:
        return paged([dict(one) for one in agenda.calendars.values()], request, base)

    def _calendar(self, agenda: Agenda, request: Request, base: str, calendar: str = "") -> Reply:
        found = agenda.calendars[self._find(agenda, calendar)]
        return Reply(body=options.selected("calendar", found, request.query.get("$select", "")))

    def _view(self, agenda: Agenda, request: Request, base: str, calendar: str = "") -> Reply:
        key, (start, end) = self._find(agenda, calendar), _window(request)
        held = [one for event in _of(agenda, key) for one in agenda.instances(event, start, end)]
        held.sort(key=lambda one: (one["start"]["dateTime"], one["id"]))
        return paged([_shown(one, request) for one in held], request, base)

    def _events(self, agenda: Agenda, request: Request, base: str, calendar: str = "") -> Reply:
        held = [agenda.render(event) for event in _of(agenda, self._find(agenda, calendar))]
        return paged([_shown(one, request) for one in held], request, base)

    def _event(self, agenda: Agenda, request: Request, base: str, event: str, calendar: str = "") -> Reply:
        found = agenda.find(event)
        if found is None:
            status, code = (404, "ErrorItemNotFound") if event.startswith("AA") else (400, "ErrorInvalidIdMalformed")
            raise Refusal(status, code)
        return Reply(body=_shown(found, request))

    def _instances(self, agenda: Agenda, request: Request, base: str, event: str, calendar: str = "") -> Reply:
        if event not in agenda.events:
            raise Refusal(404, "ErrorItemNotFound")
        start, end = _window(request)
        held = list(agenda.instances(agenda.events[event], start, end))
        return paged([_shown(one, request) for one in held], request, base)

    # delta

    def _view_delta(self, agenda: Agenda, request: Request, base: str, calendar: str = "") -> Reply:
        if token := request.query.get("$skiptoken"):
            state = self.tokens.state(token, request.path)
        elif token := request.query.get("$deltatoken"):
            state = self._changed(agenda, self.tokens.state(token, request.path))
        else:
            state = self._begun(agenda, request, calendar)
        if self.manners.empty_pages and not state.gap and state.waiting:
            items, after = [], replace(state, gap=True)
        else:
            size = request.page_size(DEFAULT_PAGE)
            items = [item for one, kind in state.waiting[:size] if (item := self._item(agenda, one, kind)) is not None]
            items = items[::-1] if self.manners.shuffled else items
            after = replace(state, waiting=state.waiting[size:], gap=False)
        kind, name = ("$skiptoken", "nextLink") if after.waiting else ("$deltatoken", "deltaLink")
        link = f"{base}{request.path}?{kind}={self.tokens.give(after)}"
        return Reply(body={f"@odata.{name}": link, "value": items})

    def _begun(self, agenda: Agenda, request: Request, calendar: str) -> delta.State:
        for name in NO_OPTIONS:
            if name in request.query:
                raise Refusal(400, "ErrorInvalidUrlQuery", f"{name} is not supported with change tracking.")
        start, end = _window(request)
        key = self._find(agenda, calendar)
        waiting = [
            line for event in _of(agenda, key) for line in self._lines(agenda, event, start, end, first=True)
        ]
        return delta.State(
            request.path, agenda.address, key, agenda.sequence, waiting=tuple(waiting),
            window=(start.isoformat(), end.isoformat()), known=frozenset(e.id for e in _of(agenda, key)),
        )  # fmt: skip

    def _changed(self, agenda: Agenda, state: delta.State) -> delta.State:
        start, end = (datetime.fromisoformat(one) for one in state.window)
        touched = dict.fromkeys(
            key for sequence, calendar, key in agenda.log if sequence > state.sequence and calendar == state.folder
        )
        waiting: list[tuple[str, str]] = []
        for key in touched:
            event = agenda.events.get(key)
            lines = list(self._lines(agenda, event, start, end, first=False)) if event else []
            waiting += lines or [(key, "gone")]
        return replace(state, sequence=agenda.sequence, waiting=tuple(waiting), gap=False)

    def _lines(
        self, agenda: Agenda, event: Event, start: datetime, end: datetime, *, first: bool
    ) -> list[tuple[str, str]]:
        held = [(str(one["id"]), "there") for one in agenda.instances(event, start, end)]
        if event.series and held and self.manners.masters:
            held.append((event.id, "there"))
        return held

    def _item(self, agenda: Agenda, key: str, kind: str) -> dict[str, Any] | None:
        if kind == "gone":
            return {"@odata.type": "#microsoft.graph.event", "id": key, "@removed": {"reason": "deleted"}}
        whole = agenda.find(key)
        if whole is None:
            return None
        return {k: whole[k] for k in STUB if k in whole} if whole["type"] == "occurrence" else whole


def _of(agenda: Agenda, calendar: str) -> list[Event]:
    return [event for event in agenda.events.values() if event.calendar == calendar]


def _shown(item: dict[str, Any], request: Request) -> dict[str, Any]:
    return options.selected("event", item, request.query.get("$select", ""))


def _window(request: Request) -> tuple[datetime, datetime]:
    held = {name.casefold(): value for name, value in request.query.items()}
    try:
        start, end = (_moment(held[name]) for name in ("startdatetime", "enddatetime"))
    except (KeyError, ValueError) as error:
        raise Refusal(400, "ErrorInvalidParameter", "startDateTime and endDateTime are required.") from error
    if (end - start).days > MAX_DAYS:
        raise Refusal(400, "ErrorCalendarViewRangeTooBig", "The requested range is too long.")
    return start, end


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
