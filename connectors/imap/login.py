"""Connects an account and signs it in; every failure becomes one sentence with the mend.

Reads ``Context.config`` (host, port, username, security, auth, timeout, tls_ca, disable) and ``secret()``: the
password, or the OAuth access token. Does not judge whether the host may be connected: its caller did. TLS is always
verified.
Facts: RFC 9051 section 6.2, RFC 4616 (PLAIN), RFC 4959 (SASL-IR), Google's and Microsoft's pages on XOAUTH2.
"""

from __future__ import annotations

import imaplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from connectors.errors import ConnectorError, NeedsPerson, TryLater
from connectors.imap import failures
from connectors.imap.answers import Answer, Closed, Refused, quoted
from connectors.imap.cursor import seconds_since
from connectors.imap.failures import Phase
from connectors.imap.wire import Wire
from connectors.protocol import Context

PORTS = {"tls": 993, "starttls": 143, "none": 143}
RETRY_PASSWORD = 600.0
"""Some overloaded servers reject a right password; an account that worked before gets a second try after this long."""
NOT_CONNECTED_LIMIT = 3600.0


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach the server: what the account's configuration says, checked. ``timeout`` is in seconds."""

    host: str
    port: int
    username: str
    security: str
    auth: str
    timeout: float
    ca: str | None

    @classmethod
    def of(cls, context: Context) -> Access:
        """Read the configuration. Raises NeedsPerson for a value that cannot work."""
        config = context.config
        security, auth = str(config.get("security", "tls")), str(config.get("auth", "password"))
        host, username = str(config.get("host", "")), str(config.get("username", ""))
        if not host or security not in PORTS or auth not in ("password", "xoauth2"):
            raise NeedsPerson(
                "The account's server settings are incomplete; enter host and security again.", code="config"
            )
        port, timeout = _number(config.get("port") or PORTS[security]), float(config.get("timeout") or 60.0)
        ca = config.get("tls_ca") or context.settings.get("ca_bundle")
        return cls(host, port, username, security, auth, timeout, str(ca) if ca else None)


def _number(port: object) -> int:
    text = str(port)
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise NeedsPerson("The port must be a number from 1 to 65535; enter it again.", code="config")
    return int(text)


def connect(context: Context) -> Wire:
    """A signed-in connection. Raises NeedsPerson, TryLater, OperatorFault."""
    access = Access.of(context)
    context.acquire("imap.login", 1)
    wire = _reach(access, context)
    try:
        if access.security == "starttls":
            _starttls(wire, access, context)
        _sign_in(wire, access, context)
    except Closed as closed:
        wire.close()
        raise failures.lost(closed) from closed
    except ConnectorError:
        wire.close()
        raise
    return wire


def _reach(access: Access, context: Context) -> Wire:
    """Open the connection and read the greeting."""
    tls = _tls(access) if access.security == "tls" else None
    known_good = bool(context.memory.get("signed_in"))
    try:
        return Wire(access.host, access.port, tls=tls, timeout=access.timeout, usage=context.usage)
    except Closed as closed:
        raise failures.lost(closed) from closed
    except imaplib.IMAP4.error as error:
        raise _greeting(error, access, known_good=known_good) from error
    except (OSError, ValueError) as error:
        raise failures.connecting(error, access.host, access.port, known_good=known_good) from error


def _greeting(error: imaplib.IMAP4.error, access: Access, *, known_good: bool) -> ConnectorError:
    """imaplib tells a refusing greeting, a closed connection and nonsense apart by text only."""
    said = str(error)
    if "BYE" in said:
        return failures.lost(Closed("bye", said))
    if "socket error" in said:
        return failures.lost(Closed("eof"))
    return failures.connecting(error, access.host, access.port, known_good=known_good)


def _tls(access: Access) -> ssl.SSLContext:
    """The system's trusted authorities, and beside them the account's or the service's own file."""
    context = ssl.create_default_context()
    if access.ca:
        try:
            context.load_verify_locations(access.ca)
        except (OSError, ssl.SSLError) as error:
            raise failures.unusable("The file of trusted certificate authorities cannot be read.") from error
    return context


def _starttls(wire: Wire, access: Access, context: Context) -> None:
    if "STARTTLS" not in wire.capabilities():
        raise NeedsPerson(
            f"{access.host} port {access.port} does not offer STARTTLS; choose TLS (port 993).", code="no_starttls"
        )
    try:
        wire.starttls(_tls(access))
    except imaplib.IMAP4.abort as error:
        raise failures.lost(Closed("eof")) from error
    except imaplib.IMAP4.error as error:
        raise TryLater("The server refused to start TLS; it will be tried again.", code="starttls") from error
    except (OSError, ValueError) as error:
        known_good = bool(context.memory.get("signed_in"))
        raise failures.connecting(error, access.host, access.port, known_good=known_good) from error


