"""The first page after sign-in: what is left to set up while the workspace is new."""

from __future__ import annotations

from flask import Blueprint, render_template

from web import door

blueprint = Blueprint("home", __name__)


@blueprint.get("/")
def page() -> str:
    """The start page."""
    return render_template("home/page.html", me=door.me())
