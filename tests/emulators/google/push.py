"""What Google would push: Pub/Sub envelopes with a signed OIDC token for Gmail, bare headers for calendar channels.

Nothing goes out by itself: the control endpoint flushes what is queued, so that a test decides what is late, doubled,
out of order or lost.
"""

from __future__ import annotations

import base64
import functools
import json
from typing import Any

import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import crypt, jwt

from tests.emulators.google.world import World

KEY_ID = "model-key"
SENDER = "push@model.iam.gserviceaccount.com"


@functools.cache
def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificates() -> dict[str, str]:
    """Public keys by id, as at googleapis.com/oauth2/v1/certs."""
    public = (
        _key().public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return {KEY_ID: public.decode()}


def token(world: World, audience: str, **claims: Any) -> str:
    """The OIDC token of a push request, signed with the model's key; ``claims`` bend it."""
    private = _key().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    signer = crypt.RSASigner.from_string(private.decode(), KEY_ID)
    now = int(world.clock())
    given = {"iss": "https://accounts.google.com", "aud": audience, "sub": "1", "email": SENDER,
             "email_verified": True, "iat": now, "exp": now + 3600, **claims}  # fmt: skip
    return jwt.encode(signer, given).decode()


def envelope(address: str, history_id: int, number: int = 1) -> dict[str, Any]:
    """The body of a Pub/Sub push about a mailbox."""
    data = base64.b64encode(json.dumps({"emailAddress": address, "historyId": history_id}).encode()).decode()
    message = {"data": data, "messageId": str(number), "publishTime": "2026-01-01T08:00:00Z"}
    return {"message": message, "subscription": "projects/model/subscriptions/gmail"}


def flush(world: World, *, audience: str, times: int = 1, reverse: bool = False, drop: bool = False) -> list[int]:
    """Send what is queued to the addresses that asked for it. Returns the status of each request."""
    with world.lock:
        queued, world.notifications = world.notifications, []
        channels = {key: dict(channel) for key, channel in world.channels.items()}
    if drop:
        return []
    ordered = list(reversed(queued)) if reverse else queued
    statuses = []
    for number, one in enumerate(ordered, 1):
        for _ in range(times):
            statuses.append(_send(world, one, channels, audience, number))
    return statuses


def _send(world: World, one: dict[str, Any], channels: dict[str, dict[str, Any]], audience: str, number: int) -> int:
    if "mail" in one:
        headers = {"Authorization": f"Bearer {token(world, audience)}"}
        body = envelope(one["mail"], one["historyId"], number)
        return requests.post(world.push_url, json=body, headers=headers, timeout=10).status_code
    channel = channels[one["channel"]]
    headers = channel_headers(channel, one.get("state", "exists"), number)
    return requests.post(channel["address"], data=b"", headers=headers, timeout=10).status_code


def channel_headers(channel: dict[str, Any], state: str, number: int) -> dict[str, str]:
    return {
        "X-Goog-Channel-ID": channel["id"], "X-Goog-Channel-Token": channel["token"],
        "X-Goog-Message-Number": str(number), "X-Goog-Resource-ID": channel["resourceId"],
        "X-Goog-Resource-State": state, "X-Goog-Resource-URI": channel["resourceUri"],
    }  # fmt: skip
