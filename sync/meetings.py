"""Meetings: keeps every version of every calendar component, from calendars and from mail, and derives the log's
meetings from them.

The state of a meeting is a pure fold over all its versions (RFC 5546), so the order of arrival never matters: an
invitation by mail and the event in three calendars are one communication per instance. A series becomes one row per
instance within a window around now (``sync.series`` moves it on); what the rules cannot bound, the expansion's limits
do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.orm import Session

from connectors.ical.expand import Occurrence, expand
from connectors.ical.merge import Version, merge_series
from connectors.types import CalendarEvent, Envelope
from crm import search
from crm.models import (
    Account,
    Communication,
    CommunicationBody,
    EventVersion,
    Ledger,
    Link,
    MessageRef,
    Participant,
    Stream,
)
from matching.addresses import canonical
from matching.types import Item
from sync import meeting_sightings, thread_rows
from sync.arrive import Arrival
from sync.attach import settle
from sync.chunks import chunks
from sync.event_json import from_json, identity, to_json
from sync.items import item_from_event
from sync.reread import items_with
from sync.store import SNIPPET, participants

BACK = timedelta(days=5 * 366)
AHEAD = timedelta(days=366)
INSTANCES_MAX = 2_500
"""A daily series fills its window with 2,196."""
NOT_MEETINGS = frozenset({"outOfOffice", "birthday", "focusTime", "workingLocation", "fromGmail"})
SECRET = frozenset({"private", "confidential"})
INVITATIONS = frozenset({"REQUEST", "PUBLISH", "ADD"})
BUSY = "Busy"
PARTS_AT_ONCE = 50
"""Google names the exceptions of a series ``<series>_<time>``; a deleted series may be told by its own id alone."""
UNKNOWN = "unknown"
FIRST_DAY, LAST_DAY = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""A single event is in the log whenever it was; only series have a window."""


@dataclass(slots=True)
class Told:
    """What became of one remote item: its ledger state and reason, and the communications of its series."""

    state: str
    reason: str | None
    uid: str | None
    communications: list[int] = field(default_factory=list)

    @property
    def communication_id(self) -> int | None:
        """The first of them, for the ledger row."""
        return min(self.communications) if self.communications else None


def store(
    session: Session, account: Account, stream: Stream, arrivals: Sequence[Arrival], now: datetime
) -> dict[str, Told]:
    """Keep the versions these items bring, then rebuild the meetings they are about. Keyed by remote id."""
    told: dict[str, Told] = {}
    uids: set[str] = set()
    for arrival in arrivals:
        events = arrival.events if arrival.events is not None else arrival.invites
        told[arrival.upsert.remote_id] = _told(arrival, events)
        kept = [e for e in events if e.kind not in NOT_MEETINGS and e.uid]
        if arrival.envelope is not None:
            _thread(session, account, arrival.envelope, now)
        uids |= _keep(session, account, stream, arrival, kept, now)
    built = rebuild(session, uids, now)
    for outcome in told.values():
        outcome.communications = built.get(outcome.uid or "", [])
    return told


def _thread(session: Session, account: Account, envelope: Envelope, now: datetime) -> None:
    """An invitation is no item of its own, but replies to it and the meeting are in its thread."""
    refs = thread_rows.Refs(
        envelope.message_id, (*envelope.references, *envelope.in_reply_to), account.id, "", envelope.subject
    )
    if joins := refs.joins():
        thread = thread_rows.assign(session, [refs], now)[0]
        thread_rows.register(session, dict.fromkeys(joins, thread))


def _told(arrival: Arrival, events: Sequence[CalendarEvent]) -> Told:
    uid = next((e.uid for e in events if e.uid), None)
    if arrival.events is None:
        return Told("stored", "invitation", uid)
    if not events or all(e.kind in NOT_MEETINGS for e in events):
        return Told("skipped", "not_a_meeting", uid)
    private = all(e.classification in SECRET for e in events)
    return Told("stored", "private" if private else None, uid)


