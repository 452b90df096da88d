"""One's notices: what was told, newest first, read or not."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm import notices
from web import door

blueprint = Blueprint("notices", __name__, url_prefix="/notices")
PAGE = 50


@blueprint.get("/all")
def listing() -> str:
    """All of them."""
    with door.reading() as session:
        rows = notices.page(session, door.me().id, before=request.args.get("before", type=int), limit=PAGE + 1)
    more = rows[PAGE - 1].id if len(rows) > PAGE else None
    return render_template("notices/page.html", rows=rows[:PAGE], next=more)


@blueprint.post("/all/read")
def read_all() -> Response:
    """Mark all as read."""
    with door.transaction() as session:
        notices.read_all(session, door.me().id, now=door.now())
    return redirect(url_for("notices.listing"), 303)
