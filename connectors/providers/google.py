"""The Google provider: Gmail and Google Calendar by API, with read-only consent."""

from __future__ import annotations

from connectors.google.connector import GoogleConnector
from connectors.protocol import Connector, Context


class Google:
    """Opens a connection for one account; the first call signs in, so opening asks Google nothing but a token."""

    name = "google"
    title = "Google"
    quota_hint = "6,000 Gmail units a minute and person, 20 a mail; 600 calendar requests a minute and person"

    def open(self, context: Context) -> Connector:
        """A connector with a token that works. Raises NeedsPerson, OperatorFault or TryLater."""
        connector = GoogleConnector(context)
        try:
            connector.session.token()
        except BaseException:
            connector.close()
            raise
        return connector


PROVIDER = Google()
