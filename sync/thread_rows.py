"""Threads across mailboxes, kept as rows: each Message-ID ever seen, as its own or as a reference, points at its
thread.

A reply that arrives before its parent registers the parent's id, and the parent joins when it comes; a mail that
bridges two threads makes them one. The provider's own thread id is a hint, used only where the headers say nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from crm.ids import reserve
from crm.models import Account, Communication, Grant, MessageRef, Thread
from sync.intents import Insert

MAX_REFS = 60


@dataclass(frozen=True, slots=True)
class Refs:
    """What threads a mail: its own id, the ids it answers, and the provider's thread (account id with it)."""

    message_id: str
    parents: tuple[str, ...]
    account_id: int
    provider_thread: str
    subject: str

    def hint(self) -> str:
        """The provider's thread as a reference of its own, or ""."""
        return f"provider:{self.account_id}:{self.provider_thread}" if self.provider_thread else ""

    def joins(self) -> list[str]:
        """Ids whose thread this mail belongs to."""
        ids = [i for i in (self.message_id, *self.parents[:MAX_REFS]) if i]
        if not self.parents and self.hint():
            ids.append(self.hint())
        return ids


def assign(session: Session, batch: Sequence[Refs], now: datetime) -> list[int]:
    """The thread of each mail, in order; threads are created and merged as needed."""
    known = _known(session, {ref for refs in batch for ref in refs.joins()})
    leader: dict[int, int] = {}
    placed: list[int] = []
    fresh: dict[str, int] = {}
    new_rows: list[dict[str, object]] = []
    for refs in batch:
        found = sorted({_lead(leader, t) for ref in refs.joins() for t in (known.get(ref), fresh.get(ref)) if t})
        if found:
            thread = found[0]
            for other in found[1:]:
                leader[other] = thread
        else:
            new_rows.append({"subject": refs.subject, "created_at": now})
            thread = -len(new_rows)
        for ref in refs.joins():
            fresh[ref] = thread
        placed.append(thread)
    ids = _create(session, new_rows)
    placed = [_lead(leader, t) for t in placed]
    merges = {_real(a, ids): _real(_lead(leader, a), ids) for a in leader}
    _merge(session, merges)
    return [_real(t, ids) for t in placed]


def _known(session: Session, refs: set[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    wanted = list(refs)
    for start in range(0, len(wanted), 500):
        query = select(MessageRef.message_id, MessageRef.thread_id).where(
            MessageRef.message_id.in_(wanted[start : start + 500])
        )
        found.update(dict(session.execute(query).all()))
    return found


def _lead(leader: dict[int, int], thread: int) -> int:
    while thread in leader:
        thread = leader[thread]
    return thread


def _real(thread: int, ids: Sequence[int]) -> int:
    """Threads made in this batch have negative numbers until their rows exist."""
    return ids[-thread - 1] if thread < 0 else thread


def _create(session: Session, rows: list[dict[str, object]]) -> list[int]:
    if not rows:
        return []
    ids = reserve(session, Thread, len(rows))
    session.execute(insert(Thread.__table__), [row | {"id": i} for i, row in zip(ids, rows, strict=True)])  # type: ignore[arg-type]
    return ids


def _merge(session: Session, merges: dict[int, int]) -> None:
    """Move everything of the losers to the winners; the losers' rows go."""
    for loser, winner in merges.items():
        if loser == winner:
            continue
        for model in (MessageRef, Communication, Grant):
            session.execute(update(model).where(model.thread_id == loser).values(thread_id=winner))


def remember(session: Session, account: Account, inserts: Sequence[Insert], threads: Sequence[int]) -> None:
    """Register the ids of these mails, and the ids they refer to, for whatever comes later."""
    wanted: dict[str, int] = {}
    for intent, thread in zip(inserts, threads, strict=True):
        envelope = intent.arrival.envelope
        assert envelope is not None
        refs = Refs(
            envelope.message_id, (*envelope.references, *envelope.in_reply_to), account.id,
            intent.arrival.upsert.thread_id, "",
        )  # fmt: skip
        for ref in (*refs.joins(), refs.hint()):
            if ref:
                wanted.setdefault(ref, thread)
    register(session, wanted)


def register(session: Session, wanted: dict[str, int]) -> None:
    """Point these ids at their threads; ids known before keep theirs (they were merged already)."""
    known = _known(session, set(wanted))
    rows = [{"message_id": m, "thread_id": t} for m, t in wanted.items() if m not in known]
    if rows:
        session.execute(insert(MessageRef), rows)


def members(session: Session, threads: Iterable[int]) -> dict[int, list[int]]:
    """Communication ids of each thread."""
    found: dict[int, list[int]] = {}
    wanted = list(threads)
    for start in range(0, len(wanted), 500):
        query = select(Communication.thread_id, Communication.id).where(
            Communication.thread_id.in_(wanted[start : start + 500])
        )
        for thread, communication in session.execute(query):
            if thread is not None:
                found.setdefault(thread, []).append(communication)
    return found
