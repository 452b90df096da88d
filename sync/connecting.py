"""What connecting a mailbox asks before anything is stored: which server an address is likely to use, and a trial that
says in one sentence what is wrong, at which field, and how to mend it. Opens no session.

Hosts and ports are those of the providers' own help pages (Google "IMAP, POP and SMTP", Apple 102525,
Yahoo "IMAP server settings",
Fastmail "Server names and ports", GMX and WEB.DE help, IONOS, OVH, Gandi, Zoho, mailbox.org, Posteo, Yandex, Seznam,
Libero, Orange, Free).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from connectors.errors import BadItem, ConnectorError
from connectors.mime import parse_message
from connectors.protocol import Connector
from connectors.types import RawMessage, Upsert
from connectors.types import Stream as RemoteStream
from crm.models import Account, Stream
from matching.addresses import canonical, host_of
from sync import accounts
from sync.accounts import AccountSpec, TestResult
from sync.contexts import UNSAVED, open_part, parts_of
from sync.limits import Limits
from sync.service import Service

TLS_PORT = 993
USUAL_REFUSED = (
    "This provider wants an app password, made in your account's security settings; your usual one is refused."
)


@dataclass(frozen=True, slots=True)
class ServerGuess:
    """Where the mailbox of an address most likely is. ``security`` is tls, starttls or none. ``sure``: from the
    provider's help,
    not made up from the domain. ``hint`` is a sentence worth reading before typing a password; ``better`` names
    the provider whose own sign-in is the right way (google, microsoft), or is empty."""

    host: str
    port: int
    security: str
    username: str
    sure: bool = True
    hint: str = ""
    better: str = ""


class Problem(Exception):
    """The trial failed. ``str()`` is one sentence with the mend; ``field`` is host, port, security, username,
    password or address,
    or empty; ``code`` is stable, for programs."""

    def __init__(self, says: str, *, field: str = "", code: str = "") -> None:
        super().__init__(says)
        self.field = field
        self.code = code


_GOOGLE = ("imap.gmail.com", USUAL_REFUSED, "google")
_MICROSOFT = (
    "outlook.office365.com",
    "Microsoft no longer takes passwords over IMAP. Connect it as a Microsoft account.",
    "microsoft",
)
_YAHOO = ("imap.mail.yahoo.com", USUAL_REFUSED, "")
_APPLE = ("imap.mail.me.com", USUAL_REFUSED, "")
_GMX = ("imap.gmx.net", "IMAP must be allowed once in GMX's settings, under POP3 & IMAP.", "")
_WEB_DE = ("imap.web.de", "IMAP must be allowed once in WEB.DE's settings, under POP3/IMAP.", "")
_PROTON = ("127.0.0.1", "Proton gives IMAP through its Bridge only, on the machine where the Bridge runs.", "")
_YANDEX = ("imap.yandex.com", USUAL_REFUSED, "")

KNOWN: dict[str, tuple[str, str, str]] = {
    **dict.fromkeys(("gmail.com", "googlemail.com"), _GOOGLE),
    **dict.fromkeys(
        ("outlook.com", "hotmail.com", "live.com", "msn.com", "hotmail.co.uk", "outlook.de", "hotmail.fr"), _MICROSOFT
    ),
    **dict.fromkeys(("yahoo.com", "yahoo.co.uk", "yahoo.de", "yahoo.fr", "ymail.com", "rocketmail.com"), _YAHOO),
    **dict.fromkeys(("icloud.com", "me.com", "mac.com"), _APPLE),
    **dict.fromkeys(("gmx.de", "gmx.net", "gmx.at", "gmx.ch"), _GMX),
    "gmx.com": ("imap.gmx.com", _GMX[1], ""),
    "web.de": _WEB_DE,
    **dict.fromkeys(("proton.me", "protonmail.com", "pm.me"), _PROTON),
    **dict.fromkeys(("yandex.com", "yandex.ru", "ya.ru"), _YANDEX),
    "aol.com": ("imap.aol.com", USUAL_REFUSED, ""),
    **dict.fromkeys(("fastmail.com", "fastmail.fm"), ("imap.fastmail.com", USUAL_REFUSED, "")),
    "zoho.com": ("imap.zoho.com", USUAL_REFUSED, ""),
    "t-online.de": ("secureimap.t-online.de", "T-Online wants its separate e-mail password.", ""),
    "freenet.de": ("mx.freenet.de", "", ""),
    "mailbox.org": ("imap.mailbox.org", "", ""),
    "posteo.de": ("posteo.de", "", ""),
    "orange.fr": ("imap.orange.fr", "", ""),
    "free.fr": ("imap.free.fr", "", ""),
    "laposte.net": ("imap.laposte.net", "", ""),
    "libero.it": ("imapmail.libero.it", "", ""),
    "seznam.cz": ("imap.seznam.cz", "", ""),
    "btinternet.com": ("mail.btinternet.com", "", ""),
}

FIELDS = {
    "authentication": "password", "web_login": "password", "token": "password", "no_xoauth2": "password",
    "privacy_required": "security", "no_starttls": "security", "starttls": "security", "tls": "security",
    "certificate": "host", "dns": "host", "unknown_host": "host", "no_host": "host", "private_host": "host",
    "unreachable": "host",
    "refused": "port", "timeout": "port", "not_imap": "port", "not_imap4rev1": "host",
}  # fmt: skip


def guess_server(address: str) -> ServerGuess:
    """The likely server of an address; never looks anything up on the network."""
    clean = canonical(address)
    domain = host_of(clean)
    if domain in KNOWN:
        host, hint, better = KNOWN[domain]
        return ServerGuess(host, TLS_PORT, "tls", clean, True, hint, better)
    return ServerGuess(f"imap.{domain}" if domain else "", TLS_PORT, "tls", clean, False)


def attempt(service: Service, spec: AccountSpec) -> TestResult:
    """Connect, sign in, list the folders. Raises Problem, or Refused for values that can't be taken."""
    try:
        return accounts.test(service, spec)
    except ConnectorError as error:
        raise _problem(error) from error


