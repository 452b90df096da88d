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
    """The standard library's tree (compat32 policy, which never raises on broken headers)."""
    if len(source) > STDLIB_LIMIT:
        raise Broken("too large for the slow parser")
    try:
        return _StdNode(email.message_from_bytes(source))
    except (RecursionError, ValueError, LookupError, TypeError, AttributeError, IndexError) as error:
        raise Broken(type(error).__name__) from error


class _StdNode:
    """A compat32 message in the fast parser's shape."""

    def __init__(self, message: Message) -> None:
        self._message = message

    @property
    def content_type(self) -> str:
        return self._message.get_content_type()

    @property
    def headers(self) -> dict[str, list[str]]:
        out: dict[str, list[str]] = {}
        for name, value in self._message.items():
            out.setdefault(name, []).append(str(value))
        return out

    @property
    def filename(self) -> str | None:
        return self._message.get_filename()

    @property
    def content_id(self) -> str | None:
        return str(self._message.get("Content-ID", "")).strip("<> ") or None

    @property
    def disposition(self) -> str | None:
        return self._message.get_content_disposition()

    @property
    def is_message(self) -> bool:
        return self._message.get_content_type() == "message/rfc822"

    @property
    def encoded_size(self) -> int | None:
        payload = self._message.get_payload()
        return len(payload) if isinstance(payload, str) else None

    @property
    def content(self) -> bytes | None:
        if self._message.is_multipart():
            return None
        if "base64" in str(self._message.get("Content-Transfer-Encoding", "")).lower():
            return base64_bytes(str(self._message.get_payload()).encode("ascii", "surrogateescape"))
        payload = self._message.get_payload(decode=True)
        return payload if isinstance(payload, bytes) else b""

    @property
    def children(self) -> Sequence[Node]:
        payload = self._message.get_payload()
        if not isinstance(payload, list):
            return ()
        return [_StdNode(child) for child in payload if isinstance(child, Message)]
