"""The changes of one calendar: calendarView delta over a rolling window, series completed and swept.

The window (a year back, a year on, by whole months) is baked into Graph's token, so it is re-based every month: the
new window is listed first and the old link read a last time after it, so that nothing deleted in between is missed.
A series that changed is listed again by its instances, because deleted occurrences come without a tombstone; the ids
each series had are kept in the cursor for that. ``@removed`` also means "left the window": each is asked for again.
Never emits the master of a series by itself, and never takes an event that left the window for deleted.
Source: Graph "event: delta", "Get incremental changes to events in a calendar view", "List instances"; providers.md
2.5; microsoft-graph-docs#7632 (stubs), PR #4501 (no tombstones), #6599 (window).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from connectors.errors import ConnectorError, CursorExpired, StreamGone
from connectors.microsoft import batches, event, windows
from connectors.microsoft.calendar_cursor import Place
from connectors.microsoft.failures import Gone, Scope, Unsupported
from connectors.microsoft.graph import BATCH_SIZE, Graph, query, segment
from connectors.microsoft.pages import NOWHERE, batches_of, chunks_of, items_of, onward_of
from connectors.protocol import Context, nothing_known
from connectors.types import Batch, Change, Failed, RemoteEvents, Removed, Stream, Upsert

PAGE = 200
IDS_PAGE = 1000
MAX_MASTERS = 2_000
MAX_MEMBERS = 20_000
MAX_PAGES = 500
PREFER = (f"odata.maxpagesize={PAGE}", 'outlook.timezone="UTC"', 'outlook.body-content-type="text"')


class Calendar:
    """One pass over one calendar."""

    def __init__(self, graph: Graph, context: Context, stream: Stream) -> None:
        self._graph = graph
        self._context = context
        self._stream = stream
        self._mailbox = str(context.config.get("address") or "")
        self._masters: dict[str, Mapping[str, Any] | None] = {}
        self._swept: set[str] = set()
        self._series: dict[str, list[str]] = {}
        self._span = windows.covered(context, stream.id) or windows.span(context, None)

    def changes(self, since: str | None, oldest: datetime | None) -> Iterator[Batch]:
        """Batches from ``since`` (None: a first listing) until level."""
        place = self._begin(since, oldest)
        self._span = (place.start, place.end)
        self._series = {master: list(ids) for master, ids in place.series.items()}
        while True:
            page = self._page(place)
            following = self._following(place, page)
            changes = self._judged(items_of(page), sweeping=place.at in ("last", "sync"))
            following = replace(following, series=self._kept())
            yield from self._batched(changes, place, following)
            if following.at == "sync" and not page.get("@odata.nextLink"):
                windows.remember(self._context, self._stream.id, (following.start, following.end))
                return
            place = following

    def ids(self) -> Iterator[Collection[str]]:
        """Every id of the window, instances not masters, in chunks of at most ``BATCH``."""
        start, end = self._span
        link = f"/calendars/{segment(self._stream.id)}/calendarView" + query(
            startDateTime=start, endDateTime=end, select="id,type", top=IDS_PAGE
        )
        for _ in range(MAX_PAGES):
            page = self._graph.get("calendarView ids", link, scope=Scope.STREAM, prefer=PREFER[1:2])
            listed = [str(one["id"]) for one in items_of(page) if not event.is_master(one)]
            yield from chunks_of(listed)
            link = str(page.get("@odata.nextLink") or "")
            if not link:
                return

    def fetch(self, remote_ids: Collection[str]) -> Iterator[Batch]:
        """The events by id; one that is gone comes as Removed."""
        for chunk in chunks_of(sorted(set(remote_ids)), BATCH_SIZE):
            yield Batch(tuple(self._asked(chunk, sure=True)))

    def _begin(self, since: str | None, oldest: datetime | None) -> Place:
        month = windows.month(self._context)
        if since is None:
            return Place("list", *windows.for_listing(self._context, self._stream.id, oldest), month)
        place = Place.load(since)
        if place.at == "sync" and place.month != month:
            span = windows.span(self._context, oldest)
            return Place("rebase", *span, month, delta=place.link, series=place.series)
        return place

    # pages -----------------------------------------------------------------------------------------------------

    def _page(self, place: Place) -> dict[str, Any]:
        if place.link:
            return self._get(place.link)
        window = query(startDateTime=place.start, endDateTime=place.end)
        try:
            return self._get(f"/calendars/{segment(self._stream.id)}/calendarView/delta{window}")
        except (StreamGone, Unsupported) as error:
            if not self._is_default():
                raise error
            return self._get(f"/calendarView/delta{window}")

    def _is_default(self) -> bool:
        """Whether this is the mailbox's default calendar, which also has the documented short address."""
        try:
            found = self._graph.get("calendar", "/calendar" + query(select="id"))
        except (Gone, StreamGone, Unsupported):
            return False
        return str(found.get("id")) == self._stream.id

    def _get(self, link: str) -> dict[str, Any]:
        return self._graph.get("calendarView delta", link, scope=Scope.STREAM, prefer=PREFER)

    def _following(self, place: Place, page: Mapping[str, Any]) -> Place:
        if link := onward_of(page, place.link):
            return replace(place, link=link)
        delta = str(page.get("@odata.deltaLink") or "")
        if not delta:
            raise CursorExpired(NOWHERE)
        if place.at == "rebase":
            return replace(place, at="last", link=place.delta, delta=delta)
        if place.at == "last":
            return replace(place, at="sync", link=place.delta, delta="")
        return replace(place, at="sync", link=delta)

    def _batched(self, changes: Sequence[Change], place: Place, following: Place) -> Iterator[Batch]:
        listing = place.at == "list"
        chunks = batches_of(changes)
        for chunk in chunks[:-1]:
            yield Batch(chunk, listing=listing)
        yield Batch(chunks[-1], following.dump(), listing=listing, final=listing and following.at == "sync")

    def _kept(self) -> dict[str, list[str]]:
        """The series for the cursor. Raises CursorExpired never; more than ``MAX_MEMBERS`` ids are not kept, and a
        change to such a series is found by the next listing."""
        kept: dict[str, list[str]] = {}
        count = 0
        for master, ids in self._series.items():
            count += len(ids)
            if count > MAX_MEMBERS:
                break
            kept[master] = list(ids)
        return kept

    # events ----------------------------------------------------------------------------------------------------

    def _judged(self, items: Sequence[Mapping[str, Any]], *, sweeping: bool) -> list[Change]:
        """What a page says: singles as they are, members completed, touched series listed again when ``sweeping``."""
        there = {str(item["id"]): item for item in items if "@removed" not in item}
        removed = [str(item["id"]) for item in items if "@removed" in item and str(item["id"]) not in there]
        touched = self._touched(there.values(), removed) if sweeping else []
        for item in there.values():
            if event.is_master(item) and not sweeping:
                self._hold(str(item["id"]), item)
        changes: list[Change] = []
        for master in touched:
            changes += self._sweep(master)
        named = {change.remote_id for change in changes}
        left = [item for one, item in there.items() if one not in named and not event.is_master(item)]
        changes += self._upserts(left)
        gone = [one for one in removed if one not in named and one not in touched]
        return changes + (self._asked(gone, sure=False) if gone else [])

    def _touched(self, there: Collection[Mapping[str, Any]], removed: Collection[str]) -> list[str]:
        masters = [str(one["id"]) for one in there if event.is_master(one)]
        masters += [str(one["seriesMasterId"]) for one in there if event.is_member(one)]
        masters += [one for one in removed if one in self._series]
        found = [one for one in dict.fromkeys(masters) if one not in self._swept]
        self._swept.update(found)
        return found

    def _sweep(self, master: str) -> list[Change]:
        """One series listed again: its instances in the window, and what is no longer among them."""
        self._masters.pop(master, None)
        before = self._series.get(master, [])
        listed = self._instances(master)
        if listed is None:
            self._series.pop(master, None)
            return [Removed(one, "deleted") for one in before]
        self._series[master] = []
        changes = self._upserts(listed)
        now = {str(one["id"]) for one in listed}
        lost = [one for one in before if one not in now]
        return changes + (self._asked(lost, sure=False) if lost else [])

    def _instances(self, master: str) -> list[dict[str, Any]] | None:
        """The instances of a series in the window, its master read anew; None when the series is gone."""
        self._load([master])
        if self._masters.get(master) is None:
            return None
        link = f"/events/{segment(master)}/instances"
        link += query(startDateTime=self._span[0], endDateTime=self._span[1], top=PAGE)
        found: list[dict[str, Any]] = []
        for _ in range(MAX_PAGES):
            try:
                page = self._graph.get("events instances", link, prefer=PREFER)
            except Gone:
                return None
            found += [one for one in items_of(page) if not event.is_master(one)]
            link = str(page.get("@odata.nextLink") or "")
            if not link:
                break
        return found

    def _load(self, wanted: Collection[str]) -> None:
        """Have these masters at hand; one that is gone is held as None."""
        paths = {one: f"/events/{segment(one)}" for one in dict.fromkeys(wanted) if one not in self._masters}
        for one, found in batches.read_all(self._graph, "events masters", paths, prefer=PREFER[1:]):
            self._hold(one, found if isinstance(found, dict) else None)

    def _hold(self, master: str, found: Mapping[str, Any] | None) -> None:
        if len(self._masters) >= MAX_MASTERS:
            self._masters.clear()
        self._masters[master] = found

    def _upserts(self, items: Sequence[Mapping[str, Any]]) -> list[Change]:
        """Whole events; members are completed from their master and noted in their series."""
        self._load([str(item["seriesMasterId"]) for item in items if event.is_member(item)])
        changes: list[Change] = []
        orphans: list[str] = []
        for item in items:
            master = self._masters.get(str(item["seriesMasterId"])) if event.is_member(item) else None
            if event.is_member(item):
                self._note(str(item["seriesMasterId"]), str(item["id"]))
            if event.is_stub(item) and master is None:
                orphans.append(str(item["id"]))
            else:
                changes.append(self._upsert(item, master))
        return changes + (self._asked(orphans, sure=True) if orphans else [])

    def _note(self, master: str, instance: str) -> None:
        members = self._series.setdefault(master, [])
        if instance not in members:
            members.append(instance)

    def _upsert(self, item: Mapping[str, Any], master: Mapping[str, Any] | None) -> Change:
        one = str(item["id"])
        try:
            found = event.calendar_event(item, master, self._mailbox)
        except (TypeError, ValueError, AttributeError) as error:
            return Failed(one, f"This event cannot be read ({type(error).__name__}).")
        draft = {**(master or {}), **item}.get("isDraft") is True
        raw = None if draft else RemoteEvents((found,))
        return Upsert(one, raw=raw, content_id=one, skip="draft" if draft else "")

    def _asked(self, wanted: Sequence[str], *, sure: bool) -> list[Change]:
        """Events by id: gone, or as they are now. Unless ``sure``, one that we never had is not taken in for having
        been named as removed (Graph names what changes outside the window so)."""
        changes: list[Change] = []
        found: list[Mapping[str, Any]] = []
        known = self._context.known
        stored = set(wanted) if sure or known is nothing_known else set(known(self._stream.id, wanted))
        paths = {one: f"/events/{segment(one)}" for one in wanted}
        for one, answer in batches.read_all(self._graph, "events", paths, prefer=PREFER[1:]):
            if isinstance(answer, Gone):
                changes.append(Removed(one, "deleted"))
                self._forget(one)
            elif isinstance(answer, ConnectorError):
                changes.append(Failed(one, str(answer), answer.code))
            elif not event.is_master(answer) and (one in stored or self._within(answer)):
                found.append({**answer, "subject": answer.get("subject", "")})
        return changes + self._upserts(found)

    def _within(self, item: Mapping[str, Any]) -> bool:
        start = item.get("start")
        at = str(start.get("dateTime") or "") if isinstance(start, dict) else ""
        return self._span[0][:19] <= at[:19] < self._span[1][:19]

    def _forget(self, instance: str) -> None:
        for members in self._series.values():
            if instance in members:
                members.remove(instance)
