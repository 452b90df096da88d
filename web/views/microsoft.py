"""Connecting Microsoft 365 in the browser: what is read, Microsoft's sign-in, and back; for admins, the app
registration
and consent for the whole organisation."""

from __future__ import annotations

import secrets

from flask import Blueprint, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from crm.errors import Refused
from sync import microsoft_accounts
from sync.connecting import Problem
from sync.consents import MISFIT, MISFIT_SAYS
from web import auth, consenting, door, notes

blueprint = Blueprint("microsoft", __name__, url_prefix="/connect/microsoft")
Page = str | Response | tuple[str, int]
NAME = "microsoft"
ADMIN_STATE = "admin-consent"


@blueprint.get("")
def page() -> Page:
    """What is read and what never happens; the way to Microsoft, or what is missing for it."""
    ready = bool(door.service().settings.microsoft_client_id)
    return render_template("connecting/microsoft.html", ready=ready)


@blueprint.get("/setup")
@auth.needs("admin")
def setup() -> Page:
    """How to register the app, step by step, with the addresses to paste."""
    settings = door.service().settings
    return render_template(
        "connecting/microsoft_setup.html", back=consenting.redirect_uri(NAME), settings=settings,
        admin_back=_admin_back(), https=settings.base_url.startswith("https://"),
    )  # fmt: skip


@blueprint.get("/go")
def go() -> Page:
    """To Microsoft; with ``account``, to sign in to that account again."""
    account = consenting.own(request.args.get("account", type=int), NAME)
    try:
        url, flow = microsoft_accounts.begin(
            door.service(), consenting.redirect_uri(NAME), hint=account.address if account else ""
        )
    except Problem as problem:
        return consenting.refused(NAME, problem)
    consenting.keep(NAME, flow, account.id if account else None)
    return redirect(url, 303)


@blueprint.get("/back")
def back() -> Page:
    """Microsoft sent the person back, with a code or with a refusal."""
    flow, account_id = consenting.take(NAME)
    try:
        consent = microsoft_accounts.finish(door.service(), flow, request.args.to_dict())
        return consenting.settle(NAME, consent, account_id)
    except (Problem, Refused) as problem:
        return consenting.refused(NAME, problem)


@blueprint.get("/admin")
@auth.needs("admin")
def admin() -> Page:
    """To Microsoft's page where an administrator of the organisation agrees for everyone."""
    state = session[ADMIN_STATE] = secrets.token_urlsafe(24)
    try:
        return redirect(microsoft_accounts.admin_consent(door.service(), _admin_back(), state), 303)
    except Problem as problem:
        return consenting.refused(NAME, problem)


@blueprint.get("/admin/back")
@auth.needs("admin")
def admin_back() -> Page:
    """Back from there."""
    kept, given = session.pop(ADMIN_STATE, ""), request.args.get("state", "")
    if not kept or not secrets.compare_digest(kept.encode(), given.encode()):
        return consenting.refused(NAME, Problem(MISFIT_SAYS, code=MISFIT))
    if request.args.get("admin_consent", "").lower() != "true":
        says = "The administrator did not agree; each person is asked then, where the organisation allows that."
        return consenting.refused(NAME, Problem(says))
    notes.say("Your organisation has agreed; people are not asked one by one.")
    return redirect(url_for("microsoft.setup"), 303)


def _admin_back() -> str:
    return f"{door.service().settings.base_url}/connect/microsoft/admin/back"
