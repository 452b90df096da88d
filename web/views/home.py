"""Today: what is left to set up while the workspace is new, then what waits: tasks, questions, replies, meetings
ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm import contacts, ledger, notices, review, tasks, timeline, workspace
from crm.timeline import LogFilter
from web import auth, door

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

blueprint = Blueprint("home", __name__)
SHOWN = 8


@blueprint.get("/")
def page() -> str:
    """The start page."""
    with door.reading() as session:
        viewer, now = door.viewer(), door.now()
        mine = tasks.page(session, viewer, tasks.Filter(owner_id=door.me().id), now=now, zone=door.me().zone, limit=50)
        inbound = LogFilter(direction="inbound", status="linked", user_id=door.me().id)
        context = {
            "steps": _steps(session),
            "notices": notices.unread(session, door.me().id), "due": [t for t in mine if t.section in ("overdue",
            "today")][:SHOWN],
            "counts": review.counts(session, viewer, now=now),
            "newest": timeline.page(session, viewer, inbound, limit=SHOWN).rows,
            "ahead": timeline.upcoming(session, viewer, LogFilter(kinds=frozenset({"meeting"}), user_id=door.me().id),
            now=now, limit=5),
        }  # fmt: skip
    return render_template("home/page.html", **context)


@blueprint.post("/notices/read")
def read() -> Response:
    """Put the lines on top away."""
    ids = [int(value) for value in request.form.getlist("id") if value.isdecimal()]
    with door.transaction() as session:
        notices.read(session, door.me().id, ids, now=door.now())
    return redirect(url_for("home.page"), 303)


@blueprint.get("/favicon.ico")
@auth.public
def favicon() -> tuple[str, int]:
    """Browsers ask; the icon is in the page's head."""
    return "", 204


def _steps(session: Session) -> list[dict[str, Any]]:
    """The checklist of a new workspace; empty once all four are done."""
    viewer = door.viewer()
    connected = bool(ledger.accounts(session, viewer))
    people = contacts.count(session, viewer) > 0
    settled = bool(review.decided(session, viewer, limit=1))
    own = bool(workspace.get(session, "internal_domains")) or connected
    steps = [
        {"done": connected, "title": "Connect a mailbox", "says": "Its newest mail is here within seconds.",
        "to": "connecting.providers", "does": "Connect"},
        {"done": people, "title": "Bring your contacts",
        "says": "A CSV file is enough; old mail finds them by itself.", "to": "importing.page", "does": "Import"},
        {"done": own, "title": "Say who is us", "says": "Your own domains, and what is never logged.",
        "to": "settings.page" if door.me().admin else "accounts.listing", "does": "Look"},
        {"done": settled, "title": "Settle the first question", "says": "One answer covers all mail of that person.",
        "to": "review.page", "does": "Review"},
    ]  # fmt: skip
    return [] if all(step["done"] for step in steps) else steps
