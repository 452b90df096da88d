"""Google calendars: events with masters, exceptions and stubs; sync tokens bound to their parameters; page tokens."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.emulators.google.errors import Refused, not_found

BOUND = ("singleEvents", "showDeleted", "maxAttendees", "eventTypes")
FORBIDDEN = ("iCalUID", "orderBy", "privateExtendedProperty", "q", "sharedExtendedProperty", "timeMin", "timeMax",
             "updatedMin")  # fmt: skip
STUB = ("kind", "etag", "id", "status", "recurringEventId", "originalStartTime")


@dataclass
class Calendar:
    """``changed`` numbers every write; a sync token names the number it saw."""

    id: str
    summary: str
    access: str = "owner"
    primary: bool = False
    selected: bool = True
    zone: str = "Europe/Berlin"
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)
    changed: int = 1
    expired_before: int = 0
    pages: dict[str, dict[str, Any]] = field(default_factory=dict)
    gone: bool = False

    def put(self, event: dict[str, Any]) -> dict[str, Any]:
        """Insert or replace an event; the id is made from the UID where it has none."""
        self.changed += 1
        given = dict(event)
        given.setdefault("id", f"ev{self.changed:08d}")
        defaults = {
            "kind": "calendar#event", "status": "confirmed", "iCalUID": f"{given['id']}@google.com",
            "created": "2026-01-01T08:00:00.000Z", "eventType": "default", "sequence": 0,
            "htmlLink": f"https://calendar.google.com/event?eid={given['id']}",
        }  # fmt: skip
        found = {**defaults, **given, "etag": f'"{self.changed}"'}
        found.setdefault("updated", f"2026-01-01T{8 + self.changed // 3600:02d}:{self.changed // 60 % 60:02d}:00.000Z")
        self.events[found["id"]] = found
        self.written[found["id"]] = self.changed
        return found

    def cancel(self, event_id: str, *, stub: bool = True) -> None:
        """Delete an event; a stub keeps only what Google promises, otherwise details stay as for the organizer."""
        if event_id not in self.events:
            raise not_found()
        self.changed += 1
        event = {**self.events[event_id], "status": "cancelled", "etag": f'"{self.changed}"'}
        self.events[event_id] = {k: event[k] for k in STUB if k in event} if stub else event
        self.written[event_id] = self.changed

    def cancel_instance(self, master: str, original: dict[str, Any]) -> str:
        """One instance of a series is called off: a stub with an id, the master's id and the original start."""
        self.changed += 1
        stamp = str(original.get("dateTime") or original.get("date")).replace("-", "").replace(":", "")
        event_id = f"{master}_{stamp}"
        stub = {"kind": "calendar#event", "etag": f'"{self.changed}"', "id": event_id, "status": "cancelled",
                "recurringEventId": master, "originalStartTime": original}  # fmt: skip
        self.events[event_id] = stub
        self.written[event_id] = self.changed
        return event_id

    def expire_tokens(self) -> None:
        self.changed += 1
        self.expired_before = self.changed

    def expire_pages(self) -> None:
        self.pages.clear()

    # What the API shows

    def entry(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "kind": "calendar#calendarListEntry", "etag": '"1"', "id": self.id, "summary": self.summary,
            "timeZone": self.zone, "accessRole": self.access, "selected": self.selected,
        }  # fmt: skip
        return {**found, "primary": True} if self.primary else found

    def listing(self, given: dict[str, list[str]]) -> dict[str, Any]:
        """events.list with single events off."""
        if self.gone:
            raise Refused(404, "notFound", "Not Found")
        if given.get("singleEvents", ["false"])[0] == "true":
            raise Refused(400, "badRequest", "The model expands no series")
        since = self._since(given)
        start = self._start(given)
        shown = [e for e in self._ordered() if self._visible(e, given, since)]
        size = max(1, min(int(given.get("maxResults", ["250"])[0]), 2500))
        rest = [e for e in shown if start is None or self.written[e["id"]] > start]
        page, more = rest[:size], len(rest) > size
        found: dict[str, Any] = {
            "kind": "calendar#events", "etag": '"p"', "summary": self.summary, "timeZone": self.zone,
            "updated": "2026-01-01T08:00:00.000Z", "accessRole": self.access, "defaultReminders": [],
            "items": [self._shown(e, given) for e in page],
        }  # fmt: skip
        if more:
            found["nextPageToken"] = self._page_token(given, self.written[page[-1]["id"]])
        else:
            bound = {name: given.get(name) for name in BOUND}
            found["nextSyncToken"] = "S" + json.dumps({"at": self.changed, "bound": bound}).encode().hex()
        return found

    def get(self, event_id: str) -> dict[str, Any]:
        if self.gone or event_id not in self.events:
            raise Refused(404, "notFound", "Not Found")
        return self.events[event_id]

    def _ordered(self) -> list[dict[str, Any]]:
        return sorted(self.events.values(), key=lambda e: self.written[e["id"]])

    def _visible(self, event: dict[str, Any], given: dict[str, list[str]], since: int | None) -> bool:
        if since is not None:
            return self.written[event["id"]] > since
        cancelled = event["status"] == "cancelled" and "recurringEventId" not in event
        return not cancelled or given.get("showDeleted", ["false"])[0] == "true"

    def _shown(self, event: dict[str, Any], given: dict[str, list[str]]) -> dict[str, Any]:
        most = int(given.get("maxAttendees", ["200"])[0])
        if len(event.get("attendees", [])) <= most:
            return event
        return {**event, "attendees": event["attendees"][:most], "attendeesOmitted": True}

    def _since(self, given: dict[str, list[str]]) -> int | None:
        token = given.get("syncToken", [""])[0]
        if not token:
            return None
        for name in FORBIDDEN:
            if name in given:
                raise Refused(400, "badRequest", f"Sync token cannot be used with {name}")
        try:
            found = json.loads(bytes.fromhex(token[1:]))
        except ValueError as error:
            raise Refused(400, "invalid", "Invalid sync token value.") from error
        if found["bound"] != {name: given.get(name) for name in BOUND}:
            raise Refused(400, "badRequest", "Sync token cannot be used with other parameters")
        if found["at"] < self.expired_before:
            raise Refused(410, "fullSyncRequired", "Sync token is no longer valid, a full sync is required.")
        at: int = found["at"]
        return at

    def _page_token(self, given: dict[str, list[str]], place: int) -> str:
        token = f"P{len(self.pages) + 1:06d}-{place}"
        self.pages[token] = {"place": place, "bound": {n: given.get(n) for n in (*BOUND, "syncToken")}}
        return token

    def _start(self, given: dict[str, list[str]]) -> int | None:
        token = given.get("pageToken", [""])[0]
        if not token:
            return None
        page = self.pages.get(token)
        if page is None or page["bound"] != {n: given.get(n) for n in (*BOUND, "syncToken")}:
            raise Refused(400, "invalid", "Invalid page token value.")
        place: int = page["place"]
        return place
