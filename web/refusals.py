"""Writes down when somebody signed in asks for what is not there or not theirs: the page is the same 404 for both, the
audit tells an admin who tried what. Ids only; at most ``A_DAY`` rows a person and day, so that a script fills nothing.
"""

from __future__ import annotations

from datetime import timedelta

from flask import g, request

from crm import audit
from web import door

A_DAY = 200
WINDOW = timedelta(days=1)


def note() -> None:
    """Record the request that just ended in 404, in the browser or the API, if it named a record or a page of another
    role. Called outside any session."""
    who = g.get("person") or g.get("api_user")
    if who is None or request.endpoint is None:
        return
    ids = {name: value for name, value in (request.view_args or {}).items() if isinstance(value, int)}
    view = door.view(request.endpoint)
    if not ids and not getattr(view, "roles", None):
        return
    name, number = next(iter(ids.items()), ("", None))
    kind = name.removesuffix("_id") or str(request.blueprint or "")
    now = door.now()
    with door.transaction() as session:
        if audit.refused_today(session, who.id, now - WINDOW) < A_DAY:
            audit.record(
                session, actor_id=who.id, action=audit.REFUSED, subject_kind=kind, subject_id=number,
                detail={"method": request.method, "page": request.endpoint}, now=now,
            )  # fmt: skip
