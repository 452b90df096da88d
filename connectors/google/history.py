"""What happened in a Gmail mailbox since a history id: records folded per mail, the last one wins.

Facts (providers.md 2.2, 3.1; Gmail API users.history): a page may be empty and still have a successor; a mail may be
added and deleted in one reading; trash and spam are labels; only ``messagesDeleted`` is for good. The new start is the
``historyId`` of the last page, and is true only when all before it is applied.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from connectors.errors import BadItem, ConnectorError, CursorExpired, StreamGone, TryLater
from connectors.google import labels
from connectors.google.failures import Refusal, of_history
from connectors.google.gmail import STREAM, Mailbox, label_ids
from connectors.types import Change, Removed

FIELDS = "history(id,messagesAdded,messagesDeleted,labelsAdded,labelsRemoved),historyId,nextPageToken"
PAGE = 500
MAX_PAGES = 100
"""Pages folded at once: 50,000 records. What is beyond is read from the last record on."""

KINDS = ("messagesAdded", "labelsAdded", "labelsRemoved", "messagesDeleted")


@dataclass(slots=True)
class Fate:
    """What the records say of one mail in the end. ``carried`` are its labels, None where no record told them."""

    thread: str = ""
    added: bool = False
    deleted: bool = False
    revealed: bool = False
    carried: set[str] | None = None


@dataclass(slots=True)
class Reading:
    """A folded stretch of history and the id that is true once it is applied. ``more``: there is a further stretch."""

    until: str
    fates: dict[str, Fate] = field(default_factory=dict)
    more: bool = False


class History:
    """Reads the history of one mailbox."""

    def __init__(self, box: Mailbox) -> None:
        self.box = box

    def stretches(self, start: str) -> Iterator[Reading]:
        """Everything since ``start``, usually in one stretch. Raises CursorExpired when Gmail kept too little."""
        reading = self._read(start)
        yield reading
        while reading.more:
            reading = self._read(reading.until)
            yield reading

    def changes(self, reading: Reading) -> Iterator[Change]:
        """The changes that a stretch amounts to, fetching what is new."""
        fetch: list[str] = []
        moved: dict[str, Fate] = {}
        known = self._known([one for one, fate in reading.fates.items() if fate.added and not fate.deleted])
        for remote_id, fate in reading.fates.items():
            carried = fate.carried or set()
            if fate.deleted:
                yield Removed(remote_id, "deleted")
            elif labels.CHAT in carried:
                continue
            elif labels.skip_of(carried):
                yield self._told(remote_id, fate)
            elif (fate.added and remote_id not in known) or fate.revealed:
                fetch.append(remote_id)
            else:
                moved[remote_id] = fate
        yield from self._relabelled(moved)
        yield from self.box.get(fetch)

    def _known(self, ids: list[str]) -> set[str]:
        return set(self.box.context.known(STREAM.id, ids)) if ids else set()

    def _told(self, remote_id: str, fate: Fate) -> Change:
        """What the records alone say of a mail: its labels, and with them whether it is spam, trash or a draft now."""
        return self.box.described(remote_id, {"labelIds": sorted(fate.carried or ()), "threadId": fate.thread})

    def _relabelled(self, moved: dict[str, Fate]) -> Iterator[Change]:
        """Mails whose labels changed: told by the records, else asked for without content."""
        untold = [remote_id for remote_id, fate in moved.items() if fate.carried is None]
        for remote_id, fate in moved.items():
            if fate.carried is not None:
                yield self._told(remote_id, fate)

        def build(one: str) -> Any:
            fields = "id,threadId,labelIds,internalDate,sizeEstimate"
            return self.box.messages.get(userId="me", id=one, format="minimal", fields=fields)

        for answer in self.box.batches.run("messages.get", untold, build):
            if answer.found is not None:
                yield self.box.described(answer.key, answer.found)
            elif isinstance(answer.error, StreamGone):
                yield Removed(answer.key, "gone")

    def _read(self, start: str) -> Reading:
        reading = Reading(start)
        token = ""
        for _ in range(MAX_PAGES):
            answer = self._page(start, token)
            for record in answer.get("history") or ():
                if isinstance(record, dict):
                    fold(reading.fates, record)
                    reading.until = str(record.get("id") or reading.until)
            token = str(answer.get("nextPageToken") or "")
            if not token:
                reading.until = str(answer.get("historyId") or reading.until)
                return reading
        reading.more = reading.until != start
        return reading

    def _page(self, start: str, token: str) -> dict[str, Any]:
        given: dict[str, Any] = {"userId": "me", "startHistoryId": start, "maxResults": PAGE, "fields": FIELDS}
        given |= {"pageToken": token} if token else {}

        def translate(found: Refusal) -> ConnectorError:
            error = of_history(found)
            if token and isinstance(error, BadItem):
                return TryLater("Gmail no longer knows this page of the history; it is read afresh.", retry_after=1.0)
            if isinstance(error, BadItem):
                return CursorExpired("Gmail does not accept the start of the history.", code="history_expired")
            return error

        return self.box.calls.gmail("history.list", self.box.users.history().list(**given), translate)


def fold(fates: dict[str, Fate], record: dict[str, Any]) -> None:
    """Apply one history record to what is known of each mail."""
    for kind in KINDS:
        for entry in record.get(kind) or ():
            message = entry.get("message") if isinstance(entry, dict) else None
            if isinstance(message, dict) and message.get("id"):
                _apply(fates.setdefault(str(message["id"]), Fate()), kind, message, label_ids(entry))


def _apply(fate: Fate, kind: str, message: dict[str, Any], changed: list[str]) -> None:
    fate.thread = str(message.get("threadId") or fate.thread)
    if kind == "messagesDeleted":
        fate.deleted = True
        return
    if kind == "messagesAdded":
        fate.added, fate.deleted = True, False
    if "labelIds" in message:
        fate.carried = set(label_ids(message))
    if fate.carried is not None and kind == "labelsAdded":
        fate.carried |= set(changed)
    if kind == "labelsRemoved":
        fate.revealed = fate.revealed or any(label in labels.INVISIBLE for label in changed)
        if fate.carried is not None:
            fate.carried -= set(changed)
