"""One box over people, companies, deals and the log, within what the viewer may see."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from crm import companies, contacts, deals, timeline
from crm.timeline import LogFilter
from web import door

blueprint = Blueprint("search", __name__, url_prefix="/search")
LONGEST = 200
FEW = 6
MANY = 30


@blueprint.get("")
def page() -> str:
    """Results by kind; names and addresses by part, the log by words."""
    text = request.args.get("q", "")[:LONGEST].strip()
    if not text:
        return render_template("search/page.html", text="")
    with door.reading() as session:
        viewer = door.viewer()
        found = timeline.page(
            session, viewer, LogFilter(text=text), before=request.args.get("before"), limit=MANY, now=door.now()
        )
        context = {
            "people": contacts.page(session, viewer, contacts.Filter(text=text), limit=FEW + 1),
            "companies": companies.page(session, viewer, companies.Filter(text=text), limit=FEW + 1),
            "deals": deals.page(session, viewer, deals.Filter(text=text), limit=FEW + 1), "rows": found.rows,
            "next": found.next,
        }  # fmt: skip
    return render_template("search/page.html", text=text, few=FEW, **context)
