"""Answers to "may belong here" on a record's page: attach with one press, or never offer it here again. Decisions like
those of review, with the same undo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response

from crm import addresses, belongings, contacts, deals
from crm.errors import NotFound, Refused
from sync import decisions
from sync.decisions import DecisionResult
from web import door, filters, notes, settle

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

blueprint = Blueprint("offers", __name__, url_prefix="/offers")
LONGEST = 320


@blueprint.post("/<any(contact, deal):on>/<int:record_id>/<int:item_id>")
def answer(on: str, record_id: int, item_id: int) -> Response:
    """Attach the group of this item, or keep it off."""
    try:
        with door.transaction() as session:
            result = (_of_contact if on == "contact" else _of_deal)(session, record_id, item_id)
    except Refused as error:
        notes.warn(str(error))
        return redirect(filters.target_url(on, record_id), 303)
    settle.after_change()
    notes.say(result.says, undo=url_for("deciding.undo", ids=str(result.decision_id)))
    return redirect(filters.target_url(on, record_id), 303)


def _no() -> bool:
    return request.form.get("answer") == "no"


def _of_contact(session: Session, contact_id: int, item_id: int) -> DecisionResult:
    """All of the suggested sender: the address becomes theirs; a guest without one is attached item by item."""
    viewer, now = door.viewer(), door.now()
    contact = contacts.by_id(session, contact_id)
    address = request.form.get("address", "")[:LONGEST]
    ids = belongings.ids_of(session, viewer, contact, address, request.form.get("name", "")[:LONGEST], now=now)
    if item_id not in ids:
        raise NotFound("There is no such suggestion.")
    if _no():
        return decisions.detach(session, viewer, ids, ("contact", contact.id), now=now)
    if not address:
        return decisions.attach(session, viewer, ids, ("contact", contact.id), now=now)
    return decisions.add_address(session, viewer, ids, contact.id, addresses.checked(address), now=now)


def _of_deal(session: Session, deal_id: int, item_id: int) -> DecisionResult:
    """The whole conversation, so that its next mail finds the deal too."""
    viewer, now = door.viewer(), door.now()
    deal = deals.by_id(session, deal_id)
    ids, key = belongings.conversation(session, viewer, item_id)
    if _no():
        return decisions.detach(session, viewer, ids, ("deal", deal.id), now=now)
    return decisions.attach(session, viewer, ids, ("deal", deal.id), scope="thread", value=key, now=now)
