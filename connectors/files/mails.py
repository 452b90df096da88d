"""What an archived mail tells beside its content: when it came, its flags, its Gmail labels. Only the header is read,
through the one mail parser's own header reader."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from connectors.errors import BadItem
from connectors.files.roles import off_reason, role
from connectors.mailparse import dates, headers
from connectors.types import RawMessage, Upsert

_HEADER_LINE: Final = re.compile(rb"\A(?:From [^\n]*\n)?[!-9;-~]{1,100}[ \t]*:")
_QUOTED_LABEL: Final = re.compile(r'\s*(?:"([^"]*)"|([^,]*))(?:,|$)')
# Gmail writes its system labels in the user's language; these are met most.
_UNREAD: Final = frozenset({"unread", "ungelesen", "non lus", "no leídos", "não lidas", "da leggere", "ongelezen"})
_STARRED: Final = frozenset({"starred", "markiert", "suivis", "destacados", "com estrela", "speciali", "met ster"})


def looks_like_mail(head: bytes) -> bool:
    """Whether a file that begins so can be a mail: it starts with a header field and is not binary."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n\t ")
    return bool(_HEADER_LINE.match(start)) and b"\0" not in start[:100]


def upsert(remote_id: str, source: bytes, *, separator: bytes = b"", flags: Iterable[str] = ()) -> Upsert:
    """The change that a mail's bytes make. ``separator`` is the "From " line it had in an mbox. Raises BadItem for what
    is empty or no mail."""
    if not source.strip():
        raise BadItem("The file is empty.", remote_id=remote_id, code="empty")
    if not looks_like_mail(source[:4096]):
        raise BadItem("The file is not a mail.", remote_id=remote_id, code="not_a_mail")
    block, _ = headers.split(source)
    fields = headers.Headers(block)
    labels = _labels(fields.readable("x-gmail-labels"))
    return Upsert(
        remote_id,
        raw=RawMessage(source=source),
        flags=frozenset(flags) | _status_flags(fields) | _label_flags(labels),
        labels=labels,
        thread_id=fields.first("x-gm-thrid")[:100],
        received_at=received_at(fields, separator),
        size=len(source),
    )


def judged(change: Upsert, oldest: datetime | None) -> Upsert:
    """The same change, without content where the archive alone tells that it is no matter: drafts, spam, trash by
    label or by Thunderbird's mark, and what is older than the window."""
    reasons = (off_reason(role(label)) for label in change.labels)
    skip = next((reason for reason in reasons if reason), "")
    if "\\Deleted" in change.flags:
        skip = "trash"
    elif "\\Draft" in change.flags:
        skip = skip or "draft"
    if not skip and oldest is not None and change.received_at is not None and change.received_at < oldest:
        skip = "too_old"
    return replace(change, raw=None, skip=skip) if skip else change


def received_at(fields: headers.Headers, separator: bytes = b"") -> datetime | None:
    """When the mail came, UTC: by its top Received field, else its Date, else the "From " line it had."""
    texts = [fields.first("received").rpartition(";")[2], fields.first("date")]
    texts.append(separator.decode("latin-1").strip().removeprefix("From ").partition(" ")[2])
    found = (_date(text.strip()) for text in texts)
    return next((date for date in found if date is not None), None)


def _date(text: str) -> datetime | None:
    if not text:
        return None
    date, _ = dates.parse(text)
    return date or _asctime(text)


def _asctime(text: str) -> datetime | None:
    """``Mon Jan  5 10:00:00 [+0000] 2024``, as "From " lines have it."""
    clean = re.sub(r"\s[+-]\d{4}(?=\s)", "", text)
    try:
        return datetime.strptime(" ".join(clean.split()[:5]), "%a %b %d %H:%M:%S %Y").replace(tzinfo=UTC)
    except ValueError:
        return None


def _labels(value: str) -> tuple[str, ...]:
    found = (match[1] or match[2] or "" for match in _QUOTED_LABEL.finditer(value[:10_000]))
    return tuple(dict.fromkeys(label.strip() for label in found if label.strip()))


def _label_flags(labels: tuple[str, ...]) -> frozenset[str]:
    if not labels:
        return frozenset()
    lowered = {label.lower() for label in labels}
    flags = {"\\Flagged"} if lowered & _STARRED else set()
    return frozenset(flags if lowered & _UNREAD else flags | {"\\Seen"})


def _status_flags(fields: headers.Headers) -> frozenset[str]:
    """Status and X-Status (mbox tradition), X-Mozilla-Status (nsMsgMessageFlags.h: 1 read, 2 replied, 4 marked,
    8 expunged)."""
    letters = fields.first("status")[:10] + fields.first("x-status")[:10]
    names = {"R": "\\Seen", "A": "\\Answered", "F": "\\Flagged", "D": "\\Deleted", "T": "\\Draft"}
    flags = {names[letter] for letter in letters if letter in names}
    mozilla = fields.first("x-mozilla-status")[:8]
    if re.fullmatch(r"[0-9a-fA-F]{4,8}", mozilla):
        bits = int(mozilla, 16)
        marks = ((1, "\\Seen"), (2, "\\Answered"), (4, "\\Flagged"), (8, "\\Deleted"))
        flags |= {flag for bit, flag in marks if bits & bit}
    return frozenset(flags)
