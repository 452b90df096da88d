"""What the database knows of the items of a batch: ledger rows by remote id, mails by identity. Reads, and notes
attempts; decides nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import insert, or_, select, true, update
from sqlalchemy.orm import Session

from connectors.types import Upsert
from crm.models import Account, Communication, Ledger, Participant, Stream
from sync.arrive import Arrival
from sync.chunks import chunks
from sync.plan import Entry, Known, KnownMail, KnownRow

FETCH_AGAIN_AT_ONCE = 500
SET_BACK = "uidnext"
"""The code of a CursorExpired that says so; kept on the stream until it is level again."""


def gather(session: Session, stream_id: int, entries: Sequence[Entry]) -> Known:
    """Everything plan may look at for this batch, in a fixed number of statements."""
    arrivals = [e for e in entries if isinstance(e, Arrival)]
    rows: dict[str, KnownRow] = {}
    for chunk in chunks([a.upsert.remote_id for a in arrivals]):
        query = select(
            Ledger.remote_id, Ledger.state, Ledger.reason, Ledger.communication_id, Ledger.message_id
        ).where(Ledger.stream_id == stream_id, Ledger.remote_id.in_(chunk))
        rows.update({r: KnownRow(state, why, c, m) for r, state, why, c, m in session.execute(query)})
    found = Known(rows, {}, {})
    for mail in _mails(session, arrivals):
        found.add(mail)
    return found


def _mails(session: Session, arrivals: Sequence[Arrival]) -> list[KnownMail]:
    envelopes = [a.envelope for a in arrivals if a.envelope]
    message_ids = sorted({e.message_id for e in envelopes if e.message_id})
    prints = sorted({e.fingerprint for e in envelopes})
    found: dict[int, KnownMail] = {}
    for column, values in ((Communication.message_id, message_ids), (Communication.fingerprint, prints)):
        for chunk in chunks(values):
            query = select(
                Communication.id, Communication.key, Communication.message_id, Communication.fingerprint,
                Communication.occurred_at,
            ).where(column.in_(chunk), Communication.kind == "email")  # fmt: skip
            for i, key, message_id, fingerprint, at in session.execute(query):
                found[i] = KnownMail(i, key, message_id or "", fingerprint or "", at, "")
    senders = _senders(session, list(found))
    return [
        KnownMail(m.communication_id, m.key, m.message_id, m.fingerprint, m.occurred_at, senders.get(i, ""))
        for i, m in found.items()
    ]


def _senders(session: Session, ids: Sequence[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for chunk in chunks(ids):
        query = (
            select(Participant.communication_id, Participant.canonical)
            .where(Participant.communication_id.in_(chunk), Participant.role == "from")
            .order_by(Participant.position.desc())
        )
        found.update(dict(session.execute(query).all()))
    return found


def live_ids(session: Session, stream_id: int) -> set[str]:
    """Remote ids the ledger believes to be in the stream now."""
    query = select(Ledger.remote_id).where(Ledger.stream_id == stream_id, Ledger.state != "removed")
    return set(session.scalars(query))


def stored_ids(session: Session, stream_id: int, remote_ids: Collection[str]) -> set[str]:
    """Those of these ids whose content is in the log already. None while a folder set back to an earlier state is
    listed: its server may have given the same ids to other mails."""
    found: set[str] = set()
    if session.scalar(select(Stream.error_code).where(Stream.id == stream_id)) == SET_BACK:
        return found
    for chunk in chunks(sorted(remote_ids)):
        query = select(Ledger.remote_id).where(
            Ledger.stream_id == stream_id, Ledger.remote_id.in_(chunk), Ledger.communication_id.is_not(None)
        )
        found.update(session.scalars(query))
    return found


def to_fetch_again(session: Session, stream_id: int, now: datetime, below: int | None = None) -> list[tuple[int, str]]:
    """Items to fetch by id, newest row first: pending ones, and quarantined ones whose time has come. Pairs of ledger
    row and remote id; ``below`` goes on after a row."""
    query = (
        select(Ledger.id, Ledger.remote_id)
        .where(Ledger.stream_id == stream_id, Ledger.id < below if below is not None else true())
        .where(or_(Ledger.state == "pending", (Ledger.state == "quarantined") & (Ledger.retry_at <= now)))
        .order_by(Ledger.id.desc())
        .limit(FETCH_AGAIN_AT_ONCE)
    )
    return list(session.execute(query))


def note_attempt(session: Session, account: Account, stream: Stream, upsert: Upsert, now: datetime) -> int:
    """Count an attempt on one item before it is made; returns the number including this one. Items that came through
    before are not counted."""
    where = (Ledger.stream_id == stream.id, Ledger.remote_id == upsert.remote_id)
    row = session.execute(select(Ledger.attempts, Ledger.state, Ledger.reason).where(*where)).one_or_none()
    if row is None:
        session.execute(
            insert(Ledger).values(
                account_id=account.id,
                stream_id=stream.id,
                remote_id=upsert.remote_id,
                state="pending",
                attempts=1,
                reason="started",
                generation=stream.generation,
                seen_at=now,
                flags=[],
                labels=[],
                size=upsert.size,
            )
        )
        return 1
    if row.state in ("stored", "skipped") or (row.state == "quarantined" and row.reason != "crash"):
        return 0
    session.execute(update(Ledger).where(*where).values(attempts=row.attempts + 1))
    return int(row.attempts) + 1
