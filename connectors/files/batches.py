"""Cutting changes into batches and packing cursors: the same for every kind of file."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, Final

from connectors.errors import CursorExpired
from connectors.types import Batch, Change, Cursor, Upsert

MAX_ITEMS: Final = 200
MAX_BYTES: Final = 32_000_000
MAX_CURSOR: Final = 200_000_000


def batches(changes: Iterable[Change], cursor: Cursor | None, total: int, *, listing: bool) -> Iterator[Batch]:
    """At most 200 changes or 32 MB each, drawn lazily; the cursor comes with the last one. A listing has a last batch
    even when it is empty; other runs without changes yield nothing unless there is a cursor to save."""
    held: list[Change] = []
    size = 0
    for change in changes:
        weight = change.size if isinstance(change, Upsert) and change.raw is not None else 0
        if held and (len(held) >= MAX_ITEMS or size + weight > MAX_BYTES):
            yield Batch(tuple(held), None, listing=listing, total=total)
            held, size = [], 0
        held.append(change)
        size += weight
    if held or cursor is not None:
        yield Batch(tuple(held), cursor, listing=listing, final=listing, total=total)


def packed(state: dict[str, Any]) -> Cursor:
    """A cursor from plain values."""
    text = json.dumps(state, separators=(",", ":"), ensure_ascii=False).encode()
    return "z" + base64.b85encode(zlib.compress(text)).decode()


def unpacked(cursor: Cursor) -> dict[str, Any]:
    """The values of a cursor. Raises CursorExpired for what is none."""
    try:
        inflater = zlib.decompressobj()
        state = json.loads(inflater.decompress(base64.b85decode(cursor[1:]), MAX_CURSOR))
    except (ValueError, zlib.error) as error:
        raise CursorExpired("The saved position cannot be read; the archive is listed anew.") from error
    if not isinstance(state, dict):
        raise CursorExpired("The saved position cannot be read; the archive is listed anew.")
    return state