def _keep(
    session: Session, account: Account, stream: Stream, arrival: Arrival, events: Sequence[CalendarEvent], now: datetime
) -> set[str]:
    """Write the versions of one remote item; components a complete object no longer has are withdrawn."""
    upsert, envelope = arrival.upsert, arrival.envelope
    by_mail = arrival.events is None
    source = _source(account, stream, arrival)
    query = select(EventVersion).where(EventVersion.source == source)
    known = {(row.uid, row.recurrence_id): row for row in session.scalars(query)}
    uids = {uid for uid, _ in known}
    for key, event in {(e.uid, identity(e.recurrence_id)): e for e in sorted(events, key=_version_order)}.items():
        row = known.pop(key, None)
        if row is None:
            row = EventVersion(
                source=source, uid=key[0], recurrence_id=key[1], account_id=account.id, remote_id=upsert.remote_id
            )
            session.add(row)
        row.stream_id = None if by_mail else stream.id
        row.via = "mail" if by_mail else "calendar"
        row.sender = canonical(envelope.from_[0].address) if by_mail and envelope and envelope.from_ else ""
        row.message_id = (envelope.message_id or None) if by_mail and envelope else None
        row.payload, row.removed_at = to_json(_kept(event)), None
        row.received_at = upsert.received_at or (envelope.date if envelope and envelope.date else now)
        uids.add(event.uid)
    if arrival.complete and not by_mail:
        for row in known.values():
            row.removed_at = row.removed_at or now
    session.flush()
    return uids


def _kept(event: CalendarEvent) -> CalendarEvent:
    """Of a private event: its times, and its organizer, who alone may change it. What is shown of it is "Busy"."""
    if event.classification not in SECRET:
        return event
    return replace(event, summary="", description="", location="", url="", attendees=(), attendees_omitted=False)


def _source(account: Account, stream: Stream, arrival: Arrival) -> str:
    """What told a version: a mail of an account, in whichever folder, or an object of a calendar. Each account has its
    own, so that one which is purged takes nothing from the others."""
    if arrival.events is None and arrival.envelope is not None:
        return f"m:{account.id}:{arrival.envelope.message_id or arrival.upsert.remote_id}"
    return f"c:{stream.id}:{arrival.upsert.remote_id}"


def _version_order(event: CalendarEvent) -> tuple[int, datetime]:
    """A file that holds one component twice means the newer one."""
    return event.sequence, event.dtstamp or FIRST_DAY


def withdraw(session: Session, stream: Stream, remote_ids: Collection[str], now: datetime) -> None:
    """Calendar objects left their calendar: their versions no longer count."""
    if stream.kind != "calendar":
        return
    uids: set[str] = set()
    for chunk in chunks(sorted(remote_ids), PARTS_AT_ONCE):
        parts = [EventVersion.remote_id.startswith(f"{i}_", autoescape=True) for i in chunk]
        query = select(EventVersion).where(
            EventVersion.stream_id == stream.id,
            EventVersion.removed_at.is_(None),
            or_(EventVersion.remote_id.in_(chunk), *parts),
        )
        for row in session.scalars(query):
            row.removed_at = now
            uids.add(row.uid)
    session.flush()
    rebuild(session, uids, now)


def forget(session: Session, account_id: int, now: datetime) -> None:
    """An account was purged: what it told of meetings goes, and those that others saw too stand on the others' word."""
    told = EventVersion.account_id == account_id
    uids = set(session.scalars(select(EventVersion.uid).where(told)))
    session.execute(delete(EventVersion).where(told))
    rebuild(session, {uid for uid, rows in versions_of(session, uids).items() if rows}, now)


@dataclass(frozen=True, slots=True)
class Instance:
    """One meeting as it should stand in the log."""

    event: CalendarEvent
    recurrence_id: str
    start: datetime
    end: datetime
    all_day: bool
    cancelled: bool
    private: bool


