"""The audit page: who changed what, and when, in sentences. Admins see all of it, others their own doings. Ids and
field names, no content."""

from __future__ import annotations

from datetime import date, time, timedelta

from flask import Blueprint, render_template, request

from crm import audit, audit_words, due, users
from crm.audit import Filter
from web import door, filters

blueprint = Blueprint("audit", __name__, url_prefix="/audit")
PAGE = 50
SYSTEM = "system"


@blueprint.get("")
def page() -> str:
    """Newest first, pages by id; filters by person, action, subject and period."""
    chosen = _chosen()
    with door.reading() as session:
        rows = audit.filtered(
            session, door.viewer(), chosen, before=request.args.get("before", type=int), limit=PAGE + 1
        )
        lines = audit_words.lines(session, rows[:PAGE])
        actions, kinds = audit.choices(session, door.viewer())
        people = [(u.id, u.name) for u in users.all_(session, active_only=False)] if door.me().admin else []
    kept = {name: value for name, value in request.args.items() if name != "before" and value}
    return render_template(
        "audit/page.html", lines=lines, chosen=chosen, kept=kept, actions=actions, kinds=kinds, people=people,
        next=rows[PAGE - 1].id if len(rows) > PAGE else None,
    )  # fmt: skip


def _chosen() -> Filter:
    """What the address asks for; what can't be read is left out."""
    who = request.args.get("who", "")
    since, until = _day("since"), _day("until")
    zone = filters.zone()
    return Filter(
        actor_id=0 if who == SYSTEM else int(who) if who.isdecimal() else None,
        action=request.args.get("action", "")[:60], subject_kind=request.args.get("kind", "")[:40],
        subject_id=request.args.get("id", type=int), since=due.at(since, time(), zone) if since else None,
        until=due.at(until + timedelta(days=1), time(), zone) if until else None,
    )  # fmt: skip


def _day(name: str) -> date | None:
    try:
        day = date.fromisoformat(request.args.get(name, ""))
    except ValueError:
        return None
    return day if due.FIRST <= day <= due.LAST else None
