"""Reading Graph's collections: the items of a page, and cutting what they become into batches. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from connectors.errors import CursorExpired

BATCH = 250
"""Changes to a batch, at most (``connectors.types.Batch``)."""

NOWHERE = "Microsoft ended a listing without saying where to go on; it is listed again."

_Item = TypeVar("_Item")


def items_of(page: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The objects of a page that have an id; anything else in it is ignored."""
    held = page.get("value")
    return [one for one in (held if isinstance(held, list) else []) if isinstance(one, dict) and one.get("id")]


def onward_of(page: Mapping[str, Any], link: str) -> str:
    """The next link of a page that was read from ``link``, "" for the last page. Raises CursorExpired for one that
    leads nowhere new."""
    onward = str(page.get("@odata.nextLink") or "")
    if onward and onward == link:
        raise CursorExpired(NOWHERE)
    return onward


def chunks_of(items: Sequence[_Item], size: int = BATCH) -> Iterator[tuple[_Item, ...]]:
    """``items`` in tuples of at most ``size``; nothing for no items."""
    for start in range(0, len(items), size):
        yield tuple(items[start : start + size])


def batches_of(items: Sequence[_Item]) -> list[tuple[_Item, ...]]:
    """``items`` cut for batches: at least one tuple, which may be empty, so that there is one to carry a cursor."""
    return list(chunks_of(items)) or [()]
