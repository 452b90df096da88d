"""Contacts: list, record, form, conversion. The record shows facts first, then one timeline; who someone is, is
decided in review."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm import addresses, contacts, lifecycle, phonebook, users
from crm.errors import NotFound
from web import custom, door, keyset, notes, pick, saving
from web.custom import Custom
from web.forms.parts import options, whole
from web.forms.records import LIFECYCLES, Contact, lines_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

blueprint = Blueprint("contacts", __name__, url_prefix="/contacts")
Page = str | Response | tuple[str, int]
PAGE = 50
FIELDS = {"email": "emails"}


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
    with door.reading() as session:
        values, asked = custom.typed(session, "contact", lifecycle=form.lifecycle.data)
    if not form.validate() or asked.errors:
        return _form_page(form, None, asked), 422

    def save(session: Session) -> int:
        made = contacts.create(
            session, name=form.name.data, emails=lines_of(form.emails.data), phones=lines_of(form.phones.data),
            title=form.title.data or None, company_id=pick.company_or_new(session, form.company.data),
            owner_id=form.owner.data, lifecycle=form.lifecycle.data, source=form.source.data or None, custom=values,
            now=door.now(), actor_id=door.me().id,
        )  # fmt: skip
        if (preferences := _preferences(form)) or form.opt_out.data:
            changes = {"preferences": preferences, "opt_out": form.opt_out.data}
            contacts.update(session, made.id, changes, actor_id=door.me().id, now=door.now())
        return made.id

    made = saving.saved(form, save, FIELDS)
    if made is None:
        return _form_page(form, None, asked), 422
    notes.say(f"{form.name.data} is a contact now.")
    return redirect(url_for("contacts.page", contact_id=made), 303)


@blueprint.get("/<int:contact_id>/edit")
def edit_page(contact_id: int) -> Page:
    """The form filled."""
    with door.reading() as session:
        found = contacts.by_id(session, contact_id)
        data = {
            "name": found.name, "emails": "\n".join(a.raw for a in contacts.addresses(session, found.id)),
            "phones": "\n".join(p.raw for p in phonebook.of(session, found.id)), "title": found.title,
            "company": pick.company_name(session, found.company_id), "owner": found.owner_id,
            "lifecycle": found.lifecycle, "source": found.source, "opt_out": found.opt_out,
            "channel": found.preferences.get("channel", ""), "preferences": found.preferences.get("notes", ""),
        }  # fmt: skip
        asked = custom.of(session, "contact", found.custom, found.lifecycle)
    return _form_page(Contact(formdata=None, data=data), found.id, asked)


@blueprint.post("/<int:contact_id>/edit")
def edit(contact_id: int) -> Page:
    """Save the form: fields, addresses and phones."""
    form = _form()
    with door.reading() as session:
        found = contacts.by_id(session, contact_id)
        values, asked = custom.typed(session, "contact", found.custom, found.lifecycle)
    if not form.validate() or asked.errors:
        return _form_page(form, contact_id, asked), 422

    def save(session: Session) -> bool:
        changes = {
            "name": form.name.data, "title": form.title.data or None, "owner_id": form.owner.data,
            "company_id": pick.company_or_new(session, form.company.data), "lifecycle": form.lifecycle.data,
            "source": form.source.data or None, "opt_out": form.opt_out.data, "custom": values,
            "preferences": {**found.preferences, **_preferences(form)} if "channel" in request.form
            else found.preferences,
        }  # fmt: skip
        contacts.update(session, contact_id, changes, actor_id=door.me().id, now=door.now())
        contacts.set_phones(session, contact_id, lines_of(form.phones.data))
        _set_addresses(session, contact_id, lines_of(form.emails.data))
        return True

    if not saving.saved(form, save, FIELDS):
        return _form_page(form, contact_id, asked), 422
    notes.say("Saved.")
    return redirect(url_for("contacts.page", contact_id=contact_id), 303)


@blueprint.post("/<int:contact_id>/convert")
def convert(contact_id: int) -> Page:
    """Lead, client, past client (``to``), in one press; the id and all that was said stay."""
    with door.transaction() as session:
        found = contacts.by_id(session, contact_id)
        to = request.form.get("to", "")
        change = lifecycle.convert(session, found, to, actor_id=door.me().id, now=door.now())
        says = f"{found.name} is a {to.replace('_', ' ')} now."
    undo = url_for("contacts.convert_back", contact_id=found.id, change=change.id) if change else None
    notes.say(says, undo=undo)
    return redirect(url_for("contacts.page", contact_id=found.id), 303)


@blueprint.post("/<int:contact_id>/convert-back")
def convert_back(contact_id: int) -> Page:
    """The undo of a conversion; refused when another one came after it."""
    try:
        with door.transaction() as session:
            found = contacts.by_id(session, contact_id)
            change_id = request.args.get("change", 0, type=int)
            again = lifecycle.take_back(session, found, change_id, actor_id=door.me().id, now=door.now())
    except NotFound as error:
        notes.warn(str(error))
        return redirect(url_for("contacts.listing"), 303)
    notes.say(f"{found.name} is a {again.replace('_', ' ')} again.")
    return redirect(url_for("contacts.page", contact_id=contact_id), 303)


@blueprint.post("/<int:contact_id>/delete")
def delete(contact_id: int) -> Page:
    """Put away, with a way back; their mail stays in the log, unattached."""

    def take(session: Session) -> str:
        name = contacts.by_id(session, contact_id).name
        contacts.delete(session, contact_id, vault=door.service().vault, actor_id=door.me().id, now=door.now())
        return f"{name} is deleted, and is not created again from mail."

    undo = url_for("contacts.restore", contact_id=contact_id)
    return saving.put_away(take, undo=undo, onward=url_for("contacts.listing"))


@blueprint.post("/<int:contact_id>/restore")
def restore(contact_id: int) -> Page:
    """Bring a deleted contact back."""
    return saving.brought_back(
        lambda session: contacts.restore(
            session, contact_id, vault=door.service().vault, actor_id=door.me().id, now=door.now()
        ),
        says="Back again, with everything that was theirs.",
        onward=url_for("contacts.page", contact_id=contact_id),
        otherwise=url_for("contacts.listing"),
    )


def _preferences(form: Contact) -> dict[str, Any]:
    """What was typed of how they like to be spoken to."""
    given = {"channel": form.channel.data or "", "notes": form.preferences.data or ""}
    return given if any(given.values()) or "channel" in request.form else {}


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


def _form() -> Contact:
    form = Contact()
    with door.reading() as session:
        form.owner.choices = options(pick.owners(session))
    return form


def _form_page(form: Contact, contact_id: int | None, asked: Custom | None = None) -> str:
    with door.reading() as session:
        form.owner.choices = options(pick.owners(session))
        names = pick.company_names(session)
        asked = asked or custom.of(session, "contact", lifecycle="lead")
    return render_template(
        "contacts/form.html", form=form, contact_id=contact_id, companies=names, custom=asked
    )  # fmt: skip
