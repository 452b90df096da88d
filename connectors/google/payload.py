"""Turns Gmail's parsed message (format=full) back into what the one mail parser takes: a RawMessage of parts.

Gmail hands over decoded bodies, and text in UTF-8 whatever the part's header says; so each leaf gets a header block
that tells the truth about the bytes it comes with. Attachments stay at Gmail: only their metadata is kept, under the
``partId``, because attachment ids change with every get. Source: Gmail API reference, users.messages.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from connectors.types import Attachment, RawMessage, RawPart

MAX_PARTS = 2_000
MAX_DEPTH = 60
MAX_TEXT = 5 * 1024 * 1024
"""Bytes of one text part; what is beyond is cut and marked."""

MAX_CALENDAR = 2 * 1024 * 1024
MAX_HEADERS = 2_000
MAX_HEADER_VALUE = 256 * 1024

KEPT_HEADERS = ("content-disposition", "content-id", "content-description", "content-language", "content-location")
TEXTS = frozenset({"text/plain", "text/html", "text/enriched", "text/richtext", "text/markdown", "text/x-markdown"})
MAILS = ("message/rfc822", "message/global")
STATEFUL = re.compile(r"(?i)^(iso-2022|hz|utf-7|utf-16|utf-32|ucs-2)")


@dataclass(frozen=True, slots=True)
class Leaf:
    """One part without children, and the way to it (``partId``, else positions joined by dots). ``group`` is the way
    to the multipart/alternative it is a choice of, "" where it is none."""

    path: str
    part: dict[str, Any]
    group: str = ""

    @property
    def type(self) -> str:
        return str(self.part.get("mimeType") or "text/plain").lower()

    @property
    def name(self) -> str:
        return str(self.part.get("filename") or "")

    @property
    def size(self) -> int:
        return as_int(self._body.get("size"))

    @property
    def attachment_id(self) -> str:
        return str(self._body.get("attachmentId") or "")

    @property
    def data(self) -> bytes:
        return decode(self._body.get("data"))

    @property
    def _body(self) -> dict[str, Any]:
        found = self.part.get("body")
        return found if isinstance(found, dict) else {}

    @property
    def is_calendar(self) -> bool:
        return self.type in ("text/calendar", "application/ics") or self.name.lower().endswith(".ics")

    @property
    def is_inline_text(self) -> bool:
        """Text that is not marked as an attachment, whether it bears a name or not."""
        attached = header(self.part, "content-disposition").lower().startswith("attachment")
        return self.type in TEXTS and not self.is_calendar and not attached

    @property
    def is_attachment(self) -> bool:
        """Whether it is listed as an attachment although it is read: a named calendar, a returned mail."""
        return bool(self.name) and not self.is_inline_text

    @property
    def is_report(self) -> bool:
        return self.type in ("message/delivery-status", "message/disposition-notification")


def leaves(payload: dict[str, Any]) -> Iterator[Leaf]:
    """The leaf parts in order, bounded in number and depth. A forwarded message/rfc822 counts as one leaf."""
    stack: list[tuple[dict[str, Any], str, int, str]] = [(payload, "", 0, "")]
    seen = 0
    while stack and seen < MAX_PARTS:
        part, path, depth, group = stack.pop()
        seen += 1
        kind = str(part.get("mimeType") or "").lower()
        children = [p for p in part.get("parts") or () if isinstance(p, dict)] if depth < MAX_DEPTH else []
        if not children or kind.startswith("message/"):
            yield Leaf(str(part.get("partId") or path or "0"), part, group)
            continue
        group = group or (f"/{path}" if kind == "multipart/alternative" else "")
        for index in reversed(range(len(children))):
            stack.append((children[index], f"{path}.{index}" if path else str(index), depth + 1, group))


def readable(payload: dict[str, Any]) -> list[Leaf]:
    """The leaves that the parser should read: unnamed text, else the first named one; reports; calendars, attached or
    not."""
    every = list(leaves(payload))
    texts = [leaf.path for leaf in every if leaf.is_inline_text]
    unnamed = [leaf.path for leaf in every if leaf.is_inline_text and not leaf.name]
    wanted = set(unnamed or texts[:1])
    return [
        leaf
        for leaf in every
        if leaf.path in wanted or leaf.is_report or (leaf.is_calendar and leaf.size <= MAX_CALENDAR)
    ]


def missing(payload: dict[str, Any]) -> list[Leaf]:
    """Text and calendar leaves whose body was too large to come along; each costs one ``attachments.get``."""
    return [leaf for leaf in readable(payload) if not leaf.data and leaf.attachment_id and leaf.size]


def raw_message(payload: dict[str, Any], bodies: dict[str, bytes]) -> RawMessage:
    """The message; ``bodies`` holds, by leaf path, what was fetched apart."""
    groups: dict[str, list[RawPart]] = {}
    attachments: list[Attachment] = []
    texts = {leaf.path for leaf in readable(payload)}
    for leaf in leaves(payload):
        if leaf.type in MAILS:
            groups[f"@{leaf.path}"] = [_forwarded(leaf)]
        if leaf.path in texts:
            groups.setdefault(leaf.group or leaf.path, []).append(_text_part(leaf, bodies.get(leaf.path) or leaf.data))
        if leaf.is_attachment or leaf.path not in texts:
            content_id = header(leaf.part, "content-id").strip("<> ")
            attachments.append(Attachment(_name(leaf), leaf.type, leaf.size, leaf.path, content_id))
    parts = tuple(_alternative(group) if len(group) > 1 else group[0] for group in groups.values())
    return RawMessage(header=header_block(payload), parts=parts, attachments=tuple(attachments))


def _name(leaf: Leaf) -> str:
    """The file name; a forwarded mail without one is called by its subject."""
    if leaf.name or leaf.type not in MAILS:
        return leaf.name[:255]
    inner = next((p for p in leaf.part.get("parts") or () if isinstance(p, dict)), {})
    return f"{header(inner, 'subject')[:80] or 'message'}.eml"


def _alternative(choices: list[RawPart]) -> RawPart:
    """The choices of one multipart/alternative as one part, so that the reader takes one of them and not all."""
    boundary = "alternative-" + hashlib.sha256(b"".join(choice.body for choice in choices)).hexdigest()
    body = b"".join(
        b"--" + boundary.encode() + b"\r\n" + choice.headers + b"\r\n" + choice.body + b"\r\n" for choice in choices
    )
    header = f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n'.encode()
    return RawPart(header, body + f"--{boundary}--\r\n".encode(), any(choice.truncated for choice in choices))


def header_block(part: dict[str, Any]) -> bytes:
    """The headers of a part as bytes; a line break inside a value can start no header of its own."""
    lines = []
    for entry in _headers(part):
        name = re.sub(r"[^!-9;-~]", "", str(entry.get("name") or ""))
        if name:
            lines.append(f"{name}: {_value(entry)}\r\n")
    return "".join(lines).encode("utf-8", "surrogateescape")


def header(part: dict[str, Any], name: str) -> str:
    """The first value of a header of this part, or ""."""
    return next((_value(e) for e in _headers(part) if str(e.get("name") or "").lower() == name), "")


def _headers(part: dict[str, Any]) -> list[dict[str, Any]]:
    found = part.get("headers")
    entries = found[:MAX_HEADERS] if isinstance(found, list) else []
    return [entry for entry in entries if isinstance(entry, dict)]


def _value(entry: dict[str, Any]) -> str:
    value = str(entry.get("value") or "")[:MAX_HEADER_VALUE].replace("\x00", "")
    return re.sub(r"[ \t]*(\r\n|\r|\n)[ \t]*", "\r\n ", value).strip()


def _text_part(leaf: Leaf, data: bytes) -> RawPart:
    kept = data[:MAX_TEXT]
    lines = [f"Content-Type: {_content_type(leaf, kept)}", "Content-Transfer-Encoding: 8bit"]
    lines += [f"{name.title()}: {value}" for name in KEPT_HEADERS if (value := header(leaf.part, name))]
    return RawPart("\r\n".join([*lines, ""]).encode(), kept, truncated=len(kept) < len(data))


def _content_type(leaf: Leaf, data: bytes) -> str:
    """The part's own type with the charset that its bytes are in: UTF-8 as Gmail gives it, else what was declared."""
    declared = header(leaf.part, "content-type") or leaf.type
    if ";" not in declared:
        declared = leaf.type
    found = re.search(r"(?i);\s*charset\s*=\s*\"?([^\s\";]+)", declared)
    charset = found.group(1) if found else ""
    if _is_utf8(data) and not (STATEFUL.match(charset) and _shifts(data, charset)):
        bare = re.sub(r"(?i);\s*charset\*?\s*=\s*(\"[^\"]*\"|[^\s;]+)", "", declared)
        return f"{bare}; charset=utf-8"
    return declared


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _shifts(data: bytes, charset: str) -> bool:
    """Whether bytes that happen to be ASCII carry the shifts of the declared charset, so that Gmail left them alone."""
    lowered = charset.lower()
    if lowered.startswith("hz"):
        return b"~{" in data
    if lowered.startswith("utf-7"):
        return re.search(rb"\+[A-Za-z0-9+/]{2,}-", data) is not None
    return b"\x1b" in data or b"\x00" in data


def _forwarded(leaf: Leaf) -> RawPart:
    """A forwarded original: its header block and, where Gmail gives it, its first text."""
    inner = next((p for p in leaf.part.get("parts") or () if isinstance(p, dict)), None)
    body = leaf.data[:MAX_TEXT]
    if inner is not None:
        text = next((found.data for found in leaves(inner) if found.type == "text/plain"), b"")
        body = header_block(inner) + b"\r\n" + text[:MAX_TEXT]
    return RawPart(b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n", body)


def decode(data: Any) -> bytes:
    """base64url as Gmail writes it, with or without padding, standard alphabet tolerated; b"" for nonsense."""
    text = re.sub(r"\s+", "", str(data or "")).rstrip("=").replace("+", "-").replace("/", "_")
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, binascii.Error):
        return b""


def as_int(value: Any) -> int:
    """A number that may be text, or 0."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0
