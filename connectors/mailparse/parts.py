"""The MIME tree of a message: the fast parser's, or the standard library's where the fast one fails.

Facts: RFC 2045-2049, 2183, 2231; fast-mail-parser 0.10 (lazy mode: leaves are decoded when read; broken base64
raises DecodeError on reading). Bounds: ``MAX_PARTS`` leaves and ``MAX_DEPTH`` levels are visited by callers.
Raises ``Broken`` (internal to this package) where neither parser finds a structure.
"""

from __future__ import annotations

import email
from collections.abc import Sequence
from email.message import Message
from typing import Protocol

from fast_mail_parser import ParseError, parse_email_tree

from connectors.mailparse.words import base64_bytes

MAX_PARTS = 2_000
MAX_DEPTH = 60
MAX_WORDS = 20_000
STDLIB_LIMIT = 20_000_000
"""Bytes the slow parser is given at most; beyond it, a message that the fast one rejects keeps its headers only."""


_STDLIB_ERRORS = (RecursionError, ValueError, LookupError, TypeError, AttributeError)
"""What the standard library raises on damaged mail, seen by feeding it changed corpus files."""


class Broken(Exception):
    """No structure could be read."""


class Node(Protocol):
    """One node of the tree; the fast parser's lazy node and ``_StdNode`` both are."""

    @property
    def content_type(self) -> str: ...
    @property
    def headers(self) -> dict[str, list[str]]: ...
    @property
    def filename(self) -> str | None: ...
    @property
    def content_id(self) -> str | None: ...
    @property
    def disposition(self) -> str | None: ...
    @property
    def is_message(self) -> bool: ...
    @property
    def encoded_size(self) -> int | None: ...
    @property
    def content(self) -> bytes | None: ...
    @property
    def children(self) -> Sequence[Node]: ...


def fast(source: bytes, *, multipart: bool) -> Node | None:
    """The fast parser's tree, or None where it fails, visibly lost a multipart structure, or would take too long.

    It decodes every header in a time that grows with the square of the encoded words in it (46 s for a 1 MB header
    full of "=?"), and cannot be interrupted.
    """
    if source.count(b"=?") > MAX_WORDS:
        return None
    try:
        tree: Node = parse_email_tree(source, mode="lazy")
    except ParseError:
        return None
    return None if multipart and not tree.children else tree


def slow(source: bytes) -> Node:
    """The standard library's tree (compat32 policy)."""
    if len(source) > STDLIB_LIMIT:
        raise Broken("too large for the slow parser")
    try:
        return _StdNode(email.message_from_bytes(source), [MAX_PARTS * 2])
    except _STDLIB_ERRORS as error:
        raise Broken(type(error).__name__) from error


class _StdNode:
    """A compat32 message in the fast parser's shape, read at once, so that what the library raises is met in ``slow``.

    ``budget`` is the number of nodes that may still be built."""

    def __init__(self, message: Message, budget: list[int]) -> None:
        budget[0] -= 1
        self._message = message
        self.content_type = message.get_content_type()
        self.headers: dict[str, list[str]] = {}
        for name, value in message.items():
            self.headers.setdefault(name, []).append(str(value))
        self.filename = message.get_filename()
        self.content_id = str(message.get("Content-ID", "")).strip("<> ") or None
        self.disposition = message.get_content_disposition()
        self.is_message = self.content_type == "message/rfc822"
        payload = message.get_payload()
        self.encoded_size = len(payload) if isinstance(payload, str) else None
        self.children: list[Node] = []
        for child in payload if isinstance(payload, list) else ():
            if isinstance(child, Message) and budget[0] > 0:
                self.children.append(_StdNode(child, budget))

    @property
    def content(self) -> bytes | None:
        """Decoded bytes; base64 by our own lenient reader, as the library gives up on a lone last character."""
        if self._message.is_multipart():
            return None
        try:
            if "base64" in str(self._message.get("Content-Transfer-Encoding", "")).lower():
                return base64_bytes(str(self._message.get_payload()).encode("ascii", "ignore"))
            payload = self._message.get_payload(decode=True)
        except _STDLIB_ERRORS:
            return b""
        return payload if isinstance(payload, bytes) else b""
