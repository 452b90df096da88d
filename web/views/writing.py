"""Calls and notes on a record: fast entry, a page of its own where there is no JavaScript."""

from __future__ import annotations

from datetime import UTC

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm import companies, contacts, deals, users
from crm import notes as written
from crm.errors import Refused
from web import door, filters, notes
from web.forms.records import Note

blueprint = Blueprint("writing", __name__, url_prefix="/write")
Page = str | Response | tuple[str, int]
MATES = 12
"""How many names are offered for a mention."""


@blueprint.get("/<any(note, call):kind>/<any(contact, company, deal):on>/<int:record_id>")
def page(kind: str, on: str, record_id: int) -> Page:
    """The form."""
    now = door.now().astimezone(filters.zone()).replace(tzinfo=None)
    return _page(Note(formdata=None, data={"at": now}), kind, on, record_id)


@blueprint.post("/<any(note, call):kind>/<any(contact, company, deal):on>/<int:record_id>")
def save(kind: str, on: str, record_id: int) -> Page:
    """Write it down. Times are typed in the viewer's zone."""
    form = Note()
    if not form.validate():
        return _page(form, kind, on, record_id), 422
    at = form.at.data.replace(tzinfo=filters.zone()).astimezone(UTC) if form.at.data else None
    try:
        with door.transaction() as session:
            made = written.add(
                session, door.viewer(), kind=kind, text=form.text.data or "", target=(on, record_id), at=at,
                minutes=form.minutes.data if kind == "call" else None, outcome=form.outcome.data or None,
                private=form.private.data, now=door.now(),
            )  # fmt: skip
    except Refused as error:
        form.refuse(error)
        return _page(form, kind, on, record_id), 422
    notes.say(
        f"{kind.capitalize()} logged.", undo=url_for("writing.delete", item_id=made.id, on=on, record_id=record_id)
    )
    return redirect(_record(on, record_id), 303)


@blueprint.post("/<int:item_id>/delete")
def delete(item_id: int) -> Page:
    """Take a call or note of one's own away."""
    with door.transaction() as session:
        written.delete(session, door.viewer(), item_id, now=door.now())
    notes.say("Taken back.")
    on, record_id = request.args.get("on", ""), request.args.get("record_id", type=int)
    return redirect(
        _record(on, record_id) if on in ("contact", "company", "deal") and record_id else url_for("log.page"), 303
    )


def _page(form: Note, kind: str, on: str, record_id: int) -> str:
    with door.reading() as session:
        name = {
            "contact": lambda: contacts.by_id(session, record_id).name, "company": lambda: companies.by_id(session,
            record_id).name,
            "deal": lambda: deals.by_id(session, record_id).title,
        }[on]()  # fmt: skip
        mates = [u.name for u in users.all_(session) if u.id != door.me().id][:MATES]
    return render_template(
        "writing/page.html", form=form, kind=kind, name=name, back=_record(on, record_id), mates=mates
    )


def _record(on: str, record_id: int) -> str:
    if on == "contact":
        return url_for("contacts.page", contact_id=record_id)
    if on == "company":
        return url_for("companies.page", company_id=record_id)
    return url_for("deals.page", deal_id=record_id) if on == "deal" else abort(404)
