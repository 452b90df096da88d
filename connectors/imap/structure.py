"""BODYSTRUCTURE read into a plan: which parts to fetch, which to name as attachments.

Pure. Works on imapclient's nested tuples, trusts none of them, and bounds depth and number. Facts: RFC 9051 section
7.5.2 (body structure), RFC 2045, RFC 2231 and RFC 2047 (parameter values).
"""

from __future__ import annotations

import email.header
import re
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from connectors.types import Attachment

MAX_LEAVES = 2500
MAX_DEPTH = 60
MAX_ATTACHMENTS = 500
MAX_TEXTS = 8
MAX_CALENDARS = 4
_TEXT = ("text/plain", "text/html")
MAX_FORWARDED = 3
_CALENDAR_NAMES = (".ics", ".ical", ".vcs")
_EXTENDED = re.compile(r"([A-Za-z0-9_.-]*)'[^']*'(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Leaf:
    """One part that holds no others (a nested message counts as one). ``size`` is in encoded bytes. ``choice``
    is the part number of the multipart/alternative it is one rendering in ("" for none, "0" for the topmost)."""

    part: str
    type: str
    parameters: dict[str, str]
    encoding: str
    size: int
    disposition: str = ""
    name: str = ""
    content_id: str = ""
    choice: str = ""

    @property
    def is_attachment(self) -> bool:
        """Whether it is to be kept apart from the text."""
        return self.disposition == "attachment"

    def header(self) -> bytes:
        """The part's header block, rebuilt from what the server said of it; saves fetching ``n.MIME``."""
        shown = "".join(f'; {key}="{_plain(value)}"' for key, value in self.parameters.items())
        lines = [f"Content-Type: {self.type}{shown}", f"Content-Transfer-Encoding: {self.encoding or '7bit'}"]
        if self.disposition:
            lines.append(f"Content-Disposition: {self.disposition}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to fetch of a message, as leaves: text and calendar bodies, and headers of forwarded messages."""

    bodies: tuple[Leaf, ...]
    forwarded: tuple[Leaf, ...]
    attachments: tuple[Attachment, ...]


def plan(structure: Any) -> Plan:
    """Choose the parts: every text that is shown, of alternative renderings the plain one (else the HTML), calendars,
    and the headers of nested messages; everything else is an attachment. Raises ValueError for a structure that makes
    no sense."""
    leaves = list(_leaves(structure, "", 0))
    texts = _texts([leaf for leaf in leaves if leaf.type in _TEXT and not leaf.is_attachment])
    calendars = [leaf for leaf in leaves if _is_calendar(leaf)][:MAX_CALENDARS]
    bodies = [*texts, *calendars]
    forwarded = [leaf for leaf in leaves if leaf.type == "message/rfc822"][:MAX_FORWARDED]
    rest = [leaf for leaf in leaves if leaf not in bodies and not _is_alternative(leaf)]
    return Plan(tuple(bodies), tuple(forwarded), tuple(_attachment(leaf) for leaf in rest[:MAX_ATTACHMENTS]))


def _texts(shown: list[Leaf]) -> list[Leaf]:
    plain = {leaf.choice for leaf in shown if leaf.choice and leaf.type == "text/plain"}
    return [leaf for leaf in shown if leaf.type == "text/plain" or leaf.choice not in plain][:MAX_TEXTS]


def _is_calendar(leaf: Leaf) -> bool:
    return leaf.type in ("text/calendar", "application/ics") or leaf.name.lower().endswith(_CALENDAR_NAMES)


def _is_alternative(leaf: Leaf) -> bool:
    """The other rendering of the text is not an attachment."""
    return leaf.type in _TEXT and not leaf.is_attachment and not leaf.name


def _leaves(node: Any, prefix: str, depth: int, choice: str = "") -> Iterator[Leaf]:
    if depth > MAX_DEPTH:
        raise ValueError("structure too deep")
    if not isinstance(node, tuple) or not node:
        raise ValueError("unreadable structure")
    if isinstance(node[0], list):
        found = 0
        if len(node) > 1 and _text(node[1]).lower() == "alternative":
            choice = prefix or "0"
        for number, child in enumerate(node[0], 1):
            for leaf in _leaves(child, f"{prefix}.{number}" if prefix else str(number), depth + 1, choice):
                found += 1
                if found > MAX_LEAVES:
                    return
                yield leaf
        return
    yield _leaf(node, prefix or "1", choice)


def _leaf(node: tuple[Any, ...], part: str, choice: str) -> Leaf:
    if len(node) < 7:
        raise ValueError("unreadable structure")
    kind = f"{_text(node[0])}/{_text(node[1])}".lower()
    parameters = _parameters(node[2])
    disposition, of_disposition = _disposition(node)
    name = _name(of_disposition, "filename") or _name(parameters, "name")
    size = node[6] if isinstance(node[6], int) else 0
    content_id = _text(node[3]).strip("<>")
    return Leaf(part, kind, parameters, _text(node[5]).lower(), size, disposition, name, content_id, choice)


def _disposition(node: tuple[Any, ...]) -> tuple[str, dict[str, str]]:
    """The disposition stands at a place that depends on the type: it is the pair whose first member is its name."""
    for value in node[7:]:
        if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], bytes):
            name = _text(value[0]).lower()
            if name in ("attachment", "inline") and (value[1] is None or isinstance(value[1], tuple)):
                return name, _parameters(value[1])
    return "", {}


def _parameters(pairs: Any) -> dict[str, str]:
    if not isinstance(pairs, tuple):
        return {}
    return {_text(pairs[at]).lower(): _text(pairs[at + 1]) for at in range(0, min(len(pairs), 60) - 1, 2)}


def _name(parameters: dict[str, str], key: str) -> str:
    """A file name: plain, RFC 2047 (wrong here, but common), RFC 2231, and RFC 2231 in pieces."""
    if key in parameters:
        return _decoded_words(parameters[key])
    if f"{key}*" in parameters:
        return _extended(parameters[f"{key}*"])
    pieces = []
    for number in range(20):
        piece = parameters.get(f"{key}*{number}*", parameters.get(f"{key}*{number}"))
        if piece is None:
            break
        pieces.append(piece)
    return _extended("".join(pieces))


def _extended(value: str) -> str:
    found = _EXTENDED.match(value)
    if not found:
        return urllib.parse.unquote(value)
    try:
        return urllib.parse.unquote(found.group(2), encoding=found.group(1) or "utf-8", errors="replace")
    except LookupError:
        return urllib.parse.unquote(found.group(2))


def _decoded_words(value: str) -> str:
    if "=?" not in value:
        return value
    try:
        return str(email.header.make_header(email.header.decode_header(value)))
    except (ValueError, LookupError):
        return value


def _attachment(leaf: Leaf) -> Attachment:
    """``size`` is the decoded size: base64 takes 78 bytes of line for 57 bytes of content."""
    size = leaf.size * 57 // 78 if leaf.encoding == "base64" else leaf.size
    return Attachment(leaf.name, leaf.type, size, leaf.part, leaf.content_id)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)


def _plain(value: str) -> str:
    return re.sub(r'[\r\n"\\]', "", value)
