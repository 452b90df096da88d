"""One mailbox's HTTP client for Microsoft Graph: every request of this package goes through here.

Adds to each request the token, ``Prefer: IdType="ImmutableId"`` and a bounded wait; takes it from the shared token
bucket and from the four slots Microsoft grants an application per mailbox; honours Retry-After (briefly by waiting
here, else by TryLater, and asks nothing before that time is over); refreshes the token once on 401; sends the token
to no host but the configured one. Never logs a body.
Source: Graph "Throttling guidance", "Outlook service limits", "JSON batching", "Obtain immutable identifiers".
"""

from __future__ import annotations

import json
import random
import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from connectors.errors import BadItem, ConnectorError, OperatorFault, TryLater
from connectors.microsoft import transport
from connectors.microsoft.failures import STALE_SEARCH, Answer, Scope, TokenRejected, claims, failure
from connectors.microsoft.identity import Identity
from connectors.protocol import Context

ENDPOINT = "https://graph.microsoft.com"
IMMUTABLE = 'IdType="ImmutableId"'
SLOTS = 4
BATCH_SIZE = 20
SLOT_SECONDS = 300.0
TRIES = 4
PATIENCE = 30.0
BACKOFF_SECONDS = 2.0
MAX_BODY = 128 * 1024 * 1024
CHUNK = 64 * 1024


