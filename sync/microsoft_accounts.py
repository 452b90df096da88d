"""Connecting Microsoft 365 without a browser: whose mailbox a refresh token opens, and what of it is kept. Stores nothing."""

from __future__ import annotations

import json
from typing import Any

from connectors.microsoft import oauth
from crm.errors import Refused
from crm.models import Account
from matching.addresses import canonical
from sync.contexts import MAIN, Part, context_of
from sync.limits import Limits
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
    trying = service.trying(text)
    account = Account(id=0, provider="microsoft", address=address or "", config={}, memory={}, secret_version=0)
    found = oauth.signed_in(context_of(trying, account, Part(MAIN, "microsoft"), Limits(service.sleep)))
    if address and canonical(address) != canonical(found.address):
        raise Refused(f"This token opens {found.address}, not {address}.", "address")
    return found.address, trying.untested or text, {}
