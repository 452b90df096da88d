"""plan: compares what arrived with what is known and says what to do, with a reason for each. Pure: no database, no
clock.

Identity of a mail across mailboxes: its normalised Message-ID, believed only when From and Date agree (ids are forged
and reused); else the content fingerprint (relays and archives alter Message-IDs). Subject alone never."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from connectors.types import Change, Failed, Removed, Upsert
from sync.arrive import Arrival
from sync.intents import Insert, Intent, Invite, Meeting, Pend, Quarantine, Skip, Tombstone, Update
from sync.screen import Policy, reason

SAME_MAIL = timedelta(hours=26)
"""Copies of one mail whose Date is missing differ by their servers' arrival times; a reused id differs by more."""


BY_CONTENT = frozenset({"never_log", "private", "erased", "not_a_meeting"})
"""Reasons that only content gives; new flags alone change nothing about them."""


@dataclass(frozen=True, slots=True)
class KnownRow:
    """What the ledger says of a remote id of this stream."""

    state: str
    reason: str | None
    communication_id: int | None
    message_id: str | None = None

    def is_stored(self, arrival: Arrival) -> bool:
        """Whether the log holds this very mail. A restored server may give an id of before to another one."""
        came = arrival.envelope.message_id if arrival.envelope else ""
        return self.state == "stored" and self.communication_id is not None and (
            not came or self.message_id in (None, came)
        )


@dataclass(frozen=True, slots=True)
class KnownMail:
    """A communication that shares an id or fingerprint with something in the batch."""

    communication_id: int | None
    key: str
    message_id: str
    fingerprint: str
    occurred_at: datetime
    sender: str


@dataclass(slots=True)
class Known:
    """All that plan may look at. ``by_message_id`` and ``by_fingerprint`` grow while a batch is planned, so that twins
    within one batch find each other."""

    rows: Mapping[str, KnownRow]
    by_message_id: dict[str, list[KnownMail]]
    by_fingerprint: dict[str, list[KnownMail]]

    def add(self, mail: KnownMail) -> None:
        """Make a mail findable for the rest of the batch."""
        if mail.message_id:
            self.by_message_id.setdefault(mail.message_id, []).append(mail)
        self.by_fingerprint.setdefault(mail.fingerprint, []).append(mail)


Entry = Arrival | Removed | Failed


def plan(
    entries: Iterable[Entry], known: Known, policy: Policy, occurred: Mapping[str, datetime]
) -> Iterator[Intent]:
    """One intent for each entry, in order. ``occurred`` maps remote ids to when the mail happened."""
    for entry in entries:
        if isinstance(entry, Removed):
            yield Tombstone(entry.remote_id, entry.reason or "gone")
        elif isinstance(entry, Failed):
            yield Quarantine(entry.remote_id, entry.code, entry.error)
        else:
            yield _arrival(entry, known, policy, occurred)


def _arrival(arrival: Arrival, known: Known, policy: Policy, occurred: Mapping[str, datetime]) -> Intent:
    upsert = arrival.upsert
    row = known.rows.get(upsert.remote_id)
    if because := reason(arrival, policy):
        return Skip(upsert, because, arrival)
    if arrival.error is not None:
        return Quarantine(upsert.remote_id, arrival.error.code, str(arrival.error), upsert)
    if arrival.events is not None:
        return Meeting(arrival)
    if arrival.envelope is None:
        return _without_content(upsert, row)
    if row is not None and row.is_stored(arrival):
        return Update(upsert, arrival, row.communication_id, because="seen again")
    if arrival.speaks:
        return Invite(arrival)
    return _mail(arrival, known, occurred[upsert.remote_id])


def _without_content(upsert: Upsert, row: KnownRow | None) -> Intent:
    if row is not None and row.state in ("stored", "removed") and row.communication_id is not None:
        return Update(upsert, None, row.communication_id, because="flags")
    if row is not None and row.state == "skipped" and row.reason in BY_CONTENT:
        return Skip(upsert, row.reason)
    if row is not None and row.state == "quarantined":
        return Quarantine(upsert.remote_id, row.reason or "unparseable", "", upsert)
    return Pend(upsert)


def _mail(arrival: Arrival, known: Known, occurred: datetime) -> Intent:
    envelope = arrival.envelope
    assert envelope is not None
    sender = envelope.from_[0].address.lower() if envelope.from_ else ""
    if twin := _twin(known, envelope.message_id, envelope.fingerprint, occurred, sender):
        return Update(arrival.upsert, arrival, twin.communication_id, twin.key, because="seen in another place")
    key = _key(known, envelope.message_id, envelope.fingerprint, arrival)
    known.add(KnownMail(None, key, envelope.message_id, envelope.fingerprint, occurred, sender))
    return Insert(arrival, key)


def _twin(known: Known, message_id: str, fingerprint: str, occurred: datetime, sender: str) -> KnownMail | None:
    for mail in known.by_message_id.get(message_id, ()) if message_id else ():
        if mail.fingerprint == fingerprint:
            return mail
        if mail.sender == sender and abs(mail.occurred_at - occurred) <= SAME_MAIL:
            return mail
    for mail in known.by_fingerprint.get(fingerprint, ()):
        if abs(mail.occurred_at - occurred) <= SAME_MAIL:
            return mail
    return None


def _key(known: Known, message_id: str, fingerprint: str, arrival: Arrival) -> str:
    """A fresh identity: the Message-ID while it is free, else the content, else content and arrival time."""
    if message_id and not known.by_message_id.get(message_id):
        return f"m:{message_id}"
    if not known.by_fingerprint.get(fingerprint):
        return f"f:{fingerprint}"
    received = arrival.upsert.received_at
    return f"f:{fingerprint}:{int(received.timestamp()) if received else arrival.upsert.remote_id}"


def last_words(changes: Iterable[Change]) -> list[Change]:
    """What a batch says last of each remote id, in order of first mention. Content that came with an earlier word of
    the same item is kept with the last one."""
    said: dict[str, Change] = {}
    for change in changes:
        before = said.get(change.remote_id)
        if isinstance(before, Upsert) and isinstance(change, Upsert) and change.raw is None and not change.skip:
            change = replace(change, raw=before.raw)
        said[change.remote_id] = change
    return list(said.values())
