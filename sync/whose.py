"""Whose mailbox a Microsoft sign-in opens: asked before a token is kept, because any account of the organisation
could have been chosen. Stores nothing."""

from __future__ import annotations

from connectors.microsoft import oauth
from crm.errors import Refused
from crm.models import Account
from matching.addresses import canonical
from sync.contexts import MAIN, Part, context_of
from sync.limits import Limits
from sync.service import Service


def same_person(service: Service, secret: str, address: str) -> str:
    """The secret as rotated by asking whose it is. Raises Refused when it opens another mailbox than ``address``,
    ConnectorError for Microsoft's refusals."""
    found, kept = signed_in(service, secret, address)
    if canonical(address) not in {canonical(one) for one in (found.address, *found.aliases)}:
        raise Refused(
            f"You signed in to Microsoft as {found.address}, but this account is {address}: sign in as {address}.",
            "address",
        )
    return kept


def signed_in(service: Service, secret: str, address: str = "") -> tuple[oauth.SignedIn, str]:
    """Whose mailbox it is, and the secret as rotated by asking."""
    trying = service.trying(secret)
    account = Account(id=0, provider="microsoft", address=address, config={}, memory={}, secret_version=0)
    found = oauth.signed_in(context_of(trying, account, Part(MAIN, "microsoft"), Limits(service.sleep)))
    return found, trying.untested or secret
