"""Connecting Google in the browser: what is read, Google's consent, and back; for admins, how to make the OAuth
client."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response

from crm.errors import Refused
from sync import google_accounts
from sync.connecting import Problem
from web import auth, consenting, door

blueprint = Blueprint("google", __name__, url_prefix="/connect/google")
Page = str | Response | tuple[str, int]
NAME = "google"


@blueprint.get("")
def page() -> Page:
    """What is read and what never happens; the way to Google, or what is missing for it."""
    ready = bool(door.service().settings.google_client_id)
    return render_template("connecting/google.html", ready=ready)


@blueprint.get("/setup")
@auth.needs("admin")
def setup() -> Page:
    """How to make the OAuth client, step by step, with the addresses to paste."""
    settings = door.service().settings
    return render_template(
        "connecting/google_setup.html", back=consenting.redirect_uri(NAME), settings=settings,
        hook=f"{settings.base_url}/hooks/google", https=settings.base_url.startswith("https://"),
    )  # fmt: skip


@blueprint.get("/go")
def go() -> Page:
    """To Google; with ``account``, to sign in to that account again."""
    account = consenting.own(request.args.get("account", type=int), NAME)
    try:
        url, kept = google_accounts.begin(
            door.service(), consenting.redirect_uri(NAME), hint=account.address if account else ""
        )
    except Problem as problem:
        return consenting.refused(NAME, problem)
    consenting.keep(NAME, kept, account.id if account else None)
    return redirect(url, 303)


@blueprint.get("/back")
def back() -> Page:
    """Google sent the person back, with a code or with a refusal."""
    kept, account_id = consenting.take(NAME)
    try:
        consent = google_accounts.finish(door.service(), consenting.redirect_uri(NAME), kept, request.args.to_dict())
        return consenting.settle(NAME, consent, account_id)
    except (Problem, Refused) as problem:
        return consenting.refused(NAME, problem)