def add(service: Service, spec: AccountSpec, *, actor_id: int | None) -> int:
    """Test once more and store; the account's id. Raises Problem or Refused."""
    try:
        return accounts.add(service, spec, actor_id=actor_id)
    except ConnectorError as error:
        raise _problem(error) from error


def reconnect(service: Service, account_id: int, secret: str, *, actor_id: int | None) -> None:
    """Give an account a new password, after testing it. Raises Problem or Refused; the old one stays then."""
    try:
        accounts.reconnect(service, account_id, secret, actor_id=actor_id)
    except ConnectorError as error:
        raise _problem(error) from error


@dataclass(frozen=True, slots=True)
class Sample:
    """One of the newest mails, to show its owner what each sharing tier would give away."""

    who: str
    subject: str
    at: datetime | None


def preview(service: Service, spec: AccountSpec, tested: TestResult, *, limit: int = 20) -> list[Sample]:
    """The newest mails of the inbox (of the one stream Gmail has); empty where the server gives none just now. Stores
    nothing."""
    stream = next((s for s in tested.streams if str(s.role) in ("inbox", "all")), None)
    if stream is None:
        return []
    account = Account(
        id=UNSAVED, provider=spec.provider, address=spec.address, config=dict(spec.config), memory={}, secret=None,
        secret_version=0, owner_id=0,
    )  # fmt: skip
    try:
        with closing(
            open_part(service.trying(spec.secret), account, parts_of(account)[0], Limits(service.sleep))
        ) as connector:
            return _samples(connector, stream, limit)
    except ConnectorError:
        return []  # a preview is a courtesy: the test has passed, and the sync will say what is wrong


def _samples(connector: Connector, stream: RemoteStream, limit: int) -> list[Sample]:
    found: list[Sample] = []
    for item in _newest(connector, stream):
        try:
            mail = parse_message(item.raw, received_at=item.received_at)  # type: ignore[arg-type]  # _newest gives mails only
        except BadItem:
            continue
        sender = mail.from_[0] if mail.from_ else None
        found.append(
            Sample(sender.name or sender.address if sender else "", mail.subject[:200], mail.date or item.received_at)
        )
        if len(found) >= limit:
            break
    return found


def _newest(connector: Connector, stream: RemoteStream) -> Iterator[Upsert]:
    """Mails of the first two batches of a first listing, newest first."""
    for number, batch in enumerate(connector.changes(stream, None)):
        yield from (c for c in batch.changes if isinstance(c, Upsert) and isinstance(c.raw, RawMessage))
        if number >= 1:
            return


def _problem(error: ConnectorError) -> Problem:
    return Problem(str(error), field=FIELDS.get(error.code, ""), code=error.code)


def hurry(session: Session, account_id: int) -> None:
    """Let the scheduler take this account at its next look, whatever its interval or back-off says."""
    session.execute(update(Account).where(Account.id == account_id).values(not_before=None, failures=0))
    session.execute(
        update(Stream).where(Stream.account_id == account_id).values(last_attempt_at=None, parked_until=None)
    )


def audit_soon(session: Session, account_id: int) -> None:
    """Let the scheduler compare this account's source with its ledger at its next look."""
    session.execute(update(Stream).where(Stream.account_id == account_id).values(last_audit_at=None))
