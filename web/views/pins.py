"""Pinning an item on top of a record, and taking the pin off; each undoes the other."""

from __future__ import annotations

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response

from crm import pins
from web import door, filters, notes

blueprint = Blueprint("pins", __name__, url_prefix="/pins")


@blueprint.post("/<int:item_id>/<any(contact, company, deal):on>/<int:record_id>")
def put(item_id: int, on: str, record_id: int) -> Response:
    """Pin (``pinned=1``) or unpin."""
    pinned = request.args.get("pinned") == "1"
    with door.transaction() as session:
        pins.put(session, door.viewer(), item_id, pinned=pinned, now=door.now())
    undo = url_for("pins.put", item_id=item_id, on=on, record_id=record_id, pinned=0 if pinned else 1)
    notes.say("Pinned on top." if pinned else "Not pinned any more.", undo=undo)
    return redirect(filters.target_url(on, record_id), 303)
