"""Push: asking Google for it, renewing and ending it, and telling a genuine push request from a forged one.

Gmail pushes through Pub/Sub with a signed OIDC token; calendars post to a channel of their own with our own secret. A
push is a hint to sync and nothing more: its historyId is never a cursor (python-samples issue 200), its body is not
trusted. Sources: Gmail push guide, Calendar push guide, Pub/Sub "Authentication for push subscriptions".
"""

from __future__ import annotations

import hmac
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from google.auth import jwt
from google.auth.exceptions import GoogleAuthError

from connectors.errors import StreamGone
from connectors.google import endpoints, failures
from connectors.google.connector import GoogleConnector
from connectors.google.http import Transport
from connectors.google.payload import as_int, decode

ISSUERS = ("accounts.google.com", "https://accounts.google.com")
CLOCK_SKEW = 60
MAX_BODY = 64 * 1024


class Forged(Exception):
    """A push request that is not what it claims to be. ``str()`` says which check failed, and quotes nothing."""


@dataclass(frozen=True, slots=True)
class MailHint:
    """Something changed in this mailbox. ``history_id`` is for the metrics only."""

    address: str
    history_id: str
    message_id: str


@dataclass(frozen=True, slots=True)
class Channel:
    """A calendar's push channel, as to be stored. ``ends`` is when Google stops sending (UTC)."""

    id: str
    resource_id: str
    token: str
    ends: datetime | None


@dataclass(frozen=True, slots=True)
class ChannelHint:
    """A calendar changed (``state`` "exists" or "not_exists"); "sync" only greets a new channel."""

    channel_id: str
    state: str

    @property
    def means_change(self) -> bool:
        return self.state != "sync"


def start_mail(connector: GoogleConnector, topic: str) -> datetime | None:
    """Ask for push of all changes to ``topic`` ("projects/P/topics/T"), or renew it; when it ends (UTC, <= 7 days).

    Costs 100 units; call once a day. Raises ConnectorError."""
    users = connector.mailbox.users
    answer = connector.calls.gmail("watch", users.watch(userId="me", body={"topicName": topic}))
    return _moment(answer.get("expiration"))


def stop_mail(connector: GoogleConnector) -> None:
    """End mail push. Costs 50 units. Raises ConnectorError."""
    connector.calls.gmail("stop", connector.mailbox.users.stop(userId="me"))


def start_calendar(connector: GoogleConnector, calendar_id: str, address: str) -> Channel:
    """Open a channel that posts to ``address``. There is no renewal: open the next before this one ends, then stop it.

    Raises StreamGone for a calendar that cannot push (poll it), and other ConnectorErrors."""
    body = {"id": str(uuid.uuid4()), "type": "web_hook", "address": address, "token": secrets.token_urlsafe(32)}
    request = connector.calendars.service.events().watch(calendarId=calendar_id, body=body)
    answer = connector.calls.calendar("events.watch", request)
    return Channel(body["id"], str(answer.get("resourceId") or ""), body["token"], _moment(answer.get("expiration")))


def stop_calendar(connector: GoogleConnector, channel: Channel) -> None:
    """End a channel; one that is gone already is no error."""
    body = {"id": channel.id, "resourceId": channel.resource_id}
    try:
        connector.calls.calendar("channels.stop", connector.calendars.service.channels().stop(body=body))
    except StreamGone as error:
        if not error.permanent:
            raise


def fetch_certs(settings: Mapping[str, Any]) -> dict[str, str]:
    """Google's public keys by id, for ``verify_push``; keep them for an hour. Raises TryLater."""
    endpoint = str(settings.get("google_endpoint") or "").rstrip("/")
    transport = Transport(settings)
    try:
        status, content = transport.request(f"{endpoint}/oauth2/v1/certs" if endpoint else endpoints.CERTS_URL)
    finally:
        transport.close()
    if status.status != 200:
        raise failures.error_of(failures.Refusal(max(status.status, 500), frozenset(), ""))
    return {str(key): str(value) for key, value in failures.json_object(content).items()}


def verify_push(
    headers: Mapping[str, str], body: bytes, *, audience: str, email: str, certs: Mapping[str, str]
) -> MailHint:
    """The hint in a Pub/Sub push request whose token is Google's, for us, and from our subscription's account.

    ``headers`` by any case; ``email`` is the service account that the subscription signs with. Raises Forged."""
    lowered = {name.lower(): value for name, value in headers.items()}
    kind, _, token = lowered.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token:
        raise Forged("no bearer token")
    claims = _claims(token.strip(), audience, certs)
    if claims.get("iss") not in ISSUERS:
        raise Forged("wrong issuer")
    if claims.get("email_verified") is not True or not hmac.compare_digest(str(claims.get("email")), email):
        raise Forged("wrong sender")
    return _mail_hint(body)


def _claims(token: str, audience: str, certs: Mapping[str, str]) -> dict[str, Any]:
    decode_token: Any = jwt.decode
    try:
        found: dict[str, Any] = decode_token(
            token, certs=dict(certs), audience=audience, clock_skew_in_seconds=CLOCK_SKEW
        )
    except (GoogleAuthError, ValueError, KeyError, TypeError) as error:
        raise Forged("bad token") from error
    if not audience or found.get("aud") != audience:
        raise Forged("wrong audience")
    return found


def _mail_hint(body: bytes) -> MailHint:
    message = failures.json_object(body).get("message") if len(body) <= MAX_BODY else None
    if not isinstance(message, dict):
        raise Forged("no message")
    found = failures.json_object(decode(message.get("data")))
    address = str(found.get("emailAddress") or "").lower()
    if not address:
        raise Forged("no address")
    return MailHint(address, str(found.get("historyId") or ""), str(message.get("messageId") or ""))


def verify_channel(headers: Mapping[str, str], *, tokens: Mapping[str, str]) -> ChannelHint:
    """The hint in a calendar push; ``tokens`` maps our live channel ids to their secrets. Raises Forged for others."""
    lowered = {name.lower(): value for name, value in headers.items()}
    channel = lowered.get("x-goog-channel-id", "")
    expected = tokens.get(channel, "")
    given = lowered.get("x-goog-channel-token", "")
    if not expected or not hmac.compare_digest(expected.encode(), given.encode()):
        raise Forged("unknown channel")
    return ChannelHint(channel, lowered.get("x-goog-resource-state", ""))


def _moment(millis: Any) -> datetime | None:
    value = as_int(millis)
    return datetime.fromtimestamp(value / 1000, UTC) if value else None
