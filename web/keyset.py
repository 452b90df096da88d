"""Page marks in addresses: the (name, id) or id a page ended with, as an opaque text; a damaged one is the first page."""

from __future__ import annotations

import base64
import binascii
import json

from flask import request


def mark(*parts: str | int) -> str:
    """The text for the address of the next page."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def named() -> tuple[str, int] | None:
    """The (name, id) of ``?after=``."""
    parts = _parts()
    if len(parts) == 2 and isinstance(parts[0], str) and isinstance(parts[1], int):
        return parts[0], parts[1]
    return None


def numbered() -> int | None:
    """The id of ``?after=``."""
    parts = _parts()
    return parts[0] if len(parts) == 1 and isinstance(parts[0], int) else None


def _parts() -> list[object]:
    text = request.args.get("after", "")[:500]
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        return []
    return found if isinstance(found, list) else []
