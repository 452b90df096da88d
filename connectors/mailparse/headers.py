"""A header block as raw fields: split, unfolded, counted; not yet interpreted.

Why not the fast parser's own header dict: it decodes encoded words before an address list is split, so that a
comma inside an encoded name splits the list. Facts: RFC 5322 2.2, 3.6, 4.5 (obsolete syntax: blanks before ":").
Bounds: ``MAX_BLOCK`` bytes, ``MAX_FIELDS`` fields, ``MAX_VALUE`` bytes each; the rest is left out and named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from connectors.mailparse.words import decoded, raw_text

MAX_BLOCK = 1_000_000
MAX_FIELDS = 2_000
MAX_VALUE = 256_000

_ENDS = (b"\r\n\r\n", b"\n\n", b"\n\r\n", b"\r\r")
_FIELD = re.compile(rb"^([!-9;-~]{1,200})[ \t]*:[ \t]*(.*(?:\r?\n[ \t].*)*)", re.M)
_FOLD = re.compile(rb"[ \t]*\r?\n[ \t]+")
_LEAD = re.compile(rb"\A(?:\xef\xbb\xbf|[\r\n]+|>?From [^\r\n]*\r?\n)+")


class Headers:
    """The fields of one block, in order, names lower-cased, values unfolded bytes."""

    __slots__ = ("_fields", "defects")

    def __init__(self, block: bytes) -> None:
        self.defects: list[str] = []
        if len(block) > MAX_BLOCK:
            block = block[:MAX_BLOCK]
            self.defects.append("header-cut")
        if b"\r" in block and b"\n" not in block:
            block = block.replace(b"\r", b"\n")
        self._fields: dict[str, list[bytes]] = {}
        for count, (name, value) in enumerate(_fields(block)):
            if count >= MAX_FIELDS:
                self.defects.append("header-count")
                break
            self._fields.setdefault(name, []).append(value)

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def all(self, name: str) -> list[str]:
        """Every value of ``name`` (lower case) as text, encoded words left alone."""
        return [_text(value) for value in self._fields.get(name, ())]

    def first(self, name: str) -> str:
        """The first non-empty value as text, encoded words left alone; "" where there is none."""
        for value in self._fields.get(name, ()):
            if value:
                return _text(value)
        return ""

    def readable(self, name: str) -> str:
        """The first non-empty value, decoded for people."""
        return decoded(self.first(name))

    def names(self) -> Iterator[str]:
        return iter(self._fields)


def _text(value: bytes) -> str:
    return value.decode("ascii") if value.isascii() else raw_text(value)


def _fields(block: bytes) -> Iterator[tuple[str, bytes]]:
    for name, value in _FIELD.findall(block):
        if len(value) > MAX_VALUE:
            value = value[:MAX_VALUE]
        if b"\n" in value:
            value = _FOLD.sub(b" ", value)
        yield name.decode("ascii").lower(), value.strip()


def lead(source: bytes) -> int:
    """Where the message begins: after a byte order mark, empty lines and an mbox "From " line."""
    found = _LEAD.match(source[:2000])
    return found.end() if found else 0


def split(source: bytes) -> tuple[bytes, int]:
    """The top header block and the offset of the body (the length where there is none)."""
    end, body = MAX_BLOCK * 2, len(source)
    for mark in _ENDS:
        at = source.find(mark, 0, end + 1)
        if at >= 0:
            end, body = at, at + len(mark)
    return source[: min(end, MAX_BLOCK + 1)], body
