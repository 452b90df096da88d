"""The people on a deal and their roles, added and taken off on the deal's page."""

from __future__ import annotations

from flask import redirect, request, url_for
from werkzeug.wrappers import Response

from crm import contacts, deals
from web import door, notes, settle
from web.views.deals import blueprint

ROLE_MAX = 100


@blueprint.post("/<int:deal_id>/people")
def add_person(deal_id: int) -> Response:
    """Put a contact on the deal, or give one that is on it a role."""
    email, role = request.form.get("email", "")[:320].strip(), " ".join(request.form.get("role", "").split())[:ROLE_MAX]
    with door.transaction() as session:
        deals.by_id(session, deal_id)
        before = {person.id: role_ for person, role_ in deals.people(session, deal_id)}
        person = contacts.by_address(session, email) if "@" in email else None
        if person is not None:
            deals.add_contact(
                session, deal_id, person.id, role=role or None, actor_id=door.me().id, now=door.now()
            )  # fmt: skip
            name = person.name
    if person is None:
        notes.warn(f"There is no contact with the address {email[:80]}; add them first.")
        return redirect(url_for("deals.page", deal_id=deal_id), 303)
    settle.after_change()
    was = before.get(person.id)
    undo = url_for("deals.remove_person", deal_id=deal_id, contact_id=person.id)
    if was is not None:
        undo = url_for("deals.put_person_back", deal_id=deal_id, contact_id=person.id, role=was)
    notes.say(f"{name} is on the deal{f': {role}' if role else ''}.", undo=undo)
    return redirect(url_for("deals.page", deal_id=deal_id), 303)


@blueprint.post("/<int:deal_id>/people/<int:contact_id>/remove")
def remove_person(deal_id: int, contact_id: int) -> Response:
    """Take somebody off the deal; undo puts them back with their role."""
    with door.transaction() as session:
        deals.by_id(session, deal_id)
        role = next((role for person, role in deals.people(session, deal_id) if person.id == contact_id), "")
        deals.remove_contact(session, deal_id, contact_id, actor_id=door.me().id, now=door.now())
    settle.after_change()
    undo = url_for("deals.put_person_back", deal_id=deal_id, contact_id=contact_id, role=role)
    notes.say("They are off the deal.", undo=undo)
    return redirect(url_for("deals.page", deal_id=deal_id), 303)


@blueprint.post("/<int:deal_id>/people/<int:contact_id>/back")
def put_person_back(deal_id: int, contact_id: int) -> Response:
    """The undo of taking somebody off."""
    role = request.args.get("role", "")[:ROLE_MAX] or None
    with door.transaction() as session:
        contacts.by_id(session, contact_id)
        deals.add_contact(session, deal_id, contact_id, role=role, actor_id=door.me().id, now=door.now())
    settle.after_change()
    notes.say("They are on the deal again.")
    return redirect(url_for("deals.page", deal_id=deal_id), 303)
