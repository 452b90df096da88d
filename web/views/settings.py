"""Workspace settings: one line each with its meaning, saved one by one, validated and audited by crm.workspace.
Admins only."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm import workspace
from web import auth, door, notes, settle

blueprint = Blueprint("settings", __name__, url_prefix="/settings")
Page = str | Response | tuple[str, int]
MAIL = "smtp_"
"""The server of outgoing mail has a page of its own (``mailing``)."""


@blueprint.get("")
@auth.needs("admin")
def page() -> Page:
    """All settings with their values in force."""
    return _render({}, {})


@blueprint.post("/<name>")
@auth.needs("admin")
def save(name: str) -> Page:
    """Put one setting; a value that can't be taken is shown again with the reason at its field."""
    value = request.form.get("value", "")
    given: Any = value.splitlines() if _many(name) else value
    try:
        with door.transaction() as session:
            workspace.put(session, name, given, actor_id=door.me().id, now=door.now())
    except workspace.BadValue as error:
        return _render({name: str(error)}, {name: value}), 422
    settle.after_change()
    notes.say(f"{_label(name)} saved.")
    return redirect(url_for("settings.page", _anchor=name), 303)


def _many(name: str) -> bool:
    return any(s.name == name and s.many for s in workspace.describe())


def _label(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _render(errors: dict[str, str], typed: dict[str, str]) -> str:
    with door.reading() as session:
        values = workspace.all_(session)
    shown = {name: _shown(value) for name, value in values.items()} | typed
    listed = [s for s in workspace.describe() if not s.name.startswith(MAIL)]
    return render_template("settings/page.html", settings=listed, values=shown, errors=errors, label=_label)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return "\n".join(str(v) for v in value)
    if isinstance(value, bool):
        return "on" if value else "off"
    return "" if value is None else str(value)
