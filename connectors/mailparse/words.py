"""Header values to readable text: RFC 2047 encoded words, also broken, adjacent or in wrong places; raw 8-bit.

Never raises. Lines must be unfolded first (``headers.read``).
"""

from __future__ import annotations

import binascii
import re

from connectors.mailparse.charsets import decode

_WORD = re.compile(r"=\?([^?*\s]{1,60})(?:\*[^?\s]{0,20})?\?([bBqQ])\?(.{0,2000}?)\?=", re.S)
_GAP = re.compile(r"(?<=\?=)\s+(?==\?[^?\s]{1,80}\?[bBqQ]\?)")
_HEX = re.compile(rb"=([0-9a-fA-F]{2})")
_PADDING = re.compile(rb"={1,2}(?=\s+[^=]*[^A-Za-z0-9+/=\s])")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]+")


def raw_text(value: bytes) -> str:
    """Bytes of a header as text, encoded words left alone: ASCII, else UTF-8, else a western guess."""
    return decode(value)[0]


def decoded(value: str) -> str:
    """``value`` with encoded words decoded; control characters become spaces."""
    if "=?" in value:
        value = _words(_GAP.sub("", value))
    if not value.isprintable():
        value = _CONTROL.sub(" ", value)
    return value


def _words(value: str) -> str:
    """Decode runs of adjacent words of one charset together: a character may be split between two."""
    out: list[str] = []
    pending, charset, end = b"", "", 0
    for found in _WORD.finditer(value):
        between = value[end : found.start()]
        if pending and (between or found[1].lower() != charset):
            out.append(decode(pending, charset)[0])
            pending = b""
        out.append(between)
        pending += _unpacked(found[2], found[3])
        charset, end = found[1].lower(), found.end()
    if pending:
        out.append(decode(pending, charset)[0])
    out.append(value[end:])
    return "".join(out)


def _unpacked(kind: str, body: str) -> bytes:
    """The bytes of one encoded word; base64 with missing padding or junk is read as far as it goes."""
    data = body.encode("utf-8", "surrogateescape")
    if kind in "qQ":
        return _HEX.sub(lambda hit: binascii.unhexlify(hit[1]), data.replace(b"_", b" "))
    return base64_bytes(data)


def base64_bytes(data: bytes) -> bytes:
    """Decode base64 leniently: foreign characters skipped, padding mended, a lone last character dropped, and what
    follows the padding left out where it is no base64 (the footer of a mailing list)."""
    end = _PADDING.search(data)
    if end is not None:
        data = data[: end.end()]
    clean = _NOT_BASE64.sub(b"", data)
    clean = clean[: len(clean) - (len(clean) % 4 == 1)]
    return binascii.a2b_base64(clean + b"=" * (-len(clean) % 4))
