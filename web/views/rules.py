"""Rules: the answers that stand, how often each was right, and the settings of matching; simulated before they are
saved, applied to the past, and taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm import rulings, workspace
from sync import decisions, outbox, rematch, simulate
from web import auth, door, notes, settle

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

blueprint = Blueprint("rules", __name__, url_prefix="/rules")
Page = str | Response | tuple[str, int]
PAGE = 25
SETTINGS = ("link_threshold", "suggest_threshold", "review_after", "internal_domains", "shared_domains")
"""The settings that matching reads and that can be tried out."""


@blueprint.get("")
def page() -> Page:
    """The rulings with their figures; for admins the settings too."""
    with door.reading() as session:
        rows = rulings.standing(session, door.viewer(), before=request.args.get("before", type=int), limit=PAGE + 1)
        values = workspace.all_(session)
    return render_template(
        "rules/page.html", rows=rows[:PAGE], next=rows[PAGE - 1].id if len(rows) > PAGE else None,
        order=rulings.ORDER, settings=_settings(), values=values, waiting=outbox.waiting(door.service()),
    )  # fmt: skip


@blueprint.get("/progress")
def progress() -> Page:
    """How much of what changed is still to be applied to the past."""
    return render_template("rules/progress.html", waiting=outbox.waiting(door.service()))


@blueprint.post("/simulate/<name>")
@auth.needs("admin")
def try_setting(name: str) -> Page:
    """What a new value would move, as a table, before it is saved."""
    if name not in SETTINGS:
        return redirect(url_for("rules.page"), 303)
    given = _given(name)

    def change(session: Session) -> rematch.Scope:
        workspace.put(session, name, given, actor_id=door.me().id, now=door.now())
        return rematch.everything(session)

    try:
        found = simulate.simulate(door.service(), door.viewer(), change)
    except workspace.BadValue as error:
        notes.warn(str(error))
        return redirect(url_for("rules.page"), 303)
    shown = given if isinstance(given, str) else " ".join(given)
    return render_template("rules/simulated.html", found=found, name=name, value=shown, decision=None)


@blueprint.post("/save/<name>")
@auth.needs("admin")
def save(name: str) -> Page:
    """Save a value; what it means for the past follows at once, and by the workers."""
    if name not in SETTINGS:
        return redirect(url_for("rules.page"), 303)
    try:
        with door.transaction() as session:
            before = workspace.get(session, name)
            workspace.put(session, name, _given(name), actor_id=door.me().id, now=door.now())
    except workspace.BadValue as error:
        notes.warn(str(error))
    else:
        settle.after_change()
        was = " ".join(before) if isinstance(before, list) else before
        notes.say(f"{name.replace('_', ' ').capitalize()} saved; it was {was or 'empty'}. The past follows.")
    return redirect(url_for("rules.page"), 303)


@blueprint.post("/simulate-end/<int:decision_id>")
def try_end(decision_id: int) -> Page:
    """What taking an answer back would move."""

    def change(session: Session) -> rematch.Scope:
        return decisions.end_for_trial(
            session, door.viewer(), decision_id, vault=door.service().vault, now=door.now()
        )

    found = simulate.simulate(door.service(), door.viewer(), change)
    return render_template("rules/simulated.html", found=found, name="", value="", decision=decision_id)


def _given(name: str) -> Any:
    value = request.form.get("value", "")[:5_000]
    return value.split() if any(s.name == name and s.many for s in workspace.describe()) else value


def _settings() -> list[workspace.Declared]:
    return [s for s in workspace.describe() if s.name in SETTINGS]
