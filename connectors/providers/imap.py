"""The IMAP provider: any mail server that speaks IMAP4rev1. What it is made of lies in ``connectors.imap``.

Configuration (``Context.config``): host, port, username, security ("tls", "starttls", "none"), auth ("password",
"xoauth2"), timeout (seconds, 60), tls_ca (PEM file), disable (extensions to do without, e.g. ["QRESYNC"]), whole_limit
(bytes up to which mails are fetched whole). ``secret()`` is the password or the OAuth access token; ``settings`` may
hold ca_bundle. Memory keeps: signed_in, disabled, auth_failed_at, not_connected_since, refresh_token (the giver of
access tokens should fetch a new one). Read-only by construction: EXAMINE and BODY.PEEK.
"""

from __future__ import annotations

from dataclasses import dataclass

from connectors.imap.mailbox import ImapConnector
from connectors.protocol import Connector, Context, Provider


@dataclass
class ImapProvider:
    """See ``connectors.protocol.Provider``."""

    name: str = "imap"
    title: str = "IMAP mailbox"
    quota_hint: str = "Most servers allow 10 to 15 connections per mailbox; Gmail also limits bytes per day."

    def open(self, context: Context) -> Connector:
        """Connect and sign in. Raises NeedsPerson, TryLater, OperatorFault; every wait is bounded by ``timeout``."""
        return ImapConnector(context)


PROVIDER: Provider = ImapProvider()
