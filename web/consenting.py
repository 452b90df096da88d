"""The way through a provider's own sign-in and back: what the session keeps meanwhile, and what follows once the
person agreed.

What is kept (state, PKCE verifier, which account is signed in to again) lies sealed in the session cookie, is used
once, and is
good for half an hour. A new account goes on to the page of choices; an account known before gets its new token at once.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from flask import abort, redirect, render_template, session, url_for
from werkzeug.wrappers import Response

from crm import ledger
from crm.errors import Refused
from crm.models import Account
from crm.vault import CannotOpen
from sync import connecting
from sync.accounts import AccountSpec
from sync.connecting import Problem
from sync.consents import MISFIT, Consent
from web import door, notes
from web.pending import Pending

Page = str | Response | tuple[str, int]
LIFE = timedelta(minutes=30)
TITLES = {"google": "Google", "microsoft": "Microsoft"}


def redirect_uri(provider: str) -> str:
    """The address the provider sends people back to, exactly as it must be registered there."""
    return f"{door.service().settings.base_url}/connect/{provider}/back"


def keep(provider: str, kept: dict[str, Any], account_id: int | None) -> None:
    """Put away what the callback must fit; one sign-in a provider and browser at a time."""
    body = {"kept": kept, "account": account_id, "until": (door.now() + LIFE).isoformat()}
    session[_slot(provider)] = door.service().vault.seal(json.dumps(body), context=_context(provider))


def take(provider: str) -> tuple[dict[str, Any], int | None]:
    """What was put away, once; nothing where there is none, or it is too old or another person's."""
    try:
        body = json.loads(door.service().vault.open(session.pop(_slot(provider), ""), context=_context(provider)))
    except (CannotOpen, ValueError):
        return {}, None
    if datetime.fromisoformat(body["until"]) < door.now():
        return {}, None
    return body["kept"], body["account"]


def own(account_id: int | None, provider: str) -> Account | None:
    """The account to sign in to again: the person's own, of this provider; None for a new one."""
    if account_id is None:
        return None
    with door.reading() as db:
        account = ledger.account(db, door.viewer(), account_id)
    if account.owner_id != door.me().id or account.provider != provider:
        abort(404)
    return account


def settle(provider: str, consent: Consent, account_id: int | None) -> Page:
    """The person agreed: store the new token of a known account, or go on to the choices for a new one."""
    for sentence in consent.warnings:
        notes.warn(sentence)
    if (account := own(account_id, provider)) is not None:
        connecting.reconnect(door.service(), account.id, consent.secret, actor_id=door.me().id)
        notes.say(f"{account.address} is connected again; what came meanwhile is fetched.")
        return redirect(url_for("accounts.page", account_id=account.id), 303)
    from web.views import connecting as choices  # the page of choices is that of every other way to connect

    spec = AccountSpec(provider, door.me().email, consent.address, {}, consent.secret, consent.aliases)
    tested = connecting.attempt(door.service(), spec)
    return choices.choose(Pending(provider, consent.address, {}, tested.secret, consent.aliases), tested)


def refused(provider: str, problem: Problem | Refused) -> Page:
    """What went wrong, in one sentence, with the way on. 400 where the callback does not belong to this browser."""
    code = getattr(problem, "code", "")
    operator = getattr(problem, "field", "") == "operator"
    says = str(problem)
    if operator and not door.me().admin:
        says = f"The connection to {TITLES[provider]} is not set up rightly. An admin has to mend it."
    page = render_template(
        "connecting/refused.html", says=says, provider=provider, title=TITLES[provider], operator=operator
    )
    return page, 400 if code == MISFIT else 422


def _slot(provider: str) -> str:
    return f"signing-in-{provider}"


def _context(provider: str) -> str:
    return f"signing-in:{provider}:{door.me().id}"
