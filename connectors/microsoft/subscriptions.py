"""Change notifications: making, renewing and ending subscriptions, and reading what Microsoft posts to our hook.

A notification is a hint and nothing more: it names a subscription whose mailbox is worth a sync, and its content is
never used. The functions that read notifications are pure, so that the hook answers in milliseconds and queues.
Renew at two thirds of the life that was read back, which is often shorter than what was asked for.
Source: Graph "Receive change notifications through webhooks", "Reduce missing subscriptions and change notifications",
subscription resource; providers.md 2.4.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from connectors.errors import OperatorFault
from connectors.microsoft import message
from connectors.microsoft.failures import Gone, Scope, Unsupported
from connectors.microsoft.graph import Call, Graph, segment
from connectors.microsoft.identity import Identity
from connectors.protocol import Context

LIFE = timedelta(minutes=4230 - 10)
CHANGES = "created,updated,deleted"
MAX_BODY = 1_000_000
MAX_NOTICES = 1_000
MAX_TOKEN = 8_192
RESOURCES: Mapping[str, str] = {"mail": "messages", "calendar": "events"}


@dataclass(frozen=True, slots=True)
class Subscription:
    """A live subscription: its id, what it watches ("mail" or "calendar"), and when it must be renewed and ends
    (UTC)."""

    id: str
    kind: str
    expires: datetime
    renew_at: datetime


class Hint(StrEnum):
    """What a notification asks for. CHANGED and MISSED: sync the mailbox. REAUTHORIZE: ``Subscriptions.reauthorize``,
    then sync. RECREATE: ``Subscriptions.create`` anew, then sync. UNKNOWN: log it, then sync."""

    CHANGED = "changed"
    MISSED = "missed"
    REAUTHORIZE = "reauthorize"
    RECREATE = "recreate"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Reading:
    """What one POST to the hook holds: the hints by subscription id, coalesced, and how many notifications were
    dropped (unknown subscription, wrong clientState, malformed)."""

    hints: Mapping[str, frozenset[Hint]]
    dropped: int


LIFECYCLE: Mapping[str, Hint] = {
    "reauthorizationrequired": Hint.REAUTHORIZE,
    "subscriptionremoved": Hint.RECREATE,
    "missed": Hint.MISSED,
}


def new_client_state() -> str:
    """A fresh secret for a subscription (at most 128 characters, as Graph demands). Keep it with the subscription."""
    return secrets.token_urlsafe(48)


def validation_answer(token: str) -> str:
    """What to answer (200, ``text/plain``, within 10 seconds) to a POST that carries ``?validationToken=``; ``token``
    is the decoded query value. Raises ValueError for one that is absurdly long."""
    if len(token) > MAX_TOKEN:
        raise ValueError("the validation token is too long")
    return token


def read_notifications(body: bytes, client_state: Callable[[str], str | None]) -> Reading:
    """Read a POST to the hook. ``client_state`` gives the secret of a subscription id, None for one that is not ours.
    Always answer 202, whatever is dropped. Never raises on content."""
    notices = list(_notices(body))
    hints: dict[str, set[Hint]] = {}
    dropped = 0
    for notice in notices:
        key = str(notice.get("subscriptionId") or "")[:128]
        expected, given = client_state(key), notice.get("clientState")
        if expected is None or not isinstance(given, str) or not same(given, expected):
            dropped += 1
            continue
        hints.setdefault(key, set()).add(_hint(notice))
    return Reading({key: frozenset(value) for key, value in hints.items()}, dropped)


def same(given: str, expected: str) -> bool:
    """Whether two secrets are equal, in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode("utf-8", "replace"))


def _notices(body: bytes) -> Iterator[Mapping[str, Any]]:
    if len(body) > MAX_BODY:
        return
    try:
        data = json.loads(body)
    except ValueError:
        return
    held = data.get("value") if isinstance(data, dict) else None
    yield from (one for one in (held if isinstance(held, list) else [])[:MAX_NOTICES] if isinstance(one, dict))


def _hint(notice: Mapping[str, Any]) -> Hint:
    happened = str(notice.get("lifecycleEvent") or "").casefold()
    return LIFECYCLE.get(happened, Hint.UNKNOWN) if happened else Hint.CHANGED


class Subscriptions:
    """The subscriptions of one mailbox. Close it after use."""

    def __init__(self, context: Context) -> None:
        address, app_only = str(context.config.get("address") or ""), bool(context.config.get("app_only"))
        self._context = context
        self._owner = f"users/{address}" if app_only else "me"
        identity = Identity(context, app_only=app_only)
        self._graph = Graph(context, identity, mailbox=address or "me", root=f"/{self._owner}")

    def create(self, kind: str, *, notification_url: str, lifecycle_url: str, client_state: str) -> Subscription:
        """Subscribe to "mail" or "calendar". The lifecycle address can only be given now. Raises StreamGone (code
        ``extensionerror``) where the mailbox cannot push (poll it), OperatorFault where Microsoft cannot reach our
        address, and the usual errors."""
        body = {
            "changeType": CHANGES,
            "notificationUrl": notification_url,
            "lifecycleNotificationUrl": lifecycle_url,
            "resource": f"{self._owner}/{RESOURCES[kind]}",
            "expirationDateTime": self._until(),
            "clientState": client_state,
        }
        try:
            found = self._send("POST", "", body)
        except Unsupported as error:
            raise OperatorFault(
                "Microsoft could not validate our notification address: CRM_SYNC_BASE_URL must be reachable from the "
                "internet by https.",
                code=error.code,
            ) from error
        return self._read(found, kind)

    def renew(self, subscription: Subscription) -> Subscription | None:
        """Prolong; None when it no longer exists (create it anew)."""
        try:
            found = self._send("PATCH", f"/{segment(subscription.id)}", {"expirationDateTime": self._until()})
        except Gone:
            return None
        return self._read(found, subscription.kind)

    def reauthorize(self, subscription: Subscription) -> Subscription | None:
        """Answer ``reauthorizationRequired``: reauthorize and prolong at once, which a PATCH does."""
        return self.renew(subscription)

    def delete(self, subscription: Subscription) -> None:
        """End; one that is gone already is fine."""
        try:
            self._send("DELETE", f"/{segment(subscription.id)}", None)
        except Gone:
            return

    def close(self) -> None:
        """Give the connections back. Never raises."""
        self._graph.close()

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        url = f"{self._graph.base}/subscriptions{path}"
        scope = Scope.ITEM if path else Scope.ACCOUNT
        return self._graph.send(Call("subscriptions", method, url, scope, json=body))

    def _until(self) -> str:
        return (self._context.now() + LIFE).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _read(self, found: Mapping[str, Any], kind: str) -> Subscription:
        now = self._context.now()
        expires = message.moment(found.get("expirationDateTime")) or now + LIFE
        return Subscription(str(found.get("id") or ""), kind, expires, now + (expires - now) * 2 / 3)
