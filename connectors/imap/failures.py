"""What a server's refusal means for the account: response codes and well-known texts to errors, as one table.

Rows are tried in order; the first that fits decides. Every message is one sentence for a person, with the mend; server
text is quoted only as far as it is a plain alert or address a person needs. Facts: RFC 9051 section 7.1, RFC 5530,
providers' own strings as listed in the provider notes (section 3.5).
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from connectors.errors import ConnectorError, NeedsPerson, OperatorFault, StreamGone, TryLater
from connectors.imap.answers import Closed, Refused

HOUR = 3600.0
MINUTES_5 = 300.0
_URL = re.compile(r"https?://[^\s\])\"]{1,300}")
_BACKOFF = re.compile(r"Backoff Time:\s*(\d{1,9})\s*milli", re.IGNORECASE)


class Phase(StrEnum):
    """What was being done when the server refused."""

    LOGIN = "login"
    SELECT = "select"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class Row:
    """One condition: any of the response codes, or the text, in any of the phases (none named: in all)."""

    make: Callable[[Refused], ConnectorError]
    codes: frozenset[str] = frozenset()
    text: re.Pattern[str] | None = None
    phases: frozenset[Phase] = frozenset(Phase)
    status: str = ""

    def fits(self, refused: Refused, phase: Phase) -> bool:
        """Whether this row decides."""
        if phase not in self.phases or (self.status and self.status != refused.status):
            return False
        return refused.code in self.codes or bool(self.text and self.text.search(refused.text))


def _codes(*names: str) -> frozenset[str]:
    return frozenset(names)


def _person(says: str, code: str) -> Callable[[Refused], ConnectorError]:
    return lambda _refused: NeedsPerson(says, code=code)


def _later(
    says: str, code: str, *, after: float | None = None, throttled: bool = False
) -> Callable[[Refused], ConnectorError]:
    return lambda _refused: TryLater(says, retry_after=after, throttled=throttled, code=code)


def _gone(says: str, code: str) -> Callable[[Refused], ConnectorError]:
    return lambda _refused: StreamGone(says, code=code)


def _web_login(refused: Refused) -> ConnectorError:
    found = _URL.search(refused.text)
    where = f" at {found.group(0)}" if found else ""
    return NeedsPerson(
        f"The mail provider wants a sign-in in a web browser{where} first; then reconnect.", code="web_login"
    )


def _suggested(refused: Refused) -> ConnectorError:
    found = _BACKOFF.search(refused.text)
    after = min(int(found.group(1)) / 1000, MINUTES_5) if found else 60.0
    return TryLater(
        "The mail server is slowing this account down; it goes on by itself.",
        retry_after=after,
        throttled=True,
        code="throttled",
    )


_LOGIN = frozenset({Phase.LOGIN})
_SELECT = frozenset({Phase.SELECT})
_I = re.IGNORECASE

ROWS: tuple[Row, ...] = (
    Row(_suggested, text=re.compile("Request is throttled|Suggested Backoff Time", _I)),
    Row(
        _later(
            "The mail server refuses further connections for this account; fewer will be used.",
            "too_many_connections",
            after=MINUTES_5,
            throttled=True,
        ),
        text=re.compile("too many simultaneous connections|maximum number of connections", _I),
    ),
    Row(
        _later(
            "The provider's bandwidth limit for this mailbox is used up; syncing pauses for an hour or more.",
            "overquota",
            after=HOUR,
            throttled=True,
        ),
        text=re.compile("exceeded command or bandwidth limits|bandwidth limits? exceeded", _I),
    ),
    Row(
        _person(
            "The provider wants an app-specific password; create one in the mailbox's security settings and enter it.",
            "app_password_required",
        ),
        text=re.compile("application-specific password|app(-specific)? password", _I),
    ),
    Row(
        _person(
            "IMAP access is switched off for this mailbox; switch it on in its settings, then reconnect.",
            "imap_disabled",
        ),
        text=re.compile("IMAP access is disabled|not enabled for IMAP|IMAP(4)? is disabled|Please enable IMAP", _I),
    ),
    Row(
        _web_login,
        codes=_codes("WEBALERT"),
        text=re.compile("log in (via|with) your web browser|web login required", _I),
    ),
    Row(
        _later("The mailbox is signed in but not connected on the server's side.", "not_connected", after=MINUTES_5),
        text=re.compile("authenticated but not connected", _I),
    ),
    Row(
        _later(
            "The mail server is busy or unavailable; it will be tried again.", "unavailable", after=60.0, throttled=True
        ),
        codes=_codes("UNAVAILABLE"),
    ),
    Row(
        _later(
            "The mailbox or a limit of the provider is exhausted; syncing pauses for an hour.",
            "overquota",
            after=HOUR,
            throttled=True,
        ),
        codes=_codes("OVERQUOTA"),
    ),
    Row(
        _person(
            "The user may not use this mailbox; check the username, or ask the mail administrator.", "not_authorized"
        ),
        codes=_codes("AUTHORIZATIONFAILED"),
    ),
    Row(
        _person("The password has expired; set a new one, then reconnect.", "password_expired"), codes=_codes("EXPIRED")
    ),
    Row(
        _person(
            "The provider asks to contact the mail administrator before this mailbox can be used.", "contact_admin"
        ),
        codes=_codes("CONTACTADMIN"),
    ),
    Row(
        _person("The server wants an encrypted connection; choose TLS or STARTTLS.", "privacy_required"),
        codes=_codes("PRIVACYREQUIRED"),
    ),
    Row(
        _person("The server does not accept the username or password; check both.", "authentication"),
        codes=_codes("AUTHENTICATIONFAILED"),
    ),
    Row(
        _later("The server has a fault of its own while signing in; it will be tried again.", "server_bug", after=60.0),
        codes=_codes("INUSE", "SERVERBUG", "CORRUPTION", "LIMIT", "CANNOT"),
        phases=_LOGIN,
    ),
    Row(
        _gone("The server cannot open this folder just now.", "folder_busy"),
        codes=_codes("INUSE", "SERVERBUG", "CORRUPTION", "LIMIT"),
        phases=_SELECT,
    ),
    Row(
        _gone("The folder cannot be opened: it is not there, or the user has no right to it.", "folder_refused"),
        codes=_codes("CANNOT", "NOPERM", "NONEXISTENT", "TRYCREATE"),
        phases=_SELECT,
    ),
    Row(
        _later("The server has a fault of its own with this folder; it will be tried again.", "server_bug", after=60.0),
        codes=_codes("INUSE", "SERVERBUG", "CORRUPTION", "LIMIT", "CANNOT"),
    ),
    Row(
        _person("The server does not accept the username or password; check both.", "authentication"),
        text=re.compile(".*"),
        phases=_LOGIN,
        status="NO",
    ),
    Row(
        _person(
            "The server does not understand the sign-in; check the security and sign-in settings.", "login_rejected"
        ),
        text=re.compile(".*"),
        phases=_LOGIN,
        status="BAD",
    ),
    Row(_gone("The server refuses to open this folder.", "folder_refused"), text=re.compile(".*"), phases=_SELECT),
    Row(_later("The server refused a command; it will be tried again.", "refused", after=60.0), text=re.compile(".*")),
)


def refusal(refused: Refused, phase: Phase) -> ConnectorError:
    """The error a refusal stands for. The last row fits everything."""
    return next(row for row in ROWS if row.fits(refused, phase)).make(refused)


_LOST = {
    "eof": "The mail server closed the connection; it will be tried again.",
    "timeout": "The mail server did not answer in time; it will be tried again.",
    "bye": "The mail server ended the session; it will be tried again.",
    "flood": "The mail server sent more than any answer may hold, so the connection was dropped; check host and port.",
    "garbage": "The server's answers are not IMAP, so the connection was dropped; check host and port.",
}


def lost(closed: Closed) -> ConnectorError:
    """A connection that broke: later, or throttled where the BYE says so (some servers say the limit only there)."""
    if closed.reason == "bye":
        told = Refused("NO", closed.text)
        row = next(row for row in ROWS if row.fits(told, Phase.COMMAND))
        found = row.make(told)
        if isinstance(found, NeedsPerson) or (isinstance(found, TryLater) and found.throttled):
            return found
    return TryLater(_LOST[closed.reason], code=f"connection_{closed.reason}")


_CERTIFICATE = {
    10: "The server's certificate has expired; its operator must renew it.",
    18: "The server's certificate is self-signed; give the file of the authority that signed it, or use another host.",
    19: "The server's certificate comes from an authority that is not trusted here; give its file.",
    20: "The server's certificate comes from an authority that is not trusted here; give its file.",
    62: "The server's certificate is for another host name; use the name the provider gives for IMAP.",
    64: "The server's certificate is for another address; use the host name the provider gives for IMAP.",
}


def connecting(error: Exception, host: str, port: int, *, known_good: bool) -> ConnectorError:
    """Why no connection came about. ``known_good``: this account has signed in before, so that a refused connection or
    a name that does not resolve is an outage; before that it is a wrong setting, which only a person can mend."""
    if isinstance(error, ssl.SSLCertVerificationError):
        says = _CERTIFICATE.get(
            error.verify_code, "The server's certificate could not be verified; check the host name."
        )
        return NeedsPerson(says, code="certificate")
    if isinstance(error, ssl.SSLError):
        says = f"No TLS connection with {host} port {port}; choose STARTTLS for port 143, or check the port."
        return _by_history(says, "tls", known_good)
    if isinstance(error, socket.gaierror):
        if error.errno == socket.EAI_AGAIN:
            return TryLater(f"The name {host} could not be looked up just now; it will be tried again.", code="dns")
        return _by_history(f"There is no server called {host}; check the host name.", "unknown_host", known_good)
    if isinstance(error, TimeoutError):
        return TryLater(f"{host} port {port} does not answer; check host and port, or try again later.", code="timeout")
    if isinstance(error, ConnectionRefusedError):
        return _by_history(f"{host} takes no connections on port {port}; check the port.", "refused", known_good)
    if isinstance(error, OSError):
        return TryLater(f"{host} port {port} cannot be reached; it will be tried again.", code="unreachable")
    return _by_history(f"{host} port {port} does not speak IMAP4rev1; check host and port.", "not_imap", known_good)


def _by_history(says: str, code: str, known_good: bool) -> ConnectorError:
    return TryLater(says, code=code) if known_good else NeedsPerson(says, code=code)


def unusable(says: str) -> ConnectorError:
    """The service's own settings cannot work (e.g. a CA file that is not there)."""
    return OperatorFault(says, code="settings")
