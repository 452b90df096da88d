"""The audit page: who changed what, and when. Admins see all of it, others their own doings. Ids and field names, no
content."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from crm import audit
from web import door

blueprint = Blueprint("audit", __name__, url_prefix="/audit")
PAGE = 50


@blueprint.get("")
def page() -> str:
    """Newest first, pages by id; filters by action and subject."""
    before = request.args.get("before", type=int)
    action = request.args.get("action") or None
    with door.reading() as session:
        rows = audit.page(
            session, door.viewer(), action=action, subject_kind=request.args.get("kind") or None,
            subject_id=request.args.get("id", type=int), before=before, limit=PAGE + 1,
        )  # fmt: skip
    more = len(rows) > PAGE
    return render_template("audit/page.html", rows=rows[:PAGE], action=action, next=rows[PAGE - 1].id if more else None)
