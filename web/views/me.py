"""One's own page: name, time zone, password."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm import profile, tokens, users
from crm.errors import Refused
from web import auth, door, notes
from web.forms.auth import ChangePassword, Profile

blueprint = Blueprint("me", __name__, url_prefix="/me")
Page = str | Response | tuple[str, int]


@blueprint.get("")
def page() -> Page:
    """Both forms."""
    return _render(None, None)


@blueprint.post("/profile")
def save_profile() -> Page:
    """Name and zone."""
    form = Profile()
    if not form.validate():
        return _render(form, None), 422
    with door.transaction() as session:
        profile.update(session, door.me().id, name=form.name.data, time_zone=form.time_zone.data, now=door.now())
    notes.say("Saved.")
    return redirect(url_for("me.page"), 303)


@blueprint.post("/password")
def save_password() -> Page:
    """Change the password; every other session ends, this one goes on."""
    form = ChangePassword()
    if not form.validate():
        return _render(None, form), 422
    try:
        with door.transaction() as session:
            if users.authenticate(session, door.me().email, form.present.data, door.now()) is None:
                raise Refused("That is not your present password.", "present")
            users.set_password(session, door.me().id, form.new.data, actor_id=door.me().id, now=door.now())
            auth.sign_in(users.by_id(session, door.me().id))
    except Refused as error:
        form.refuse(error)
        return _render(None, form), 422
    notes.say("Password changed. You are signed out everywhere else.")
    return redirect(url_for("me.page"), 303)


@blueprint.post("/tokens")
def create_token() -> Page:
    """A token for programs; its text is on this page only."""
    try:
        with door.transaction() as session:
            _, text = tokens.create(
                session,
                door.me().id,
                name=request.form.get("name", "")[:200],
                scopes=request.form.getlist("scope"),
                now=door.now(),
            )
    except Refused as error:
        notes.warn(str(error))
        return redirect(url_for("me.page"), 303)
    return _render(None, None, token=text)


@blueprint.post("/tokens/<int:token_id>/revoke")
def revoke_token(token_id: int) -> Page:
    """End a token at once."""
    with door.transaction() as session:
        tokens.revoke(session, door.me().id, token_id, now=door.now())
    notes.say("The token is of no use any more.")
    return redirect(url_for("me.page"), 303)


def _render(form: Profile | None, password: ChangePassword | None, *, token: str = "") -> str:
    me = door.me()
    form = form or Profile(formdata=None, data={"name": me.name, "time_zone": me.zone})
    with door.reading() as session:
        mine = tokens.of(session, me.id)
    return render_template(
        "me/page.html",
        form=form,
        password=password or ChangePassword(formdata=None),
        tokens=mine,
        token=token,
        scopes=tokens.SCOPES,
    )