class Slots:
    """How many requests to one mailbox are in flight in this process: at most ``SLOTS``."""

    def __init__(self) -> None:
        self._free = SLOTS
        self._changed = threading.Condition()

    def take(self, count: int) -> None:
        """Wait until ``count`` slots are free together and take them. Raises TryLater after five minutes."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._free >= count, timeout=SLOT_SECONDS):
                raise TryLater("This mailbox is busy with our own other requests.", code="own_concurrency")
            self._free -= count

    def give(self, count: int) -> None:
        """Give ``count`` slots back."""
        with self._changed:
            self._free += count
            self._changed.notify_all()


_slots: weakref.WeakValueDictionary[str, Slots] = weakref.WeakValueDictionary()
_slots_lock = threading.Lock()


def slots_of(mailbox: str) -> Slots:
    """The slots all clients of one mailbox share in this process."""
    with _slots_lock:
        found = _slots.get(mailbox)
        if found is None:
            found = _slots[mailbox] = Slots()
        return found


@dataclass(frozen=True, slots=True)
class Call:
    """One request: ``name`` is what usage counts it as; ``weight`` how many slots and units it takes."""

    name: str
    method: str
    url: str
    scope: Scope = Scope.ITEM
    prefer: tuple[str, ...] = ()
    json: Mapping[str, Any] | None = None
    weight: int = 1
    units: int = 1


def query(**options: str | int) -> str:
    """A query string with OData options: ``query(select="id", top=5)`` gives ``?$select=id&$top=5``. Names that are
    no OData option (startDateTime, endDateTime) stay without the dollar."""
    pairs = []
    for name, value in options.items():
        shown = name if name in ("startDateTime", "endDateTime") else f"${name}"
        pairs.append(f"{shown}={quote(str(value), safe='/,:()=;$')}")
    return "?" + "&".join(pairs) if pairs else ""


def segment(value: str) -> str:
    """One path segment: ids are opaque, so everything unsafe is escaped."""
    return quote(value, safe="=-_.~@")


class Graph:
    """Requests about one mailbox. Not thread-safe."""

    def __init__(self, context: Context, identity: Identity, *, mailbox: str, root: str) -> None:
        """``mailbox`` names the slots and the bucket (the address); ``root`` is "/me" or "/users/{address}"."""
        self._context = context
        self._identity = identity
        self._mailbox = self.mailbox = mailbox.casefold()
        self._slots = slots_of(self._mailbox)
        self._session = transport.session(context.settings.get("ca_bundle"))
        self._not_before: datetime | None = None
        endpoint = str(context.settings.get("graph_endpoint") or ENDPOINT).rstrip("/")
        self.base = f"{endpoint.removesuffix('/v1.0')}/v1.0"
        self.root = root
        self.batch_size = BATCH_SIZE
        self.facts = context.memory
        self.remember = context.remember

    def get(self, name: str, url: str, *, scope: Scope = Scope.ITEM, prefer: Sequence[str] = ()) -> dict[str, Any]:
        """The JSON object at ``url`` (a path below the mailbox's root, or an absolute link Graph gave us)."""
        return self.send(Call(name, "GET", url, scope, tuple(prefer)))

    def send(self, call: Call) -> dict[str, Any]:
        """Do one request, with bounded retries. Raises ConnectorError (see ``failures``)."""
        return dict(self._retried(call).body)

    def content(self, name: str, url: str, limit: int) -> bytes:
        """The raw bytes at ``url``, at most ``limit`` of them. Raises BadItem when there are more."""
        call = Call(name, "GET", url)
        answer = self._retried(call, raw_limit=limit)
        raw: bytes = answer.body["raw"]
        if len(raw) > limit:
            raise BadItem("The attachment is larger than is allowed here.", code="too_big")
        return raw

    def close(self) -> None:
        """Give the connections back. Never raises."""
        self._session.close()

    def trusted(self, url: str) -> str:
        """The absolute address of ``url``; an absolute link must stay on the configured host. Raises OperatorFault."""
        if url.startswith("/"):
            return f"{self.base}{self.root}{url}"
        ours, theirs = urlsplit(self.base), urlsplit(url)
        if (theirs.scheme, theirs.hostname, theirs.port or 443) != (ours.scheme, ours.hostname, ours.port or 443):
            raise OperatorFault(
                "Microsoft's answer pointed to another host; we do not send our access there.", code="foreign_link"
            )
        return url

    def judged(self, answer: Answer, scope: Scope) -> ConnectorError:
        """The error an inner answer of a batch stands for."""
        return failure(answer, scope, self._context.now())

    def wait(self, seconds: float) -> None:
        """Sleep, by the context's clock."""
        self._context.sleep(seconds)

    def hold_off(self, error: TryLater, delay: float) -> None:
        """Ask nothing of this mailbox for as long as a throttling answer said."""
        if error.throttled:
            self._not_before = self._context.now() + timedelta(seconds=error.retry_after or delay)

    def delay(self, error: TryLater, attempt: int) -> float:
        """Seconds to wait before the next attempt: what the server asked for, never less, else growing; plus jitter."""
        asked = error.retry_after
        return (asked if asked is not None else BACKOFF_SECONDS * 2**attempt) * (1 + random.random() / 10)  # noqa: S311

    def _retried(self, call: Call, raw_limit: int | None = None) -> Answer:
        self._held_off()
        url = self.trusted(call.url)
        rejected = ""
        for attempt in range(TRIES):
            token = self._identity.token(rejected)
            answer = self._once(call, url, token, raw_limit)
            if answer.status < 300:
                return answer
            error = failure(answer, call.scope, self._context.now())
            if isinstance(error, TokenRejected) and not rejected:
                rejected = token
                continue
            self._pause_or_raise(error, answer, attempt)
        raise AssertionError("the last attempt raises")

    def _pause_or_raise(self, error: ConnectorError, answer: Answer, attempt: int) -> None:
        if error.code == "claims_challenge":
            self._context.remember("microsoft_claims", claims(answer.headers))
        if not isinstance(error, TryLater):
            raise error
        delay = self.delay(error, attempt)
        if attempt + 1 >= TRIES or delay > PATIENCE:
            self.hold_off(error, delay)
            raise error
        self._context.sleep(0.0 if error.code == STALE_SEARCH else delay)

    def _held_off(self) -> None:
        """Ask nothing while the server's last word was to wait."""
        if self._not_before is None:
            return
        left = (self._not_before - self._context.now()).total_seconds()
        if left > 0:
            raise TryLater("Microsoft asked us to slow down.", retry_after=left, throttled=True, code="holding_off")
        self._not_before = None

    def _once(self, call: Call, url: str, token: str, raw_limit: int | None) -> Answer:
        self._context.acquire(f"microsoft:mailbox:{self._mailbox}", call.units)
        self._slots.take(call.weight)
        try:
            self._context.usage.count(call.name, call.units)
            return self._exchange(call, url, token, raw_limit)
        except requests.RequestException as error:
            if transport.distrusted(error):
                raise OperatorFault(
                    "The certificate of Microsoft Graph could not be checked: see CRM_SYNC_CA_BUNDLE.", code="tls"
                ) from error
            return Answer(599, {}, {"error": {"code": type(error).__name__}})
        finally:
            self._slots.give(call.weight)

    def _exchange(self, call: Call, url: str, token: str, raw_limit: int | None) -> Answer:
        headers = {"Accept": "application/json", "Prefer": ", ".join((IMMUTABLE, *call.prefer))}
        auth = transport.Bearer(token)
        with self._session.request(
            call.method, url, headers=headers, auth=auth, json=call.json, stream=True
        ) as response:
            wanted = raw_limit if raw_limit is not None and response.status_code < 300 else None
            raw = self._read(response, MAX_BODY if wanted is None else wanted)
            names = {name.casefold(): value for name, value in response.headers.items()}
            body = {"raw": raw} if wanted is not None else _parsed(raw)
        if body is None:
            return Answer(599 if response.status_code < 300 else response.status_code, names)
        return Answer(response.status_code, names, body)

    def _read(self, response: requests.Response, limit: int) -> bytes:
        pieces, size = [], 0
        for piece in response.iter_content(CHUNK):
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                break
        self._context.usage.bytes_in += size
        return b"".join(pieces)


def _parsed(raw: bytes) -> dict[str, Any] | None:
    """The JSON object in ``raw``; {} for no content, None for what is no JSON object (a cut answer)."""
    if not raw.strip():
        return {}
    try:
        body = json.loads(raw)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
