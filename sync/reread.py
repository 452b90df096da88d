"""Reads stored items back as matching's Items, in the groups they are decided in: whole threads, and calendar series
that are in none. The counterpart of ``sync.store``: what comes back equals what arrived. Reads only. """

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.correspondence import thread_key
from crm.models import Account, Communication, CommunicationBody, Participant, Sighting
from matching.addresses import canonical
from matching.types import Item, Mark, Party
from sync.chunks import chunks
from sync.items import list_host

BODY_LIMIT = 20_000


def groups_of(session: Session, communications: Collection[int]) -> tuple[set[int], set[str]]:
    """The threads and the calendar series that these items are decided with."""
    threads: set[int] = set()
    series: set[str] = set()
    for chunk in chunks(sorted(communications)):
        query = select(Communication.thread_id, Communication.ical_uid).where(Communication.id.in_(chunk))
        for thread, uid in session.execute(query):
            if thread is not None:
                threads.add(thread)
            elif uid is not None:
                series.add(uid)
    return threads, series


_COLUMNS = (
    Communication.id,
    Communication.kind,
    Communication.occurred_at,
    Communication.subject,
    Communication.thread_id,
    Communication.message_id,
    Communication.ical_uid,
    Communication.marks,
    Communication.cancelled,
    Communication.status,
    Communication.reason,
    Communication.direction,
    CommunicationBody.text,
    CommunicationBody.signature,
    CommunicationBody.headers,
)


@dataclass(slots=True)
class Loaded:
    """Items in their groups, with the stored columns a reconciliation compares against."""

    groups: dict[str, list[Item]] = field(default_factory=lambda: defaultdict(list))
    stored: dict[int, Any] = field(default_factory=dict)
    own: dict[int, bool] = field(default_factory=dict)
    addresses: dict[int, tuple[int, str]] = field(default_factory=dict)


def items_of_threads(session: Session, threads: Collection[int]) -> Loaded:
    """All items of these threads."""
    return _load(session, Communication.thread_id, sorted(threads))


def items_of_series(session: Session, uids: Collection[str]) -> Loaded:
    """All instances of these calendar series."""
    return _load(session, Communication.ical_uid, sorted(uids))


def _load(session: Session, column: Any, values: Sequence[Any]) -> Loaded:
    loaded = Loaded()
    for chunk in chunks(values):
        query = (
            select(*_COLUMNS)
            .outerjoin(CommunicationBody, CommunicationBody.communication_id == Communication.id)
            .where(column.in_(chunk))
        )
        rows = {row.id: row for row in session.execute(query)}
        parties, mailboxes = _parties(session, list(rows), loaded), _mailboxes(session, list(rows))
        for row in rows.values():
            item = _item(row, parties.get(row.id, []), mailboxes.get(row.id, ()))
            loaded.groups[item.thread].append(item)
            loaded.stored[row.id] = row
    return loaded


def _item(row: Any, parties: Sequence[Party], mailboxes: Iterable[str]) -> Item:
    """An Item as it was when it arrived; the counterpart of ``sync.store.participants``."""
    marks = frozenset(Mark(mark) for mark in row.marks)
    headers = row.headers or {}
    return Item(
        id=row.id,
        kind=row.kind,
        occurred_at=row.occurred_at,
        parties=tuple(parties),
        subject=row.subject,
        thread=thread_key(row.thread_id, row.ical_uid, row.id),
        message_id=row.message_id or "",
        parents=tuple(headers.get("parents", ())),
        ical_uid=row.ical_uid or "",
        marks=marks | {Mark.CANCELLED} if row.cancelled else marks,
        mailboxes=tuple(sorted(mailboxes)),
        body=(row.text or "")[:BODY_LIMIT],
        signature=row.signature or "",
        list_host=list_host(headers),
    )


def _parties(session: Session, ids: Sequence[int], loaded: Loaded) -> dict[int, list[Party]]:
    found: dict[int, list[Party]] = defaultdict(list)
    for chunk in chunks(ids):
        query = (
            select(
                Participant.id,
                Participant.communication_id,
                Participant.role,
                Participant.canonical,
                Participant.name,
                Participant.is_person,
                Participant.own,
            )
            .where(Participant.communication_id.in_(chunk))
            .order_by(Participant.communication_id, Participant.position)
        )
        for row in session.execute(query):
            found[row.communication_id].append(Party(row.role, row.canonical, row.name, row.is_person))
            loaded.own[row.id] = row.own
            loaded.addresses[row.id] = (row.communication_id, row.canonical)
    return found


def _mailboxes(session: Session, ids: Sequence[int]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = defaultdict(set)
    for chunk in chunks(ids):
        query = (
            select(Sighting.communication_id, Account.address)
            .join(Account, Account.id == Sighting.account_id)
            .where(Sighting.communication_id.in_(chunk))
        )
        for communication, address in session.execute(query):
            found[communication].add(canonical(address))
    return found


def items_with(session: Session, communications: Collection[int]) -> Loaded:
    """These items and all that is decided together with them: their threads, and series that are in none."""
    threads, series = groups_of(session, communications)
    loaded = items_of_threads(session, threads)
    apart = items_of_series(session, series)
    loaded.groups.update(apart.groups)
    for name in ("stored", "own", "addresses"):
        getattr(loaded, name).update(getattr(apart, name))
    return loaded
