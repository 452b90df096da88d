"""Many tasks at once: complete, put off, give on, move by days, delete; one undo takes all of it back."""

from __future__ import annotations

from typing import Any

from flask import redirect, request, url_for
from werkzeug.wrappers import Response

from crm import steps, task_steps
from crm.errors import Refused
from web import door, notes
from web.views.tasks import blueprint, home, until


@blueprint.post("/bulk")
def bulk() -> Response:
    """What was ticked, and the button that was pressed."""
    ids = [int(value) for value in request.form.getlist("ids") if value.isdecimal()]
    if not ids:
        notes.warn("Tick some tasks first.")
        return redirect(home(), 303)
    try:
        with door.transaction() as session:
            verb, value = _wanted()
            step = task_steps.do(session, door.viewer(), ids, verb, value, now=door.now())
    except Refused as error:
        notes.warn(str(error))
    else:
        notes.say(f"{step.says}.", undo=url_for("tasks.undo_step", decision_id=step.id))
    return redirect(home(), 303)


@blueprint.post("/steps/<int:decision_id>/undo")
def undo_step(decision_id: int) -> Response:
    """Take one's own step back, all of it."""
    with door.transaction() as session:
        steps.own(session, decision_id, door.me().id)
        undone = steps.undo(session, decision_id, actor_id=door.me().id, now=door.now())
    stayed = f" {undone.kept} changed since and stay." if undone.kept else ""
    notes.say(f"Taken back: {undone.says}.{stayed}")
    return redirect(url_for("tasks.listing"), 303)


def _wanted() -> tuple[str, Any]:
    """The verb and its value. Raises Refused."""
    verb = request.form.get("verb", "")
    if verb == "snooze":
        return verb, until()
    if verb == "assign":
        return verb, request.form.get("to", type=int)
    if verb == "shift":
        days = request.form.get("by", type=int)
        if not days:
            raise Refused("By how many days? Such as 2, or -1 for a day earlier.", "by")
        return verb, days
    return verb, None
