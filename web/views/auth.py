"""Sign in, sign out, and the set-up of the first admin (only while there are no users)."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, abort, current_app, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm import audit, profile, users
from crm.errors import CrmError, Refused
from crm.models import User
from web import auth, door
from web.forms.auth import SetUp, SignIn

blueprint = Blueprint("auth", __name__)
Page = str | Response | tuple[str, int]

WRONG = "Address and password don't match an account here."
TOO_MANY = "Too many tries. Wait ten minutes, then try again."


@blueprint.get("/sign-in")
@auth.public
def sign_in_page() -> Page:
    """The form; the set-up instead while nobody has an account."""
    with door.reading() as session:
        if users.first_run(session):
            return redirect(url_for("auth.set_up_page"), 303)
    return render_template("auth/sign_in.html", form=SignIn())


@blueprint.post("/sign-in")
@auth.public
def enter() -> Page:
    """Check the password, with a brake on guessing; both a wrong address and a wrong password say the same."""
    form, brake = SignIn(), current_app.extensions["sign_in_brake"]
    if not form.validate():
        return render_template("auth/sign_in.html", form=form), 422
    email, place = form.email.data, request.remote_addr or ""
    if brake.blocked(email, place, door.now()):
        form.form_errors.append(TOO_MANY)
        return render_template("auth/sign_in.html", form=form), 429
    with door.transaction() as session:
        user = users.authenticate(session, email, form.password.data, door.now())
        audit.record(
            session,
            actor_id=user.id if user else None,
            action="user.sign_in" if user else "user.sign_in_failed",
            now=door.now(),
        )
    if user is None:
        brake.failed(email, place, door.now())
        form.form_errors.append(WRONG)
        return render_template("auth/sign_in.html", form=form), 422
    brake.passed(email)
    auth.sign_in(user)
    return redirect(_inside(request.args.get("back")), 303)


@blueprint.post("/sign-out")
@auth.public
def leave() -> Page:
    """End this session."""
    auth.sign_out()
    return redirect(url_for("auth.sign_in_page"), 303)


@blueprint.get("/set-up")
@auth.public
def set_up_page() -> Page:
    """The first admin's form; afterwards there is no such page."""
    _only_first()
    return render_template("auth/set_up.html", form=SetUp(data={"time_zone": "UTC"}))


@blueprint.post("/set-up")
@auth.public
def set_up() -> Page:
    """Create the first admin and sign them in. The check and the insert share a transaction: only one can be first."""
    _only_first()
    form = SetUp()
    if not form.validate():
        return render_template("auth/set_up.html", form=form), 422
    try:
        user = _first_admin(form)
    except CrmError as error:
        form.refuse(error if isinstance(error, Refused) else Refused(str(error)))
        return render_template("auth/set_up.html", form=form), 422
    auth.sign_in(user)
    return redirect(url_for("home.page"), 303)


def _first_admin(form: SetUp) -> User:
    with door.transaction() as session:
        if not users.first_run(session):
            abort(404)
        made = users.create(
            session, email=form.email.data, name=form.name.data, role="admin", password=form.password.data,
            now=door.now(),
            actor_id=None,
        )  # fmt: skip
        return profile.update(session, made.id, name=made.name, time_zone=form.time_zone.data, now=door.now())


def _only_first() -> None:
    with door.reading() as session:
        if not users.first_run(session):
            abort(404)


def _inside(back: str | None) -> str:
    """Where to go after the sign-in: a path of ours only, never another site."""
    parts = urlsplit(back or "")
    if not back or parts.scheme or parts.netloc or not back.startswith("/") or back.startswith(("//", "/\\")):
        return url_for("home.page")
    return back
