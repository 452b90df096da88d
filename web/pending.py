"""A tested connection on its way to being stored: carried through the choosing page as a sealed token, so that the
password is
typed once, never echoed, and nothing is stored before the choice is made. Bound to the person and good for half an
hour.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from crm.vault import CannotOpen
from web import door

LIFE = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Pending:
    """What was typed and tested. ``config`` and ``secret`` as ``AccountSpec`` wants them."""

    provider: str
    address: str
    config: dict[str, Any] = field(default_factory=dict)
    secret: str = ""
    aliases: tuple[str, ...] = ()


class Expired(Exception):
    """The token is too old, another person's, or damaged: connect again."""


def seal(pending: Pending) -> str:
    """A token only this server can open, for this person."""
    body = json.dumps({**asdict(pending), "until": (door.now() + LIFE).isoformat()})
    return door.service().vault.seal(body, context=_context())


def open_(token: str) -> Pending:
    """What was sealed. Raises Expired."""
    try:
        body = json.loads(door.service().vault.open(token, context=_context()))
    except (CannotOpen, ValueError) as error:
        raise Expired from error
    if datetime.fromisoformat(body.pop("until")) < door.now():
        raise Expired
    return Pending(**{**body, "aliases": tuple(body["aliases"])})


def _context() -> str:
    return f"pending:{door.me().id}"
