"""The cursor of a mail folder: a link Graph gave us and where in the listing we are, as JSON.

Opaque to everyone else. A cursor that is not ours, or of another make, counts as expired: the folder is listed again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from connectors.errors import CursorExpired


@dataclass(frozen=True, slots=True)
class Place:
    """Where we are in a folder: the decoded cursor. ``at`` is "delta" (first listing), "fill" (below the cap), "old"
    (ids of what is older than ``oldest``) or "sync"; ``link`` the next request, "" to build it; ``delta`` the delta
    link that waits while "fill" and "old" run; ``low`` the oldest received time seen; ``seen`` how many."""

    at: str
    link: str = ""
    delta: str = ""
    low: str = ""
    seen: int = 0
    oldest: str = ""

    def dump(self) -> str:
        """The cursor text."""
        return json.dumps({name: value for name in self.__slots__ if (value := getattr(self, name))})

    @classmethod
    def load(cls, cursor: str) -> Place:
        """The place a cursor names. Raises CursorExpired for one that is not ours."""
        try:
            data = json.loads(cursor)
            place = cls(**data)
        except (ValueError, TypeError) as error:
            raise CursorExpired("The saved place in this folder cannot be read; it is listed again.") from error
        if place.at not in ("delta", "fill", "old", "sync"):
            raise CursorExpired("The saved place in this folder cannot be read; it is listed again.")
        return place
