"""Connecting Microsoft 365: whose mailbox a refresh token or a sign-in in the browser opens, and what of it is kept.
Stores nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from connectors.microsoft import oauth
from crm.errors import Refused
from matching.addresses import canonical
from sync import whose
from sync.connecting import Problem
from sync.consents import MISFIT, MISFIT_SAYS, Consent, plainly
from sync.service import Service


def identify(
    service: Service, text: str, *, app_only: bool = False, address: str | None = None
) -> tuple[str, str, dict[str, Any]]:
    """(mailbox address, secret to seal, configuration). A refresh token is exchanged at once, and the rotated one kept.

    Raises Refused for a file of another kind or a token of somebody else, ConnectorError for Microsoft's refusals."""
    if app_only:
        return str(address), "", {"app_only": True}
    values = json.loads(text)
    if not isinstance(values, dict) or not values.get("refresh_token"):
        raise Refused('The token file must be {"refresh_token": "..."}.')
    found, secret = whose.signed_in(service, text, address or "")
    if address and canonical(address) != canonical(found.address):
        raise Refused(f"This token opens {found.address}, not {address}.", "address")
    return found.address, secret, {}


def begin(service: Service, redirect_uri: str, *, hint: str = "") -> tuple[str, dict[str, Any]]:
    """Where to send the browser, and the flow to keep until it comes back. Raises Problem without an application."""
    with plainly():
        flow = oauth.begin(service.settings.for_connectors(), redirect_uri, login_hint=hint)
    return str(flow.pop("auth_uri")), flow


def finish(service: Service, flow: Mapping[str, Any], answer: Mapping[str, str]) -> Consent:
    """What the callback's query ``answer`` is worth. Raises Problem; its code is ``MISFIT`` where it does not belong to
    the ``flow`` kept."""
    if not flow.get("state"):
        raise Problem(MISFIT_SAYS, code=MISFIT)
    with plainly():
        granted = oauth.finish(service.settings.for_connectors(), flow, answer, service.now)
        found, secret = whose.signed_in(service, granted.secret)
    return Consent(found.address, secret, found.aliases)


def admin_consent(service: Service, redirect_uri: str, state: str) -> str:
    """Where an administrator of the tenant agrees for everyone. Raises Problem without an application."""
    if not service.settings.microsoft_client_id:
        raise Problem("No Microsoft application is set up: set CRM_SYNC_MICROSOFT_CLIENT_ID.", field="operator")
    return oauth.admin_consent_url(service.settings.for_connectors(), redirect_uri, state)
