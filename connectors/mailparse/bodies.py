"""From a MIME tree to what a person reads: text, html, attachments, calendars, and the facts found on the way.

Rules: multipart/alternative gives its plain text and its HTML as one segment; what is marked as an attachment or
bears a name after the first text is an attachment; message/rfc822 is an attachment whose sender is a forwarded
original; calendars are kept as bytes. Bounds: see the constants. Raises ``fast_mail_parser.DecodeError`` where a
leaf of the fast tree cannot be decoded (the caller then takes the slow tree).
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass, field

from connectors.mailparse import addresses, charsets, flowed, htmltext, tnef
from connectors.mailparse.headers import Headers, lead, split
from connectors.mailparse.parts import MAX_DEPTH, MAX_PARTS, Node
from connectors.mailparse.words import base64_bytes, decoded
from connectors.types import Attachment, Mailbox

MAX_TEXT = 1_000_000
MAX_ATTACHMENTS = 1_000
MAX_CALENDAR = 5_000_000
MAX_CALENDARS = 20
MAX_SEGMENTS = 100

TEXT_LIKE = frozenset({"text/plain", "text/html", "text/enriched", "text/richtext", "text/markdown", "text/x-markdown"})
_CHARSET = re.compile(r"""charset\*?\s*=\s*(?:"([^"]{1,80})"|'([^']{1,80})'|([^\s;"]{1,80}))""", re.I)
_FLOWED = re.compile(r"format\s*=\s*\"?flowed", re.I)
_DELSP = re.compile(r"delsp\s*=\s*\"?yes", re.I)
_ENCODING = re.compile(r"[\s\"]*(base64|quoted-printable)\b", re.I)
_ICS = re.compile(rb"\A[\xef\xbb\xbf\s]*BEGIN:VCALENDAR", re.I)


@dataclass(slots=True)
class Segment:
    """One piece of the body in reading order: plain text, HTML, or both of one alternative."""

    plain: str = ""
    html: str = ""


@dataclass(slots=True)
class Found:
    """What was gathered so far."""

    segments: list[Segment] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    calendars: list[bytes] = field(default_factory=list)
    forwarded: list[Mailbox] = field(default_factory=list)
    is_report: bool = False
    truncated: bool = False
    count: int = 0
    defects: list[str] = field(default_factory=list)
    spare: list[Segment] = field(default_factory=list)
    """Bodies from inside a winmail.dat: shown where the mail has no other."""

    def text(self) -> str:
        """Readable text of all segments, HTML turned to text where no plain text stands beside it."""
        pieces = [piece.plain if piece.plain.strip() else htmltext.text_of(piece.html) for piece in self._body()]
        return self._cut("\n\n".join(piece for piece in pieces if piece))

    def html(self) -> str:
        return self._cut("\n".join(piece.html for piece in self._body() if piece.html))

    def _body(self) -> list[Segment]:
        return self.segments if any(s.plain.strip() or s.html for s in self.segments) else self.spare

    def _cut(self, text: str) -> str:
        if len(text) > MAX_TEXT:
            self.truncated = True
            return text[:MAX_TEXT]
        return text


def gather(node: Node, found: Found, path: str = "", depth: int = 0) -> None:
    """Visit ``node`` and all beneath it. ``path`` is its IMAP part number ("" for the root)."""
    found.count += 1
    if found.count > MAX_PARTS or depth > MAX_DEPTH:
        found.truncated = True
        _remark(found, "parts" if found.count > MAX_PARTS else "depth")
        return
    kind = node.content_type.lower()
    if node.is_message or kind == "message/rfc822":
        _message(node, found, path or "1")
    elif kind.startswith("multipart/") and node.children:
        _multipart(node, kind, found, path, depth)
    else:
        _leaf(node, kind, found, path or "1")


def _multipart(node: Node, kind: str, found: Found, path: str, depth: int) -> None:
    if kind == "multipart/report":
        found.is_report = True
    first = len(found.segments)
    for n, child in enumerate(node.children, 1):
        if found.count > MAX_PARTS:
            break
        gather(child, found, f"{path}.{n}" if path else str(n), depth + 1)
    if kind == "multipart/alternative":
        _alternative(found, first)


def _alternative(found: Found, first: int) -> None:
    """Fold the segments of an alternative into one: its first plain text, its last HTML."""
    choices = found.segments[first:]
    if len(choices) < 2:
        return
    plain = next((s.plain for s in choices if s.plain.strip()), "")
    html = next((s.html for s in reversed(choices) if s.html), "")
    found.segments[first:] = [Segment(plain, html)]


def _message(node: Node, found: Found, path: str) -> None:
    """An attached mail: metadata, and its sender as a forwarded original (unless a report returns our own)."""
    inner = _inner(node)
    subject = inner.readable("subject") if inner else ""
    size = node.encoded_size or (len(node.content) if node.content else 0)
    _attach(found, Attachment(_name(node) or f"{subject[:80] or 'message'}.eml", "message/rfc822", size, path))
    if inner is not None and not found.is_report:
        found.forwarded += addresses.mailboxes(inner.first("from"))[:1]


def _inner(node: Node) -> Headers | None:
    """The header block of an attached mail, raw where its bytes are at hand, else from the parsed child."""
    content = node.content
    if content:
        return Headers(split(content[lead(content) : 200_000])[0])
    if not node.children:
        return None
    lines = [f"{name}: {value}" for name, values in node.children[0].headers.items() for value in values]
    return Headers("\n".join(lines).encode("utf-8", "surrogateescape"))


def _leaf(node: Node, kind: str, found: Found, path: str) -> None:
    name = _name(node)
    if kind == "text/calendar" or name.lower().endswith(".ics") or kind == "application/ics":
        _calendar(node, kind, name, found, path)
    elif kind in ("application/ms-tnef", "application/vnd.ms-tnef") or name.lower() == "winmail.dat":
        _tnef(node, found, path)
    elif kind in ("message/delivery-status", "message/disposition-notification", "message/feedback-report"):
        found.is_report = True
        _attach(found, _metadata(node, kind, name, path))
    elif kind in TEXT_LIKE and not _is_attachment(node, name, found) and len(found.segments) < MAX_SEGMENTS:
        found.segments.append(_segment(node, kind, found))
    elif kind != "text/x-amp-html":
        _attach(found, _metadata(node, kind, name, path))


def _is_attachment(node: Node, name: str, found: Found) -> bool:
    disposition = (node.disposition or "").lower()
    return disposition == "attachment" or (bool(name) and (bool(found.segments) or disposition not in ("", "inline")))


def _segment(node: Node, kind: str, found: Found) -> Segment:
    """Decode a text leaf; at most ``MAX_TEXT`` characters are kept."""
    data = _content(node)
    if len(data) > MAX_TEXT * 2:
        data, found.truncated = data[: MAX_TEXT * 2], True
    declared = _header(node, "content-type")
    charset = _CHARSET.search(declared)
    text, honest = charsets.decode(data, (charset[1] or charset[2] or charset[3]) if charset else "")
    if not honest:
        _remark(found, "charset")
    if kind == "text/html":
        return Segment(html=text)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\x00" in text:
        text = text.replace("\x00", "")
    if "flowed" in declared.lower() and _FLOWED.search(declared):
        text = flowed.unflow(text, delsp=_DELSP.search(declared) is not None)
    return Segment(plain=text)


def _calendar(node: Node, kind: str, name: str, found: Found, path: str) -> None:
    data = _content(node)
    if len(found.calendars) < MAX_CALENDARS and len(data) <= MAX_CALENDAR and _ICS.match(data[:200]):
        if data not in found.calendars:
            found.calendars.append(data)
    else:
        _remark(found, "calendar")
    if name or kind != "text/calendar":
        _attach(found, Attachment(name, kind, len(data), path))


def _tnef(node: Node, found: Found, path: str) -> None:
    """Open a winmail.dat; an unreadable one stays an attachment."""
    inside = tnef.opened(_content(node), path)
    if not inside.readable:
        _remark(found, "tnef")
        _attach(found, _metadata(node, "application/ms-tnef", _name(node) or "winmail.dat", path))
        return
    for one in inside.attachments:
        _attach(found, one)
    if inside.text or inside.html:
        found.spare.append(Segment(inside.text.replace("\r\n", "\n"), inside.html))


def _content(node: Node) -> bytes:
    """A leaf's decoded bytes. The fast parser leaves a transfer encoding with blanks or remarks around it undone."""
    data = node.content or b""
    written = _header(node, "content-transfer-encoding")
    clean = _ENCODING.match(written)
    if clean is None or clean[1] == written or len(data) > MAX_CALENDAR:
        return data
    return base64_bytes(data) if clean[1].lower() == "base64" else binascii.a2b_qp(data)


def _metadata(node: Node, kind: str, name: str, path: str) -> Attachment:
    """Name, type and size; base64 sizes are worked out, not decoded."""
    size = node.encoded_size or 0
    if "base64" in _header(node, "content-transfer-encoding").lower():
        size = size * 57 // 78
    return Attachment(name, kind, size, path, (node.content_id or "").strip("<> ")[:300])


def _attach(found: Found, one: Attachment) -> None:
    if len(found.attachments) < MAX_ATTACHMENTS:
        found.attachments.append(one)
    else:
        _remark(found, "attachments")


def _name(node: Node) -> str:
    name = (node.filename or "").replace('\\"', '"')
    return " ".join(decoded(name).split())[:255] if name else ""


def _header(node: Node, name: str) -> str:
    for key, values in node.headers.items():
        if key.lower() == name:
            return values[0] if values else ""
    return ""


def _remark(found: Found, defect: str) -> None:
    if defect not in found.defects:
        found.defects.append(defect)
