"""A Graph message (JSON) as the raw mail the one parser reads: a header block, one body part, attachment metadata.

The header block is the transport headers (``internetMessageHeaders``) where Graph has them, completed from the
structured fields (mail we sent has no transport headers). Meeting mail carries the extra header
``X-CRM-Sync-Meeting: request|accepted|declined|tentative|cancelled`` and an empty calendar part with the iTIP METHOD
that stands for it, because Graph does not hand out the real one; the header is ours, so a transport header of that
name is dropped. Never invents a date, a name or an address.
Source: Graph message, eventMessage, internetMessageHeader, attachment resources.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from connectors.types import Attachment, RawMessage, RawPart, Upsert

MEETING_HEADER = "X-CRM-Sync-Meeting"
MAX_HEADERS = 400
MAX_HEADER_VALUE = 16_384
MAX_RECIPIENTS = 5_000
MAX_BODY = 2_000_000
MAX_ATTACHMENTS = 500
MAX_LABELS = 100

BODY_HEADERS = frozenset(
    ("content-type", "content-transfer-encoding", "content-disposition", "mime-version", MEETING_HEADER.casefold())
)
"""Not taken over: they describe a MIME body that Graph did not send, or are ours."""

MEETINGS: Mapping[str, str] = {
    "meetingrequest": "request",
    "meetingcancelled": "cancelled",
    "meetingaccepted": "accepted",
    "meetingtenativelyaccepted": "tentative",  # the documented spelling
    "meetingtentativelyaccepted": "tentative",
    "meetingdeclined": "declined",
    "accepted": "accepted",
    "tentativelyaccepted": "tentative",
    "declined": "declined",
}

METHODS: Mapping[str, str] = {"request": "REQUEST", "cancelled": "CANCEL"}
"""The iTIP method (RFC 5546) of a kind of meeting mail; answers are REPLY."""

_BREAKS = re.compile(r"[\r\n\x00]+[ \t]*")
_NAME = re.compile(r"^[!-9;-~]{1,128}$")
_SPECIALS = re.compile(r'[^\w!#$%&\'*+/=?^`{|}~ \u0080-\U0010ffff-]')


def upsert(item: Mapping[str, Any], attachments: Sequence[Mapping[str, Any]] = ()) -> Upsert:
    """The change a whole message stands for; drafts carry no content."""
    raw = None if item.get("isDraft") is True else raw_message(item, attachments)
    return membership(item, raw)


def membership(item: Mapping[str, Any], raw: RawMessage | None = None) -> Upsert:
    """The change that says that a message is there, with its flags; with ``raw`` its content as well."""
    body = item.get("body")
    size = len(str(body.get("content") or "")) if isinstance(body, dict) else 0
    return Upsert(
        remote_id=str(item["id"]),
        raw=raw,
        flags=flags(item),
        labels=tuple(str(label)[:255] for label in (item.get("categories") or ())[:MAX_LABELS]),
        content_id=str(item["id"]),
        thread_id=str(item.get("conversationId") or ""),
        received_at=moment(item.get("receivedDateTime")),
        size=size,
        skip="draft" if item.get("isDraft") is True else "",
    )


def flags(item: Mapping[str, Any]) -> frozenset[str]:
    """IMAP's names for what Graph says of a message: ``\\Seen``, ``\\Flagged``, ``\\Draft``."""
    flag = item.get("flag")
    flagged = isinstance(flag, dict) and flag.get("flagStatus") == "flagged"
    held = {"\\Seen": item.get("isRead") is True, "\\Flagged": flagged, "\\Draft": item.get("isDraft") is True}
    return frozenset(name for name, there in held.items() if there)


