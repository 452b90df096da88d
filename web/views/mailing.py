"""Outgoing mail: the workspace's server, which admins set and try, and what each person wants by mail. Nobody outside
the team is ever written to."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response

from crm import post, profile, users, workspace
from crm.errors import Refused
from web import auth, door, notes
from web.forms.automation import Mail, Wishes

blueprint = Blueprint("mailing", __name__)
Page = str | Response | tuple[str, int]
NAMES = {"host": "smtp_host", "port": "smtp_port", "security": "smtp_security", "username": "smtp_username",
         "sender": "smtp_from"}  # fmt: skip


@blueprint.get("/settings/mail")
@auth.needs("admin")
def page() -> Page:
    """The server, and how the last mails went."""
    with door.reading() as session:
        values = workspace.all_(session)
    return _render(Mail(formdata=None, data={field: values[name] for field, name in NAMES.items()}))


@blueprint.post("/settings/mail")
@auth.needs("admin")
def save() -> Page:
    """Keep it. An empty password keeps the one there is."""
    form = Mail()
    if not form.validate():
        return _render(form), 422
    values = {name: getattr(form, field).data for field, name in NAMES.items()}
    try:
        with door.transaction() as session:
            for name, value in values.items():
                workspace.put(session, name, "" if value is None else value, actor_id=door.me().id, now=door.now())
            if form.password.data or not values["smtp_username"]:
                post.set_password(
                    session, door.service().vault, form.password.data or "", actor_id=door.me().id, now=door.now()
                )
    except Refused as error:
        fields = {name: field for field, name in NAMES.items()}
        form.refuse(Refused(str(error).partition(": ")[2].capitalize() or str(error), fields.get(error.field, "")))
        return _render(form), 422
    notes.say("Saved. Send yourself a test." if values["smtp_host"] else "Saved. No mail is sent.")
    return redirect(url_for("mailing.page"), 303)


@blueprint.post("/settings/mail/test")
@auth.needs("admin")
def test() -> Page:
    """Send a test to who asks."""
    from sync import post as sending

    try:
        sending.test(door.service(), door.me().id)
    except Refused as error:
        notes.warn(f"Not sent: {error}")
    else:
        notes.say(f"Sent to {door.me().email}.")
    return redirect(url_for("mailing.page"), 303)


@blueprint.get("/me/mail")
def wishes_page() -> Page:
    """What one wants by mail."""
    with door.reading() as session:
        wanted = post.wants(users.by_id(session, door.me().id))
        on = post.configured(session)
    return render_template("settings/wishes.html", form=Wishes(formdata=None, data=wanted), on=on)


@blueprint.post("/me/mail")
def save_wishes() -> Page:
    """Keep it."""
    form = Wishes()
    if not form.validate():
        with door.reading() as session:
            on = post.configured(session)
        return render_template("settings/wishes.html", form=form, on=on), 422
    wanted: dict[str, Any] = {name: bool(getattr(form, name).data) for name in post.CHOICES}
    with door.transaction() as session:
        profile.remember(session, door.me().id, "mail", {**wanted, "hour": form.hour.data})
    notes.say("Saved.")
    return redirect(url_for("mailing.wishes_page"), 303)


def _render(form: Mail) -> str:
    with door.reading() as session:
        context = {
            "kept": post.has_password(session), "recent": post.recent(session), "waiting": post.waiting(session),
            "on": post.configured(session),
        }  # fmt: skip
    return render_template("settings/mail.html", form=form, **context)
