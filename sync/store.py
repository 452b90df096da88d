"""Writes new mails: communication, body, participants, thread references and the search index, each table in one bulk
statement. What a mail says is turned into rows by way of the matching Item, so that a later rematch reads the very
same Item back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Table, insert
from sqlalchemy.orm import Session

from connectors.types import Envelope
from crm import search
from crm.ids import reserve
from crm.models import Account, Communication, CommunicationBody, Participant
from matching.addresses import family
from matching.types import Item
from sync import thread_rows
from sync.arrive import Arrival, occurred_at
from sync.intents import Insert
from sync.items import item_from_envelope

SNIPPET = 160
_COMMUNICATION, _BODY, _PARTICIPANT = (
    cast(Table, model.__table__) for model in (Communication, CommunicationBody, Participant)
)
ZONE_LIMIT = 14 * 60


@dataclass(slots=True)
class Stored:
    """What was inserted: communication ids by identity key, and the threads they joined."""

    ids: dict[str, int] = field(default_factory=dict)
    threads: set[int] = field(default_factory=set)


def insert_mails(session: Session, account: Account, inserts: Sequence[Insert], now: datetime) -> Stored:
    """Insert these mails. Their identity keys must be new. Links are made afterwards, by thread."""
    if not inserts:
        return Stored()
    threads = thread_rows.assign(session, [_refs(account, i.arrival) for i in inserts], now)
    rows, items = [], []
    for intent, thread_id in zip(inserts, threads, strict=True):
        item = _item(account, intent.arrival, now)
        items.append(item)
        rows.append(_communication(intent, item, thread_id, now))
    ids = reserve(session, Communication, len(rows))
    session.execute(insert(_COMMUNICATION), [row | {"id": i} for i, row in zip(ids, rows, strict=True)])
    _bodies(session, inserts, items, ids)
    if people := [row for i, item in zip(ids, items, strict=True) for row in participants(i, item)]:
        session.execute(insert(_PARTICIPANT), people)  # a mail may name nobody at all
    thread_rows.remember(session, account, inserts, threads)
    documents = [_document(i, intent, item) for i, intent, item in zip(ids, inserts, items, strict=True)]
    search.index(session, documents, fresh=True)
    return Stored({intent.key: i for intent, i in zip(inserts, ids, strict=True)}, set(threads))


def _envelope(arrival: Arrival) -> Envelope:
    assert arrival.envelope is not None
    return arrival.envelope


def _refs(account: Account, arrival: Arrival) -> thread_rows.Refs:
    envelope = _envelope(arrival)
    return thread_rows.Refs(
        envelope.message_id, (*envelope.references, *envelope.in_reply_to), account.id, arrival.upsert.thread_id,
        envelope.subject,
    )  # fmt: skip


def _item(account: Account, arrival: Arrival, now: datetime) -> Item:
    return item_from_envelope(
        _envelope(arrival), arrival.marks, id=0, thread="", mailboxes=(account.address,),
        occurred_at=occurred_at(arrival, now),
    )  # fmt: skip


def _communication(intent: Insert, item: Item, thread_id: int, now: datetime) -> dict[str, Any]:
    envelope = _envelope(intent.arrival)
    return {
        "key": intent.key,
        "kind": "email",
        "message_id": envelope.message_id or None,
        "fingerprint": envelope.fingerprint,
        "ical_uid": None,
        "recurrence_id": None,
        "thread_id": thread_id,
        "direction": None,
        "occurred_at": item.occurred_at,
        "ends_at": None,
        "all_day": False,
        "zone": _zone(envelope.offset),
        "subject": envelope.subject,
        "snippet": " ".join(envelope.text[: SNIPPET * 3].split())[:SNIPPET],
        "status": "unmatched",
        "reason": None,
        "cancelled": False,
        "outcome": None,
        "marks": sorted(str(mark) for mark in item.marks),
        "attachments": [{"name": a.name, "type": a.type, "size": a.size, "part": a.part} for a in envelope.attachments],
        "visibility_cap": _cap(item),
        "sharing": None,
        "author_id": None,
        "size": intent.arrival.upsert.size,
        "created_at": now,
        "updated_at": now,
    }


def _cap(item: Item) -> str | None:
    if "private" in item.marks:
        return "private"
    return "metadata" if "confidential" in item.marks else None


def _zone(offset: int | None) -> str | None:
    """The sender's offset as ``+HH:MM``."""
    if offset is None or abs(offset) > ZONE_LIMIT:
        return None
    sign = "-" if offset < 0 else "+"
    return f"{sign}{abs(offset) // 60:02d}:{abs(offset) % 60:02d}"


def _bodies(session: Session, inserts: Sequence[Insert], items: Sequence[Item], ids: Sequence[int]) -> None:
    rows = []
    for intent, item, communication_id in zip(inserts, items, ids, strict=True):
        envelope = _envelope(intent.arrival)
        rows.append(
            {
                "communication_id": communication_id,
                "text": envelope.text,
                "quoted": envelope.quoted,
                "signature": envelope.signature,
                "html": envelope.html,
                "headers": dict(envelope.headers) | {"parents": list(item.parents)},
            }
        )
    session.execute(insert(_BODY), rows)


def participants(communication_id: int, item: Item, responses: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """Participant rows of an item, in its order, so that the item can be read back from them."""
    told = responses or {}
    return [
        {
            "communication_id": communication_id,
            "position": position,
            "role": party.role,
            "raw": party.address,
            "canonical": party.address,
            "family": family(party.address) if party.address else "",
            "domain": party.address.rpartition("@")[2],
            "name": party.name,
            "response": told.get(party.address or party.name),
            "is_person": party.is_person,
            "own": False,
        }
        for position, party in enumerate(item.parties)
    ]


def _document(communication_id: int, intent: Insert, item: Item) -> tuple[int, str, str, str]:
    people = " ".join(f"{party.name} {party.address}" for party in item.parties)
    return communication_id, item.subject, people, _envelope(intent.arrival).text
