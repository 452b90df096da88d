"""parse: a connector's change becomes an ``Arrival``: what came, read, classified, and hashed. Pure but for CPU time.

Whatever a mail does to the parsers ends here as an Arrival with an ``error``; nothing else of it goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from connectors.calendar import parse_calendar
from connectors.errors import BadItem
from connectors.ical.merge import may_speak
from connectors.mime import classify, parse_message
from connectors.types import CalendarEvent, Envelope, RawCalendar, RawMessage, RemoteEvents, Upsert
from matching.addresses import canonical


@dataclass(frozen=True, slots=True)
class Arrival:
    """One upsert, parsed. Exactly one of ``envelope``, ``events`` and ``error`` is set when there was content; none
    when only flags came. ``invites`` are the iTIP components a mail carried; ``speaks`` says that its sender may speak
    for the meeting, so that the mail is the meeting's and no item of its own."""

    upsert: Upsert
    envelope: Envelope | None = None
    marks: frozenset[str] = frozenset()
    events: tuple[CalendarEvent, ...] | None = None
    complete: bool = True
    invites: tuple[CalendarEvent, ...] = ()
    speaks: bool = False
    error: BadItem | None = None


def parse(upsert: Upsert) -> Arrival:
    """Read one upsert. Never raises for what the item contains."""
    raw = upsert.raw
    try:
        if isinstance(raw, RawMessage):
            return _mail(upsert, raw)
        if isinstance(raw, RawCalendar):
            return _calendar(upsert, raw)
        if isinstance(raw, RemoteEvents):
            return Arrival(upsert, events=raw.events, complete=raw.complete)
    except BadItem as error:
        return Arrival(upsert, error=error)
    except Exception as error:  # noqa: BLE001 - promise: one bad item never stops the others; it is named and kept
        return Arrival(upsert, error=BadItem(f"could not be read ({type(error).__name__})", remote_id=upsert.remote_id))
    return Arrival(upsert)


def _mail(upsert: Upsert, raw: RawMessage) -> Arrival:
    envelope = parse_message(raw, received_at=upsert.received_at)
    marks = classify(envelope)
    sender = canonical(envelope.from_[0].address) if envelope.from_ else ""
    parsed = [parse_calendar(part) for part in envelope.calendars]
    invites = tuple(event for calendar in parsed if calendar.method for event in calendar.events)
    speaks = any(event.uid and may_speak(event, sender) for event in invites)
    return Arrival(upsert, envelope=envelope, marks=marks, invites=invites, speaks=speaks)


def _calendar(upsert: Upsert, raw: RawCalendar) -> Arrival:
    parsed = parse_calendar(raw.ics)
    if not parsed.events and parsed.problems:
        problem = parsed.problems[0]
        raise BadItem(str(problem), remote_id=upsert.remote_id)
    return Arrival(upsert, events=parsed.events)


def occurred_at(arrival: Arrival, now: datetime) -> datetime:
    """When a mail happened, UTC: its Date, else when the server received it, else now. A Date more than a day
    ahead of the server's own time is a wrong clock: then the server's time serves."""
    received = arrival.upsert.received_at
    written = arrival.envelope.date if arrival.envelope else None
    if written is None or (received is not None and (written - received).total_seconds() > 86_400):
        return received or written or now
    return written
