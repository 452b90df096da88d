"""Forms on the website, set up by an admin: where leads go in turn, the task each gets, and what to paste."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm import lead_forms, users
from crm.errors import Refused
from web import auth, door, notes
from web.forms.lead_forms import LeadForm
from web.views.capture import TRAP

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

blueprint = Blueprint("lead_forms", __name__, url_prefix="/website-forms")
Page = str | Response | tuple[str, int]


@blueprint.get("")
@auth.needs("admin")
def listing() -> Page:
    """All forms, and the empty one for another."""
    return _render(_form({"source": "website", "task_title": "Call {contact}", "task_days": 0}))


@blueprint.post("")
@auth.needs("admin")
def add() -> Page:
    """Add a form."""
    return _save(None)


@blueprint.get("/<int:form_id>")
@auth.needs("admin")
def page(form_id: int) -> Page:
    """One form: its address, what to paste, and its settings."""
    with door.reading() as session:
        found = lead_forms.by_id(session, form_id)
        names = ("name", "source", "people", "task_title", "task_days")
        data = {name: getattr(found, name) for name in names}
    return _page(_form(data), found)


@blueprint.post("/<int:form_id>")
@auth.needs("admin")
def edit(form_id: int) -> Page:
    """Save the settings of one."""
    return _save(form_id)


@blueprint.post("/<int:form_id>/switch")
@auth.needs("admin")
def switch(form_id: int) -> Page:
    """Close it, or open it again (``on``)."""
    on = (request.form.get("on") or request.args.get("on")) == "1"
    with door.transaction() as session:
        name = lead_forms.switch(session, form_id, on=on, actor_id=door.me().id, now=door.now()).name
    says = f"{name} takes enquiries again." if on else f"{name} is closed; its leads stay."
    notes.say(says, undo=url_for("lead_forms.switch", form_id=form_id, on="0" if on else "1"))
    return redirect(url_for("lead_forms.listing"), 303)


def _save(form_id: int | None) -> Page:
    form = _form(None)
    with door.reading() as session:
        found = lead_forms.by_id(session, form_id) if form_id else None
    if form.validate():
        try:
            with door.transaction() as session:
                made = _put(session, form_id, form)
        except Refused as error:
            form.refuse(error)
        else:
            notes.say(f"{made.name} is saved." if form_id else f"{made.name} takes enquiries now.")
            return redirect(url_for("lead_forms.page", form_id=made.id), 303)
    return (_page(form, found) if found else _render(form)), 422


def _put(session: Session, form_id: int | None, form: LeadForm) -> Any:
    return lead_forms.save(
        session, form_id, name=form.name.data, source=form.source.data or "", people=form.people.data or [],
        task_title=form.task_title.data or "", task_days=form.task_days.data or 0, actor_id=door.me().id,
        now=door.now(),
    )  # fmt: skip


def _form(data: dict[str, Any] | None) -> LeadForm:
    form = LeadForm() if data is None else LeadForm(formdata=None, data=data)
    with door.reading() as session:
        form.people.choices = [(user.id, user.name) for user in users.all_(session)]
    return form


def _render(form: LeadForm) -> str:
    with door.reading() as session:
        forms = lead_forms.all_(session)
        names = {user.id: user.name for user in users.all_(session, active_only=False)}
    return render_template("lead_forms/listing.html", form=form, forms=forms, names=names)


def _page(form: LeadForm, found: Any) -> str:
    address = f"{door.service().settings.base_url}{url_for('capture.page', form_key=found.key)}"
    return render_template("lead_forms/page.html", form=form, found=found, address=address, trap=TRAP)
