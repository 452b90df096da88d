"""Where a website's form sends its enquiries: public, without a session, and for anybody to fill. A visitor learns
nothing of what we know of them: the answer is the same for somebody new and somebody known.

Spam: a field that people do not see and robots fill, bounds on lengths, and a brake per address and place.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, jsonify, render_template, request

from crm import lead_forms
from crm.errors import NotFound, Refused
from crm.lead_forms import Enquiry
from web import auth, door

blueprint = Blueprint("capture", __name__, url_prefix="/forms")
Page = str | Response | tuple[str | Response, int]
TRAP = "homepage"
"""Not shown to people; what fills it is no person."""
ASKED = ("email", "name", "phone", "company", "message")


@blueprint.get("/<form_key>", provide_automatic_options=False)
@auth.public
def page(form_key: str) -> Page:
    """The form itself, for those who link to it. Fields may come filled by the address."""
    with door.reading() as session:
        name = lead_forms.by_key(session, form_key).name
    typed = _typed(request.args)
    return render_template("capture/page.html", name=name, key=form_key, typed=typed, errors={}, trap=TRAP)


@blueprint.route("/<form_key>", methods=["OPTIONS"])
@auth.public
def preflight(form_key: str) -> Response:
    """Any site may send; nothing may be read, and no cookie comes along (Fetch, CORS protocol)."""
    return _open(Response(status=204))


@blueprint.post("/<form_key>", provide_automatic_options=False)
@auth.public
def send(form_key: str) -> Page:
    """Take an enquiry, as form fields or as JSON; answers in the same way. 422 names the field at fault."""
    told = request.get_json(silent=True) if request.is_json else request.form
    sent: dict[str, Any] = dict(told.items()) if isinstance(told, dict) or told is request.form else {}
    typed, brake = _typed(sent), current_app.extensions["lead_brake"]
    place, who = request.remote_addr or "", f"{form_key}:{typed['email']}"
    if brake.blocked(who, place, door.now()):
        return _answer(form_key, typed, {"": "That was sent a few times already. Try again in ten minutes."}, 429)
    brake.failed(who, place, door.now())
    if str(sent.get(TRAP) or "").strip():
        return _answer(form_key, typed, {}, 200)
    tracking = {name: str(sent.get(name) or "") for name in lead_forms.TRACKING}
    try:
        with door.transaction() as session:
            lead_forms.submit(session, form_key, Enquiry(**typed, tracking=tracking), now=door.now())
    except Refused as error:
        return _answer(form_key, typed, {error.field or "": str(error)}, 422)
    return _answer(form_key, typed, {}, 200)


def _typed(sent: Any) -> dict[str, str]:
    return {name: str(sent.get(name) or "").strip()[: lead_forms.MESSAGE_MAX] for name in ASKED}


def _answer(key: str, typed: dict[str, str], errors: dict[str, str], status: int) -> Page:
    if request.is_json or request.accept_mimetypes.best == "application/json":
        return _open(jsonify({"ok": not errors, "errors": errors})), status
    if not errors:
        return render_template("capture/thanks.html")
    try:
        with door.reading() as session:
            name = lead_forms.by_key(session, key).name
    except NotFound:
        name = ""
    filled = render_template("capture/page.html", name=name, key=key, typed=typed, errors=errors, trap=TRAP)
    return filled, status


def _open(response: Response) -> Response:
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Allow-Headers"] = "Content-Type"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response
