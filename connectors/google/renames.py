"""Labels that a person renamed. Gmail's history says nothing of it, yet rules and the log go by names.

Once a day the names are asked for (one unit); where one changed, its mails are named again with all their labels, which
costs listings and no get. Source: Gmail API users.labels; history records carry messages only.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from connectors.google.gmail import Mailbox
from connectors.types import Upsert

EVERY = timedelta(days=1)
MEMORY = "labels"


def keep(box: Mailbox) -> None:
    """Remember the names as they are now."""
    if box.names:
        box.context.remember(MEMORY, {"at": box.context.now().isoformat(), "names": box.names})


def changes(box: Mailbox) -> Iterator[Upsert]:
    """The mails whose labels read differently since the names were last kept; at most once a day."""
    kept = box.context.memory.get(MEMORY)
    names, at = _read(kept)
    if at is not None and box.context.now() - at < EVERY:
        return
    box.load_labels()
    renamed = [label for label, name in names.items() if box.names.get(label, name) != name]
    if renamed:
        carried = box.carried()
        for one in sorted({one for label in renamed for one in box.ids_with(label)}):
            yield box.described(one, {"labelIds": carried.get(one, [])})
    keep(box)


def _read(kept: Any) -> tuple[dict[str, str], datetime | None]:
    if not isinstance(kept, dict) or not isinstance(kept.get("names"), dict):
        return {}, None
    try:
        return kept["names"], datetime.fromisoformat(str(kept.get("at")))
    except ValueError:
        return kept["names"], None
