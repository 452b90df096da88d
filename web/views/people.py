"""Users: who may sign in, with which role, and leaving with a hand-over in one step. Admins only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response

from crm import leaving, profile, users
from crm.errors import Refused
from sync import accounts
from web import auth, door, notes, words
from web.forms.admin import Leave, NewUser, Role
from web.forms.parts import options

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

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
    """End access and hand over what was theirs, each sort to whom was chosen, in one step with one undo."""
    form = _leave_form(user_id)
    if not form.validate():
        return _render(user_id, None, form), 422
    to = {noun: form.successor(noun) for noun in leaving.NOUNS}
    try:
        with door.transaction() as session:
            before = leaving.of(session, user_id)
            step = leaving.leave(session, user_id, to, now=door.now(), actor_id=door.me().id)
            if form.mailboxes.data == "disconnect":
                _disconnect(session, user_id)
    except Refused as error:
        form.refuse(error)
        return _render(user_id, None, form), 422
    notes.say(f"{step.says}. Handed over: {_counted(before)}.", undo=url_for("people.come_back", decision_id=step.id))
    return redirect(url_for("people.listing"), 303)


@blueprint.post("/left/<int:decision_id>/undo")
@auth.needs("admin")
def come_back(decision_id: int) -> Page:
    """Take a leaving back."""
    with door.transaction() as session:
        undone = leaving.come_back(session, decision_id, actor_id=door.me().id, now=door.now())
    stayed = f" {words.count(undone.kept, 'value')} changed since and stay." if undone.kept else ""
    notes.say(f"Taken back: {undone.says}.{stayed}")
    return redirect(url_for("people.listing"), 303)


def _disconnect(session: Session, user_id: int) -> None:
    """Take the mailboxes' secrets away; the log stays. This can't be undone."""
    for account_id in accounts.of(session, user_id):
        accounts.remove(session, account_id, purge=False, actor_id=door.me().id, now=door.now())


def _counted(found: leaving.Belongings) -> str:
    parts = (
        (found.contacts, "contact"), (found.companies, "company"), (found.deals, "open deal"),
        (found.tasks, "open task"),
    )  # fmt: skip
    return ", ".join(words.count(n, noun, "companies" if noun == "company" else noun + "s") for n, noun in parts)


def _render(user_id: int, role: Role | None, leave_form: Leave | None) -> str:
    with door.reading() as session:
        user = users.by_id(session, user_id)
        step = None if user.active else leaving.last(session, user_id)
        return render_template(
            "people/page.html", user=user, role=role or Role(data={"role": user.role}),
            leave=leave_form or _leave_form(user_id), counts=leaving.of(session, user_id), step=step,
            nouns=leaving.NOUNS,
        )  # fmt: skip


def _leave_form(user_id: int) -> Leave:
    form = Leave()
    with door.reading() as session:
        others = [(str(u.id), u.name) for u in users.all_(session) if u.id != user_id]
    form.to.choices = options([("", "nobody: they stay unowned"), *others])
    for noun in leaving.NOUNS:
        getattr(form, noun).choices = options([("", "as above"), ("0", "nobody"), *others])
    return form