def _sign_in(wire: Wire, access: Access, context: Context) -> None:
    if wire.preauthenticated:
        return
    try:
        answer = (
            _oauth(wire, access, context) if access.auth == "xoauth2" else _password(wire, access, context.secret())
        )
    except Refused as refused:
        error = failures.refusal(refused, Phase.LOGIN)
        raise _with_history(error, access, context) from refused
    except ValueError as error:
        says = "Username and password may not contain line breaks; enter them again."
        raise NeedsPerson(says, code="authentication") from error
    wire.adopt_capabilities(answer)
    _require_rev1(wire, access)
    _remember_success(context)


def _password(wire: Wire, access: Access, password: str) -> Answer:
    offered = wire.capabilities()
    if "AUTH=PLAIN" in offered:
        if "\0" in access.username + password:
            raise ValueError("NUL in a PLAIN response")
        return wire.authenticate("PLAIN", f"\0{access.username}\0{password}".encode())
    if "LOGINDISABLED" in offered:
        says = "The server takes no passwords on an unencrypted connection; choose TLS or STARTTLS."
        raise NeedsPerson(says, code="privacy_required")
    return wire.call("LOGIN", quoted(access.username), quoted(password))


def _oauth(wire: Wire, access: Access, context: Context) -> Answer:
    """Sign in with the access token; when it is rejected, ask for a fresh one once (``refresh_token`` in memory tells
    the giver of secrets that the one it has is no good)."""
    if "AUTH=XOAUTH2" not in wire.capabilities():
        raise NeedsPerson("The server offers no OAuth sign-in; use a password or an app password.", code="no_xoauth2")
    token = context.secret()
    try:
        return wire.authenticate("XOAUTH2", _bearer(access.username, token))
    except Refused:
        context.remember("refresh_token", True)
        fresh = context.secret()
        if fresh == token:
            raise
    return wire.authenticate("XOAUTH2", _bearer(access.username, fresh))


def _bearer(username: str, token: str) -> bytes:
    if "\1" in username + token:
        raise ValueError("control character in an XOAUTH2 response")
    return f"user={username}\1auth=Bearer {token}\1\1".encode()


def _require_rev1(wire: Wire, access: Access) -> None:
    if not wire.capabilities() & {"IMAP4REV1", "IMAP4REV2"}:
        says = f"{access.host} does not speak IMAP4rev1, so it cannot be synced; ask the provider for another way."
        raise NeedsPerson(says, code="not_imap4rev1")


def _remember_success(context: Context) -> None:
    if not context.memory.get("signed_in"):
        context.remember("signed_in", True)
    for name in ("auth_failed_at", "refresh_token"):
        if context.memory.get(name):
            context.remember(name, None)


def _with_history(error: ConnectorError, access: Access, context: Context) -> ConnectorError:
    """A rejected password of an account that worked before is tried once more; "not connected" is
    final after an hour."""
    if error.code == "authentication" and access.auth == "password" and context.memory.get("signed_in"):
        return _once_more(error, "auth_failed_at", RETRY_PASSWORD, context)
    if error.code == "authentication" and access.auth == "xoauth2":
        return NeedsPerson(
            "The mail provider no longer accepts this connection; connect the mailbox again.", code="token"
        )
    return error


def _once_more(error: ConnectorError, key: str, wait: float, context: Context) -> ConnectorError:
    since = str(context.memory.get(key) or "")
    waited = seconds_since(since, context.now()) if since else 0.0
    if not since:
        context.remember(key, _iso(context.now))
    if waited >= wait:
        return error
    says = "The server rejected the password; it will be tried once more before a person is asked."
    return TryLater(says, retry_after=wait - waited, code="authentication_retry")


def unconnected(error: ConnectorError, context: Context) -> ConnectorError:
    """Exchange's "authenticated but not connected": transient for up to an hour, then a licence or
    permission matter."""
    since = str(context.memory.get("not_connected_since") or "")
    if not since:
        context.remember("not_connected_since", _iso(context.now))
    if since and seconds_since(since, context.now()) >= NOT_CONNECTED_LIMIT:
        says = "The server signs the user in but gives no mailbox; check that it has one and a licence for it."
        return NeedsPerson(says, code="not_connected")
    return error


def _iso(now: Callable[[], datetime]) -> str:
    return now().isoformat()
