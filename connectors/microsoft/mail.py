"""The changes of one mail folder: message delta, verified removals, windows under the 5,000 cap, moves back.

A first listing takes the whole folder by delta, newest first, in pages; with an ``oldest`` date it asks delta for the
window only (Graph caps a filtered delta at 5,000 messages; what lies beyond is listed by ``/messages`` and taken
along), then names what is older by id alone. The cursor is a link Graph gave us, followed verbatim, and where we are.
``@removed`` is a hint: each is asked for again, because it also means "moved", and because a message moved away and
back is reported removed and never added (microsoft-graph-docs#21752). Never infers a deletion from an expired cursor.
Source: Graph "message: delta", "Get incremental changes to messages in a folder"; providers.md 2.4.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.errors import BadItem, CursorExpired
from connectors.microsoft import message
from connectors.microsoft.failures import Gone, Scope, Unsupported
from connectors.microsoft.graph import BATCH_SIZE, Graph, query, segment
from connectors.microsoft.mail_cursor import Place
from connectors.microsoft.mail_items import ATTACHMENT_FIELDS, FIELDS, Reader, too_old
from connectors.microsoft.moves import Moves
from connectors.microsoft.pages import NOWHERE, batches_of, chunks_of, items_of, onward_of
from connectors.protocol import Context
from connectors.types import Batch, Change, Stream, Upsert

PAGE = 100
IDS_PAGE = 1000
CAP = 5_000
FORM = "microsoft_delta_form"
MEETING_FIELD = "microsoft.graph.eventMessage/meetingMessageType"
ATTACHMENTS = f"attachments($select={ATTACHMENT_FIELDS})"
NEWEST_FIRST = "receivedDateTime desc"

FORMS: tuple[Mapping[str, str], ...] = (
    {"select": f"{FIELDS},{MEETING_FIELD}", "expand": ATTACHMENTS},
    {"select": FIELDS, "expand": ATTACHMENTS},
    {"select": FIELDS},
    {"select": FIELDS, "orderby": ""},
)
"""The richest form first: what a server does not take is asked for item by item, or comes in the server's order."""


