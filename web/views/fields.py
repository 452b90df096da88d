"""Custom fields: an admin's page to define, rename, order and remove them, for contacts, companies and deals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm import fields
from crm.errors import CrmError, Refused
from web import auth, door, notes
from web.forms.fields import CustomField
from web.forms.records import lines_of

if TYPE_CHECKING:
    from crm.models import Field

blueprint = Blueprint("fields", __name__, url_prefix="/fields")
Page = str | Response | tuple[str, int]
NOUNS = (("contact", "Contacts"), ("company", "Companies"), ("deal", "Deals"))


@blueprint.get("")
@auth.needs("admin")
def page() -> Page:
    """All fields by noun, and the form of a new one."""
    noun = request.args.get("noun", "contact")
    return _render(CustomField(formdata=None, data={"noun": noun if noun in fields.NOUNS else "contact"}))


@blueprint.post("")
@auth.needs("admin")
def add() -> Page:
    """Define a field."""
    form = CustomField()
    if not form.validate():
        return _render(form), 422
    try:
        with door.transaction() as session:
            made = fields.add(
                session, noun=form.noun.data, type=form.type.data, **_given(form), actor_id=door.me().id, now=door.now()
            )
    except Refused as error:
        form.refuse(error)
        return _render(form), 422
    notes.say(f"{made.label} is asked for now.", undo=url_for("fields.remove", field_id=made.id))
    return redirect(url_for("fields.page", noun=made.noun), 303)


@blueprint.get("/<int:field_id>")
@auth.needs("admin")
def edit_page(field_id: int) -> Page:
    """The form filled. Type and record stay as they were made, because values hang on them."""
    with door.reading() as session:
        found = fields.by_id(session, field_id)
    data = {
        "noun": found.noun, "type": found.type, "label": found.label, "options": "\n".join(found.options),
        "lifecycle": found.lifecycle or "",
    }  # fmt: skip
    return _edit(CustomField(formdata=None, data=data), found)


@blueprint.post("/<int:field_id>")
@auth.needs("admin")
def edit(field_id: int) -> Page:
    """Save the form."""
    with door.reading() as session:
        found = fields.by_id(session, field_id)
    form = CustomField()
    form.noun.data, form.type.data = found.noun, found.type
    if not form.validate():
        return _edit(form, found), 422
    try:
        with door.transaction() as session:
            fields.change(session, field_id, **_given(form), actor_id=door.me().id, now=door.now())
    except Refused as error:
        form.refuse(error)
        return _edit(form, found), 422
    notes.say("Saved.")
    return redirect(url_for("fields.page", noun=found.noun), 303)


@blueprint.post("/<int:field_id>/move")
@auth.needs("admin")
def move(field_id: int) -> Page:
    """One place up or down (``step``)."""
    step = -1 if request.form.get("step") == "up" else 1
    with door.transaction() as session:
        fields.move(session, field_id, step, actor_id=door.me().id, now=door.now())
    return redirect(url_for("fields.page"), 303)


@blueprint.post("/<int:field_id>/remove")
@auth.needs("admin")
def remove(field_id: int) -> Page:
    """Hide it; its values stay."""
    with door.transaction() as session:
        label = fields.remove(session, field_id, actor_id=door.me().id, now=door.now()).label
    notes.say(
        f"{label} is not asked for any more. Its values stay.", undo=url_for("fields.restore", field_id=field_id)
    )
    return redirect(url_for("fields.page"), 303)


@blueprint.post("/<int:field_id>/restore")
@auth.needs("admin")
def restore(field_id: int) -> Page:
    """Ask for it again."""
    try:
        with door.transaction() as session:
            fields.restore(session, field_id, actor_id=door.me().id, now=door.now())
    except CrmError as error:
        notes.warn(str(error))
    else:
        notes.say("Back again, with its values.")
    return redirect(url_for("fields.page"), 303)


def _given(form: CustomField) -> dict[str, Any]:
    return {
        "label": form.label.data, "options": lines_of(form.options.data), "lifecycle": form.lifecycle.data or None,
    }  # fmt: skip


def _render(form: CustomField) -> str:
    with door.reading() as session:
        rows = fields.all_(session)
    groups = [(noun, label, [f for f in rows if f.noun == noun]) for noun, label in NOUNS]
    return render_template("fields/page.html", form=form, groups=groups, types=fields.TYPES)


def _edit(form: CustomField, field: Field) -> str:
    return render_template("fields/form.html", form=form, field_=field, types=fields.TYPES)
