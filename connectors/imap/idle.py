"""IDLE as a hint that a folder changed, on a connection of its own.

Never data: what woke it is not looked at beyond its kind, and a sync must find everything without it. Renews IDLE
within nine minutes. A closed connection raises; it never looks like silence, which a caller would repeat at once for
ever (as imapclient's idle_check does). Facts: RFC 2177.
"""

from __future__ import annotations

import time

from connectors.errors import ConnectorError
from connectors.imap import failures
from connectors.imap.answers import Closed, Refused
from connectors.imap.session import Session
from connectors.protocol import Context

RENEW = 540.0
DEBOUNCE = 1.0
POLL = 60.0
_TELLING = frozenset({"EXISTS", "EXPUNGE", "FETCH", "VANISHED"})


class Watch:
    """Watches one folder. ``folder`` is its name on the wire."""

    def __init__(self, context: Context, folder: bytes) -> None:
        """Connect, sign in and open the folder. Raises ConnectorError."""
        self._context = context
        self.folder = folder
        self._session = Session(context)
        try:
            self._session.examine(folder)
        except ConnectorError:
            self.close()
            raise

    def wait(self, timeout: float) -> bool:
        """True when something happened in the folder, or when only asking can tell (no IDLE); False after ``timeout``
        seconds of silence. Raises TryLater when the connection is lost."""
        if not self._session.has("IDLE"):
            self._context.sleep(min(timeout, POLL))
            return True
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            if self._idle(min(left, RENEW)):
                return True
        return False

    def _idle(self, seconds: float) -> bool:
        """One IDLE command: True when something about messages was heard."""
        try:
            heard = self._session.wire.idle(seconds, DEBOUNCE)
        except Closed as closed:
            raise failures.lost(closed) from closed
        except Refused as refused:
            if refused.status == "BAD":
                self._session.disable("IDLE")
            raise self._session.error(refused) from refused
        return bool(heard & _TELLING)

    def close(self) -> None:
        """Close the connection. Never raises."""
        self._session.wire.close()
