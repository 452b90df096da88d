"""The changes of one mail folder: message delta, verified removals, windows under the 5,000 cap, moves back.

A first listing takes the whole folder by delta, newest first, in pages; with an ``oldest`` date it asks delta for the
window only (Graph caps a filtered delta at 5,000 messages; what lies beyond is listed by ``/messages`` and taken
along), then names what is older by id alone. The cursor is a link Graph gave us, followed verbatim, and where we are.
``@removed`` is a hint: each is asked for again, because it also means "moved", and because a message moved away and
back is reported removed and never added (microsoft-graph-docs#21752). Never infers a deletion from an expired cursor.
Source: Graph "message: delta", "Get incremental changes to messages in a folder"; providers.md 2.4.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.errors import BadItem, ConnectorError, CursorExpired
from connectors.microsoft import batches, message
from connectors.microsoft.failures import Gone, Scope, Unsupported
from connectors.microsoft.graph import Graph, query, segment
from connectors.protocol import Context
from connectors.types import Batch, Change, Failed, Removed, Stream, Upsert

PAGE = 100
IDS_PAGE = 1000
BATCH = 250
CAP = 5_000
MAX_VERSIONS = 50_000
MAX_AWAITED = 200
MAX_MOVED_FOLDERS = 50
MOVED = "microsoft_moved"
FORM = "microsoft_delta_form"

FIELDS = (
    "id,subject,from,sender,toRecipients,ccRecipients,bccRecipients,replyTo,sentDateTime,receivedDateTime,"
    "lastModifiedDateTime,internetMessageId,internetMessageHeaders,conversationId,parentFolderId,categories,isRead,"
    "isDraft,flag,hasAttachments,body"
)
MEETING_FIELD = "microsoft.graph.eventMessage/meetingMessageType"
PRESENCE = "id,parentFolderId,isRead,isDraft,flag,categories,conversationId,receivedDateTime"
ATTACHMENT_FIELDS = "id,name,contentType,size,isInline"

FORMS: tuple[Mapping[str, str], ...] = (
    {"select": f"{FIELDS},{MEETING_FIELD}", "expand": f"attachments($select={ATTACHMENT_FIELDS})"},
    {"select": FIELDS, "expand": f"attachments($select={ATTACHMENT_FIELDS})"},
    {"select": FIELDS},
    {"select": FIELDS, "orderby": ""},
)
"""The richest form first: what a server does not take is asked for item by item, or comes in the server's order."""

NEWEST_FIRST = "receivedDateTime desc"


@dataclass(frozen=True, slots=True)
class Place:
    """Where we are in a folder: the decoded cursor. ``at`` is "delta" (first listing), "fill" (below the cap), "old"
    (ids of what is older than ``oldest``) or "sync"; ``link`` the next request, "" to build it; ``delta`` the delta
    link that waits while "fill" and "old" run; ``low`` the oldest received time seen; ``seen`` how many."""

    at: str
    link: str = ""
    delta: str = ""
    low: str = ""
    seen: int = 0
    oldest: str = ""

    def dump(self) -> str:
        """The cursor text."""
        return json.dumps({name: value for name in self.__slots__ if (value := getattr(self, name))})

    @classmethod
    def load(cls, cursor: str) -> Place:
        """The place a cursor names. Raises CursorExpired for one that is not ours."""
        try:
            data = json.loads(cursor)
            place = cls(**data)
        except (ValueError, TypeError) as error:
            raise CursorExpired("The saved place in this folder cannot be read; it is listed again.") from error
        if place.at not in ("delta", "fill", "old", "sync"):
            raise CursorExpired("The saved place in this folder cannot be read; it is listed again.")
        return place


