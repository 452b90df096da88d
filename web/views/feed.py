"""The outgoing calendar feed: a read-only address for calendar programs, and the page that gives and takes it.

The feed is behind no sign-in: its address is signed (``crm.feed_access``), and any other answers 404. It never accepts
anything but GET, and tells what its owner would see signed in.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Answer

from crm import feed, feed_access, feed_entries, users
from web import auth, door, notes

blueprint = Blueprint("feed", __name__)
Page = str | Answer | tuple[str, int]
SIGNED_MAX = 200


@blueprint.get("/feed/<int:user_id>/<signed>.ics")
@auth.public
def calendar(user_id: int, signed: str) -> Answer:
    """The person's open tasks and meetings as iCalendar. 404 for an address that is wrong or was taken back."""
    with door.reading() as session:
        owner = feed_access.reader(session, door.service().vault, user_id, signed[:SIGNED_MAX])
        if owner is None:
            abort(404)
        zone = ZoneInfo(owner.time_zone or "UTC")
        tasks = feed_entries.tasks(session, owner.id, zone, page=_page)
        meetings = feed_entries.meetings(session, users.viewer(owner), now=door.now(), page=_page)
        name = owner.name
    content = feed.calendar_feed(tasks, meetings, name=f"CRM: {name}", stamp=_hour(door.now()), host=request.host)
    answer = Response(content, content_type="text/calendar; charset=utf-8")
    answer.headers["Cache-Control"] = "private, max-age=900"
    answer.headers["Content-Disposition"] = 'inline; filename="crm.ics"'
    answer.add_etag()
    return answer.make_conditional(request)


@blueprint.get("/me/feed")
def page() -> Page:
    """The address, or the button that makes one."""
    with door.reading() as session:
        signed = feed_access.signature(session, door.service().vault, door.me().id)
    address = url_for("feed.calendar", user_id=door.me().id, signed=signed, _external=True) if signed else ""
    return render_template("me/feed.html", address=address)


@blueprint.post("/me/feed/open")
def open_() -> Page:
    """A fresh address; the old one ends."""
    with door.transaction() as session:
        feed_access.open_(session, door.me().id, now=door.now())
    notes.say("This is your calendar's address.")
    return redirect(url_for("feed.page"), 303)


@blueprint.post("/me/feed/close")
def close() -> Page:
    """No address any more."""
    with door.transaction() as session:
        feed_access.close(session, door.me().id, now=door.now())
    notes.say("The address is of no use any more.")
    return redirect(url_for("feed.page"), 303)


def _page(kind: str, row_id: int) -> str:
    if kind == "task":
        return url_for("tasks.page", task_id=row_id, _external=True)
    return url_for("log.item", item_id=row_id, _external=True)


def _hour(at: datetime) -> datetime:
    """Programs ask again and again; within an hour equal content is equal bytes, and costs no transfer."""
    return at.replace(minute=0, second=0, microsecond=0)
