"""From what a connector parsed to what matching judges: a mail or a meeting instance becomes an Item. Pure.

The one translation for the sync flow and for evaluation. Reads no clock, looks nothing up; addresses come out
canonical, marks as matching names them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from connectors.mime import classify
from connectors.types import Attendee, CalendarEvent, Envelope, Mailbox
from matching.addresses import Sort, canonical, one_domain, sort
from matching.types import Item, Mark, Party

MAX_PARTIES = 2_000
BODY_LIMIT = 20_000
_LIST_ID = re.compile(r"<([^<>\s]{1,255})>\s*$")
_REPLY = re.compile(r"^\s*(?:re|aw|sv|antw|antwort|rv|res|vs|odp|回复|返信)\s*(?:\[\d+\])?\s*[:：]", re.IGNORECASE)
_CAMPAIGN = ("list-unsubscribe-post", "feedback-id", "x-campaign-id")


def item_from_envelope(
    envelope: Envelope,
    marks: Collection[str],
    *,
    id: int,
    thread: str,
    mailboxes: Sequence[str],
    occurred_at: datetime,
) -> Item:
    """A mail as matching sees it. ``marks`` are those of ``connectors.mime.classify``; ``mailboxes`` the addresses of
    the accounts that saw it; ``occurred_at`` aware UTC."""
    return Item(
        id=id,
        kind="email",
        occurred_at=occurred_at,
        parties=tuple(parties_of(envelope))[:MAX_PARTIES],
        subject=envelope.subject,
        thread=thread,
        message_id=envelope.message_id,
        parents=(*envelope.in_reply_to, *envelope.references),
        ical_uid="",
        marks=marks_of(envelope, marks),
        mailboxes=tuple(sorted({canonical(address) for address in mailboxes})),
        body=envelope.text[:BODY_LIMIT],
        signature=envelope.signature,
        list_host=list_host(envelope.headers),
    )


def parties_of(envelope: Envelope) -> Iterator[Party]:
    """Everyone named in a mail, in a fixed order of roles."""
    sender = (envelope.sender,) if envelope.sender else ()
    original = (envelope.original_from,) if envelope.original_from else ()
    for role, boxes in (
        ("from", envelope.from_), ("sender", sender), ("reply_to", envelope.reply_to), ("to", envelope.to),
        ("cc", envelope.cc), ("bcc", envelope.bcc), ("original_from", original), ("resent_from", envelope.resent_from),
        ("resent_to", envelope.resent_to), ("forwarded", envelope.forwarded),
    ):  # fmt: skip
        yield from (_party(role, box) for box in boxes if box.address or box.name)


def _party(role: str, box: Mailbox) -> Party:
    address = canonical(box.address)
    return Party(role, address, box.name, not address or sort(address) in (Sort.PERSON, Sort.ROLE))


def marks_of(envelope: Envelope, marks: Collection[str]) -> frozenset[Mark]:
    """The parser's marks that matching knows, and whether a person wrote what went through a list.

    A machine's From address is matching's to judge, so that a web form with a customer in Reply-To is not lost.
    """
    known = {mark for mark in Mark if mark.value in marks}
    if Mark.AUTOMATIC in known and envelope.reply_to and "automatic" not in classify(replace(envelope, from_=())):
        known.discard(Mark.AUTOMATIC)
    if Mark.BULK in known and is_personal(envelope):
        known.add(Mark.PERSONAL)
    return frozenset(known)


def is_personal(envelope: Envelope) -> bool:
    """True when list mail reads as written by a person: a reply, or a discussion list, and no signs of a campaign."""
    headers = envelope.headers
    precedence = headers.get("precedence", "").strip().lower()
    campaign = sum(2 for name in _CAMPAIGN if name in headers) + (2 if precedence in ("bulk", "junk") else 0)
    campaign += 1 if "list-unsubscribe" in headers and "list-post" not in headers else 0
    person = 3 if envelope.in_reply_to or envelope.references or _REPLY.match(envelope.subject) else 0
    person += 2 if "list-post" in headers else 0
    return person >= campaign


def list_host(headers: Mapping[str, str]) -> str:
    """The domain of a List-Id ("Sales <sales.lists.ourco.example>" gives "lists.ourco.example"), "" for none (RFC
    2919)."""
    found = _LIST_ID.search(headers.get("list-id", "").strip()) or re.match(
        r"^()(\S+\.\S+)$", headers.get("list-id", "")
    )
    return one_domain(found[found.lastindex or 1].partition(".")[2]) if found else ""


def item_from_event(
    event: CalendarEvent,
    *,
    id: int,
    thread: str,
    mailboxes: Sequence[str],
    occurred_at: datetime,
    message_id: str = "",
) -> Item:
    """A meeting instance as matching sees it. ``occurred_at`` is its start in UTC."""
    return Item(
        id=id,
        kind="meeting",
        occurred_at=occurred_at,
        parties=tuple(parties_of_event(event))[:MAX_PARTIES],
        subject=event.summary,
        thread=thread,
        message_id=message_id,
        ical_uid=event.uid,
        marks=marks_of_event(event),
        mailboxes=tuple(sorted({canonical(address) for address in mailboxes})),
        body=event.description[:BODY_LIMIT],
    )


def parties_of_event(event: CalendarEvent) -> Iterator[Party]:
    """Organiser and guests. Rooms and resources are kept, and marked as no people."""
    if event.organizer is not None:
        yield _guest("organizer", event.organizer)
    yield from (_guest("attendee", guest) for guest in event.attendees if guest.address or guest.name)


def _guest(role: str, guest: Attendee) -> Party:
    address = canonical(guest.address)
    person = guest.kind not in ("resource", "room") and (not address or sort(address) in (Sort.PERSON, Sort.ROLE))
    return Party(role, address, guest.name, person)


def marks_of_event(event: CalendarEvent) -> frozenset[Mark]:
    """Class and status of an event as marks. RFC 5545 3.8.1.3: CONFIDENTIAL is no less private than PRIVATE."""
    marks = {Mark.PRIVATE} if event.classification in ("private", "confidential") else set()
    return frozenset(marks | ({Mark.CANCELLED} if event.status == "cancelled" else set()))
