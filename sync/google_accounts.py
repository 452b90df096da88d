"""Connecting Google: whose mailbox a token file or a consent in the browser opens, and what of it is kept. Stores
nothing."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from typing import Any

from connectors.google import oauth
from crm.errors import Refused
from matching.addresses import canonical
from sync.connecting import Problem
from sync.consents import MISFIT, MISFIT_SAYS, Consent, plainly
from sync.service import Service


def identify(
    service: Service, text: str, *, subject: str | None = None, address: str | None = None
) -> tuple[str, str, dict[str, Any]]:
    """(mailbox address, secret to seal, configuration) for a token file's or service account's JSON ``text``.

    Asks Google whose token it is. Raises Refused for a file of another kind or a token of somebody else, ConnectorError
    for Google's refusals."""
    values = json.loads(text)
    if not isinstance(values, dict):
        raise Refused("The token file must hold one JSON object.")
    if values.get("type") == "service_account":
        if not subject:
            raise Refused("A service account needs --subject ADDRESS, the mailbox it shall open.")
        return subject, json.dumps(values | {"subject": subject}), {}
    if not values.get("refresh_token"):
        raise Refused('The token file holds no refresh_token; google-auth\'s "authorized user" format is needed.')
    found, text = oauth.identify(service.settings.for_connectors(), text, now=service.now, sleep=service.sleep)
    if address and canonical(address) != canonical(found):
        raise Refused(f"This token opens {found}, not {address}.", "address")
    return found, text, {}


def begin(service: Service, redirect_uri: str, *, hint: str = "") -> tuple[str, dict[str, str]]:
    """Where to send the browser, and what to keep until it comes back. Raises Problem without an OAuth client."""
    made = oauth.challenge()
    with plainly():
        url = oauth.authorization_url(
            service.settings.for_connectors(), redirect_uri=redirect_uri, state=made.state,
            code_challenge=made.code_challenge, login_hint=hint,
        )  # fmt: skip
    return url, {"state": made.state, "verifier": made.code_verifier}


def finish(service: Service, redirect_uri: str, kept: Mapping[str, str], answer: Mapping[str, str]) -> Consent:
    """What the callback's query ``answer`` is worth. Raises Problem; its code is ``MISFIT`` where it does not belong to
    what was ``kept``."""
    state = kept.get("state", "")
    if not state or not hmac.compare_digest(state.encode(), answer.get("state", "").encode()):
        raise Problem(MISFIT_SAYS, code=MISFIT)
    settings = service.settings.for_connectors()
    with plainly():
        if (refused := oauth.callback_error(answer)) is not None:
            raise refused
        secret = oauth.exchange_code(
            settings, code=answer.get("code", ""), redirect_uri=redirect_uri, code_verifier=kept["verifier"],
            now=service.now,
        )  # fmt: skip
        address, secret = oauth.identify(settings, secret, now=service.now, sleep=service.sleep)
    return Consent(address, secret, warnings=tuple(oauth.missing_rights(secret)))
