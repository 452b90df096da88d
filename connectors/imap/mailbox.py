"""The IMAP connector: one account over one connection, read-only.

Opens folders with EXAMINE and reads with BODY.PEEK; sends no command that changes the source. Keeps the folder states
that the listing told for a minute, so that a pass over level folders costs one command in all. ``remote_id`` is
``uidvalidity:uid``; ``Stream.id`` the decoded folder path.
"""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from collections.abc import Collection, Iterator
from datetime import datetime

from connectors.errors import BadItem, ConnectorError, StreamGone
from connectors.imap import cursor as cursors
from connectors.imap import folders, listing
from connectors.imap.cursor import Position
from connectors.imap.fetch import WHOLE_LIMIT, Fetcher, Wanted
from connectors.imap.folders import Folder
from connectors.imap.idle import Watch
from connectors.imap.passes import Pass
from connectors.imap.session import NONE, Session
from connectors.imap.uids import MAX_UID
from connectors.protocol import Context, Usage
from connectors.types import Batch, Change, Cursor, Removed, Stream

STATES_FRESH = 60.0
IDS_CHUNK = 5000
_PART = re.compile(r"[1-9][0-9]{0,4}(\.[1-9][0-9]{0,4}){0,60}\Z")
_ENCODING = re.compile(rb"^Content-Transfer-Encoding:\s*([A-Za-z0-9-]+)", re.IGNORECASE | re.MULTILINE)


