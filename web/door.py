"""A request's way to the service: its database, its clock, and who asks.

Views open sessions here and nowhere else: ``reading`` for pages, ``transaction`` for changes, ``trial``
for previews. Never hold one across a
call that goes to the network (connection tests, attachments): open, read, close, then call.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, cast

from flask import current_app, g

from crm.privacy import Viewer
from web.auth import Person

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from sync.service import Service


def service() -> Service:
    """The one service of this process."""
    return cast("Service", current_app.extensions["crm_sync"])


def reading() -> AbstractContextManager[Session]:
    """A session that takes no write lock."""
    return service().db.reading()


def transaction() -> AbstractContextManager[Session]:
    """A session that commits at the end of the block."""
    return service().db.transaction()


def trial() -> AbstractContextManager[Session]:
    """A session that is rolled back at the end of the block."""
    return service().db.trial()


def now() -> datetime:
    """The moment of this request (UTC), the same for all that it does."""
    if "now" not in g:
        g.now = service().now()
    return cast(datetime, g.now)


def me() -> Person:
    """Who is signed in. Views behind the sign-in may rely on it."""
    return cast(Person, g.person)


def viewer() -> Viewer:
    """The same as the privacy policy wants it."""
    return me().viewer


def view(endpoint: str) -> object:
    """The view function of an endpoint, None for an unknown one."""
    return current_app.view_functions.get(endpoint)
