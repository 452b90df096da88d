"""The cursor of a calendar: a link Graph gave us, the window baked into it, and the instances each series had.

Opaque to everyone else. A cursor that is not ours, or of another make, counts as expired: the calendar is listed
again.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass, field

from connectors.errors import CursorExpired


@dataclass(frozen=True, slots=True)
class Place:
    """The decoded cursor. ``at`` is "list", "rebase" (the new window), "last" (the old link, after the new window) or
    "sync"; ``link`` the next request, "" to build it; ``start`` and ``end`` the window; ``delta`` the link that waits
    while "rebase" or "last" run; ``month`` the month the window belongs to; ``series`` instance ids by master."""

    at: str
    start: str
    end: str
    month: str
    link: str = ""
    delta: str = ""
    series: dict[str, list[str]] = field(default_factory=dict)

    def dump(self) -> str:
        """The cursor text; the series are packed, for their ids are long and alike."""
        packed = base64.b85encode(zlib.compress(json.dumps(self.series).encode(), 6)).decode()
        plain = {name: getattr(self, name) for name in ("at", "start", "end", "month", "link", "delta")}
        return json.dumps({**plain, "series": packed})

    @classmethod
    def load(cls, cursor: str) -> Place:
        """The place a cursor names. Raises CursorExpired for one that is not ours."""
        try:
            data = json.loads(cursor)
            data["series"] = json.loads(zlib.decompress(base64.b85decode(data["series"])))
            place = cls(**data)
        except (ValueError, TypeError, KeyError, zlib.error) as error:
            raise CursorExpired("The saved place in this calendar cannot be read; it is listed again.") from error
        if place.at not in ("list", "rebase", "last", "sync"):
            raise CursorExpired("The saved place in this calendar cannot be read; it is listed again.")
        return place
