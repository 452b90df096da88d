"""A real provider whose server is this process's memory: for tests, examples and demonstrations.

It has what servers have - streams with a change log, cursors that expire, identities that survive moves, a reset of
the validity of ids - and faults on demand. The server side is ``connectors.memory_server``; this module reads it.
It never touches network or disk.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final

from connectors.errors import CursorExpired, NeedsPerson
from connectors.memory_server import Folder, MemoryMailbox, forget, mailbox
from connectors.protocol import Context, Usage
from connectors.types import Batch, Change, Cursor, RawMessage, Removed, Stream, Upsert

__all__ = ["PROVIDER", "MemoryConnector", "MemoryMailbox", "MemoryProvider", "forget", "mailbox"]


class MemoryConnector:
    """Reads one ``MemoryMailbox``. Has Counts and Fetches beside the connector's own."""

    def __init__(self, source: MemoryMailbox, usage: Usage) -> None:
        self._source = source
        self.usage = usage

    def streams(self) -> list[Stream]:
        """All streams with their counts."""
        self._request("streams")
        return self._source.listed()

    def changes(self, stream: Stream, since: Cursor | None, *, oldest: datetime | None = None) -> Iterator[Batch]:
        """See ``Connector.changes``; the first listing is by received date, newest first."""
        self._request("changes")
        folder = self._source.opened(stream)
        batches = self._listing(folder, oldest) if since is None else self._later(folder, since, oldest)
        for number, batch in enumerate(batches):
            if number:
                self._request("changes")
            if self._source.before_yield:
                self._source.before_yield(number)
            yield batch

    def ids(self, stream: Stream) -> Iterator[Collection[str]]:
        """All remote ids of a stream."""
        self._request("ids")
        folder = self._source.opened(stream)
        yield [folder.remote_id(uid) for uid in folder.items]

    def fetch(self, stream: Stream, remote_ids: Collection[str]) -> Iterator[Batch]:
        """The items named; those that are not there come as Removed."""
        self._request("fetch")
        folder = self._source.opened(stream)
        known = {folder.remote_id(uid): uid for uid in folder.items}
        wanted = list(remote_ids)
        for start in range(0, len(wanted), self._source.batch):
            part = wanted[start : start + self._source.batch]
            changes: list[Change] = [
                _upsert(folder, known[id], None) if id in known else Removed(id, "gone") for id in part
            ]
            yield Batch(tuple(changes), total=len(folder.items))

    def close(self) -> None:
        """Nothing is held."""

    def _request(self, name: str) -> None:
        self.usage.count(name)
        self._source.request()

    def _listing(self, folder: Folder, oldest: datetime | None) -> Iterator[Batch]:
        cursor, size = folder.cursor(), self._source.batch
        order = sorted(folder.items, key=lambda uid: (folder.items[uid].received_at, uid), reverse=True)
        starts = range(0, max(len(order), 1), size)
        for start in starts:
            present = [uid for uid in order[start : start + size] if uid in folder.items]
            changes = tuple(_upsert(folder, uid, oldest) for uid in present)
            final = start == starts[-1]
            yield Batch(changes, cursor if final else None, listing=True, final=final, total=len(order))

    def _later(self, folder: Folder, since: Cursor, oldest: datetime | None) -> Iterator[Batch]:
        known = _decoded(since)
        if known is None or known[0] != folder.validity or not folder.forgotten <= known[1] <= folder.sequence:
            raise CursorExpired("The mailbox no longer knows what changed since the last sync; it is listed anew.")
        touched = _touched(folder, known[1])
        cursor, uids, size = folder.cursor(), list(touched), self._source.batch
        for start in range(0, len(uids), size):
            part = uids[start : start + size]
            changes = tuple(_change(folder, uid, touched[uid], oldest) for uid in part)
            last = start + size >= len(uids)
            yield Batch(changes, cursor if last else None, total=len(folder.items))


def _touched(folder: Folder, sequence: int) -> dict[int, bool]:
    """uid -> whether its content is new, of what the log holds after ``sequence``."""
    touched: dict[int, bool] = {}
    for number, uid, content in folder.log:
        if number > sequence:
            touched[uid] = touched.get(uid, False) or content
    return touched


def _change(folder: Folder, uid: int, content: bool, oldest: datetime | None) -> Change:
    if uid not in folder.items:
        return Removed(folder.remote_id(uid), "gone")
    upsert = _upsert(folder, uid, oldest)
    return upsert if content else replace(upsert, raw=None)


def _upsert(folder: Folder, uid: int, oldest: datetime | None) -> Upsert:
    item = folder.items[uid]
    too_old = oldest is not None and item.received_at < oldest
    return Upsert(
        folder.remote_id(uid),
        raw=None if too_old else item.raw,
        flags=item.flags,
        labels=item.labels,
        content_id=item.content_id,
        thread_id=item.thread_id,
        received_at=item.received_at,
        size=len(item.raw.source) if isinstance(item.raw, RawMessage) else 0,
        skip="too_old" if too_old else "",
    )


def _decoded(since: Cursor) -> tuple[int, int] | None:
    try:
        known = json.loads(since)
        return int(known["validity"]), int(known["sequence"])
    except (ValueError, TypeError, KeyError):
        return None


class MemoryProvider:
    """Opens the mailbox named by ``config["mailbox"]``."""

    name = "memory"
    title = "In-memory mailbox"
    quota_hint = "No limits."

    def open(self, context: Context) -> MemoryConnector:
        """Raises NeedsPerson when the mailbox has a password and the secret is another."""
        source = mailbox(str(context.config["mailbox"]))
        context.usage.connections += 1
        if source.password and context.secret() != source.password:
            raise NeedsPerson("The mailbox did not accept the password; enter it again.", code="wrong_password")
        return MemoryConnector(source, context.usage)


PROVIDER: Final = MemoryProvider()
