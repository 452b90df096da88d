"""The container of an mbox file. Identity is by content, so that a file may grow, be compacted or be exported again:
appended mails are found by one fast pass, and a file that changed otherwise is listed anew (CursorExpired)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import Any, BinaryIO

from connectors.errors import BadItem, CursorExpired
from connectors.files import mails, mbox
from connectors.files.batches import batches, packed, unpacked
from connectors.files.sources import Source
from connectors.types import Batch, Change, Cursor, Failed, Removed, Stream, Upsert


class Mbox:
    """One mbox file as a stream."""

    def __init__(self, stream: Stream, source: Source) -> None:
        self.stream = stream
        self._source = source

    def changes(self, since: Cursor | None, oldest: datetime | None) -> Iterator[Batch]:
        """See ``Connector.changes``. Newest first: from the end of the file."""
        then = unpacked(since) if since is not None else None
        if then is not None and then.get("signature") == self._source.signature:
            return
        try:
            with self._source.open() as handle:
                yield from self._read(handle, then, oldest)
        except BadItem as problem:
            failed = Failed(self._source.rel, str(problem), problem.code)
            state = packed({"signature": self._source.signature, "failed": True})
            yield from batches([failed], state, 1, listing=then is None)

    def _read(self, handle: BinaryIO, then: dict[str, Any] | None, oldest: datetime | None) -> Iterator[Batch]:
        index = mbox.index(handle)
        now = {"signature": self._source.signature, "count": len(index), "chain": index.chain, "flags": index.flags}
        first = 0
        if then is not None:
            first = int(then.get("count", 0))
            if then.get("failed") or first > len(index) or index.chain_of(first) != then.get("chain"):
                raise CursorExpired(f'"{self.stream.name}" was rewritten since the last sync; it is read anew.')
        if not len(index):
            raise self._unreadable()
        changes = self._some(handle, index, range(len(index) - 1, first - 1, -1), oldest)
        if then is not None and first == len(index) and then.get("flags") != now["flags"]:
            changes = self._flags(handle, index)
        yield from batches(changes, packed(now), len(index), listing=then is None)

    def _some(
        self, handle: BinaryIO, index: mbox.Index, which: Iterable[int], oldest: datetime | None
    ) -> Iterator[Change]:
        ids = index.ids()
        for at in which:
            yield self._change(handle, index, at, ids[at], oldest)
            if at == len(index) - 1 and self._cut(handle, index):
                text = f'"{self._source.rel}" ends within its last mail; what was there of it is imported.'
                yield Failed(self._source.rel, text, "cut")

    def _flags(self, handle: BinaryIO, index: mbox.Index) -> Iterator[Change]:
        for at, remote_id in enumerate(index.ids()):
            change = self._change(handle, index, at, remote_id, None)
            if isinstance(change, Upsert):
                yield Upsert(remote_id, flags=change.flags, skip=change.skip)

    def _change(self, handle: BinaryIO, index: mbox.Index, at: int, remote_id: str, oldest: datetime | None) -> Change:
        start, end = index.starts[at], index.ends[at]
        if end - start > mbox.MAX_MESSAGE:
            return Failed(remote_id, f"The mail is larger than {mbox.MAX_MESSAGE // 1_000_000} MB.", "too_large")
        try:
            separator = mbox.separator(handle, index.lines[at], start)
            found = mails.upsert(remote_id, mbox.message(handle, start, end), separator=separator)
        except BadItem as problem:
            return Failed(remote_id, str(problem), problem.code)
        return mails.judged(found, oldest)

    def _cut(self, handle: BinaryIO, index: mbox.Index) -> bool:
        start, end = index.starts[-1], index.ends[-1]
        return end - start <= mbox.MAX_MESSAGE and mbox.is_cut(mbox.message(handle, start, end))

    def _unreadable(self) -> BadItem:
        if not self._source.size:
            return BadItem(f'"{self._source.rel}" is empty.', code="empty")
        return BadItem(f'"{self._source.rel}" is not an mbox file: it has no "From " line.', code="not_a_mail")

    def ids(self) -> Iterator[Collection[str]]:
        """All remote ids, in one collection."""
        try:
            with self._source.open() as handle:
                yield mbox.index(handle).ids() or [self._source.rel]
        except BadItem:
            # The file itself is the one item then, named as failed by ``changes``.
            yield [self._source.rel]

    def fetch(self, remote_ids: Collection[str]) -> Iterator[Batch]:
        """The items named, by one pass over the file."""
        with self._source.open() as handle:
            index = mbox.index(handle)
            places = {remote_id: at for at, remote_id in enumerate(index.ids())}
            yield from batches(self._named(handle, index, places, remote_ids), None, len(index), listing=False)

    def _named(
        self, handle: BinaryIO, index: mbox.Index, places: dict[str, int], remote_ids: Collection[str]
    ) -> Iterator[Change]:
        for remote_id in remote_ids:
            if remote_id in places:
                yield self._change(handle, index, places[remote_id], remote_id, None)
            elif remote_id == self._source.rel and not (len(index) and not self._cut(handle, index)):
                problem = self._unreadable() if not len(index) else BadItem("The file is cut.", code="cut")
                yield Failed(remote_id, str(problem), problem.code)
            else:
                yield Removed(remote_id, "gone")
