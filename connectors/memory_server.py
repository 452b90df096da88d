"""The server side of the in-memory provider: streams with a change log, identities, faults on demand.

Semantics follow IMAP where there is a choice: an id is ``validity:uid``, a move gives a new one, a rename keeps it
(RFC 3501 sections 2.3.1.1 and 6.3.5). It never touches network or disk, and keeps nothing past the process.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from connectors.errors import StreamGone
from connectors.types import Cursor, RawCalendar, RawMessage, RemoteEvents, Stream, StreamKind, StreamRole

BATCH: Final = 50
OFF_BY_DEFAULT: Final = frozenset({StreamRole.DRAFTS, StreamRole.JUNK, StreamRole.TRASH})
Content = RawMessage | RawCalendar | RemoteEvents


@dataclass(slots=True)
class Item:
    """What is stored of one delivered thing."""

    uid: int
    raw: Content
    received_at: datetime
    flags: frozenset[str]
    labels: tuple[str, ...]
    content_id: str
    thread_id: str


@dataclass(slots=True)
class Folder:
    """One stream's items and its log: (sequence, uid, whether the content is new). ``forgotten`` is the sequence up
    to which the log is gone."""

    stream: Stream
    validity: int = 1
    next_uid: int = 1
    items: dict[int, Item] = field(default_factory=dict)
    log: list[tuple[int, int, bool]] = field(default_factory=list)
    sequence: int = 0
    forgotten: int = 0

    def note(self, uid: int, *, content: bool) -> None:
        """Log that an item changed."""
        self.sequence += 1
        self.log.append((self.sequence, uid, content))

    def remote_id(self, uid: int) -> str:
        """The id that the outside sees."""
        return f"{self.validity}:{uid}"

    def cursor(self) -> Cursor:
        """A cursor that is true now."""
        return json.dumps({"validity": self.validity, "sequence": self.sequence})

    def take(self, item: Item) -> str:
        """Store the item under the next uid; returns its remote id."""
        uid, self.next_uid = self.next_uid, self.next_uid + 1
        self.items[uid] = replace(item, uid=uid)
        self.note(uid, content=True)
        return self.remote_id(uid)


class MemoryMailbox:
    """The server side. Every method that changes it takes effect at once, also under an open listing.

    ``password`` "" lets everyone in. ``before_yield`` is called with the number of the batch (from 0, per ``changes``
    call) before it is handed out: raise there to crash a consumer. ``before_request`` is called with the number
    of the request (from 1, over the mailbox's life): raise there to fail it.
    """

    def __init__(self, name: str, *, password: str = "", batch: int = BATCH) -> None:
        self.name = name
        self.password = password
        self.batch = batch
        self.requests = 0
        self.before_yield: Callable[[int], None] | None = None
        self.before_request: Callable[[int], None] | None = None
        self._faults: dict[int, Exception] = {}
        self._folders: dict[str, Folder] = {}
        self._content_ids = 0

    # -- what a test or an example does to the server

    def add_stream(
        self,
        id: str,
        *,
        kind: StreamKind = StreamKind.MAIL,
        role: StreamRole = StreamRole.OTHER,
        name: str = "",
    ) -> Stream:
        """Create a stream (or return the one that is there). Junk, Trash and Drafts are off by default."""
        if id not in self._folders:
            stream = Stream(id, name or id, kind, role, role not in OFF_BY_DEFAULT)
            self._folders[id] = Folder(stream)
        return self._folders[id].stream

    def deliver(
        self,
        stream: str,
        raw: bytes | Content,
        *,
        received_at: datetime,
        flags: Collection[str] = (),
        labels: Collection[str] = (),
        content_id: str | None = None,
        thread_id: str = "",
    ) -> str:
        """Put an item into a stream; bytes are a whole RFC 5322 message. Returns its remote id. ``content_id`` None
        gives one that survives moves; "" plays a server that has none."""
        self._content_ids += 1
        identity = f"m{self._content_ids}" if content_id is None else content_id
        content = RawMessage(source=raw) if isinstance(raw, bytes) else raw
        item = Item(0, content, received_at.astimezone(UTC), frozenset(flags), tuple(labels), identity, thread_id)
        return self._folder(stream).take(item)

    def replace(self, stream: str, remote_id: str, raw: Content) -> None:
        """Change an item's content in place, as calendars do. Raises KeyError for one that is not there."""
        folder, uid = self._folder(stream), self._uid(stream, remote_id)
        folder.items[uid] = replace(folder.items[uid], raw=raw)
        folder.note(uid, content=True)

    def flag(self, stream: str, remote_id: str, flags: Collection[str], labels: Collection[str] | None = None) -> None:
        """Set an item's flags, and its labels when given."""
        folder, uid = self._folder(stream), self._uid(stream, remote_id)
        kept = folder.items[uid].labels if labels is None else tuple(labels)
        folder.items[uid] = replace(folder.items[uid], flags=frozenset(flags), labels=kept)
        folder.note(uid, content=False)

    def delete(self, stream: str, remote_id: str) -> None:
        """Expunge an item from a stream."""
        folder, uid = self._folder(stream), self._uid(stream, remote_id)
        del folder.items[uid]
        folder.note(uid, content=False)

    def move(self, stream: str, remote_id: str, target: str) -> str:
        """Move an item; returns its id in the target. Its ``content_id`` stays."""
        item = self._folder(stream).items[self._uid(stream, remote_id)]
        moved = self._folder(target).take(item)
        self.delete(stream, remote_id)
        return moved

    def rename(self, stream: str, new: str) -> None:
        """Rename a stream: the old id is gone, the items keep their ids under the new one."""
        folder = self._folders.pop(stream)
        folder.stream = replace(folder.stream, id=new, name=new)
        self._folders[new] = folder

    def drop_stream(self, stream: str) -> None:
        """Delete a stream with all it holds."""
        del self._folders[stream]

    def reset_validity(self, stream: str) -> None:
        """Give every item a new id, as a changed UIDVALIDITY does; cursors from before expire."""
        folder = self._folder(stream)
        folder.validity += 1
        items, folder.items, folder.next_uid = list(folder.items.values()), {}, 1
        for item in items:
            folder.take(item)

    def expire_cursors(self, stream: str) -> None:
        """Forget the change log up to now: cursors from before expire, ids stay."""
        folder = self._folder(stream)
        folder.sequence += 1
        folder.forgotten = folder.sequence
        folder.log.clear()

    def fail_request(self, number: int, error: Exception) -> None:
        """Let the request of that number (from 1, over the mailbox's life) raise ``error``, once."""
        self._faults[number] = error

    def remote_ids(self, stream: str) -> frozenset[str]:
        """What the stream holds now: the oracle of a test."""
        folder = self._folder(stream)
        return frozenset(folder.remote_id(uid) for uid in folder.items)

    def stream_ids(self) -> tuple[str, ...]:
        """The ids of all streams, in the order of their making."""
        return tuple(self._folders)

    # -- what the connector asks

    def request(self) -> None:
        """Count one request and raise the fault planned for it, if any."""
        self.requests += 1
        if self.before_request:
            self.before_request(self.requests)
        fault = self._faults.pop(self.requests, None)
        if fault is not None:
            raise fault

    def listed(self) -> list[Stream]:
        """The streams with their counts."""
        return [replace(folder.stream, count=len(folder.items)) for folder in self._folders.values()]

    def opened(self, stream: Stream) -> Folder:
        """The folder behind a stream. Raises StreamGone."""
        if stream.id not in self._folders:
            raise StreamGone(f'"{stream.name}" no longer exists in the mailbox.', permanent=True)
        return self._folders[stream.id]

    def _folder(self, stream: str) -> Folder:
        return self._folders[stream]

    def _uid(self, stream: str, remote_id: str) -> int:
        folder = self._folder(stream)
        validity, _, uid = remote_id.partition(":")
        if int(validity) != folder.validity or int(uid) not in folder.items:
            raise KeyError(remote_id)
        return int(uid)


_mailboxes: dict[str, MemoryMailbox] = {}
_lock = threading.Lock()


def mailbox(name: str) -> MemoryMailbox:
    """The mailbox of that name in this process; made, with an Inbox, when it is not there yet."""
    with _lock:
        if name not in _mailboxes:
            made = _mailboxes[name] = MemoryMailbox(name)
            made.add_stream("INBOX", role=StreamRole.INBOX)
        return _mailboxes[name]


def forget(name: str) -> None:
    """Throw a mailbox away; nothing happens when there is none."""
    with _lock:
        _mailboxes.pop(name, None)
