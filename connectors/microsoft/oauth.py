"""Connecting a person's mailbox: authorization code with PKCE, device code, admin consent, and who signed in.

The caller keeps the flow (a JSON-able dict with the state, the nonce and the PKCE verifier) in the person's web
session and hands it back at the callback; a callback that does not fit its flow stores nothing. Only read scopes are
asked for. Never writes tokens anywhere: the caller stores the secret it gets.
Source: "Microsoft identity platform and OAuth 2.0 authorization code flow", "Admin consent", msal's reference.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import msal

from connectors.errors import NeedsPerson, OperatorFault, TryLater
from connectors.microsoft.failures import Scope
from connectors.microsoft.graph import Graph, query, segment
from connectors.microsoft.identity import Identity, application, authority, granted, judge, resource, talking
from connectors.protocol import Context

PERMISSIONS = ("User.Read", "Mail.Read", "Calendars.Read")
ME_FIELDS = "id,displayName,mail,userPrincipalName,proxyAddresses"
MAX_ALIASES = 50
FLOW_ERRORS = (ValueError, KeyError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Granted:
    """What a finished sign-in gives: the secret to store (see ``connectors.microsoft.identity``)."""

    secret: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Whose mailbox it is: the primary address, the name shown, other addresses of the same mailbox."""

    address: str
    name: str = ""
    aliases: tuple[str, ...] = ()


def scopes(settings: Mapping[str, Any]) -> list[str]:
    """The delegated scopes asked for (msal adds offline_access, openid and profile)."""
    return [f"{resource(settings)}/{permission}" for permission in PERMISSIONS]


def begin(settings: Mapping[str, Any], redirect_uri: str, *, login_hint: str = "", claims: str = "") -> dict[str, Any]:
    """Start a sign-in. Returns the flow to keep in the web session; ``flow["auth_uri"]`` is where to send the person.
    ``claims`` is what a conditional-access challenge asked for (remembered as ``microsoft_claims``). Raises
    OperatorFault, TryLater."""
    app = application(settings)
    flow: dict[str, Any] = app.initiate_auth_code_flow(
        scopes(settings),
        redirect_uri=redirect_uri,
        login_hint=login_hint or None,
        prompt=None if login_hint else "select_account",
        claims_challenge=claims or None,
    )
    return flow


def finish(
    settings: Mapping[str, Any], flow: Mapping[str, Any], answer: Mapping[str, str], now: Callable[[], datetime]
) -> Granted:
    """Take the callback's query (``answer``) for the flow kept. Raises NeedsPerson (declined, or ``state_mismatch``
    where the callback does not fit: answer 400 and store nothing), OperatorFault, TryLater."""
    app = application(settings)
    with talking():
        try:
            result = app.acquire_token_by_auth_code_flow(dict(flow), dict(answer))
        except FLOW_ERRORS as error:  # msal: state or nonce do not match
            raise NeedsPerson(
                "This sign-in does not fit the one you began: start again.", code="state_mismatch"
            ) from error
    return _granted(result, now)


def begin_device(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Start a sign-in on another device; ``flow["message"]`` tells the person what to do. Raises OperatorFault,
    TryLater."""
    app = application({**settings, "microsoft_client_secret": None})
    assert isinstance(app, msal.PublicClientApplication)
    with talking():
        flow: dict[str, Any] = app.initiate_device_flow(scopes(settings))
    if "user_code" not in flow:
        raise judge(flow)
    return flow


def poll_device(settings: Mapping[str, Any], flow: dict[str, Any], now: Callable[[], datetime]) -> Granted:
    """Ask once whether the person is done. Raises TryLater (pending: after ``retry_after`` seconds; told to slow
    down: five more), NeedsPerson (declined, or expired: begin again)."""
    app = application({**settings, "microsoft_client_secret": None})
    with talking():
        result = app.acquire_token_by_device_flow(flow, exit_condition=lambda _flow: True)
    error_name = str(result.get("error") or "")
    if error_name in ("authorization_pending", "slow_down"):
        raise TryLater("Waiting for the sign-in.", retry_after=float(flow.get("interval") or 5), code=error_name)
    if error_name in ("expired_token", "code_expired", "bad_verification_code"):
        raise NeedsPerson("The code has expired: begin again.", code="expired_token")
    if error_name == "authorization_declined":
        raise NeedsPerson("The sign-in was declined.", code=error_name)
    return _granted(result, now)


def admin_consent_url(settings: Mapping[str, Any], redirect_uri: str, state: str) -> str:
    """Where an administrator agrees for the whole tenant (needed before app-only access)."""
    asked = {
        "client_id": str(settings.get("microsoft_client_id") or ""),
        "scope": f"{resource(settings)}/.default",
        "redirect_uri": redirect_uri,
        "state": state,
    }
    return f"{authority(settings)}/v2.0/adminconsent?{urlencode(asked)}"


def signed_in(context: Context) -> SignedIn:
    """Whose mailbox the secret of ``context`` opens (``config`` may hold ``address`` and ``app_only``); exchanges a
    headless ``{"refresh_token"}`` at once and saves the rotated one. Raises NeedsPerson, OperatorFault, TryLater."""
    address, app_only = str(context.config.get("address") or ""), bool(context.config.get("app_only"))
    if app_only and not address:
        raise OperatorFault("App-only access needs the address of the mailbox.", code="no_address")
    root = f"/users/{segment(address)}" if app_only else "/me"
    graph = Graph(context, Identity(context, app_only=app_only), mailbox=address or "me", root=root)
    try:
        return of_mailbox(graph, root, address)
    finally:
        graph.close()


def of_mailbox(graph: Graph, root: str, address: str) -> SignedIn:
    """Whose mailbox lies at ``root`` ("/me", "/users/..."); one request. App-only this needs User.Read.All."""
    found = graph.get("me", f"{graph.base}{root}{query(select=ME_FIELDS)}", scope=Scope.ACCOUNT)
    return _signed_in(found, address)


def _signed_in(found: Mapping[str, Any], address: str) -> SignedIn:
    primary = str(found.get("mail") or found.get("userPrincipalName") or address)
    if "@" not in primary:
        raise NeedsPerson("This account has no mailbox address.", code="no_mailbox")
    proxies = [str(one) for one in (found.get("proxyAddresses") or ())[:MAX_ALIASES]]
    mails = [one.partition(":")[2] for one in proxies if one.casefold().startswith("smtp:")]
    others = {one.casefold() for one in mails if "@" in one} - {primary.casefold()}
    return SignedIn(primary, str(found.get("displayName") or "")[:255], tuple(sorted(others)))


def _granted(result: Mapping[str, Any], now: Callable[[], datetime]) -> Granted:
    if "access_token" not in result:
        raise judge(result)
    if not result.get("refresh_token"):
        raise NeedsPerson("Microsoft gave no lasting access: agree to offline access.", code="no_refresh_token")
    return Granted(json.dumps(granted(result, now())))
