"""Errors of the outside world, grouped by what the caller should do about them.

    ConnectorError
    ├── NeedsPerson      pause the account, tell its owner and the admins
    ├── OperatorFault    our own set-up is wrong (client secret, API off): tell the admins, flip no account
    ├── TryLater         reschedule after ``retry_after`` seconds, with jitter, bounded
    ├── CursorExpired    restart this one stream with no cursor, mark and sweep
    ├── StreamGone       this one stream cannot be opened (folder, calendar); the others go on
    └── BadItem          quarantine this one item, go on

Anything else is a bug and propagates. Messages are one sentence for a person, with the mend, and never
carry mail content, passwords or tokens.
"""

from __future__ import annotations


class ConnectorError(Exception):
    """Root. ``str()`` is one sentence a person understands; ``code`` is a short stable name for programs."""

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code or type(self).__name__


class NeedsPerson(ConnectorError):
    """Nothing will work until a person acts: wrong password, consent revoked, mailbox disabled."""


class OperatorFault(ConnectorError):
    """The service's own configuration is at fault; the account is healthy and must stay so."""


class TryLater(ConnectorError):
    """Transient. ``retry_after`` is in seconds; None leaves the delay to the caller's back-off.

    ``throttled`` tells a provider's limit (slow the account down) from a mere outage.
    """

    def __init__(
        self, message: str, *, retry_after: float | None = None, throttled: bool = False, code: str = ""
    ) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after
        self.throttled = throttled


class CursorExpired(ConnectorError):
    """The cursor means nothing to the server any more (Gmail history 404, Google Calendar 410, Graph
    syncStateNotFound, IMAP UIDVALIDITY change or restored backup)."""


class StreamGone(ConnectorError):
    """This stream cannot be opened. ``permanent`` when the server says that it no longer exists."""

    def __init__(self, message: str, *, permanent: bool = False, code: str = "") -> None:
        super().__init__(message, code=code)
        self.permanent = permanent


class BadItem(ConnectorError):
    """One item cannot be read. ``remote_id`` is empty where the raiser does not know it."""

    def __init__(self, message: str, *, remote_id: str = "", code: str = "unparseable") -> None:
        super().__init__(message, code=code)
        self.remote_id = remote_id
