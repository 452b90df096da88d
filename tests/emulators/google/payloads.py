"""A mail as Gmail shows it: the parsed tree of ``format=full``, bodies decoded, text in UTF-8, attachments apart.

Facts (Gmail API, users.messages): headers as written, ``partId`` "" at the root and then positions joined by dots; a
part with a file name, or too large, has an ``attachmentId`` in place of ``data``; attachment ids change with every get.
"""

from __future__ import annotations

import base64
import email
import itertools
from email.message import Message
from typing import Any

LARGE_TEXT = 256 * 1024
_numbers = itertools.count(1)


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode()


class Tree:
    """The parts of one mail. ``attachments`` maps every attachment id ever given out to the bytes."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.message = email.message_from_bytes(raw)
        self.attachments: dict[str, bytes] = {}

    def full(self) -> dict[str, Any]:
        return self._part(self.message, "")

    def metadata(self, wanted: list[str]) -> dict[str, Any]:
        lowered = {name.lower() for name in wanted}
        headers = [h for h in headers_of(self.message) if not lowered or h["name"].lower() in lowered]
        return {"partId": "", "mimeType": self.message.get_content_type(), "headers": headers}

    def _part(self, message: Message, path: str) -> dict[str, Any]:
        found: dict[str, Any] = {
            "partId": path, "mimeType": message.get_content_type(), "filename": message.get_filename() or "",
            "headers": headers_of(message),
        }  # fmt: skip
        if message.get_content_type() == "message/rfc822":
            found["body"] = self._body(message.get_payload(0).as_bytes(), apart=True)  # type: ignore[union-attr]
            found["parts"] = [self._part(message.get_payload(0), f"{path}.0" if path else "0")]  # type: ignore[arg-type]
        elif message.is_multipart() and message.get_content_maintype() == "message":
            blocks = message.get_payload()
            found["body"] = self._body(b"\n".join(block.as_bytes() for block in blocks), apart=True)  # type: ignore[union-attr]
        elif message.is_multipart():
            found["body"] = {"size": 0}
            children = message.get_payload()
            found["parts"] = [
                self._part(child, f"{path}.{n}" if path else str(n))  # type: ignore[arg-type]
                for n, child in enumerate(children)
            ]
        else:
            found["body"] = self._leaf(message)
        return found

    def _leaf(self, message: Message) -> dict[str, Any]:
        data = message.get_payload(decode=True) or b""
        assert isinstance(data, bytes)
        if message.get_content_maintype() == "text":
            data = in_utf8(data, message.get_content_charset() or "")
        apart = bool(message.get_filename()) or message.get_content_maintype() != "text" or len(data) > LARGE_TEXT
        return self._body(data, apart=apart)

    def _body(self, data: bytes, *, apart: bool) -> dict[str, Any]:
        if not apart:
            return {"size": len(data), "data": encode(data)}
        number = f"ANGjdJ{next(_numbers):010d}"
        self.attachments[number] = data
        return {"size": len(data), "attachmentId": number}


def in_utf8(data: bytes, charset: str) -> bytes:
    """Gmail turns text into UTF-8 when it knows the charset."""
    try:
        return data.decode(charset or "utf-8").encode()
    except (LookupError, UnicodeError):
        return data


def headers_of(message: Message) -> list[dict[str, str]]:
    return [{"name": name, "value": text_of(value)} for name, value in message.raw_items()]  # type: ignore[attr-defined]


def text_of(value: Any) -> str:
    """Unfolded; raw bytes above ASCII read as UTF-8, else as Windows-1252."""
    given = str(value).encode("utf-8", "surrogateescape")
    try:
        raw = given.decode("utf-8")
    except UnicodeDecodeError:
        raw = given.decode("cp1252", "replace")
    return " ".join(line.strip() for line in raw.splitlines())