def rebuild(session: Session, uids: Collection[str], now: datetime) -> dict[str, list[int]]:
    """Make the log's meetings of these UIDs equal to what their versions say. Returns communication ids by UID."""
    versions = versions_of(session, uids)
    result: dict[str, list[int]] = {}
    for uid in sorted(uids):
        rows = versions.get(uid, [])
        instances = instances_of(rows, now)
        result[uid] = _reconcile(session, uid, rows, instances, now)
    settle(session, items_with(session, [i for ids in result.values() for i in ids]), now)
    return result


def versions_of(session: Session, uids: Collection[str]) -> dict[str, list[EventVersion]]:
    """All versions by UID, in a fixed order."""
    found: dict[str, list[EventVersion]] = defaultdict(list)
    for chunk in chunks(sorted(uids)):
        for row in session.scalars(select(EventVersion).where(EventVersion.uid.in_(chunk)).order_by(EventVersion.id)):
            found[row.uid].append(row)
    return found


def instances_of(rows: Sequence[EventVersion], now: datetime) -> list[Instance]:
    """Fold the versions by component, expand, and say what each instance is. A meeting whose last calendar let it go
    is cancelled from then on; what was over by then did happen."""
    live = [r for r in rows if r.removed_at is None]
    withdrawn = [r.removed_at for r in rows if r.removed_at is not None and r.via == "calendar"]
    calendars = [r for r in live if r.via == "calendar"]
    ended = max(withdrawn) if withdrawn and not calendars else None
    versions = [
        Version(from_json(r.payload), (r.sender or UNKNOWN) if r.via == "mail" else "", r.received_at)
        for r in (live if ended is None else rows)
    ]
    merged = [replace(m.event, status="cancelled") if m.cancelled else m.event for m in merge_series(versions).values()]
    if not merged:
        return []
    repeats = any(event.recurrence for event in merged)
    begin, end = (now - BACK, now + AHEAD) if repeats else (FIRST_DAY, LAST_DAY)
    instances = [_instance(o, ended) for o in expand(merged, start=begin, end=end, limit=INSTANCES_MAX).instances]
    return list({instance.recurrence_id: instance for instance in instances}.values())


def _instance(o: Occurrence, ended: datetime | None) -> Instance:
    gone = ended is not None and o.start > ended
    return Instance(
        o.event,
        identity(o.recurrence_id),
        o.start,
        o.end,
        o.all_day,
        o.cancelled or gone,
        o.event.classification in SECRET,
    )


def _reconcile(
    session: Session, uid: str, rows: Sequence[EventVersion], instances: Sequence[Instance], now: datetime
) -> list[int]:
    stored = {
        row.key: row
        for row in session.scalars(
            select(Communication).where(Communication.ical_uid == uid, Communication.kind == "meeting")
        )
    }
    origin = _origin(rows, instances)
    thread = (
        session.scalar(select(MessageRef.thread_id).where(MessageRef.message_id == origin.message_id))
        if origin
        else None
    )
    ids: list[int] = []
    for instance in instances:
        key = f"e:{uid}|{instance.recurrence_id}"
        row = stored.pop(key, None)
        if row is None:
            row = Communication(key=key, kind="meeting", ical_uid=uid, created_at=now, occurred_at=instance.start)
            session.add(row)
        _fill(session, row, instance, origin.message_id if origin else None, thread, now)
        ids.append(row.id)
    _drop(session, [row for row in stored.values() if not _is_past_window(row, now)], now)
    meeting_sightings.settle(session, ids, rows, now)
    return ids


