"""A person's consent: the address to send them to, the code they come back with, the tokens it is worth, their end.

Authorization code with PKCE (RFC 7636) and state; read-only scopes unless asked otherwise; incremental, so that what
was granted before stays. The caller keeps ``state`` and ``code_verifier`` and compares the state in constant time
before it calls ``exchange_code``.
Source: developers.google.com/identity/protocols/oauth2/web-server. Never logs a code or token.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from connectors.errors import ConnectorError, NeedsPerson, OperatorFault
from connectors.google import endpoints, failures
from connectors.google.connector import GoogleConnector
from connectors.google.http import Transport
from connectors.google.session import CALENDAR_SCOPE, GMAIL_SCOPE, SCOPES, merge, post_form
from connectors.protocol import Context

MISSING = {
    GMAIL_SCOPE: "You did not tick the box for Gmail: connect again and allow reading your mail.",
    CALENDAR_SCOPE: "You did not tick the box for Google Calendar: connect again to log your meetings too.",
}


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the caller keeps in its session until the person comes back."""

    state: str
    code_verifier: str
    code_challenge: str


def challenge() -> Challenge:
    """Fresh random state and PKCE pair (S256)."""
    verifier = secrets.token_urlsafe(64)
    digest = hashlib.sha256(verifier.encode()).digest()
    return Challenge(secrets.token_urlsafe(32), verifier, base64.urlsafe_b64encode(digest).rstrip(b"=").decode())


def authorization_url(
    settings: Mapping[str, Any],
    *,
    redirect_uri: str,
    state: str,
    code_challenge: str,
    scopes: Sequence[str] = SCOPES,
    login_hint: str = "",
) -> str:
    """Where to send the browser. Raises OperatorFault when no OAuth client is set."""
    given = {
        "client_id": _client(settings),
        "redirect_uri": redirect_uri,
        "response_type": "code",
        "scope": " ".join(scopes),
        "state": state,
        "code_challenge": code_challenge,
        "code_challenge_method": "S256",
        "access_type": "offline",
        "include_granted_scopes": "true",
        "prompt": "consent",
    }
    given |= {"login_hint": login_hint} if login_hint else {}
    address = endpoints.auth_url(settings)
    return f"{address}{'&' if '?' in address else '?'}{urlencode(given)}"


def exchange_code(
    settings: Mapping[str, Any],
    *,
    code: str,
    redirect_uri: str,
    code_verifier: str,
    now: Callable[[], datetime],
    http: Transport | None = None,
) -> str:
    """The credentials that a code is worth, as the JSON text a Google account stores (authorized-user format).

    Raises NeedsPerson (no refresh token, no Gmail and no Calendar right), OperatorFault, TryLater."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": code_verifier,
        "client_id": _client(settings),
        "client_secret": str(settings.get("google_client_secret") or ""),
    }
    transport = http or Transport(settings)
    try:
        answer = _post_code(transport, endpoints.token_url(settings), form)
    finally:
        transport.close()
    found = merge({"type": "authorized_user", "client_id": form["client_id"]}, answer, now())
    if not found.get("refresh_token"):
        raise NeedsPerson(
            "Google gave no lasting consent: connect again and accept once more.", code="no_refresh_token"
        )
    granted = set(found.get("scopes") or SCOPES)
    if not granted & set(SCOPES) and not any("gmail" in s or "calendar" in s or "mail.google" in s for s in granted):
        raise NeedsPerson("You ticked no box at Google: connect again and allow reading.", code="scopes")
    return json.dumps(found)


def _post_code(transport: Transport, url: str, form: dict[str, str]) -> dict[str, Any]:
    """Here ``invalid_grant`` says that the code is stale, not that a consent has ended."""
    try:
        return post_form(transport, url, form)
    except NeedsPerson as error:
        if error.code != "invalid_grant":
            raise
        raise NeedsPerson("This sign-in took too long or was used before: connect again.", code="stale_code") from error


def callback_error(given: Mapping[str, str]) -> ConnectorError | None:
    """What Google's ``error`` parameter at the redirect address means, or None when there is none."""
    error = str(given.get("error") or "")
    return failures.oauth(400, {"error": error, **given}) if error else None


def missing_rights(token_json: str) -> list[str]:
    """A sentence for each right that was asked for and not given (narrowed scopes)."""
    granted = set(json.loads(token_json).get("scopes") or SCOPES)
    broad = {"https://mail.google.com/": GMAIL_SCOPE, "https://www.googleapis.com/auth/calendar": CALENDAR_SCOPE}
    granted |= {broad[scope] for scope in granted if scope in broad}
    return [sentence for scope, sentence in MISSING.items() if scope not in granted]


def identify(
    settings: Mapping[str, Any], token_json: str, *, now: Callable[[], datetime], sleep: Callable[[float], None]
) -> tuple[str, str]:
    """The address of the Google account that credentials open, and the credentials as they are to be stored now: a
    refresh may have put a new refresh token in the place of the old.

    One Gmail unit; one calendar request where only calendars were granted. Raises ConnectorError."""
    held = [token_json]

    def save(fresh: str) -> bool:
        held[0] = fresh
        return True

    context = Context(
        now=now, sleep=sleep, config={}, secret=lambda: held[0], save_secret=save, acquire=lambda _key, _units: None,
        memory={}, remember=lambda _key, _value: None, settings=settings,
    )  # fmt: skip
    connector = GoogleConnector(context)
    try:
        connector.session.token()  # tells the scopes too, which a file may leave out
        return connector.address(), held[0]
    finally:
        connector.close()


def revoke(settings: Mapping[str, Any], token_json: str) -> bool:
    """End the consent at Google. True when it ended or had ended before; False when Google could not be asked."""
    found = json.loads(token_json)
    token = str(found.get("refresh_token") or found.get("token") or "")
    transport = Transport(settings)
    headers = {"content-type": "application/x-www-form-urlencoded"}
    try:
        status, content = transport.request(
            endpoints.revoke_url(settings), method="POST", body=urlencode({"token": token}), headers=headers
        )
    except ConnectorError:
        return False
    finally:
        transport.close()
    return status.status == 200 or failures.json_object(content).get("error") == "invalid_token"


def _client(settings: Mapping[str, Any]) -> str:
    found = str(settings.get("google_client_id") or "")
    if not found:
        raise OperatorFault("No Google OAuth client is set: set CRM_SYNC_GOOGLE_CLIENT_ID.", code="no_client")
    return found
