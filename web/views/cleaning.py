"""Keeping contacts clean: likely duplicates with merge, un-merge and "not the same", and addresses that don't work."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm import cleaning, contacts, merges
from crm.errors import CrmError
from web import door, notes, settle

blueprint = Blueprint("cleaning", __name__, url_prefix="/cleaning")
Page = str | Response | tuple[str, int]
PAIRS = 50


@blueprint.get("")
def page() -> Page:
    """Pairs that may be one person, the likeliest first, and addresses that likely don't work."""
    with door.reading() as session:
        pairs = cleaning.pairs(session, door.viewer(), limit=PAIRS)
        suspects = cleaning.suspects(session, door.viewer())
    return render_template("cleaning/page.html", pairs=pairs, suspects=suspects, most=PAIRS)


@blueprint.post("/merge")
def merge() -> Page:
    """Make ``gone`` part of ``keep``; the toast takes it back."""
    keep, gone = request.form.get("keep", 0, type=int), request.form.get("gone", 0, type=int)
    try:
        with door.transaction() as session:
            decision = merges.merge(session, "contact", keep, gone, actor_id=door.me().id, now=door.now())
    except CrmError as error:
        notes.warn(str(error))
    else:
        settle.after_change()
        notes.say(f"{decision.says[:1].upper()}{decision.says[1:]}.", undo=url_for("deciding.undo", ids=decision.id))
    return redirect(url_for("cleaning.page"), 303)


@blueprint.post("/apart")
def apart() -> Page:
    """They are two people: the pair is not proposed again."""
    left, right = request.form.get("left", 0, type=int), request.form.get("right", 0, type=int)
    try:
        with door.transaction() as session:
            for one in (left, right):
                contacts.by_id(session, one)
            decision = cleaning.keep_apart(session, left, right, actor_id=door.me().id, now=door.now())
    except CrmError as error:
        notes.warn(str(error))
    else:
        notes.say("Kept apart; the pair is not proposed again.", undo=url_for("deciding.undo", ids=decision.id))
    return redirect(url_for("cleaning.page"), 303)
