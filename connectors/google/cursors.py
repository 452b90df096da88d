"""The Gmail cursor: where the history was read to, and how far a listing has come, as JSON text.

The history id is text and is never compared: Google promises order, not arithmetic. A listing cursor carries the
history id read before the listing began, so that nothing that arrives meanwhile is missed.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from connectors.errors import CursorExpired
from connectors.types import Cursor

VERSION = 1


@dataclass(frozen=True, slots=True)
class Position:
    """``history``: all up to this id is applied. ``stage``: "" when level, else the label listed now ("MAIN" first).

    ``page`` is the token of the page being worked on, ``after`` the last id of it that is done."""

    history: str
    stage: str = ""
    page: str = ""
    after: str = ""

    @property
    def listing(self) -> bool:
        return bool(self.stage)

    def text(self) -> Cursor:
        """As stored."""
        return json.dumps({"v": VERSION, **{k: v for k, v in asdict(self).items() if v}}, separators=(",", ":"))

    def moved(self, **changes: Any) -> Position:
        """The same with some fields replaced."""
        return replace(self, **changes)


def read(text: Cursor) -> Position:
    """The position in a stored cursor. Raises CursorExpired when it is not one of ours."""
    try:
        found = json.loads(text)
        version = found.pop("v")
        position = Position(**found)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CursorExpired("The stored position in this mailbox cannot be read.", code="cursor") from error
    if version != VERSION or not isinstance(position.history, str) or not position.history:
        raise CursorExpired("The stored position in this mailbox is of another version.", code="cursor")
    return position