def moment(value: Any) -> datetime | None:
    """An OData DateTimeOffset as an aware UTC datetime, or None. Fractions beyond microseconds are cut."""
    if not isinstance(value, str) or len(value) > 64:
        return None
    text = re.sub(r"(\.\d{6})\d+", r"\1", value.strip())
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def raw_message(item: Mapping[str, Any], attachments: Sequence[Mapping[str, Any]] = ()) -> RawMessage:
    """The header block, the body and the attachments' metadata of one message."""
    lines = [f"{name}: {value}" for name, value in _headers(item)]
    return RawMessage(
        header=("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "replace"),
        parts=(_body(item), *_calendar_part(meeting(item))),
        attachments=tuple(_attachment(one) for one in attachments[:MAX_ATTACHMENTS]),
    )


def meeting(item: Mapping[str, Any]) -> str:
    """What kind of meeting mail this is, "" for any other mail, "unknown" where Graph named only the family."""
    kind = str(item.get("meetingMessageType") or item.get("responseType") or "").casefold()
    if kind in MEETINGS:
        return MEETINGS[kind]
    type_name = str(item.get("@odata.type") or "").rsplit(".", 1)[-1].casefold()
    if type_name == "eventmessagerequest":
        return "request"
    return "unknown" if type_name in ("eventmessage", "eventmessageresponse") else ""


def _headers(item: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for name, value in _transport(item):
        seen.add(name.casefold())
        yield name, value
    for name, value in _structured(item):
        if name.casefold() not in seen and value:
            yield name, value
    kind = meeting(item)
    if kind and kind != "unknown":
        yield MEETING_HEADER, kind


def _transport(item: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    held = item.get("internetMessageHeaders")
    for one in (held if isinstance(held, list) else [])[:MAX_HEADERS]:
        name, value = (str(one.get("name") or ""), str(one.get("value") or "")) if isinstance(one, dict) else ("", "")
        if _NAME.match(name) and name.casefold() not in BODY_HEADERS:
            yield name, _flat(value)


def _flat(value: str) -> str:
    """One line of header text: no value can start a header of its own."""
    return _BREAKS.sub(" ", value)[:MAX_HEADER_VALUE].strip()


def _structured(item: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "From", _mailboxes([item.get("from") or item.get("sender")])
    yield "Sender", _mailboxes([item.get("sender")]) if item.get("sender") != item.get("from") else ""
    yield "Reply-To", _mailboxes(item.get("replyTo"))
    yield "To", _mailboxes(item.get("toRecipients"))
    yield "Cc", _mailboxes(item.get("ccRecipients"))
    yield "Bcc", _mailboxes(item.get("bccRecipients"))
    yield "Subject", _flat(str(item.get("subject") or ""))
    sent = moment(item.get("sentDateTime"))
    yield "Date", format_datetime(sent) if sent else ""
    yield "Message-ID", _flat(str(item.get("internetMessageId") or ""))


def _mailboxes(held: Any) -> str:
    return ", ".join(filter(None, (_mailbox(one) for one in (held if isinstance(held, list) else [])[:MAX_RECIPIENTS])))


def _mailbox(recipient: Any) -> str:
    found = recipient.get("emailAddress") if isinstance(recipient, dict) else None
    if not isinstance(found, dict):
        return ""
    address = re.sub(r"[<>,\s]", "", _flat(str(found.get("address") or "")))
    name = _flat(str(found.get("name") or ""))
    if not address:
        return f"{_phrase(name)} <>" if name else ""
    return f"{_phrase(name)} <{address}>" if name and name != address else address


def _phrase(name: str) -> str:
    if not _SPECIALS.search(name):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _body(item: Mapping[str, Any]) -> RawPart:
    held = item.get("body")
    body = held if isinstance(held, dict) else {}
    kind = "plain" if str(body.get("contentType") or "").casefold() == "text" else "html"
    content = str(body.get("content") or "").encode("utf-8", "replace")
    headers = f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    return RawPart(headers.encode(), content[:MAX_BODY], truncated=len(content) > MAX_BODY)


def _calendar_part(kind: str) -> Iterator[RawPart]:
    if kind and kind != "unknown":
        method = METHODS.get(kind, "REPLY")
        lines = ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//crm-sync//Graph//EN", f"METHOD:{method}", "END:VCALENDAR")
        text = "".join(f"{line}\r\n" for line in lines)
        yield RawPart(f"Content-Type: text/calendar; charset=utf-8; method={method}\r\n\r\n".encode(), text.encode())


def _attachment(one: Mapping[str, Any]) -> Attachment:
    type_name = str(one.get("@odata.type") or "").rsplit(".", 1)[-1].casefold()
    fallback = "message/rfc822" if type_name == "itemattachment" else "application/octet-stream"
    size = one.get("size")
    return Attachment(
        name=_flat(str(one.get("name") or ""))[:255],
        type=_flat(str(one.get("contentType") or fallback)).casefold()[:255],
        size=size if isinstance(size, int) and size >= 0 else 0,
        part=str(one.get("id") or ""),
        content_id=_flat(str(one.get("contentId") or ""))[:255],
    )
