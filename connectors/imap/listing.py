"""The first listing of a folder: newest first, a small batch at once, resumable after every batch.

Which UIDs there are is asked once per run; what was handed over is in the position, so a resumed run goes on below it.
Facts: RFC 9051 section 6.4.4 (SEARCH SINCE compares days in the server's zone, so the window is widened by two days and
each mail's own date decides).
"""

from __future__ import annotations

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


def listing(session: Session, wanted: Wanted, position: Position, exists: int) -> Iterator[Batch]:
    """Yield what is left of the first listing, to its end; the last batch is marked final. The last cursor is that of a
    complete position. Raises TryLater, NeedsPerson."""
    left = _left(session, position, exists)
    recent = _recent(session, wanted.oldest, left, exists)
    total = exists
    if not left:
        yield Batch((), replace(position, complete=True).encode(), listing=True, final=True, total=total)
        return
    first = FIRST_BATCH if not position.known else BATCH
    for uids, changes in _changes(session, wanted, left, recent, first):
        position = position.having(named(changes)).listed_down_to(uids[-1], complete=uids[-1] == left.lowest)
        position = with_flags(position, changes)
        final = position.complete
        yield Batch(tuple(changes), position.encode(), listing=True, final=final, total=total)


def named(changes: Iterable[Change]) -> UidSet:
    """The UIDs that changes are about: what counts as handed over."""
    return UidSet.of(int(change.remote_id.rpartition(":")[2]) for change in changes)


def _left(session: Session, position: Position, exists: int) -> UidSet:
    """UIDs below what was handed over already."""
    if exists == 0:
        return UidSet()
    there = session.search(b"ALL", exists)
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
    """Batches over all UIDs, of which only the recent ones are fetched."""
    lists = list(_cut(left, first))
    fetched = Fetcher(session, wanted).run([uid for uid in uids if uid in recent] for uids in lists)
    for uids, (_asked, changes) in zip(lists, fetched, strict=True):
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
