"""Where the mail corpora lie, and a builder of small mails. The corpora are read where they lie, never copied."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.mime import parse_message
from connectors.types import Envelope, RawMessage

CORPORA = Path(__file__).resolve().parents[3] / "shared" / "corpora" / "mail"

needs_corpora = pytest.mark.skipif(not CORPORA.is_dir(), reason=f"the mail corpora are not at {CORPORA}")


def mail(*fields: str | bytes, body: str | bytes = "Hello") -> bytes:
    """A mail of these header lines (a From is added where none is given) and this body."""
    lines = [field.encode() if isinstance(field, str) else field for field in fields]
    if not any(line.lower().startswith(b"from:") for line in lines):
        lines.insert(0, b"From: Jane Doe <jane@acme.example>")
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body.encode() if isinstance(body, str) else body)


def parsed(*fields: str | bytes, body: str | bytes = "Hello") -> Envelope:
    return parse_message(RawMessage(source=mail(*fields, body=body)))


def multipart(kind: str, *parts: bytes) -> tuple[str, bytes]:
    """A Content-Type line and the body of a multipart of ``kind`` ("mixed", "alternative", ...)."""
    boundary = f"=_{kind}_{len(parts)}_{sum(map(len, parts))}"
    body = b"".join(b"--" + boundary.encode() + b"\r\n" + part + b"\r\n" for part in parts)
    return f'Content-Type: multipart/{kind}; boundary="{boundary}"', body + b"--" + boundary.encode() + b"--\r\n"


def part(kind: str, body: str | bytes, *fields: str) -> bytes:
    lines = [f"Content-Type: {kind}", *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body.encode() if isinstance(body, str) else body)


def nested(kind: str, *parts: bytes) -> bytes:
    """A multipart as a part of another."""
    field, body = multipart(kind, *parts)
    return field.encode() + b"\r\n\r\n" + body
