"""Contacts: list, record, form. The record shows facts first, then one timeline; who someone is, is decided in
review."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm import addresses, contacts, phonebook, users
from crm.errors import CrmError, Refused
from web import door, keyset, notes, pick, settle
from web.forms.parts import options, whole
from web.forms.records import LIFECYCLES, Contact, lines_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

blueprint = Blueprint("contacts", __name__, url_prefix="/contacts")
Page = str | Response | tuple[str, int]
PAGE = 50


@blueprint.get("")
def listing() -> Page:
    """By name, with search in names and addresses."""
    chosen = contacts.Filter(
        text=request.args.get("q", "")[:200], owner_id=request.args.get("owner", type=whole),
        lifecycle=request.args.get("lifecycle", "")[:20],
    )  # fmt: skip
    with door.reading() as session:
        rows = contacts.page(session, door.viewer(), chosen, after=keyset.named(), limit=PAGE + 1)
        total = contacts.count(session, door.viewer(), chosen)
        everybody = [(u.id, u.name) for u in users.all_(session)]
    more = keyset.mark(rows[PAGE - 1].name, rows[PAGE - 1].id) if len(rows) > PAGE else None
    return render_template(
        "contacts/listing.html",
        rows=rows[:PAGE],
        total=total,
        next=more,
        chosen=chosen,
        owners=everybody,
        lifecycles=LIFECYCLES,
    )


@blueprint.get("/new")
def new_page() -> Page:
    """The empty form; an address or company may come along."""
    data = {
        "emails": request.args.get("email", "")[:320],
        "company": request.args.get("company", "")[:200],
        "owner": door.me().id,
    }
    return _form_page(Contact(formdata=None, data={**data, "lifecycle": "lead"}), None)


@blueprint.post("/new")
def new() -> Page:
    """Add a contact; their old mail is attached at once."""
    form = _form()
    if not form.validate():
        return _form_page(form, None), 422
    try:
        with door.transaction() as session:
            made = contacts.create(
                session, name=form.name.data, emails=lines_of(form.emails.data), phones=lines_of(form.phones.data),
                title=form.title.data or None, company_id=pick.company_or_new(session, form.company.data),
                owner_id=form.owner.data, lifecycle=form.lifecycle.data, source=form.source.data or None,
                now=door.now(),
                actor_id=door.me().id,
            )  # fmt: skip
    except Refused as error:
        form.refuse(_at_field(error))
        return _form_page(form, None), 422
    settle.after_change()
    notes.say(f"{made.name} is a contact now.")
    return redirect(url_for("contacts.page", contact_id=made.id), 303)


@blueprint.get("/<int:contact_id>/edit")
def edit_page(contact_id: int) -> Page:
    """The form filled."""
    with door.reading() as session:
        found = contacts.by_id(session, contact_id)
        data = {
            "name": found.name, "emails": "\n".join(a.raw for a in contacts.addresses(session, found.id)),
            "phones": "\n".join(p.raw for p in phonebook.of(session, found.id)), "title": found.title,
            "company": pick.company_name(session, found.company_id), "owner": found.owner_id,
            "lifecycle": found.lifecycle,
            "source": found.source, "opt_out": found.opt_out,
        }  # fmt: skip
    return _form_page(Contact(formdata=None, data=data), found.id)


@blueprint.post("/<int:contact_id>/edit")
def edit(contact_id: int) -> Page:
    """Save the form: fields, addresses and phones."""
    form = _form()
    if not form.validate():
        return _form_page(form, contact_id), 422
    try:
        with door.transaction() as session:
            changes = {
                "name": form.name.data, "title": form.title.data or None, "owner_id": form.owner.data,
                "company_id": pick.company_or_new(session, form.company.data), "lifecycle": form.lifecycle.data,
                "source": form.source.data or None, "opt_out": form.opt_out.data,
            }  # fmt: skip
            contacts.update(session, contact_id, changes, actor_id=door.me().id, now=door.now())
            contacts.set_phones(session, contact_id, lines_of(form.phones.data))
            _set_addresses(session, contact_id, lines_of(form.emails.data))
    except Refused as error:
        form.refuse(_at_field(error))
        return _form_page(form, contact_id), 422
    settle.after_change()
    notes.say("Saved.")
    return redirect(url_for("contacts.page", contact_id=contact_id), 303)


@blueprint.post("/<int:contact_id>/delete")
def delete(contact_id: int) -> Page:
    """Put away, with a way back; their mail stays in the log, unattached."""
    with door.transaction() as session:
        name = contacts.by_id(session, contact_id).name
        contacts.delete(session, contact_id, vault=door.service().vault, actor_id=door.me().id, now=door.now())
    settle.after_change()
    notes.say(
        f"{name} is deleted, and is not created again from mail.",
        undo=url_for("contacts.restore", contact_id=contact_id),
    )
    return redirect(url_for("contacts.listing"), 303)


@blueprint.post("/<int:contact_id>/restore")
def restore(contact_id: int) -> Page:
    """Bring a deleted contact back."""
    try:
        with door.transaction() as session:
            contacts.restore(session, contact_id, vault=door.service().vault, actor_id=door.me().id, now=door.now())
    except CrmError as error:
        notes.warn(str(error))
        return redirect(url_for("contacts.listing"), 303)
    settle.after_change()
    notes.say("Back again, with everything that was theirs.")
    return redirect(url_for("contacts.page", contact_id=contact_id), 303)


def _set_addresses(session: Session, contact_id: int, wanted: list[str]) -> None:
    """Make the addresses those of the form, the first of them the primary one."""
    actor: dict[str, Any] = {"actor_id": door.me().id, "now": door.now()}
    have = {row.canonical: row.raw for row in contacts.addresses(session, contact_id)}
    given = {addresses.checked(raw): raw for raw in wanted}
    for canonical, raw in given.items():
        if canonical not in have:
            contacts.add_address(session, contact_id, raw, **actor)
    for canonical, raw in have.items():
        if canonical not in given:
            contacts.remove_address(session, contact_id, raw, **actor)
    if given:
        contacts.make_primary(session, contact_id, next(iter(given)), **actor)


def _at_field(error: Refused) -> Refused:
    """The service names one address; the form has a field of several."""
    return Refused(str(error), {"email": "emails"}.get(error.field, error.field))


def _form() -> Contact:
    form = Contact()
    with door.reading() as session:
        form.owner.choices = options(pick.owners(session))
    return form


def _form_page(form: Contact, contact_id: int | None) -> str:
    with door.reading() as session:
        form.owner.choices = options(pick.owners(session))
        names = pick.company_names(session)
    return render_template("contacts/form.html", form=form, contact_id=contact_id, companies=names)
