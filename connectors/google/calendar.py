"""Google calendars as streams: one each, masters and exceptions as they are, a sync token afterwards.

Algorithm: providers.md 2.3. The parameters never change between the first listing and the sync token that comes of it
(the API forbids it); no time window is ever sent, old events are told apart here. 410 means a full listing, whose sweep
is the caller's. Expansion of series is the caller's too. Read-only. Source: Calendar API reference and sync guide.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from connectors.errors import BadItem, CursorExpired, StreamGone, TryLater
from connectors.google import events
from connectors.google.calls import Calls
from connectors.types import (
    Batch,
    CalendarEvent,
    Change,
    Cursor,
    Failed,
    RemoteEvents,
    Removed,
    Stream,
    StreamKind,
    StreamRole,
    Upsert,
)

PAGE = 2_500
CUT = 250
MAX_RESTARTS = 3
FREE_BUSY = "freeBusyReader"
VIRTUAL = "@group.v.calendar.google.com"
"""Holidays, birthdays, week numbers: calendars that nobody keeps."""


class Calendars:
    """All calendars of one person."""

    def __init__(self, calls: Calls, service: Any) -> None:
        self.calls = calls
        self.context = calls.context
        self.service = service
        self.events = service.events()
        self._masters: dict[str, dict[str, Any]] = {}
        self._zone = "UTC"

    def streams(self) -> Iterator[Stream]:
        """One stream for each calendar of the list. Raises StreamGone when this person has no calendar at all."""
        token = ""
        while True:
            given: dict[str, Any] = {"maxResults": 250} | ({"pageToken": token} if token else {})
            answer = self.calls.calendar("calendarList.list", self.service.calendarList().list(**given))
            for entry in answer.get("items") or ():
                if isinstance(entry, dict) and entry.get("id") and not entry.get("deleted"):
                    yield stream_of(entry)
            token = str(answer.get("nextPageToken") or "")
            if not token:
                return

    def owner(self) -> str:
        """The id of the primary calendar, which is its owner's address. Raises ConnectorError."""
        request = self.service.calendars().get(calendarId="primary")
        return str(self.calls.calendar("calendars.get", request).get("id") or "")

    def changes(self, stream: Stream, since: Cursor | None, oldest: datetime | None) -> Iterator[Batch]:
        """A listing, or what changed since. Raises CursorExpired when Google wants a full listing (410)."""
        cursor = _read(since) if since is not None else {}
        listing = "sync" not in cursor
        for _ in range(MAX_RESTARTS):
            try:
                yield from self._pages(stream, cursor, listing, oldest)
                return
            except CursorExpired as error:
                if error.code != "page_token":
                    raise
                cursor = {} if listing else cursor
        raise TryLater("Google Calendar keeps losing the place in its listing.", retry_after=300.0)

    def _pages(self, stream: Stream, cursor: dict[str, str], listing: bool, oldest: datetime | None) -> Iterator[Batch]:
        token, after = cursor.get("page", ""), cursor.get("after", "")
        while True:
            answer = self._page(stream.id, token, cursor.get("sync", ""))
            self._zone = str(answer.get("timeZone") or self._zone)
            items = [item for item in answer.get("items") or () if isinstance(item, dict) and item.get("id")]
            items = _behind(items, after)
            following = str(answer.get("nextPageToken") or "")
            self._learn(items)
            known = self._stored_though_cancelled(stream, items)
            for start in range(0, len(items), CUT):
                part = items[start : start + CUT]
                changes = [self._change(stream, item, oldest, listing and item["id"] not in known) for item in part]
                place = _place(page=token, after=str(part[-1]["id"])) if listing else None
                yield Batch(tuple(c for c in changes if c is not None), place, listing=listing)
            if not following:
                yield self._last(answer, listing)
                return
            token, after = following, ""
            if listing:
                yield Batch((), _place(page=token), listing=True)

    def _stored_though_cancelled(self, stream: Stream, items: Sequence[dict[str, Any]]) -> set[str]:
        """Which cancelled events of a page are in the log: only those are worth a word in a listing."""
        gone = [str(item["id"]) for item in items if item.get("status") == "cancelled"]
        return set(self.context.known(stream.id, gone)) if gone else set()

    def _last(self, answer: dict[str, Any], listing: bool) -> Batch:
        token = str(answer.get("nextSyncToken") or "")
        if not token:
            raise TryLater("Google Calendar ended its listing without a token to go on from.", code="no_sync_token")
        return Batch((), _place(sync=token), listing=listing, final=listing)

    def _page(self, calendar: str, token: str, sync: str) -> dict[str, Any]:
        given = parameters(calendar)
        given |= {"syncToken": sync} if sync else {}
        given |= {"pageToken": token} if token else {}
        request = self.events.list(**given)
        try:
            return self.calls.calendar("events.list", request, with_token=bool(sync))
        except (BadItem, CursorExpired) as error:
            if token:
                raise CursorExpired("The place in the calendar's listing is gone.", code="page_token") from error
            raise

    def _learn(self, items: Sequence[dict[str, Any]]) -> None:
        """Remember what masters say of their series: a cancelled exception comes without any of it."""
        for item in items:
            if item.get("iCalUID") and item.get("recurrence"):
                self._masters[str(item["id"])] = {k: item[k] for k in events.INHERITED if k in item}

    def _change(self, stream: Stream, item: dict[str, Any], oldest: datetime | None, fresh: bool) -> Change | None:
        """One event resource as a change; None for one that is cancelled and was never ours (``fresh``)."""
        remote_id = str(item["id"])
        cancelled = item.get("status") == "cancelled"
        if cancelled and not item.get("recurringEventId"):
            if fresh:
                return None
            if not _still_tells(item):
                return Removed(remote_id, "cancelled")
        found = self._event(stream.id, item)
        if found is None:
            return Removed(remote_id, "cancelled") if cancelled else Failed(remote_id, "The event has no start.")
        if oldest is not None and _over(item, found, oldest):
            return Upsert(remote_id, skip="too_old", content_id=remote_id)
        return Upsert(
            remote_id, RemoteEvents((found,)), content_id=remote_id,
            thread_id=str(item.get("recurringEventId") or ""), received_at=events.moment(item.get("created")),
        )  # fmt: skip

    def _event(self, calendar: str, item: dict[str, Any]) -> CalendarEvent | None:
        """The event in a resource; None for one without a start, and for an instance of a series that is gone."""
        master_id = str(item.get("recurringEventId") or "")
        if item.get("iCalUID") or not master_id:
            return events.event(item, zone=self._zone)
        master = self._master(calendar, master_id)
        return events.bare_instance(item, master, self._zone) if master.get("iCalUID") else None

    def _master(self, calendar: str, master_id: str) -> dict[str, Any]:
        """A series' master, asked for once where no page showed it; empty when it is gone."""
        if master_id not in self._masters:
            request = self.events.get(calendarId=calendar, eventId=master_id)
            try:
                found = self.calls.calendar("events.get", request)
            except (StreamGone, BadItem, CursorExpired):
                found = {}
            self._masters[master_id] = {k: found[k] for k in events.INHERITED if k in found}
        return self._masters[master_id]

    def ids(self, stream: Stream) -> Iterator[Collection[str]]:
        """Every id of the calendar that owes a ledger row."""
        token = ""
        while True:
            given = parameters(stream.id) | {"fields": "items(id,status,recurringEventId),nextPageToken"}
            given |= {"pageToken": token} if token else {}
            answer = self.calls.calendar("events.list", self.events.list(**given))
            items = [item for item in answer.get("items") or () if isinstance(item, dict) and item.get("id")]
            yield [str(i["id"]) for i in items if i.get("status") != "cancelled" or i.get("recurringEventId")]
            token = str(answer.get("nextPageToken") or "")
            if not token:
                return

    def fetch(self, stream: Stream, remote_ids: Collection[str]) -> Iterator[Batch]:
        """Events again by id; gone ones come as Removed."""
        changes: list[Change] = []
        for remote_id in remote_ids:
            request = self.events.get(calendarId=stream.id, eventId=remote_id)
            try:
                item = self.calls.calendar("events.get", request)
            except StreamGone as error:
                if not error.permanent:
                    raise
                changes.append(Removed(remote_id, "gone"))
                continue
            except BadItem as error:
                changes.append(Failed(remote_id, str(error), error.code))
                continue
            self._learn([item])
            changes.append(self._change(stream, {**item, "id": remote_id}, None, False) or Removed(remote_id, "gone"))
        for start in range(0, len(changes), CUT):
            yield Batch(tuple(changes[start : start + CUT]))