class Folder:
    """One pass over one mail folder."""

    def __init__(
        self,
        graph: Graph,
        context: Context,
        stream: Stream,
        announced: set[tuple[str, str]],
        counted: int | None = None,
    ) -> None:
        """``announced`` is what this connector has yielded so far, as (folder id, message id): shared by all passes.
        ``counted`` is how many messages this same connector found in the folder, where it has just listed them."""
        self._graph = graph
        self._context = context
        self._stream = stream
        self._path = f"/mailFolders/{segment(stream.id)}/messages"
        self._announced = announced
        self._counted = counted
        self._oldest: datetime | None = None
        self._versions: dict[str, str] = {}

    def changes(self, since: str | None, oldest: datetime | None) -> Iterator[Batch]:
        """Batches from ``since`` (None: a first listing) until level."""
        self._oldest = oldest
        place = Place.load(since) if since else Place("delta", oldest=_odata(oldest) if oldest else "")
        while place.at != "sync":
            page = self._listed(place)
            following = self._following(place, page)
            changes = self._old(page) if place.at == "old" else self._judged(_items(page))
            yield from self._batched(changes, following, listing=True)
            place = following
        if since:  # also after a resumed listing: it may have begun long ago
            yield from self._incremental(place)

    def ids(self) -> Iterator[Collection[str]]:
        """Every message id of the folder, in chunks of at most ``BATCH``."""
        link = self._path + query(select="id", top=IDS_PAGE)
        while link:
            page = self._get("messages ids", link)
            for chunk in _chunks(_items(page), BATCH):
                yield [str(item["id"]) for item in chunk]
            link = str(page.get("@odata.nextLink") or "")

    def fetch(self, remote_ids: Collection[str]) -> Iterator[Batch]:
        """The messages by id; one that is gone or elsewhere comes as Removed."""
        for chunk in _chunks(sorted(set(remote_ids)), batches.SIZE):
            yield Batch(tuple(self._whole(chunk)))

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
        items = _items(page)
        times = [str(item["receivedDateTime"]) for item in items if item.get("receivedDateTime")]
        place = replace(place, seen=place.seen + len(items), low=min([*times, *filter(None, [place.low])], default=""))
        if link := str(page.get("@odata.nextLink") or ""):
            return replace(place, link=link)
        delta = place.delta or str(page.get("@odata.deltaLink") or "")
        if not delta:
            raise CursorExpired("Microsoft ended a listing without saying where to go on; it is listed again.")
        capped = place.at == "delta" and place.seen >= CAP and place.low
        if place.oldest and capped:
            return replace(place, at="fill", link="", delta=delta)
        if place.oldest and place.at != "old" and self._more_than(place):
            return replace(place, at="old", link="", delta=delta)
        return Place("sync", link=delta)

    def _more_than(self, place: Place) -> bool:
        """Whether the folder may hold messages older than the window."""
        return self._counted is None or place.at == "fill" or self._counted > place.seen

    def _old(self, page: Mapping[str, Any]) -> list[Change]:
        return [_too_old(item) for item in _items(page)]

    # incremental -----------------------------------------------------------------------------------------------

    def _incremental(self, place: Place) -> Iterator[Batch]:
        link = place.link
        while True:
            page = self._get("messages delta", link)
            onward = str(page.get("@odata.nextLink") or "")
            link = onward or str(page.get("@odata.deltaLink") or "")
            if not link:
                raise CursorExpired("Microsoft ended a listing without saying where to go on; it is listed again.")
            changes = self._judged(_items(page))
            self._announced.update((self._stream.id, one.remote_id) for one in changes if isinstance(one, Upsert))
            if not onward:
                changes += self._came_back()
            yield from self._batched(changes, Place("sync", link=link))
            if not onward:
                self._forget_moved()
                return

    def _batched(self, changes: Sequence[Change], following: Place, *, listing: bool = False) -> Iterator[Batch]:
        """A page's changes in batches; only the last carries the cursor."""
        chunks = [tuple(chunk) for chunk in _chunks(changes, BATCH)] or [()]
        total = self._stream.count if listing else None
        for chunk in chunks[:-1]:
            yield Batch(chunk, listing=listing, total=total)
        final = listing and following.at == "sync"
        yield Batch(chunks[-1], following.dump(), listing=listing, final=final, total=total)

    def _came_back(self) -> list[Change]:
        """Messages another folder's pass saw move here: a message moved away and back is never announced again."""
        awaited = [one for one in self._awaited() if (self._stream.id, one) not in self._announced]
        found = self._verified(awaited) if awaited else []
        return [change for change in found if isinstance(change, Upsert)]

    def _awaited(self) -> list[str]:
        held = self._context.memory.get(MOVED)
        return list(held.get(self._stream.id) or ()) if isinstance(held, dict) else []

    def _forget_moved(self) -> None:
        if self._awaited():
            held = {key: value for key, value in self._context.memory[MOVED].items() if key != self._stream.id}
            self._context.remember(MOVED, held)

    def _await(self, moved: Mapping[str, str]) -> None:
        """Note messages that another folder now holds (message id to folder id), for that folder's next pass."""
        held = self._context.memory.get(MOVED)
        table = {key: list(value) for key, value in held.items()} if isinstance(held, dict) else {}
        for one, folder in moved.items():
            if (folder, one) not in self._announced:
                table[folder] = [*dict.fromkeys([*table.get(folder, ()), one])][-MAX_AWAITED:]
        if table and table != held:
            self._context.remember(MOVED, dict(list(table.items())[-MAX_MOVED_FOLDERS:]))

    # items -----------------------------------------------------------------------------------------------------

    def _get(self, name: str, link: str) -> dict[str, Any]:
        return self._graph.get(name, link, scope=Scope.STREAM, prefer=(f"odata.maxpagesize={PAGE}",))

    def _known(self, remote_ids: Collection[str]) -> Collection[str]:
        return self._context.known(self._stream.id, remote_ids) if remote_ids else ()

    def _judged(self, items: Sequence[Mapping[str, Any]]) -> list[Change]:
        """What a page of delta or messages says, its removals verified."""
        there, removed = self._latest(items)
        known = set(self._known(list(there)))
        partial = [one for one, item in there.items() if not _complete(item) and one not in known]
        whole = {one: item for one, item in there.items() if one not in partial}
        changes = self._upserts(whole, known)
        changes += self._whole(partial)
        return changes + (self._verified(removed) if removed else [])

    def _latest(self, items: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Mapping[str, Any]], list[str]]:
        """Of items that come several times, the newest version; removals apart. An older version than one already
        yielded in this pass is dropped."""
        there: dict[str, Mapping[str, Any]] = {}
        removed: dict[str, None] = {}
        for item in items:
            one = str(item["id"])
            if "@removed" in item:
                removed[one] = None
                continue
            version = str(item.get("lastModifiedDateTime") or "")
            if version and version < self._versions.get(one, ""):
                continue
            if len(self._versions) >= MAX_VERSIONS:
                self._versions.clear()
            self._versions[one] = version
            there.pop(one, None)
            there[one] = item
        return {one: item for one, item in there.items() if one not in removed}, list(removed)

    def _upserts(self, items: Mapping[str, Mapping[str, Any]], known: Collection[str]) -> list[Change]:
        new = {one: item for one, item in items.items() if one not in known and not self._too_old(item)}
        attachments = self._attachments(new)
        kinds = self._meetings(new)
        changes: list[Change] = []
        for one, item in items.items():
            if self._too_old(item):
                changes.append(_too_old(item))
            elif one in new:
                changes.append(_readable({**item, **kinds.get(one, {})}, attachments.get(one, ())))
            else:
                changes.append(message.membership(item))
        return changes

    def _too_old(self, item: Mapping[str, Any]) -> bool:
        received = message.moment(item.get("receivedDateTime"))
        return self._oldest is not None and received is not None and received < self._oldest

    def _attachments(self, items: Mapping[str, Mapping[str, Any]]) -> dict[str, Sequence[Mapping[str, Any]]]:
        """Attachment metadata by message, from the page where it is there, else in batches."""
        held = {one: item["attachments"] for one, item in items.items() if isinstance(item.get("attachments"), list)}
        wanted = {
            one: f"/messages/{segment(one)}/attachments" + query(select=ATTACHMENT_FIELDS)
            for one, item in items.items()
            if item.get("hasAttachments") is True and one not in held and item.get("isDraft") is not True
        }
        for one, found in batches.read_all(self._graph, "attachments", wanted):
            if isinstance(found, dict):
                held[one] = _items(found)
        return {one: [each for each in value if isinstance(each, dict)] for one, value in held.items()}

    def _meetings(self, items: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
        """The kind of those meeting mails whose page only named the family."""
        wanted = {
            one: f"/messages/{segment(one)}" for one, item in items.items() if message.meeting(item) == "unknown"
        }
        found: dict[str, Mapping[str, Any]] = {}
        for one, answer in batches.read_all(self._graph, "messages kind", wanted):
            if isinstance(answer, dict):
                found[one] = {name: answer[name] for name in ("meetingMessageType", "responseType") if name in answer}
        return found

    def _verified(self, removed: Sequence[str]) -> list[Change]:
        """What became of messages reported removed: gone, moved, or still here after all."""
        paths = {one: f"/messages/{segment(one)}" + query(select=PRESENCE) for one in removed}
        changes: list[Change] = []
        moved: dict[str, str] = {}
        here: dict[str, Mapping[str, Any]] = {}
        for one, found in batches.read_all(self._graph, "messages presence", paths):
            if isinstance(found, Gone):
                changes.append(Removed(one, "deleted"))
            elif isinstance(found, ConnectorError):
                changes.append(Failed(one, str(found), found.code))
            elif str(found.get("parentFolderId") or "") == self._stream.id:
                here[one] = found
            else:
                changes.append(Removed(one, "moved"))
                moved[one] = str(found.get("parentFolderId") or "")
        self._await(moved)
        known = set(self._known(list(here)))
        changes += [message.membership(item) for one, item in here.items() if one in known]
        return changes + self._whole([one for one in here if one not in known])

    def _whole(self, wanted: Sequence[str]) -> list[Change]:
        """Messages by id, with content; what is gone or elsewhere as Removed, what cannot be read as Failed."""
        changes: list[Change] = []
        here: dict[str, Mapping[str, Any]] = {}
        paths = {one: f"/messages/{segment(one)}" + query(select=FIELDS) for one in wanted}
        for one, found in batches.read_all(self._graph, "messages", paths):
            if isinstance(found, Gone):
                changes.append(Removed(one, "deleted"))
            elif isinstance(found, ConnectorError):
                changes.append(Failed(one, str(found), found.code))
            elif str(found.get("parentFolderId") or self._stream.id) != self._stream.id:
                changes.append(Removed(one, "moved"))
            else:
                here[one] = found
        return changes + self._upserts(here, ())


def download(graph: Graph, remote_id: str, part: str, limit: int) -> bytes:
    """An attachment's decoded bytes (a file), or the MIME source of an attached item. Raises BadItem, TryLater."""
    path = f"/messages/{segment(remote_id)}/attachments/{segment(part)}/$value"
    try:
        return graph.content("attachments/$value", path, limit)
    except Gone as error:
        raise BadItem("The attachment is no longer there.", remote_id=remote_id, code="gone") from error
    except Unsupported as error:  # a link to a file in the cloud has no bytes in the mailbox
        raise BadItem("This attachment has no content here.", remote_id=remote_id, code="no_content") from error


def _readable(item: Mapping[str, Any], attachments: Sequence[Mapping[str, Any]]) -> Change:
    """The whole message, or Failed where Graph's answer has a shape that cannot be read: it must not stop the rest."""
    try:
        return message.upsert(item, attachments)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        return Failed(str(item["id"]), f"This message cannot be read ({type(error).__name__}).")


def _too_old(item: Mapping[str, Any]) -> Upsert:
    return Upsert(
        remote_id=str(item["id"]),
        content_id=str(item["id"]),
        received_at=message.moment(item.get("receivedDateTime")),
        skip="draft" if item.get("isDraft") is True else "too_old",
    )


def _complete(item: Mapping[str, Any]) -> bool:
    """Whether an item carries its content; a delta may name changed properties only."""
    return "body" in item and ("receivedDateTime" in item or "sentDateTime" in item)


def _items(page: Mapping[str, Any]) -> list[dict[str, Any]]:
    held = page.get("value")
    return [one for one in (held if isinstance(held, list) else []) if isinstance(one, dict) and one.get("id")]


def _chunks(items: Sequence[Any], size: int) -> Iterator[Any]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _odata(value: datetime) -> str:
    """A DateTimeOffset literal, whole seconds, UTC."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
