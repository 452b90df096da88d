"""Connecting Google without a browser: whose mailbox a token file opens, and what of it is kept. Stores nothing."""

from __future__ import annotations

import json
from typing import Any

from connectors.google import oauth
from crm.errors import Refused
from matching.addresses import canonical
from sync.service import Service


def identify(
    service: Service, text: str, *, subject: str | None = None, address: str | None = None
) -> tuple[str, str, dict[str, Any]]:
    """(mailbox address, secret to seal, configuration) for a token file's or service account's JSON ``text``.

    Asks Google whose token it is. Raises Refused for a file of another kind or a token of somebody else, ConnectorError for Google's refusals."""
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
