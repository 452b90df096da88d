"""The values that cross from connectors to the rest: what a server holds, before anyone judged it.

All are immutable. Times are aware datetimes in UTC unless a field says otherwise. Nothing here knows of
databases, contacts or users.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

Cursor = str
"""Opaque to everyone but the connector that made it; text (usually JSON), never compared as a number."""


class StreamKind(StrEnum):
    MAIL = "mail"
    CALENDAR = "calendar"


class StreamRole(StrEnum):
    """What a folder is for, by RFC 6154 special use or by its well-known (localised) name."""

    INBOX = "inbox"
    SENT = "sent"
    ARCHIVE = "archive"
    ALL = "all"
    DRAFTS = "drafts"
    JUNK = "junk"
    TRASH = "trash"
    CALENDAR = "calendar"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Stream:
    """A folder, a label set or a calendar: the unit that has a cursor.

    ``id`` is stable for the connector (IMAP: the decoded path; Gmail: "mailbox"; else the provider's id);
    ``name`` is shown to people and exported (IMAP: the path as the server has it, decoded);
    ``default_on`` says whether it is synced when nobody chose (never Junk, Trash, Drafts);
    ``count`` is the number of items there now, where the listing told.
    """

    id: str
    name: str
    kind: StreamKind = StreamKind.MAIL
    role: StreamRole = StreamRole.OTHER
    default_on: bool = True
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Attachment:
    """An attachment's metadata; the bytes stay at the source. ``part`` is the provider's handle for them
    (IMAP: the part number; Gmail, Graph: the attachment id). ``size`` is in bytes, decoded where known."""

    name: str
    type: str
    size: int
    part: str = ""
    content_id: str = ""


@dataclass(frozen=True, slots=True)
class RawPart:
    """One leaf MIME part as transferred: its own header block and its still-encoded body."""

    headers: bytes
    body: bytes
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class RawMessage:
    """A mail before parsing. Either ``source`` is the whole RFC 5322 message, or ``header`` is its top header
    block and ``parts`` the leaf text and calendar parts that were fetched, ``attachments`` the rest's metadata
    (the lean path). Header bytes may be raw UTF-8."""

    source: bytes = b""
    header: bytes = b""
    parts: tuple[RawPart, ...] = ()
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class RawCalendar:
    """An iCalendar object (RFC 5545) as bytes: everything of one UID, or a whole file."""

    ics: bytes


class Busy(StrEnum):
    BUSY = "busy"
    FREE = "free"


@dataclass(frozen=True, slots=True)
class Attendee:
    """``address`` may be empty (a guest known by name only). ``response`` is accepted, declined, tentative,
    needs-action or delegated (RFC 5545 PARTSTAT, lower case). ``kind`` is individual, group, resource, room or
    unknown (CUTYPE); resources and rooms are not people. ``sent_by`` is the address acting for this one (SENT-BY)."""

    address: str
    name: str = ""
    role: str = "required"
    response: str = "needs-action"
    kind: str = "individual"
    sent_by: str = ""


@dataclass(frozen=True, slots=True)
class CalendarEvent:
    """One VEVENT, or a provider's equal: a single event, the master of a series, or one override.

    ``start`` and ``end`` are as written: an aware datetime, a naive one (floating) or a date (all day);
    ``zone`` is the IANA name of the start. ``recurrence_id`` names the instance an override replaces (UTC
    datetime, or date). ``recurrence`` holds RRULE, RDATE, EXDATE, EXRULE lines verbatim (master only), with
    EXDATE/RDATE already carrying usable zones. ``method`` is the iTIP method when it came by mail, else "".
    ``dtstamp`` and ``modified`` order versions of equal ``sequence``. ``kind`` is "default" or the provider's special
    type (outOfOffice, birthday, focusTime, workingLocation), which is never a meeting.
    """

    uid: str
    start: datetime | date
    end: datetime | date
    zone: str = "UTC"
    recurrence_id: datetime | date | None = None
    this_and_future: bool = False
    sequence: int = 0
    dtstamp: datetime | None = None
    modified: datetime | None = None
    method: str = ""
    status: str = "confirmed"
    summary: str = ""
    description: str = ""
    location: str = ""
    organizer: Attendee | None = None
    attendees: tuple[Attendee, ...] = ()
    attendees_omitted: bool = False
    recurrence: tuple[str, ...] = ()
    classification: str = "public"
    transparency: Busy = Busy.BUSY
    kind: str = "default"
    url: str = ""


@dataclass(frozen=True, slots=True)
class RemoteEvents:
    """What one remote calendar id holds: the components of one series (master and overrides), already parsed.

    Providers that deliver JSON (Google, Graph) yield these; ics sources yield ``RawCalendar``.
    ``complete`` says that ``events`` is the whole object: components of the same remote id absent from it are
    gone.
    """

    events: tuple[CalendarEvent, ...]
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Upsert:
    """An item is at the source, new or changed.

    ``raw`` is None when only its membership or flags changed (``flags`` then holds the new ones) or when the
    connector was told not to fetch content. ``remote_id`` ends with the provider's id (IMAP: ``uidvalidity:uid``).
    ``content_id`` is a provider identity that survives moves (EMAILID, X-GM-MSGID, immutable id), else "".
    ``thread_id`` is the provider's thread, a hint. ``received_at`` is INTERNALDATE or its equal. ``size`` is
    RFC822.SIZE in bytes. ``skip`` is a reason known from the listing alone ("draft", "spam", "trash"); such an item
    carries no ``raw``."""

    remote_id: str
    raw: RawMessage | RawCalendar | RemoteEvents | None = None
    flags: frozenset[str] = frozenset()
    labels: tuple[str, ...] = ()
    content_id: str = ""
    thread_id: str = ""
    received_at: datetime | None = None
    size: int = 0
    skip: str = ""


@dataclass(frozen=True, slots=True)
class Removed:
    """An item left this stream. Membership only: it says nothing of other streams."""

    remote_id: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """One item could not be fetched or decoded; it is named, so that the cursor may pass it once quarantined."""

    remote_id: str
    error: str
    code: str = "unparseable"


Change = Upsert | Removed | Failed


@dataclass(frozen=True, slots=True)
class Batch:
    """At most 250 changes and the cursor that is true once they are applied.

    ``cursor`` None means: nothing to save yet. ``listing`` says that the batch belongs to a complete listing of the
    stream (first sync, or after ``CursorExpired``): what was not seen by its end is swept, two-phase. ``final`` ends
    the listing: only then may a sweep start. ``total`` is the number of items the stream holds, for progress.
    """

    changes: tuple[Change, ...]
    cursor: Cursor | None = None
    listing: bool = False
    final: bool = False
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An RFC 5322 mailbox: display name decoded, address as written (not yet canonical)."""

    address: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A parsed mail. Lists keep the header's order; ids are normalised to ``<left@right>``.

    ``text`` is the new part only; ``quoted`` and ``signature`` are what was cut from it, so that text + signature +
    quoted loses nothing a reader needs. ``html`` is the raw, unsanitised HTML part, if any. ``date`` is UTC and None
    when the header is missing or nonsense; ``offset`` the sender's, in minutes. ``headers`` holds the lower-cased
    classifying headers (see ``connectors.mime.CLASSIFYING``), first value each. ``forwarded`` are the senders of
    forwarded originals found inside (inline or message/rfc822), outermost first. ``calendars`` are text/calendar
    parts and .ics attachments that were fetched. ``fingerprint`` identifies the content where Message-ID does not
    (sha256 of from, to and cc, date to the second, subject, first 1 KB of text)."""

    message_id: str
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    date: datetime | None
    offset: int | None
    subject: str
    from_: tuple[Mailbox, ...]
    sender: Mailbox | None
    reply_to: tuple[Mailbox, ...]
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    bcc: tuple[Mailbox, ...]
    text: str
    quoted: str
    signature: str
    html: str
    attachments: tuple[Attachment, ...]
    calendars: tuple[bytes, ...]
    headers: Mapping[str, str]
    forwarded: tuple[Mailbox, ...]
    fingerprint: str
    resent_from: tuple[Mailbox, ...] = ()
    resent_to: tuple[Mailbox, ...] = ()
    original_from: Mailbox | None = None
    is_report: bool = False
    truncated: bool = False
    defects: tuple[str, ...] = field(default=())
