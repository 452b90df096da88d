"""Users: who may sign in, with which role, and leaving with a hand-over in one step. Admins only."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response

from crm import profile, users
from crm.errors import Refused
from web import auth, door, notes, words
from web.forms.admin import Leave, NewUser, Role
from web.forms.parts import options

blueprint = Blueprint("people", __name__, url_prefix="/people")
Page = str | Response | tuple[str, int]


@blueprint.get("")
@auth.needs("admin")
def listing() -> Page:
    """Everybody, those who left included."""
    with door.reading() as session:
        return render_template("people/listing.html", everybody=users.all_(session, active_only=False))


@blueprint.get("/new")
@auth.needs("admin")
def new_page() -> Page:
    """The form for one more."""
    return render_template("people/new.html", form=NewUser(data={"time_zone": door.me().zone, "role": "rep"}))


@blueprint.post("/new")
@auth.needs("admin")
def new() -> Page:
    """Add a user."""
    form = NewUser()
    if form.validate():
        try:
            with door.transaction() as session:
                made = users.create(
                    session, email=form.email.data, name=form.name.data, role=form.role.data,
                    password=form.password.data,
                    now=door.now(), actor_id=door.me().id,
                )  # fmt: skip
                profile.update(session, made.id, name=made.name, time_zone=form.time_zone.data, now=door.now())
        except Refused as error:
            form.refuse(error)
        else:
            notes.say(f"{made.name} can sign in now as {made.email}.")
            return redirect(url_for("people.listing"), 303)
    return render_template("people/new.html", form=form), 422


@blueprint.get("/<int:user_id>")
@auth.needs("admin")
def page(user_id: int) -> Page:
    """One user: role, and leaving."""
    return _render(user_id, None, None), 200


@blueprint.post("/<int:user_id>/role")
@auth.needs("admin")
def set_role(user_id: int) -> Page:
    """Give another role; the user's sessions end."""
    form = Role()
    if not form.validate():
        return _render(user_id, form, None), 422
    try:
        with door.transaction() as session:
            users.set_role(session, user_id, form.role.data, actor_id=door.me().id, now=door.now())
    except Refused as error:
        form.refuse(error)
        return _render(user_id, form, None), 422
    notes.say("Role changed. It counts from their next sign-in.")
    return redirect(url_for("people.page", user_id=user_id), 303)


@blueprint.post("/<int:user_id>/leave")
@auth.needs("admin")
def leave(user_id: int) -> Page:
    """End access and hand over what was theirs."""
    form = _leave_form(user_id)
    if not form.validate():
        return _render(user_id, None, form), 422
    try:
        with door.transaction() as session:
            moved = users.deactivate(session, user_id, hand_over_to=form.to.data, now=door.now(), actor_id=door.me().id)
    except Refused as error:
        form.refuse(error)
        return _render(user_id, None, form), 422
    parts = (
        (moved.contacts, "contact"),
        (moved.deals, "open deal"),
        (moved.tasks, "open task"),
        (moved.accounts_paused, "mailbox"),
    )
    notes.say(
        "Access ended. Handed over or paused: "
        + ", ".join(words.count(n, noun, _many(noun)) for n, noun in parts)
        + "."
    )
    return redirect(url_for("people.listing"), 303)


def _many(noun: str) -> str:
    return "mailboxes" if noun == "mailbox" else noun + "s"


def _render(user_id: int, role: Role | None, leave_form: Leave | None) -> str:
    with door.reading() as session:
        user = users.by_id(session, user_id)
        return render_template(
            "people/page.html", user=user, role=role or Role(data={"role": user.role}),
            leave=leave_form or _leave_form(user_id),
        )  # fmt: skip


def _leave_form(user_id: int) -> Leave:
    form = Leave()
    with door.reading() as session:
        others = [(str(u.id), u.name) for u in users.all_(session) if u.id != user_id]
    form.to.choices = options([("", "nobody: they stay unowned"), *others])
    return form