class Folder:
    """One pass over one mail folder."""

    def __init__(
        self, graph: Graph, context: Context, stream: Stream, moves: Moves, counted: int | None = None
    ) -> None:
        """``moves`` is shared by all passes of one connector. ``counted`` is how many messages this same connector
        found in the folder, where it has just listed them."""
        self._graph = graph
        self._context = context
        self._stream = stream
        self._path = f"/mailFolders/{segment(stream.id)}/messages"
        self._moves = moves
        self._counted = counted

    def changes(self, since: str | None, oldest: datetime | None) -> Iterator[Batch]:
        """Batches from ``since`` (None: a first listing) until level."""
        reader = self._reader(oldest)
        place = Place.load(since) if since else Place("delta", oldest=_odata(oldest) if oldest else "")
        while place.at != "sync":
            page = self._listed(place)
            following = self._following(place, page)
            items = items_of(page)
            changes = [too_old(item) for item in items] if place.at == "old" else reader.judged(items)
            yield from self._batched(changes, following, listing=True)
            place = following
        if since:  # also after a resumed listing: it may have begun long ago
            yield from self._incremental(place, reader)

    def ids(self) -> Iterator[Collection[str]]:
        """Every message id of the folder, in chunks."""
        link = self._path + query(select="id", top=IDS_PAGE)
        while link:
            page = self._get("messages ids", link)
            for chunk in chunks_of(items_of(page)):
                yield [str(item["id"]) for item in chunk]
            link = onward_of(page, link)

    def fetch(self, remote_ids: Collection[str]) -> Iterator[Batch]:
        """The messages by id, however old; one that is gone or elsewhere comes as Removed."""
        for chunk in chunks_of(sorted(set(remote_ids)), BATCH_SIZE):
            yield Batch(tuple(self._reader(None).whole(chunk)))

    def _reader(self, oldest: datetime | None) -> Reader:
        return Reader(self._graph, self._context, self._stream.id, self._moves, oldest)

    # first listing ---------------------------------------------------------------------------------------------

    def _listed(self, place: Place) -> dict[str, Any]:
        """One page of a listing."""
        if place.link:
            return self._get(f"messages {place.at}", place.link)
        if place.at != "old":
            return self._first_page(place)
        window = f"receivedDateTime lt {place.oldest}"
        options = query(select="id,receivedDateTime,isDraft", filter=window, orderby=NEWEST_FIRST, top=IDS_PAGE)
        return self._get("messages old", self._path + options)

    def _first_page(self, place: Place) -> dict[str, Any]:
        """The first request of a delta or a fill, in the richest form the server takes."""
        start = min(int(self._context.memory.get(FORM) or 0), len(FORMS) - 1)
        for number in range(start, len(FORMS)):
            try:
                page = self._get(f"messages {place.at}", self._first_link(place, FORMS[number]))
            except Unsupported:
                if number + 1 == len(FORMS):
                    raise
                continue
            if number != start:
                self._context.remember(FORM, number)
            return page
        raise AssertionError("the last form returns or raises")

    def _first_link(self, place: Place, form: Mapping[str, str]) -> str:
        if place.at == "fill":
            bound = _odata((message.moment(place.low) or self._context.now()) + timedelta(seconds=1))
            window = f"receivedDateTime ge {place.oldest} and receivedDateTime lt {bound}"
            whole = {**form, "filter": window, "orderby": NEWEST_FIRST, "top": str(PAGE)}
            return self._path + query(**whole)
        window_only = {"filter": f"receivedDateTime ge {place.oldest}"} if place.oldest else {}
        options = {"orderby": NEWEST_FIRST, **form, **window_only}
        return f"{self._path}/delta" + query(**{name: value for name, value in options.items() if value})

    def _following(self, place: Place, page: Mapping[str, Any]) -> Place:
        """The place after this page."""
        items = items_of(page)
        times = [str(item["receivedDateTime"]) for item in items if item.get("receivedDateTime")]
        place = replace(place, seen=place.seen + len(items), low=min([*times, *filter(None, [place.low])], default=""))
        if link := onward_of(page, place.link):
            return replace(place, link=link)
        delta = place.delta or str(page.get("@odata.deltaLink") or "")
        if not delta:
            raise CursorExpired(NOWHERE)
        capped = place.at == "delta" and place.seen >= CAP and place.low
        if place.oldest and capped:
            return replace(place, at="fill", link="", delta=delta)
        if place.oldest and place.at != "old" and self._more_than(place):
            return replace(place, at="old", link="", delta=delta)
        return Place("sync", link=delta)

    def _more_than(self, place: Place) -> bool:
        """Whether the folder may hold messages older than the window."""
        return self._counted is None or place.at == "fill" or self._counted > place.seen

    # incremental -----------------------------------------------------------------------------------------------

    def _incremental(self, place: Place, reader: Reader) -> Iterator[Batch]:
        link = place.link
        while True:
            page = self._get("messages delta", link)
            onward = onward_of(page, link)
            link = onward or str(page.get("@odata.deltaLink") or "")
            if not link:
                raise CursorExpired(NOWHERE)
            changes = reader.judged(items_of(page))
            for change in changes:
                if isinstance(change, Upsert):
                    self._moves.announce(self._stream.id, change.remote_id)
            if not onward:
                changes += self._came_back(reader)
            yield from self._batched(changes, Place("sync", link=link))
            if not onward:
                self._moves.settle(self._stream.id)
                return

    def _came_back(self, reader: Reader) -> list[Change]:
        """Messages another folder's pass saw move here, as far as they are here."""
        awaited = self._moves.awaited(self._stream.id)
        found = reader.verified(awaited) if awaited else []
        return [change for change in found if isinstance(change, Upsert)]

    def _batched(self, changes: Sequence[Change], following: Place, *, listing: bool = False) -> Iterator[Batch]:
        """A page's changes in batches; only the last carries the cursor."""
        chunks = batches_of(changes)
        total = self._stream.count if listing else None
        for chunk in chunks[:-1]:
            yield Batch(chunk, listing=listing, total=total)
        final = listing and following.at == "sync"
        yield Batch(chunks[-1], following.dump(), listing=listing, final=final, total=total)

    def _get(self, name: str, link: str) -> dict[str, Any]:
        return self._graph.get(name, link, scope=Scope.STREAM, prefer=(f"odata.maxpagesize={PAGE}",))


def download(graph: Graph, remote_id: str, part: str, limit: int) -> bytes:
    """An attachment's decoded bytes (a file), or the MIME source of an attached item. Raises BadItem, TryLater."""
    path = f"/messages/{segment(remote_id)}/attachments/{segment(part)}/$value"
    try:
        return graph.content("attachments/$value", path, limit)
    except Gone as error:
        raise BadItem("The attachment is no longer there.", remote_id=remote_id, code="gone") from error
    except Unsupported as error:  # a link to a file in the cloud has no bytes in the mailbox
        raise BadItem("This attachment has no content here.", remote_id=remote_id, code="no_content") from error


def _odata(value: datetime) -> str:
    """A DateTimeOffset literal, whole seconds, UTC."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
