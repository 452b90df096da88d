"""What a page of messages says, as changes: newest versions, content completed, removals verified.

``@removed`` is a hint: each is asked for again, because it also means "moved" and because a message that was moved
away and back is reported removed though it is there. What a page left out (attachments, the kind of a meeting mail,
all but the flags) is asked for in batches. Nothing here follows links or knows of cursors.
Source: Graph "message: delta", message and attachment resources; providers.md 2.4.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from connectors.errors import ConnectorError
from connectors.microsoft import batches, message
from connectors.microsoft.failures import Gone
from connectors.microsoft.graph import Graph, query, segment
from connectors.microsoft.moves import Moves
from connectors.microsoft.pages import items_of
from connectors.protocol import Context
from connectors.types import Change, Failed, Removed, Upsert

FIELDS = (
    "id,subject,from,sender,toRecipients,ccRecipients,bccRecipients,replyTo,sentDateTime,receivedDateTime,"
    "lastModifiedDateTime,internetMessageId,internetMessageHeaders,conversationId,parentFolderId,categories,isRead,"
    "isDraft,flag,hasAttachments,body"
)
PRESENCE = "id,parentFolderId,isRead,isDraft,flag,categories,conversationId,receivedDateTime"
ATTACHMENT_FIELDS = "id,name,contentType,size,isInline"
MAX_VERSIONS = 50_000


class Reader:
    """Reads the messages of one folder in one pass."""

    def __init__(self, graph: Graph, context: Context, folder: str, moves: Moves, oldest: datetime | None) -> None:
        """``oldest``: what was received before it comes without content."""
        self._graph = graph
        self._context = context
        self._folder = folder
        self._moves = moves
        self._oldest = oldest
        self._versions: dict[str, str] = {}

    def judged(self, items: Sequence[Mapping[str, Any]]) -> list[Change]:
        """What a page of delta or messages says, its removals verified."""
        there, removed = self.latest(items)
        known = set(self._known(list(there)))
        partial = [one for one, item in there.items() if not _complete(item) and one not in known]
        unsure = [one for one, item in there.items() if one in known and not _flagged(item)]
        left = {*partial, *unsure}
        changes = self._upserts({one: item for one, item in there.items() if one not in left}, known)
        changes += self.whole(partial) if partial else []
        asked = [*unsure, *removed]
        return changes + (self.verified(asked) if asked else [])

    def whole(self, wanted: Sequence[str]) -> list[Change]:
        """Messages by id, with content; what is gone or elsewhere as Removed, what cannot be read as Failed."""
        changes: list[Change] = []
        here: dict[str, Mapping[str, Any]] = {}
        paths = {one: f"/messages/{segment(one)}" + query(select=FIELDS) for one in wanted}
        for one, found in batches.read_all(self._graph, "messages", paths):
            if isinstance(found, Gone):
                changes.append(Removed(one, "deleted"))
            elif isinstance(found, ConnectorError):
                changes.append(Failed(one, str(found), found.code))
            elif str(found.get("parentFolderId") or self._folder) != self._folder:
                changes.append(Removed(one, "moved"))
            else:
                here[one] = found
        return changes + self._upserts(here, ())

    def verified(self, removed: Sequence[str]) -> list[Change]:
        """What became of messages reported removed (or changed, without saying how): gone, moved, or still here."""
        paths = {one: f"/messages/{segment(one)}" + query(select=PRESENCE) for one in removed}
        changes: list[Change] = []
        moved: dict[str, str] = {}
        here: dict[str, Mapping[str, Any]] = {}
        for one, found in batches.read_all(self._graph, "messages presence", paths):
            if isinstance(found, Gone):
                changes.append(Removed(one, "deleted"))
            elif isinstance(found, ConnectorError):
                changes.append(Failed(one, str(found), found.code))
            elif str(found.get("parentFolderId") or "") == self._folder:
                here[one] = found
            else:
                changes.append(Removed(one, "moved"))
                moved[one] = str(found.get("parentFolderId") or "")
        self._moves.note(moved)
        known = set(self._known(list(here)))
        changes += [message.membership(item) for one, item in here.items() if one in known]
        return changes + self.whole([one for one in here if one not in known])

    def latest(self, items: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Mapping[str, Any]], list[str]]:
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

    def _known(self, remote_ids: Collection[str]) -> Collection[str]:
        return self._context.known(self._folder, remote_ids) if remote_ids else ()

    def _upserts(self, items: Mapping[str, Mapping[str, Any]], known: Collection[str]) -> list[Change]:
        new = {one: item for one, item in items.items() if one not in known and not self._too_old(item)}
        attachments = self._attachments(new)
        kinds = self._meetings(new)
        changes: list[Change] = []
        for one, item in items.items():
            if self._too_old(item):
                changes.append(too_old(item))
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
                held[one] = items_of(found)
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


def _readable(item: Mapping[str, Any], attachments: Sequence[Mapping[str, Any]]) -> Change:
    """The whole message, or Failed where Graph's answer has a shape that cannot be read: it must not stop the rest."""
    try:
        return message.upsert(item, attachments)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        return Failed(str(item["id"]), f"This message cannot be read ({type(error).__name__}).")


def too_old(item: Mapping[str, Any]) -> Upsert:
    """A message older than the window: named, without content."""
    return Upsert(
        remote_id=str(item["id"]),
        content_id=str(item["id"]),
        received_at=message.moment(item.get("receivedDateTime")),
        skip="draft" if item.get("isDraft") is True else "too_old",
    )


def _flagged(item: Mapping[str, Any]) -> bool:
    """Whether an item tells all that may change of a message we have."""
    return "isRead" in item and "flag" in item and "categories" in item


def _complete(item: Mapping[str, Any]) -> bool:
    """Whether an item carries its content; a delta may name changed properties only."""
    return "body" in item and ("receivedDateTime" in item or "sentDateTime" in item)