def parameters(calendar: str) -> dict[str, Any]:
    """What every ``events.list`` carries, with and without a sync token: the API binds the token to it."""
    return {"calendarId": calendar, "maxResults": PAGE, "singleEvents": False, "showDeleted": True}


def stream_of(entry: dict[str, Any]) -> Stream:
    """A calendar of the person's list. On by default: the primary one, their own, and those they show; never virtual
    ones, nor those of which only free and busy may be seen."""
    name = str(entry.get("summaryOverride") or entry.get("summary") or entry["id"])
    role = str(entry.get("accessRole") or "")
    real = role != FREE_BUSY and not str(entry["id"]).endswith(VIRTUAL)
    wanted = entry.get("primary") is True or entry.get("selected") is True or role == "owner"
    return Stream(str(entry["id"]), name, StreamKind.CALENDAR, StreamRole.CALENDAR, default_on=real and wanted)


def _still_tells(item: dict[str, Any]) -> bool:
    """Whether a cancelled event still has content to show as cancelled. One that its guest declined was only taken off
    that guest's calendar: others may well hold it."""
    guests = item.get("attendees")
    entries = [g for g in guests if isinstance(g, dict)] if isinstance(guests, list) else []
    declined = any(g.get("self") is True and g.get("responseStatus") == "declined" for g in entries)
    return bool(item.get("start") and item.get("iCalUID")) and not declined


def _over(item: dict[str, Any], found: Any, oldest: datetime) -> bool:
    """Whether a single event ended before the window. A series may reach into it, so it never counts as old."""
    if item.get("recurrence") or item.get("recurringEventId"):
        return False
    end: datetime | date = found.end
    at = end if isinstance(end, datetime) else datetime(end.year, end.month, end.day, tzinfo=UTC) + timedelta(days=1)
    return at < oldest


def _behind(items: list[dict[str, Any]], after: str) -> list[dict[str, Any]]:
    ids = [str(item["id"]) for item in items]
    return items[ids.index(after) + 1 :] if after in ids else items


def _place(**fields: str) -> Cursor:
    return json.dumps({"v": 1, **{k: v for k, v in fields.items() if v}}, separators=(",", ":"))


def _read(text: Cursor) -> dict[str, str]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.pop("v", None) != 1:
        raise CursorExpired("The stored position in this calendar cannot be read.", code="cursor")
    return {str(k): str(v) for k, v in found.items()}
