"""Page marks in addresses: the (name, id) or id a page ended with, as an opaque text; a damaged one is the first
page."""

from __future__ import annotations

import base64
import binascii
import json

from flask import request


def mark(*parts: str | int) -> str:
    """The text for the address of the next page."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def named(name: str = "after") -> tuple[str, int] | None:
    """The (name, id) in the query."""
    parts = _parts(name)
    if len(parts) == 2 and isinstance(parts[0], str) and isinstance(parts[1], int):
        return parts[0], parts[1]
    return None


def numbered(name: str = "after") -> int | None:
    """The id in the query."""
    parts = _parts(name)
    return parts[0] if len(parts) == 1 and isinstance(parts[0], int) else None


def worded(name: str = "after") -> str | None:
    """The text in the query."""
    parts = _parts(name)
    return parts[0] if len(parts) == 1 and isinstance(parts[0], str) else None


def _parts(name: str) -> list[object]:
    text = request.args.get(name, "")[:500]
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        return []
    return found if isinstance(found, list) else []
