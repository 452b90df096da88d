"""The first listing of a folder: newest first, a small batch at once, resumable after every batch.

Which UIDs there are is asked once per run; what was handed over is in the position, so a resumed run goes on below it.
Facts: RFC 9051 section 6.4.4 (SEARCH SINCE compares days in the server's zone, so the window is widened by two days and
each mail's own date decides).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from connectors.errors import TryLater
from connectors.imap.cursor import Position
from connectors.imap.digests import with_flags
from connectors.imap.fetch import Fetcher, Wanted
from connectors.imap.session import Opened, Session
from connectors.imap.uids import UidSet
from connectors.types import Batch, Change, Upsert

FIRST_BATCH = 50
BATCH = 250
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def start(opened: Opened, tier: str) -> Position:
    """The position before anything was handed over. What is read here is older than the listing that follows."""
    return Position(
        uidvalidity=opened.uidvalidity, modseq=opened.modseq, level=opened.level, tier=tier if opened.modseq else "none"
    )


class Listing:
    """What is left of the first listing. ``position`` holds the new position while ``run`` goes on."""

    def __init__(self, session: Session, wanted: Wanted, position: Position, exists: int) -> None:
        self._session = session
        self._wanted = wanted
        self._exists = exists
        self.position = position

    def run(self) -> Iterator[Batch]:
        """Yield to the end; the last batch is marked final and its cursor is that of a complete position. May be left
        after any batch. Raises TryLater, NeedsPerson."""
        left = _left(self._session, self.position, self._exists)
        if not left:
            self.position = replace(self.position, complete=True)
            yield Batch((), self.position.encode(), listing=True, final=True, total=self._exists)
            return
        recent = _recent(self._session, self._wanted.oldest, left, self._exists)
        first = BATCH if self.position.known else FIRST_BATCH
        for uids, changes in _changes(self._session, self._wanted, left, recent, first):
            handed = self.position.having(named(changes))
            handed = handed.listed_down_to(uids[-1], complete=uids[-1] == left.lowest)
            self.position = with_flags(handed, changes)
            final = self.position.complete
            yield Batch(tuple(changes), self.position.encode(), listing=True, final=final, total=self._exists)


def named(changes: Iterable[Change]) -> UidSet:
    """The UIDs that changes are about: what counts as handed over."""
    return UidSet.of(int(change.remote_id.rpartition(":")[2]) for change in changes)


def _left(session: Session, position: Position, exists: int) -> UidSet:
    """UIDs below what was handed over already."""
    there = session.everything(exists)
    return there.between(1, position.low - 1) if position.low else there


def _recent(session: Session, oldest: datetime | None, left: UidSet, exists: int) -> UidSet:
    """The UIDs that may be in the window; all when there is no window or the server cannot search by date."""
    if oldest is None or not left:
        return left
    day = oldest - timedelta(days=2)
    criteria = b"SINCE %d-%s-%04d" % (day.day, _MONTHS[day.month - 1].encode("ascii"), day.year)
    try:
        return left & session.search(criteria, exists)
    except TryLater as error:
        if error.code != "refused":
            raise
        return left


def _changes(
    session: Session, wanted: Wanted, left: UidSet, recent: UidSet, first: int
) -> Iterator[tuple[list[int], list[Change]]]:
    """Batches over all UIDs, of which only the recent ones are fetched. Cut as the fetcher asks for them, so that
    memory does not grow with the folder."""
    ahead: deque[list[int]] = deque()

    def asked() -> Iterator[list[int]]:
        for uids in _cut(left, first):
            ahead.append(uids)
            yield [uid for uid in uids if uid in recent]

    for _fetched, changes in Fetcher(session, wanted).run(asked()):
        uids = ahead.popleft()
        old: list[Change] = [Upsert(f"{wanted.prefix}{uid}", skip="too_old") for uid in uids if uid not in recent]
        yield uids, [*changes, *old]


def _cut(uids: UidSet, first: int) -> Iterator[list[int]]:
    """Descending lists: one of ``first``, then of ``BATCH``."""
    held: list[int] = []
    size = first
    for uid in uids.descending():
        held.append(uid)
        if len(held) == size:
            yield held
            held, size = [], BATCH
    if held:
        yield held
