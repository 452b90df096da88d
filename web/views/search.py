"""One box over people, companies, deals and the log, within what the viewer may see."""

from __future__ import annotations

from flask import Blueprint, render_template, request

blueprint = Blueprint("search", __name__, url_prefix="/search")
LONGEST = 200


@blueprint.get("")
def page() -> str:
    """Results by kind, the nearest first."""
    text = request.args.get("q", "")[:LONGEST].strip()
    return render_template("search/page.html", text=text)
