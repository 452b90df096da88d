"""Where a folder's sync stands, as the opaque text that is stored with the rows it covers.

``next`` is one more than the highest UID that was handed over: it derives from consumed UIDs only, never from what the
server says it will assign. ``modseq`` is the HIGHESTMODSEQ read before the last complete pass and serves flags and
expunges only. ``level`` is the folder's state (UIDNEXT, EXISTS, HIGHESTMODSEQ) at that time: equal means nothing to do.
Facts: RFC 9051 sections 2.3.1.1 and 6.3.11, RFC 7162.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from connectors.errors import CursorExpired
from connectors.imap.uids import UidSet
from connectors.types import Cursor

VERSION = 1
BLOCK = 500
MAX_BLOCKS = 4000


@dataclass(frozen=True, slots=True)
class Position:
    """A folder's cursor, decoded. ``low`` is the lowest UID of the first listing handed over so far (``complete`` once
    it has ended). ``known`` are all UIDs handed over and not removed. ``digests`` hold, per block of 500 UIDs, a digest
    of the flags last seen: only filled where the server has no MODSEQ. Times are ISO 8601 UTC."""

    uidvalidity: int
    next: int = 1
    modseq: int = 0
    low: int = 0
    complete: bool = False
    known: UidSet = field(default_factory=UidSet)
    level: tuple[int, int, int] = (0, 0, 0)
    tier: str = "none"
    empty_since: str = ""
    digests: Mapping[int, int] = field(default_factory=dict)
    flags_at: str = ""

    def having(self, uids: UidSet) -> Position:
        """After handing over these UIDs."""
        if not uids:
            return self
        return replace(self, known=self.known | uids, next=max(self.next, uids.highest + 1))

    def listed_down_to(self, uid: int, *, complete: bool) -> Position:
        """After a batch of the first listing whose lowest UID is ``uid`` (0: an empty batch)."""
        return replace(self, low=uid or self.low, complete=complete)

    def without(self, uids: UidSet) -> Position:
        """After removals."""
        return replace(self, known=self.known - uids)

    def encode(self) -> Cursor:
        """As text."""
        held: dict[str, Any] = {
            "v": VERSION,
            "uv": self.uidvalidity,
            "next": self.next,
            "ms": self.modseq,
            "low": self.low,
            "done": self.complete,
            "known": self.known.encode(),
            "level": self.level,
            "tier": self.tier,
        }
        optional = {"empty": self.empty_since, "at": self.flags_at}
        held.update({key: value for key, value in optional.items() if value})
        if self.digests:
            newest = sorted(self.digests)[-MAX_BLOCKS:]
            held["dig"] = {str(block): self.digests[block] for block in newest}
        return json.dumps(held, separators=(",", ":"))


def decode(cursor: Cursor) -> Position:
    """Read a cursor. Raises CursorExpired for one that this version cannot use."""
    try:
        held = json.loads(cursor)
        if held["v"] != VERSION:
            raise ValueError("another version")
        uidnext, exists, modseq = (int(number) for number in held["level"])
        return Position(
            uidvalidity=int(held["uv"]),
            next=int(held["next"]),
            modseq=int(held["ms"]),
            low=int(held["low"]),
            complete=bool(held["done"]),
            known=UidSet.decode(held["known"]),
            level=(uidnext, exists, modseq),
            tier=str(held["tier"]),
            empty_since=str(held.get("empty", "")),
            digests={int(block): int(value) for block, value in held.get("dig", {}).items()},
            flags_at=str(held.get("at", "")),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CursorExpired(
            "The stored position of this folder cannot be read; it is listed anew.", code="cursor"
        ) from error


def seconds_since(iso: str, now: datetime) -> float:
    """Seconds from a stored time to ``now``; infinite when none was stored or it cannot be read."""
    try:
        return (now - datetime.fromisoformat(iso)).total_seconds() if iso else float("inf")
    except (ValueError, TypeError):
        return float("inf")
