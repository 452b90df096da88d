"""What Google and Microsoft post to us: told from forgeries, turned into a nudge, and nothing more.

Contents are never used: a notice only says that an account is worth a sync. Answers are HTTP statuses; what is wrong
is counted
and not explained to the sender. Sources: Gmail and Calendar push guides, Graph change notifications (webhooks,
lifecycle events).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import func, select

from connectors.errors import ConnectorError
from connectors.google import watch
from connectors.microsoft import subscriptions
from connectors.microsoft.subscriptions import Hint
from crm.models import Account
from crm.vault import CannotOpen
from matching.addresses import canonical
from sync import push, push_state
from sync.push_state import secret_context
from sync.service import Service

log = logging.getLogger(__name__)

KEYS_LIVE = timedelta(hours=1)
TAKEN, FORGED, NOT_NOW = 202, 403, 503
RENEWING = frozenset({Hint.REAUTHORIZE, Hint.RECREATE})


@dataclass(slots=True)
class _Keys:
    """Google's public keys, kept for an hour, so that a hook asks nobody."""

    at: datetime | None = None
    held: dict[str, str] = field(default_factory=dict)


_keys: dict[str, _Keys] = {}


def google(service: Service, headers: Mapping[str, str], body: bytes, account_id: int | None = None) -> int:
    """A push from Google: a calendar channel's, or a mailbox's through Pub/Sub. Returns the status to answer with."""
    lowered = {name.lower(): value for name, value in headers.items()}
    try:
        if "x-goog-channel-id" in lowered:
            found = _channel(service, lowered, account_id)
        else:
            found = _mailbox(service, lowered, body)
    except watch.Forged as error:
        log.warning("a push request in Google's name was refused (%s)", error)
        return FORGED
    except ConnectorError as error:
        log.warning("Google's keys could not be had (%s)", error.code)
        return NOT_NOW
    _tell(service, found)
    return TAKEN


def _channel(service: Service, headers: Mapping[str, str], account_id: int | None) -> list[int]:
    tokens: dict[str, str] = {}
    owner: dict[str, int] = {}
    for account in _accounts(service, "google", account_id):
        for channel in push_state.read(account).channels:
            if channel.id and channel.id == headers["x-goog-channel-id"]:
                tokens[channel.id], owner[channel.id] = _open(service, account.id, channel.secret), account.id
    hint = watch.verify_channel(headers, tokens=tokens)
    return [owner[hint.channel_id]] if hint.means_change else []


def _mailbox(service: Service, headers: Mapping[str, str], body: bytes) -> list[int]:
    settings = service.settings
    if not settings.google_push_email:
        raise watch.Forged("push is not set up")
    audience = settings.google_push_audience or f"{settings.base_url}/hooks/google"
    hint = watch.verify_push(
        headers, body, audience=audience, email=settings.google_push_email, certs=_certificates(service)
    )
    with service.db.reading() as session:
        query = select(Account.id).where(
            Account.provider == "google", Account.removed_at.is_(None),
            func.lower(Account.address).in_({hint.address, canonical(hint.address)}),
        )  # fmt: skip
        return list(session.scalars(query))


def _certificates(service: Service) -> dict[str, str]:
    where = service.settings.google_endpoint or ""
    kept = _keys.setdefault(where, _Keys())
    now = service.now()
    if kept.at is None or now - kept.at > KEYS_LIVE:
        kept.held, kept.at = watch.fetch_certs(service.settings.for_connectors()), now
    return kept.held


def validation(token: str) -> str | None:
    """What to answer to Microsoft's question whether this address is ours (text/plain); None: refuse."""
    try:
        return subscriptions.validation_answer(token)
    except ValueError:
        return None


def microsoft(service: Service, body: bytes, account_id: int | None = None) -> int:
    """Change and lifecycle notices from Graph. Always 202: the sender learns nothing, and resends nothing."""
    owner: dict[str, int] = {}
    secrets: dict[str, str] = {}
    for account in _accounts(service, "microsoft", account_id):
        for channel in push_state.read(account).channels:
            owner[channel.id], secrets[channel.id] = account.id, channel.secret
    reading = subscriptions.read_notifications(
        body, lambda key: _open(service, owner[key], secrets[key]) or None if key in owner else None
    )
    if reading.dropped:
        log.warning("%d notices in Microsoft's name were dropped", reading.dropped)
    renewing = sorted({owner[key] for key, hints in reading.hints.items() if hints & RENEWING})
    for key, hints in reading.hints.items():
        if Hint.RECREATE in hints:
            _forget(service, owner[key], key)
        elif Hint.REAUTHORIZE in hints:
            _hasten(service, owner[key], key)
    _tell(service, sorted({owner[key] for key in reading.hints} - set(renewing)))
    _tell(service, renewing, renewing=True)
    return TAKEN


def _forget(service: Service, account_id: int, channel_id: str) -> None:
    """A subscription that Microsoft removed: the next look makes a new one."""
    with service.db.transaction() as session:
        held = push_state.read(session.get_one(Account, account_id))
        left = tuple(c for c in held.channels if c.id != channel_id)
        push_state.write(session, account_id, replace(held, channels=left, next_at=""))


def _hasten(service: Service, account_id: int, channel_id: str) -> None:
    """A subscription to prolong at once."""
    with service.db.transaction() as session:
        held = push_state.read(session.get_one(Account, account_id))
        soon = tuple(replace(c, renew_at="") if c.id == channel_id else c for c in held.channels)
        push_state.write(session, account_id, replace(held, channels=soon, next_at=""))


def _accounts(service: Service, provider: str, account_id: int | None) -> Sequence[Account]:
    """The account the address names, or all of the provider where a notice came to the plain address."""
    with service.db.reading() as session:
        query = select(Account).where(Account.provider == provider, Account.removed_at.is_(None))
        return list(session.scalars(query.where(Account.id == account_id) if account_id is not None else query))


def _open(service: Service, account_id: int, sealed: str) -> str:
    try:
        return service.vault.open(sealed, context=secret_context(account_id)) if sealed else ""
    except CannotOpen:
        return ""


def _tell(service: Service, account_ids: list[int], *, renewing: bool = False) -> None:
    if account_ids:
        push_state.heard(service, account_ids)
        push.nudge(service, account_ids, renewing=renewing)