def _origin(rows: Sequence[EventVersion], instances: Sequence[Instance]) -> EventVersion | None:
    """The first invitation by mail that came from the meeting's organizer, or from who acts for them."""
    held = {canonical(i.event.organizer.address) for i in instances if i.event.organizer}
    invitations = [
        r for r in rows
        if r.via == "mail" and r.message_id and r.payload.get("method") in INVITATIONS and _speaks(r, held)
    ]  # fmt: skip
    return min(invitations, key=lambda r: (r.received_at, r.message_id or ""), default=None)


def _speaks(row: EventVersion, organizers: Collection[str]) -> bool:
    named = row.payload.get("organizer") or {}
    organizer = canonical(named.get("address", ""))
    mine = row.sender in {organizer, canonical(named.get("sent_by", ""))} - {""}
    return mine and (not organizers or organizer in organizers)


def _fill(
    session: Session, row: Communication, instance: Instance, message_id: str | None, thread: int | None, now: datetime
) -> None:
    """Write what differs: the row, its participants, its body and its search entry."""
    event = instance.event
    item = item_from_event(event, id=0, thread="", mailboxes=(), occurred_at=instance.start)
    description = "" if instance.private else event.description
    values: dict[str, Any] = {
        "message_id": message_id,
        "thread_id": thread,
        "recurrence_id": instance.recurrence_id or None,
        "occurred_at": instance.start,
        "ends_at": instance.end,
        "all_day": instance.all_day,
        "zone": event.zone,
        "subject": BUSY if instance.private else event.summary,
        "snippet": " ".join(description.split())[:SNIPPET],
        "cancelled": instance.cancelled,
        "marks": sorted({*(str(m) for m in item.marks), *(("private",) if instance.private else ())} - {"cancelled"}),
        "visibility_cap": "metadata" if instance.private else None,
    }
    fresh = row.id is None
    if fresh or any(getattr(row, name) != value for name, value in values.items()):
        for name, value in values.items():
            setattr(row, name, value)
        row.updated_at = now
    session.flush()
    changed = _people(session, row.id, item if not instance.private else None, event)
    body = session.get(CommunicationBody, row.id)
    text = description + (f"\n\n{event.location}" if event.location and not instance.private else "")
    if body is None:
        session.add(CommunicationBody(communication_id=row.id, text=text, headers={}))
    elif body.text != text:
        body.text, changed = text, True
    if fresh or changed:
        people = " ".join(f"{p.name} {p.address}" for p in item.parties) if not instance.private else ""
        search.index(session, [(row.id, row.subject, people, text)])


def _people(session: Session, communication_id: int, item: Item | None, event: CalendarEvent) -> bool:
    told = {canonical(a.address) or a.name: a.response for a in event.attendees}
    wanted = participants(communication_id, item, told) if item is not None else []
    names = ("position", "role", "canonical", "name", "response", "is_person")
    query = select(Participant).where(Participant.communication_id == communication_id).order_by(Participant.position)
    stored = list(session.scalars(query))
    if [tuple(getattr(p, n) for n in names) for p in stored] == [tuple(w[n] for n in names) for w in wanted]:
        return False
    session.execute(delete(Participant).where(Participant.communication_id == communication_id))
    if wanted:
        session.execute(insert(Participant), wanted)
    return True


def _is_past_window(row: Communication, now: datetime) -> bool:
    """Instances from before the window are not expanded any more; they stay as they were."""
    return bool(row.recurrence_id) and row.occurred_at < now - BACK


def _drop(session: Session, rows: Iterable[Communication], now: datetime) -> None:
    """Instances the series no longer has. One that a person attached to something stays, cancelled."""
    for row in rows:
        pinned = session.scalar(select(Link.id).where(Link.communication_id == row.id, Link.pinned.is_(True)).limit(1))
        if pinned is not None:
            row.cancelled, row.updated_at = True, now
            continue
        search.forget(session, [row.id])
        session.execute(update(Ledger).where(Ledger.communication_id == row.id).values(communication_id=None))
        session.execute(delete(Link).where(Link.communication_id == row.id))
        session.delete(row)
    session.flush()
