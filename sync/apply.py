"""apply: intents become rows, links, ledger and cursor in the caller's one transaction. Set-based: a batch costs a
fixed number of statements however many mails it holds. Makes no network call and reads no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Table, bindparam, insert, select, update
from sqlalchemy.orm import Session

from connectors.types import Upsert
from crm import outbox, sharing
from crm.models import Account, Ledger, Sighting, Stream
from sync import labels, meetings, reasons
from sync.attach import attach_threads
from sync.intents import Insert, Intent, Invite, Meeting, Pend, Quarantine, Skip, Tombstone, Update
from sync.reread import groups_of
from sync.screen import LABEL_OFF, Policy
from sync.store import Stored, insert_mails

MAX_ATTEMPTS = 3
RETRIES = (timedelta(minutes=10), timedelta(hours=1), timedelta(days=1))
SEEN = "seen"
KEEPS_ITS_ITEM = ("spam", "trash", "too_old", LABEL_OFF)
"""Reasons that may end: the row goes on naming the item, which then comes back with its links."""

_ledger, _sighting = cast(Table, Ledger.__table__), cast(Table, Sighting.__table__)


@dataclass(slots=True)
class Counts:
    """What one batch or pass did. ``skipped`` and ``ignored`` are by reason."""

    listed: int = 0
    stored: int = 0
    updated: int = 0
    removed: int = 0
    quarantined: int = 0
    pending: int = 0
    skipped: dict[str, int] = field(default_factory=dict)

    def add(self, other: Counts) -> None:
        """Sum in place."""
        for name in ("listed", "stored", "updated", "removed", "quarantined", "pending"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for reason, n in other.skipped.items():
            self.skipped[reason] = self.skipped.get(reason, 0) + n


@dataclass(frozen=True, slots=True)
class Place:
    """Where a batch comes from: rows of the account and stream, and the instant it is applied at."""

    account: Account
    stream: Stream
    now: datetime


def apply(session: Session, place: Place, intents: Sequence[Intent], policy: Policy) -> Counts:
    """Write a planned batch. Returns counts; raises what the database raises."""
    counts = Counts(listed=sum(not isinstance(i, Tombstone) for i in intents))
    existing = _ledger_rows(session, place, intents)
    inserts = [i for i in intents if isinstance(i, Insert)]
    stored = insert_mails(session, place.account, inserts, place.now)
    rows: dict[str, dict[str, Any]] = {}
    joined = _stored_rows(session, place, intents, stored, existing, rows)
    _calendar_rows(session, place, intents, rows)
    for intent in intents:
        _other_row(place, intent, existing, rows, policy)
    rows = {i: rows[i] for i in map(_remote_id, intents) if i in rows}  # the ledger keeps the order of the source
    _count(existing, rows, counts)
    _write_ledger(session, existing, rows)
    _hide(session, place, rows)
    counts.removed += _tombstone(session, place, [i for i in intents if isinstance(i, Tombstone)], existing)
    touched = stored.threads | groups_of(session, joined)[0]
    attach_threads(session, touched, place.now)
    sharing.refresh(session, _communications(rows))
    if stored.ids:
        outbox.emit(session, "communication.stored", {"ids": sorted(stored.ids.values())}, now=place.now)
    return counts


def _hide(session: Session, place: Place, rows: Mapping[str, dict[str, Any]]) -> None:
    """A label given or taken since puts an item out of the log as seen here."""
    off = [r["communication_id"] for r in rows.values() if r["reason"] == LABEL_OFF and r["communication_id"]]
    if off:
        labels.hide(session, place.account.id, off)


def _communications(rows: Mapping[str, dict[str, Any]]) -> set[int]:
    """Every item this batch stored or saw: who may see it is settled from all its sightings."""
    return {row["communication_id"] for row in rows.values() if row["communication_id"]}


def _ledger_rows(session: Session, place: Place, intents: Sequence[Intent]) -> dict[str, Any]:
    ids = [_remote_id(i) for i in intents]
    query = select(
        Ledger.id, Ledger.remote_id, Ledger.state, Ledger.reason, Ledger.communication_id, Ledger.attempts,
        Ledger.flags, Ledger.labels, Ledger.generation, Ledger.missing_since, Ledger.retry_at,
    ).where(Ledger.stream_id == place.stream.id)  # fmt: skip
    found: dict[str, Any] = {}
    for start in range(0, len(ids), 500):
        for row in session.execute(query.where(Ledger.remote_id.in_(ids[start : start + 500]))):
            found[row.remote_id] = row
    return found


def _remote_id(intent: Intent) -> str:
    if isinstance(intent, Tombstone | Quarantine):
        return intent.remote_id
    if isinstance(intent, Insert | Meeting | Invite):
        return intent.arrival.upsert.remote_id
    return intent.upsert.remote_id


def _row(place: Place, upsert: Upsert, state: str, reason: str | None, **more: Any) -> dict[str, Any]:
    return {
        "account_id": place.account.id,
        "stream_id": place.stream.id,
        "remote_id": upsert.remote_id,
        "state": state,
        "reason": reason,
        "message_id": None,
        "ical_uid": None,
        "key_hash": None,
        "content_id": upsert.content_id or None,
        "communication_id": None,
        "flags": sorted(upsert.flags),
        "labels": sorted(upsert.labels),
        "size": upsert.size,
        "received_at": upsert.received_at,
        "generation": place.stream.generation,
        "attempts": 1,
        "error": None,
        "retry_at": None,
        "missing_since": None,
        "seen_at": place.now,
    } | more


def _stored_rows(
    session: Session, place: Place, intents: Sequence[Intent], stored: Stored, existing: Mapping[str, Any],
    rows: dict[str, dict[str, Any]],
) -> list[int]:  # fmt: skip
    """Ledger rows and sightings of mails that are in the log now. Returns known mails that are new to this account."""
    sighted: dict[int, Upsert] = {}
    updates = [i.communication_id for i in intents if isinstance(i, Update) and i.communication_id]
    aside = reasons.known(session, updates)
    for intent in intents:
        if isinstance(intent, Insert):
            upsert, communication_id = intent.arrival.upsert, stored.ids[intent.key]
        elif isinstance(intent, Update):
            upsert, communication_id = intent.upsert, intent.communication_id or stored.ids[intent.key]
        else:
            continue
        envelope = intent.arrival.envelope if intent.arrival else None
        more = {"message_id": envelope.message_id or None} if envelope else {}
        before = existing.get(upsert.remote_id)
        own = before.reason if before is not None and before.state == "stored" else None
        because = own if own in reasons.OF_THEIR_OWN else aside.get(communication_id)
        rows[upsert.remote_id] = _row(place, upsert, "stored", because, communication_id=communication_id, **more)
        sighted[communication_id] = upsert
    return sorted(set(sight(session, place, sighted)) - set(stored.ids.values()))


def sight(session: Session, place: Place, sighted: Mapping[int, Upsert | None]) -> list[int]:
    """Note that these communications were seen in the account; a sighting that had gone comes back. Returns those the
    account had not seen before."""
    ids = list(sighted)
    known: dict[int, int] = {}
    for start in range(0, len(ids), 500):
        query = select(Sighting.communication_id, Sighting.id).where(
            Sighting.account_id == place.account.id, Sighting.communication_id.in_(ids[start : start + 500])
        )
        known.update(dict(session.execute(query).all()))
    fresh = [
        {
            "communication_id": communication_id,
            "account_id": place.account.id,
            "owner_id": place.account.owner_id,
            "tier": "private",
            "sharing": None,
            "seen": bool(upsert and SEEN in {f.lower().lstrip("\\") for f in upsert.flags}),
            "provider_thread": (upsert.thread_id or None) if upsert else None,
            "first_seen_at": place.now,
            "removed_at": None,
        }
        for communication_id, upsert in sighted.items()
        if communication_id not in known
    ]
    if fresh:
        session.execute(insert(_sighting), fresh)
    if known:
        session.execute(
            update(Sighting)
            .where(Sighting.id.in_(list(known.values())), Sighting.removed_at.is_not(None))
            .values(removed_at=None)
        )
    return [communication_id for communication_id in sighted if communication_id not in known]


def _calendar_rows(session: Session, place: Place, intents: Sequence[Intent], rows: dict[str, dict[str, Any]]) -> None:
    """Meetings and the mails that are theirs."""
    arrivals = [i for i in intents if isinstance(i, Meeting | Invite)]
    if not arrivals:
        return
    outcome = meetings.store(session, place.account, place.stream, [i.arrival for i in arrivals], place.now)
    aside = reasons.known(session, [told.communication_id for told in outcome.values() if told.communication_id])
    for intent in arrivals:
        upsert = intent.arrival.upsert
        told = outcome[upsert.remote_id]
        envelope = intent.arrival.envelope
        rows[upsert.remote_id] = _row(
            place, upsert, told.state, told.reason or aside.get(told.communication_id or 0),
            communication_id=told.communication_id, ical_uid=told.uid,
            message_id=(envelope.message_id or None) if envelope else None,
        )  # fmt: skip
    sight(session, place, {c: None for told in outcome.values() for c in told.communications})


def _other_row(
    place: Place, intent: Intent, existing: Mapping[str, Any], rows: dict[str, dict[str, Any]], policy: Policy
) -> None:
    """Skipped, pending and quarantined items: ids and a reason, no content."""
    if isinstance(intent, Skip):
        row = _row(place, intent.upsert, "skipped", intent.because)
        envelope = intent.arrival.envelope if intent.arrival else None
        if envelope is not None and envelope.message_id:
            row["key_hash"] = policy.keyed_hash(envelope.message_id)
        before = existing.get(intent.upsert.remote_id)
        if before is not None and before.communication_id and intent.because in KEEPS_ITS_ITEM:
            row["communication_id"] = before.communication_id
        rows[intent.upsert.remote_id] = row
    elif isinstance(intent, Pend):
        rows[intent.upsert.remote_id] = _row(place, intent.upsert, "pending", intent.because, attempts=0)
    elif isinstance(intent, Quarantine):
        before = existing.get(intent.remote_id)
        upsert = intent.upsert or Upsert(intent.remote_id)
        if before is not None and before.state == "quarantined" and not intent.error:
            return  # new flags of what cannot be read: no attempt was made
        attempts = _attempts(before, intent.because, place.now)
        rows[intent.remote_id] = _row(
            place, upsert, "quarantined", intent.because, attempts=attempts, error=intent.error[:500],
            retry_at=retry_at(place.now, attempts),
        )  # fmt: skip


def _attempts(before: Any, because: str, now: datetime) -> int:
    """How often an item was tried: once more when it was due, no more when a listing merely showed it again. What ended
    its worker was counted before each try."""
    if before is None:
        return 1
    if because == "crash":
        return max(1, int(before.attempts))
    if before.state != "quarantined":
        return 1
    early = before.reason == because and before.retry_at is not None and before.retry_at > now
    return int(before.attempts) + (0 if early else 1)


def retry_at(now: datetime, attempts: int) -> datetime | None:
    """When a quarantined item is tried again; None: only when a person asks."""
    return now + RETRIES[attempts - 1] if attempts <= len(RETRIES) else None


_STABLE = ("state", "reason", "communication_id", "flags", "labels", "generation", "missing_since")


def _differs(row: Mapping[str, Any], before: Any) -> bool:
    """Whether a row must be rewritten. A failed attempt counts, though its outcome is the same."""
    tried = row["state"] == "quarantined" and row["attempts"] != before.attempts
    return tried or any(row[name] != getattr(before, name) for name in _STABLE)


def _write_ledger(
    session: Session, existing: Mapping[str, Any], rows: Mapping[str, dict[str, Any]]
) -> None:
    """Insert new rows; rewrite those that changed; leave the others alone, so that a repeated pass changes nothing."""
    fresh = [row for remote_id, row in rows.items() if remote_id not in existing]
    if fresh:
        session.execute(insert(_ledger), fresh)
    changed = []
    for remote_id, row in rows.items():
        before = existing.get(remote_id)
        if before is None or not _differs(row, before):
            continue
        same_state = before.state == row["state"] and before.reason == row["reason"]
        if same_state and row["state"] != "quarantined":
            row["attempts"] = before.attempts
        changed.append({"row_id": before.id} | {k: v for k, v in row.items() if k in _KEPT_FRESH(row)})
    for values in changed:
        row_id = values.pop("row_id")
        session.execute(update(_ledger).where(_ledger.c.id == row_id).values(**values))


def _KEPT_FRESH(row: Mapping[str, Any]) -> Iterable[str]:
    always = ("state", "reason", "communication_id", "flags", "labels", "generation", "missing_since", "attempts",
              "error", "retry_at")  # fmt: skip
    return (*always, *(name for name in ("message_id", "ical_uid", "key_hash", "size", "received_at") if row[name]))


def _tombstone(session: Session, place: Place, tombstones: Sequence[Tombstone], existing: Mapping[str, Any]) -> int:
    """Membership in this stream ended. The communication stays; whether any sighting of it is left is settled when all
    streams of the pass have been read (``sync.sweep``), so that a move never looks like a loss."""
    live = [existing[t.remote_id] for t in tombstones if t.remote_id in existing]
    ids = [row.id for row in live if row.state != "removed"]
    if not ids:
        return 0
    session.execute(
        update(_ledger)
        .where(_ledger.c.id.in_(bindparam("ids", expanding=True)))
        .values(state="removed", reason="gone", missing_since=place.now),
        {"ids": ids},
    )
    meetings.withdraw(session, place.stream, [row.remote_id for row in live], place.now)
    return len(ids)


def _count(existing: Mapping[str, Any], rows: Mapping[str, dict[str, Any]], counts: Counts) -> None:
    for remote_id, row in rows.items():
        before = existing.get(remote_id)
        state = row["state"]
        if state == "skipped":
            counts.skipped[row["reason"]] = counts.skipped.get(row["reason"], 0) + 1
        elif state == "quarantined":
            counts.quarantined += 1
        elif state == "pending":
            counts.pending += 1
        elif before is None or before.state != "stored":
            counts.stored += 1
        elif _differs(row, before):
            counts.updated += 1
