"""Subscriptions of the model: validated at creation, called back on changes, lifecycle notices on order."""

from __future__ import annotations

import json
import re
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from tests.emulators.microsoft.answers import Refusal, Reply, Request
from tests.emulators.microsoft.mailbox import stamp

MAX_MINUTES = {"mail": 4230, "calendar": 4230}
TENANT = "11111111-2222-3333-4444-555555555555"


@dataclass
class Subscription:
    """One subscription and whose mailbox it watches."""

    user: str
    body: dict[str, Any]


@dataclass
class Notices:
    """All subscriptions of a tenant. Notices wait in ``pending`` until ``deliver``."""

    now: Callable[[], datetime]
    held: dict[str, Subscription] = field(default_factory=dict)
    pending: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    delivered: list[tuple[str, int]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    cap_minutes: int = 4230

    def answer(self, request: Request, user: str, base: str) -> Reply | None:
        """The answer to a request on ``/subscriptions``, or None for another path."""
        found = re.match(r"^/subscriptions(?:/([^/]+))?(/reauthorize)?$", request.path)
        if not found:
            return None
        key, again = found.group(1), found.group(2)
        if key is None:
            if request.method == "POST":
                return self._create(request, user)
            return Reply(body={"value": [self._shown(s) for s in self.held.values() if s.user == user]})
        if key not in self.held:
            raise Refusal(404, "ResourceNotFound", "The object was not found.")
        if again:
            return Reply(200)
        if request.method == "DELETE":
            del self.held[key]
            return Reply(204)
        if request.method == "PATCH":
            self.held[key].body["expirationDateTime"] = self._until(request.body)
        return Reply(body=self._shown(self.held[key]))

    def _shown(self, subscription: Subscription) -> dict[str, Any]:
        return {k: v for k, v in subscription.body.items() if not k.startswith("_")}

    def _create(self, request: Request, user: str) -> Reply:
        for name in ("changeType", "notificationUrl", "resource", "expirationDateTime"):
            if not request.body.get(name):
                raise Refusal(400, "InvalidRequest", f"{name} is required.")
        for name in ("notificationUrl", "lifecycleNotificationUrl"):
            if url := request.body.get(name):
                self._validate(str(url))
        key = str(uuid.uuid4())
        body = {
            **request.body,
            "id": key,
            "applicationId": "24d3b144-21ae-4080-943f-7067b395b913",
            "creatorId": "8ee44408-0679-472c-bc2a-692812af3437",
            "expirationDateTime": self._until(request.body),
            "latestSupportedTlsVersion": "v1_2",
            "_immutable": request.immutable,
        }
        self.held[key] = Subscription(user, body)
        return Reply(201, {k: v for k, v in body.items() if k not in ("_immutable", "clientState")})

    def _until(self, body: dict[str, Any]) -> str:
        try:
            wanted = datetime.fromisoformat(str(body.get("expirationDateTime")))
        except ValueError as error:
            raise Refusal(400, "InvalidRequest", "expirationDateTime") from error
        if wanted <= self.now():
            raise Refusal(400, "InvalidRequest", "Subscription expiration must be in the future.")
        return stamp(min(wanted, self.now() + timedelta(minutes=self.cap_minutes)))

    def _validate(self, url: str) -> None:
        token = f"Validation: {uuid.uuid4()} ä+ok"
        try:
            with _post(f"{url}?validationToken={quote(token)}", b"", "text/plain") as answer:
                fine = answer.status == 200 and answer.read(4096).decode("utf-8", "replace") == token
        except (OSError, ValueError):
            fine = False
        if not fine:
            raise Refusal(400, "ValidationError", "Subscription validation request failed.")

    def note(self, user: str, resource: str, change: str) -> None:
        """A resource of a mailbox changed: queue a notice for every subscription that wants to know."""
        kind = resource.split("/")[0]
        with self.lock:
            for key, one in self.held.items():
                watched = str(one.body["resource"]).casefold()
                if one.user == user and kind in watched and change in str(one.body["changeType"]):
                    self.pending.append((str(one.body["notificationUrl"]), self._notice(key, one, resource, change)))

    def _notice(self, key: str, one: Subscription, resource: str, change: str) -> dict[str, Any]:
        return {
            "subscriptionId": key,
            "subscriptionExpirationDateTime": one.body["expirationDateTime"],
            "changeType": change,
            "resource": f"Users/{one.user}/{resource}",
            "clientState": one.body.get("clientState"),
            "tenantId": TENANT,
            "resourceData": {
                "@odata.type": "#Microsoft.Graph.Message",
                "@odata.id": f"Users/{one.user}/{resource}",
                "id": resource.split("/")[-1],
            },
        }

    def lifecycle(self, key: str, happened: str) -> None:
        """Queue a lifecycle notice: reauthorizationRequired, subscriptionRemoved, missed or anything else."""
        one = self.held[key]
        notice = {
            "subscriptionId": key,
            "subscriptionExpirationDateTime": one.body["expirationDateTime"],
            "lifecycleEvent": happened,
            "clientState": one.body.get("clientState"),
            "tenantId": TENANT,
        }
        if happened == "subscriptionRemoved":
            del self.held[key]
        url = one.body.get("lifecycleNotificationUrl")
        if url:
            self.pending.append((str(url), notice))

    def deliver(self, times: int = 1) -> list[int]:
        """Send what waits, each notice ``times`` times; returns the statuses."""
        with self.lock:
            waiting, self.pending = self.pending, []
        statuses = []
        for url, notice in waiting:
            for _ in range(times):
                try:
                    with _post(url, json.dumps({"value": [notice]}).encode(), "application/json") as answer:
                        statuses.append(answer.status)
                except urllib.error.HTTPError as error:
                    statuses.append(error.code)
                except OSError:
                    statuses.append(0)
        return statuses


def _post(url: str, data: bytes, content_type: str) -> Any:
    request = urllib.request.Request(url, data=data, headers={"Content-Type": content_type}, method="POST")
    return urllib.request.urlopen(request, timeout=10)
