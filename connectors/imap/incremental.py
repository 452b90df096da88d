"""What changed in a folder since a position: new mail by UID, then flags, then removals.

Three ways, best first: QRESYNC told flags and removals when the folder was opened; CONDSTORE tells flags since a
MODSEQ; without either, flags are read again and compared by digest. Removals are checked by count, and only a
difference is searched for. New mail is always found by UID, whatever MODSEQ says. A folder that is suddenly empty is
believed on a second look ten minutes later. Facts: RFC 7162, RFC 4549 (disconnected clients).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from connectors.errors import CursorExpired
from connectors.imap import digests, fetch
from connectors.imap.answers import Refused
from connectors.imap.cursor import BLOCK, Position, seconds_since
from connectors.imap.fetch import Fetcher, Wanted
from connectors.imap.items import Item
from connectors.imap.listing import BATCH, named
from connectors.imap.session import PER_CHANGE, Opened, Session
from connectors.imap.uids import UidSet
from connectors.imap.wire import ANSWER_BUDGET
from connectors.types import Batch, Change, Removed, Upsert

EMPTY_WAIT = 600.0
FULL_FLAGS_EVERY = 3600.0
RECENT_FLAGS = 400
DIRECT_WINDOW = 1000
"""New mail within this many UIDs is fetched by range, without a search before it."""
FLAG_WINDOW = 5000


def check(position: Position, opened: Opened) -> None:
    """Whether the position still means anything. Raises CursorExpired when the folder was made anew (UIDVALIDITY
    differs in either direction) or restored from a backup (UIDNEXT fell)."""
    if opened.uidvalidity != position.uidvalidity:
        raise CursorExpired("The server numbered this folder anew; it is listed again.", code="uidvalidity")
    if opened.uidnext and opened.uidnext < max(position.next, position.level[0]):
        raise CursorExpired("The server's folder was set back to an earlier state; it is listed again.", code="uidnext")


class Incremental:
    """One pass over an open folder. ``position`` holds the new position while ``run`` goes on."""

    def __init__(self, session: Session, wanted: Wanted, position: Position, opened: Opened) -> None:
        self._session = session
        self._wanted = wanted
        self._opened = opened
        self.position = position
        self._was = position

    def run(self) -> Iterator[Batch]:
        """Yield batches until level; an empty one where only the position moved. Raises ConnectorError."""
        if self._suddenly_empty():
            yield from self._emptied()
            return
        self.position = replace(self.position, empty_since="")
        yield from self._new_mail()
        yield from self._changed_flags()
        yield from self._removals()
        self.position = replace(self.position, level=self._opened.level, modseq=self._opened.modseq, tier=self._tier())
        if self.position != self._was:
            yield Batch((), self.position.encode(), total=self._opened.exists)

    def _tier(self) -> str:
        return self._session.tier if self._opened.modseq else "none"

    def _batches(self, changes: list[Change]) -> Iterator[Batch]:
        for start in range(0, len(changes), BATCH):
            yield Batch(tuple(changes[start : start + BATCH]), self.position.encode(), total=self._opened.exists)

    # -- a folder that is suddenly empty --------------------------------------------------------------------------

    def _suddenly_empty(self) -> bool:
        return self._opened.exists == 0 and bool(self.position.known)

    def _emptied(self) -> Iterator[Batch]:
        """Note the time on the first look; name the removals when a look ten minutes later says the same."""
        now = self._session.context.now()
        since = self.position.empty_since
        if not since:
            self.position = replace(self.position, empty_since=now.isoformat())
            yield Batch((), self.position.encode(), total=0)
        elif seconds_since(since, now) >= EMPTY_WAIT:
            yield from self._remove(self.position.known)
            self.position = replace(self.position, empty_since="", modseq=self._opened.modseq, level=self._opened.level)
            yield Batch((), self.position.encode(), total=0)

    # -- new mail -------------------------------------------------------------------------------------------------

    def _new_mail(self) -> Iterator[Batch]:
        uids = list(self._new_uids())
        lists = [uids[start : start + BATCH] for start in range(0, len(uids), BATCH)]
        for _asked, changes in Fetcher(self._session, self._wanted).run(lists):
            self.position = digests.with_flags(self.position.having(named(changes)), changes)
            if changes:
                yield Batch(tuple(changes), self.position.encode(), total=self._opened.exists)

    def _new_uids(self) -> UidSet:
        """UIDs from the watermark on: the whole range when it is short, else what a search finds there."""
        low, high = self.position.next, self._opened.uidnext - 1
        if self._opened.uidnext and low > high:
            return UidSet()
        if self._opened.uidnext and self.position.level[0] > high:
            return UidSet()
        if self._opened.uidnext and high - low < DIRECT_WINDOW:
            return UidSet([(low, high)])
        found = self._session.search(b"UID %d:*" % low, self._opened.exists)
        return found.between(low, found.highest)

    # -- flags ----------------------------------------------------------------------------------------------------

    def _changed_flags(self) -> Iterator[Batch]:
        opened, was = self._opened, self._was
        if not opened.modseq:
            yield from self._flags_by_digest()
        elif was.tier == "none" or opened.modseq < was.modseq:
            yield from self._all_flags()
        elif opened.modseq > was.modseq:
            told = opened.changed if self._session.qresynced else self._changed_since(was.modseq)
            yield from self._batches(self._flag_changes(told))

    def _flag_changes(self, items: tuple[Item, ...]) -> list[Change]:
        """Upserts without content, for mails handed over before this pass."""
        before = self._was.known & self.position.known
        ordered = sorted(items, key=lambda item: item.modseq)
        return [self._flags(item) for item in ordered if item.flags is not None and item.uid in before]

    def _flags(self, item: Item) -> Upsert:
        return Upsert(f"{self._wanted.prefix}{item.uid}", flags=fetch.flags(item.flags))

    def _changed_since(self, modseq: int) -> tuple[Item, ...]:
        known = self._was.known
        if not known:
            return ()
        window = b"%d:%d" % (known.lowest, known.highest)
        budget = ANSWER_BUDGET + PER_CHANGE * len(known)
        since = b"(CHANGEDSINCE %d)" % modseq
        try:
            self._session.ask("UID FETCH", window, b"(UID FLAGS MODSEQ)", since, budget=budget)
        except Refused as refused:
            if refused.status != "BAD":
                raise self._session.error(refused) from refused
            self._session.disable("CONDSTORE")
            return self._window_flags(known)
        return self._taken()

    def _all_flags(self) -> Iterator[Batch]:
        """A full pass: the server's MODSEQ fell behind ours, or there was none so far."""
        for items in self._windows(self._was.known):
            yield from self._batches(self._flag_changes(items))

    def _flags_by_digest(self) -> Iterator[Batch]:
        """Without MODSEQ: the newest mails' flags on every pass, all of them once an hour."""
        now = self._session.context.now()
        known = self.position.known
        if not known:
            return
        everything = seconds_since(self.position.flags_at, now) >= FULL_FLAGS_EVERY and bool(self.position.flags_at)
        low = 1 if everything else _floor(known)
        for items in self._windows(known.between(low, known.highest)):
            yield from self._differing(items)
        if everything or not self.position.flags_at:
            self.position = replace(self.position, flags_at=now.isoformat())

    def _differing(self, items: tuple[Item, ...]) -> Iterator[Batch]:
        seen = {item.uid: fetch.flags(item.flags) for item in items if item.uid in self.position.known}
        now = digests.of(seen)
        held = dict(self.position.digests)
        changed = {block for block, value in now.items() if held.get(block) != value}
        self.position = replace(self.position, digests={**held, **now})
        kept = tuple(item for item in items if item.uid // BLOCK in changed)
        yield from self._batches(self._flag_changes(kept))

    def _windows(self, uids: UidSet) -> Iterator[tuple[Item, ...]]:
        """FETCH FLAGS over the UIDs, in windows that begin and end with a block."""
        if not uids:
            return
        low = uids.lowest // FLAG_WINDOW * FLAG_WINDOW
        while low <= uids.highest:
            part = uids.between(low, low + FLAG_WINDOW - 1)
            if part:
                yield self._window_flags(part)
                low += FLAG_WINDOW
            else:
                low = uids.between(low, uids.highest).lowest // FLAG_WINDOW * FLAG_WINDOW

    def _window_flags(self, part: UidSet) -> tuple[Item, ...]:
        self._session.call("UID FETCH", b"%d:%d" % (part.lowest, part.highest), b"(UID FLAGS)")
        return self._taken()

    def _taken(self) -> tuple[Item, ...]:
        items = tuple(self._session.wire.items.values())
        self._session.wire.items.clear()
        return items

    # -- removals -------------------------------------------------------------------------------------------------

    def _removals(self) -> Iterator[Batch]:
        gone = self._opened.vanished & self.position.known
        if self.position.complete:
            if len(self.position.known) - len(gone) != self._opened.exists:
                gone = self._missing(self.position.known)
        elif not self._session.qresynced:
            gone = self._missing(self.position.known)
        yield from self._remove(gone)

    def _missing(self, known: UidSet) -> UidSet:
        """Known UIDs that the server no longer lists."""
        if not known:
            return known
        if self.position.complete:
            return known - self._session.everything(self._opened.exists)
        return known - self._session.search(b"UID %d:%d" % (known.lowest, known.highest), self._opened.exists)

    def _remove(self, gone: UidSet) -> Iterator[Batch]:
        uids = list(gone)
        for start in range(0, len(uids), BATCH):
            part = uids[start : start + BATCH]
            self.position = self.position.without(UidSet.of(part))
            changes = tuple(Removed(f"{self._wanted.prefix}{uid}") for uid in part)
            yield Batch(changes, self.position.encode(), total=self._opened.exists)


def _floor(known: UidSet) -> int:
    """The lowest UID of the blocks that hold the newest mails."""
    for count, uid in enumerate(known.descending(), 1):
        if count == RECENT_FLAGS:
            return uid // BLOCK * BLOCK
    return 1