class ImapConnector:
    """See ``connectors.protocol``: Connector, Counts, Fetches, Downloads, Watches."""

    def __init__(self, context: Context) -> None:
        """Connect and sign in. Raises ConnectorError."""
        self.usage: Usage = context.usage
        self._context = context
        self._session = Session(context)
        self._folders: dict[str, Folder] = {}
        self._states_at: datetime | None = None
        self._watch: Watch | None = None

    # -- Connector ------------------------------------------------------------------------------------------------

    def streams(self) -> Iterator[Stream]:
        """Every folder that can hold messages. One round trip. Raises ConnectorError."""
        self._list()
        return iter([folder.stream() for folder in self._folders.values()])

    def changes(self, stream: Stream, since: Cursor | None, *, oldest: datetime | None = None) -> Iterator[Batch]:
        """See ``Connector.changes``. A folder whose state the listing just told to be level costs no command."""
        position = cursors.decode(since) if since else None
        if position is not None and self._level(stream, position):
            return
        yield from Pass(self._session, self._raw(stream), self._wanted(stream, oldest), position).run()

    def close(self) -> None:
        """Sign out of both connections. Never raises."""
        self._session.wire.close()
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    # -- Counts, Fetches, Downloads, Watches ----------------------------------------------------------------------

    def ids(self, stream: Stream) -> Iterator[Collection[str]]:
        """All remote ids of a folder in chunks, ascending; two commands whatever the size. Raises ConnectorError."""
        opened = self._session.examine(self._raw(stream))
        chunk: list[str] = []
        for uid in self._session.everything(opened.exists):
            chunk.append(f"{opened.uidvalidity}:{uid}")
            if len(chunk) == IDS_CHUNK:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    def fetch(self, stream: Stream, remote_ids: Collection[str]) -> Iterator[Batch]:
        """The named items with content; one that is not there any more comes as ``Removed``. Raises ConnectorError."""
        opened = self._session.examine(self._raw(stream))
        wanted = Wanted(f"{opened.uidvalidity}:")
        uids, stale = _split(remote_ids, opened.uidvalidity)
        for start in range(0, len(stale), listing.BATCH):
            part = stale[start : start + listing.BATCH]
            yield Batch(tuple(Removed(remote_id, "gone") for remote_id in part))
        lists = [uids[start : start + listing.BATCH] for start in range(0, len(uids), listing.BATCH)]
        for asked, changes in Fetcher(self._session, wanted).run(lists):
            there = listing.named(changes)
            gone: list[Change] = [Removed(f"{wanted.prefix}{uid}", "gone") for uid in asked if uid not in there]
            yield Batch((*changes, *gone))

    def download(self, stream: Stream, remote_id: str, part: str, limit: int) -> bytes:
        """An attachment's decoded bytes, at most ``limit``. Raises BadItem when it is not there, ConnectorError."""
        opened = self._session.examine(self._raw(stream))
        uids, _stale = _split([remote_id], opened.uidvalidity)
        if not uids or not _PART.match(part):
            raise BadItem("The attachment is no longer at the source.", remote_id=remote_id, code="gone")
        section, size = part.encode("ascii"), limit * 3 // 2 + 1024
        self._session.call(
            "UID FETCH",
            b"%d" % uids[0],
            b"(UID BODY.PEEK[%s.MIME] BODY.PEEK[%s]<0.%d>)" % (section, section, size),
            budget=size + 1_000_000,
        )
        item = self._session.wire.items.pop(uids[0], None)
        body = item.bodies.get(b"BODY[%s]<0>" % section) if item else None
        if item is None or not (body or item.bodies.get(b"BODY[%s.MIME]" % section)):
            raise BadItem("The attachment is no longer at the source.", remote_id=remote_id, code="gone")
        return _decoded(item.bodies.get(b"BODY[%s.MIME]" % section) or b"", body or b"")[:limit]

    def wait(self, stream: Stream, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds for a hint, on a connection of its own. Raises ConnectorError."""
        if self._watch is None or self._watch.folder != self._raw(stream):
            if self._watch is not None:
                self._watch.close()
            self._watch = Watch(self._context, self._raw(stream))
        try:
            return self._watch.wait(timeout)
        except ConnectorError:
            self._watch.close()
            self._watch = None  # the next call connects anew
            raise

    # -- inside ---------------------------------------------------------------------------------------------------

    def _list(self) -> None:
        self._session.settle()
        self._folders = {folder.name: folder for folder in folders.listing(self._session)}
        self._states_at = self._context.now()

    def _raw(self, stream: Stream) -> bytes:
        """The folder's name on the wire: as listed; a name that does not survive re-encoding needs the listing."""
        if stream.id not in self._folders and (not stream.id.isascii() or "&" in stream.id):
            self._list()
        if stream.id in self._folders:
            return self._folders[stream.id].raw
        if any(sign in stream.id for sign in "\r\n\0"):
            raise StreamGone("There is no such folder.", permanent=True, code="folder_gone")
        return folders.encoded(stream.id)

    def _level(self, stream: Stream, position: Position) -> bool:
        """Whether the state that the listing told, used once and only while fresh, equals the position's."""
        folder = self._folders.get(stream.id)
        state = folder.state if folder else None
        if folder is None or state is None or self._states_at is None or not state.modseq:
            return False
        self._folders[stream.id] = folders.without_state(folder)
        fresh = (self._context.now() - self._states_at).total_seconds() <= STATES_FRESH
        same = state.uidvalidity == position.uidvalidity
        same = same and (state.uidnext, state.messages, state.modseq) == position.level
        settled = position.complete and not position.empty_since and self._session.tier != NONE
        return fresh and same and settled

    def _wanted(self, stream: Stream, oldest: datetime | None) -> Wanted:
        known = self._context.known
        whole = int(self._context.config.get("whole_limit") or WHOLE_LIMIT)
        return Wanted("", oldest, lambda ids: known(stream.id, ids), whole)


def _split(remote_ids: Collection[str], uidvalidity: int) -> tuple[list[int], list[str]]:
    """UIDs of the folder's present numbering, and the ids that belong to none of them."""
    uids: list[int] = []
    stale: list[str] = []
    for remote_id in remote_ids:
        validity, _, uid = remote_id.rpartition(":")
        if validity == str(uidvalidity) and uid.isdigit() and 0 < int(uid) <= MAX_UID:
            uids.append(int(uid))
        else:
            stale.append(remote_id)
    return sorted(set(uids), reverse=True), stale


def _decoded(mime: bytes, body: bytes) -> bytes:
    """Undo the transfer encoding. Broken base64 gives what can be decoded."""
    found = _ENCODING.search(mime)
    encoding = found.group(1).lower() if found else b""
    if encoding == b"quoted-printable":
        return quopri.decodestring(body)
    if encoding != b"base64":
        return body
    clean = re.sub(rb"[^A-Za-z0-9+/]", b"", body)
    try:
        return base64.b64decode(clean[: len(clean) // 4 * 4] + _tail(clean))
    except binascii.Error:
        return b""


def _tail(clean: bytes) -> bytes:
    """The last, incomplete group of base64 digits, padded; a single digit means nothing."""
    rest = clean[len(clean) // 4 * 4 :]
    return rest + b"=" * (4 - len(rest)) if len(rest) > 1 else b""
