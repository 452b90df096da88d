"""What the log says of strangers: how often they wrote, were written to, or met us, per thread. Reads only.

Crowds, and what is kept out of review (bulk, automatic, internal), do not count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from crm.models import Communication, Participant
from matching.directory import Correspondence
from matching.memory import Facts

CHUNK = 400
CROWD = 25
_COUNTED = ("from", "original_from", "reply_to", "to", "cc", "bcc", "organizer", "attendee", "forwarded")


def facts_of(session: Session, addresses: Collection[str]) -> Facts:
    """The correspondence with these addresses, in all and by thread."""
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    by_thread: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    wanted = sorted(address for address in addresses if address)
    for start in range(0, len(wanted), CHUNK):
        for row in session.execute(_query(wanted[start : start + CHUNK])):
            kind = _counted_as(row)
            if kind is not None:
                totals[row.canonical][kind] += 1
                by_thread[row.canonical, thread_key(row.thread_id, row.ical_uid, row.id)][kind] += 1
    return Facts(
        {address: Correspondence(*counts) for address, counts in totals.items()},
        {key: Correspondence(*counts) for key, counts in by_thread.items()},
    )


def thread_key(thread_id: int | None, ical_uid: str | None, communication_id: int) -> str:
    """The name of the group an item is decided in: its thread, else its calendar series, else itself."""
    if thread_id is not None:
        return f"t{thread_id}"
    return f"e:{ical_uid}" if ical_uid else f"i{communication_id}"


def _query(addresses: list[str]) -> Any:
    other = aliased(Participant)
    people = (
        select(func.count(func.distinct(other.canonical)))
        .where(other.communication_id == Communication.id, other.own.is_(False), other.canonical != "")
        .scalar_subquery()
    )
    columns = (
        Communication.id,
        Communication.kind,
        Communication.direction,
        Communication.thread_id,
        Communication.ical_uid,
    )
    return (
        select(Participant.canonical, func.min(Participant.role).label("role"), *columns)
        .join(Communication, Communication.id == Participant.communication_id)
        .where(Participant.canonical.in_(addresses), Participant.role.in_(_COUNTED))
        .where(Communication.status != "ignored", people <= CROWD)
        .group_by(Participant.canonical, *columns)
    )


def _counted_as(row: Any) -> int | None:
    """0 they wrote, 1 we wrote, 2 we met; None for an item that tells nothing (they were merely copied)."""
    if row.kind == "meeting":
        return 2
    if row.direction == "outbound":
        return 1 if row.role != "forwarded" else None
    if row.direction == "inbound" and row.role in ("from", "original_from", "forwarded", "reply_to"):
        return 0
    return None
