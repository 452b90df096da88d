"""Keeps an account's list of streams equal to what the server shows. A folder that vanished is given time before it
counts as gone. Fetches nothing itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from connectors.types import Stream as RemoteStream
from crm.models import Stream
from sync import sweep

GONE_AFTER = timedelta(minutes=2)


def keep(session: Session, account_id: int, part: str, found: Sequence[RemoteStream], now: datetime) -> None:
    """Insert, refresh, and mark missing. A stream missing at two looks at least two minutes apart is ended."""
    rows = {
        row.remote_id: row
        for row in session.scalars(select(Stream).where(Stream.account_id == account_id, Stream.part == part))
    }
    for remote in found:
        row = rows.get(remote.id)
        if row is None:
            row = Stream(account_id=account_id, part=part, remote_id=remote.id, name=remote.name)
            session.add(row)
        elif row.missing_since is not None:
            restart_row(row)
        row.name, row.kind, row.role = remote.name, str(remote.kind), str(remote.role)
        row.default_on, row.missing_since = remote.default_on, None
        if remote.count is not None:
            row.remote_count = remote.count
    shown = {remote.id for remote in found}
    for remote_id, row in rows.items():
        if remote_id not in shown:
            _missing(session, row, now)


def _missing(session: Session, row: Stream, now: datetime) -> None:
    if row.missing_since is None:
        row.missing_since = now
        return
    if now - row.missing_since >= GONE_AFTER:
        sweep.end(session, row, (), now, reason="stream_gone")


def restart(session: Session, stream_id: int) -> None:
    """List this stream from scratch at the next pass."""
    restart_row(session.get_one(Stream, stream_id))


def restart_row(row: Stream) -> None:
    """Forget the cursor; start a new generation, so that the coming listing can sweep."""
    row.cursor, row.generation, row.listing, row.listed = None, row.generation + 1, True, 0
