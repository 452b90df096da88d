"""Microsoft's identity platform as far as msal and a browser see it: discovery, authorize page, tokens, device code,
admin consent. Refresh tokens rotate; access tokens expire by the model's clock; documented errors can be ordered."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from tests.emulators.microsoft.answers import Reply, Request

ERRORS = {
    "bad_secret": ("invalid_client", "", 7000215, 401),
    "expired_secret": ("invalid_client", "", 7000222, 401),
    "unknown_app": ("unauthorized_client", "", 700016, 400),
    "password_changed": ("invalid_grant", "bad_token", 50173, 400),
    "inactive": ("invalid_grant", "token_expired", 700082, 400),
    "disabled": ("invalid_grant", "", 50057, 400),
    "invalid_grant": ("invalid_grant", "", 70000, 400),
    "mfa": ("interaction_required", "basic_action", 50076, 400),
    "consent": ("invalid_grant", "consent_required", 65001, 400),
    "conditional_access": ("interaction_required", "message_only", 53003, 400),
    "unavailable": ("temporarily_unavailable", "", 90033, 503),
}


@dataclass
class Token:
    """An access or refresh token: whose it is ("" for an application) and until when."""

    user: str
    expires: datetime


@dataclass
class Identity:
    """The identity platform of one tenant."""

    now: Callable[[], datetime]
    client_id: str = "model-client"
    client_secret: str = "model-secret"
    lifetime: int = 3600
    refresh_days: int = 90
    revoke_old: bool = False
    access: dict[str, Token] = field(default_factory=dict)
    refresh: dict[str, Token] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    devices: dict[str, dict[str, Any]] = field(default_factory=dict)
    users: list[str] = field(default_factory=list)
    ordered: list[str] = field(default_factory=list)
    token_requests: int = 0
    instance_discoveries: int = 0

    def issue(self, user: str, lifetime: int | None = None) -> str:
        """A new access token."""
        token = "at." + secrets.token_urlsafe(32)
        self.access[token] = Token(user, self.now() + timedelta(seconds=lifetime or self.lifetime))
        return token

    def issue_refresh(self, user: str) -> str:
        """A new refresh token."""
        token = "rt." + secrets.token_urlsafe(32)
        self.refresh[token] = Token(user, self.now() + timedelta(days=self.refresh_days))
        return token

    def revoke(self, user: str = "") -> None:
        """Forget all access tokens, of one user or of all."""
        self.access = {key: one for key, one in self.access.items() if user and one.user != user}

    def who(self, authorization: str) -> str | None:
        """The user of a bearer token: an address, "" for an application, None when it is not valid."""
        token = self.access.get(authorization.removeprefix("Bearer "))
        return token.user if token is not None and token.expires > self.now() else None

    def answer(self, request: Request, origin: str) -> Reply | None:
        """The answer to a request below the authority, or None for another path."""
        if "/discovery/instance" in request.path:
            self.instance_discoveries += 1
            return Reply(400, {"error": "invalid_instance"})
        for pattern, handler in (
            (r"^/(?P<tenant>[^/]+)/v2\.0/\.well-known/openid-configuration$", self._configuration),
            (r"^/(?P<tenant>[^/]+)/discovery/v2\.0/keys$", self._keys),
            (r"^/(?P<tenant>[^/]+)/oauth2/v2\.0/authorize$", self._authorize),
            (r"^/(?P<tenant>[^/]+)/oauth2/v2\.0/token$", self._token),
            (r"^/(?P<tenant>[^/]+)/oauth2/v2\.0/devicecode$", self._device_code),
            (r"^/(?P<tenant>[^/]+)/(?:v2\.0/)?adminconsent$", self._admin_consent),
        ):
            if found := re.match(pattern, request.path):
                return handler(request, origin, found.group("tenant"))
        return None

    def _configuration(self, request: Request, origin: str, tenant: str) -> Reply:
        base = f"{origin}/{tenant}"
        return Reply(
            body={
                "issuer": f"{base}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
                "jwks_uri": f"{base}/discovery/v2.0/keys",
                "response_types_supported": ["code"],
                "scopes_supported": ["openid", "profile", "email", "offline_access"],
            }
        )

    def _keys(self, request: Request, origin: str, tenant: str) -> Reply:
        return Reply(body={"keys": []})

    # browser

    def _authorize(self, request: Request, origin: str, tenant: str) -> Reply:
        asked = {**request.query, **{k: str(v) for k, v in request.body.items()}}
        if asked.get("client_id") != self.client_id:
            return _page("<p id=error>AADSTS700016: application not found</p>", 400)
        if request.method == "GET" and "login_hint" not in asked.get("auto", ""):
            return _page(_form(asked, self.users))
        return self._redirect(asked)

    def _redirect(self, asked: dict[str, str]) -> Reply:
        state = {"state": asked["state"]} if asked.get("state") else {}
        if asked.get("answer") == "deny":
            back = {"error": "access_denied", "error_description": "AADSTS65004: the user declined", **state}
        else:
            code = "code." + secrets.token_urlsafe(16)
            self.codes[code] = {
                name: asked.get(name, "")
                for name in ("redirect_uri", "code_challenge", "code_challenge_method", "nonce", "scope")
            } | {"user": asked.get("user") or asked.get("login_hint") or (self.users or [""])[0]}
            back = {"code": code, "session_state": "s", **state}
        return Reply(302, headers={"Location": f"{asked['redirect_uri']}?{urlencode(back)}"})

    def _admin_consent(self, request: Request, origin: str, tenant: str) -> Reply:
        asked = request.query
        back = {"admin_consent": "True", "tenant": tenant, "state": asked.get("state", "")}
        return Reply(302, headers={"Location": f"{asked['redirect_uri']}?{urlencode(back)}"})

    def _device_code(self, request: Request, origin: str, tenant: str) -> Reply:
        code = secrets.token_urlsafe(16)
        self.devices[code] = {"user": "", "state": "authorization_pending"}
        return Reply(
            body={
                "device_code": code,
                "user_code": code[:8].upper(),
                "verification_uri": f"{origin}/devicelogin",
                "expires_in": 900,
                "interval": 5,
                "message": f"Enter {code[:8].upper()}",
            }
        )

    def approve_device(self, user: str) -> None:
        """The person has entered every code shown so far."""
        for device in self.devices.values():
            device.update(user=user, state="approved")

    # tokens

    def _token(self, request: Request, origin: str, tenant: str) -> Reply:
        self.token_requests += 1
        asked = {k: str(v) for k, v in request.body.items()}
        if self.ordered:
            return refused(*ERRORS[self.ordered.pop(0)])
        if asked.get("client_id") != self.client_id:
            return refused(*ERRORS["unknown_app"])
        if "client_secret" in asked and asked["client_secret"] != self.client_secret:
            return refused(*ERRORS["bad_secret"])
        grants: dict[str, Callable[[dict[str, str]], Reply]] = {
            "refresh_token": self._refreshed,
            "authorization_code": self._exchanged,
            "client_credentials": self._application,
            "urn:ietf:params:oauth:grant-type:device_code": self._device,
        }
        handler = grants.get(asked.get("grant_type", ""))
        reply = handler(asked) if handler else refused("unsupported_grant_type", "", 70003, 400)
        if reply.status == 200 and asked.get("client_info"):
            info = json.dumps({"uid": str(reply.body.get("oid", "u")), "utid": tenant}).encode()
            reply.body["client_info"] = base64.urlsafe_b64encode(info).decode().rstrip("=")
        return reply

    def _refreshed(self, asked: dict[str, str]) -> Reply:
        held = self.refresh.get(asked.get("refresh_token", ""))
        if held is None or held.expires <= self.now():
            return refused(*ERRORS["invalid_grant"])
        if self.revoke_old:
            del self.refresh[asked["refresh_token"]]
        return self._granted(held.user, asked)

    def _exchanged(self, asked: dict[str, str]) -> Reply:
        held = self.codes.pop(asked.get("code", ""), None)
        if held is None or held["redirect_uri"] != asked.get("redirect_uri"):
            return refused("invalid_grant", "", 70008, 400)
        if held["code_challenge"]:
            digest = hashlib.sha256(asked.get("code_verifier", "").encode()).digest()
            if base64.urlsafe_b64encode(digest).decode().rstrip("=") != held["code_challenge"]:
                return refused("invalid_grant", "", 501481, 400)
        return self._granted(held["user"], asked, held["nonce"])

    def _application(self, asked: dict[str, str]) -> Reply:
        if "client_secret" not in asked:
            return refused(*ERRORS["bad_secret"])
        body = {"token_type": "Bearer", "expires_in": self.lifetime, "access_token": self.issue("")}
        return Reply(body=body)

    def _device(self, asked: dict[str, str]) -> Reply:
        device = self.devices.get(asked.get("device_code", ""))
        if device is None:
            return refused("expired_token", "", 70019, 400)
        return self._granted(device["user"], asked) if device["state"] == "approved" else refused(
            device["state"], "", 70016, 400)  # fmt: skip

    def _granted(self, user: str, asked: dict[str, str], nonce: str = "") -> Reply:
        body: dict[str, Any] = {
            "token_type": "Bearer",
            "scope": asked.get("scope", ""),
            "expires_in": self.lifetime,
            "ext_expires_in": self.lifetime,
            "access_token": self.issue(user),
            "refresh_token": self.issue_refresh(user),
        }
        if "openid" in asked.get("scope", "") or nonce:
            body["id_token"] = self._id_token(user, nonce)
        return Reply(body=body)

    def _id_token(self, user: str, nonce: str) -> str:
        now = datetime.now().timestamp()
        claims = {"aud": self.client_id, "iss": "https://model/v2.0", "iat": int(now), "exp": int(now) + 3600,
                  "nbf": int(now), "sub": user, "oid": user, "preferred_username": user, "tid": "t"}  # fmt: skip
        if nonce:
            claims["nonce"] = nonce
        parts = [json.dumps({"alg": "none", "typ": "JWT"}).encode(), json.dumps(claims).encode(), b"s"]
        return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def refused(code: str, suberror: str, number: int, status: int) -> Reply:
    """A token error as Microsoft writes it."""
    body: dict[str, Any] = {
        "error": code,
        "error_description": f"AADSTS{number}: refused by the model.",
        "error_codes": [number],
        "timestamp": "2026-01-01 00:00:00Z",
        "trace_id": "t",
        "correlation_id": "c",
    }
    if suberror:
        body["suberror"] = suberror
    return Reply(status, body)


def _page(body: str, status: int = 200) -> Reply:
    text = f"<!doctype html><html lang=en><title>Sign in (model)</title><body><main>{body}</main></body></html>"
    return Reply(status, raw=text.encode(), content_type="text/html; charset=utf-8")


def _form(asked: dict[str, str], users: list[str]) -> str:
    hidden = "".join(
        f'<input type=hidden name="{html.escape(k)}" value="{html.escape(v)}">' for k, v in asked.items()
    )
    choices = "".join(f"<option>{html.escape(user)}</option>" for user in users)
    return (
        f"<h1>Sign in</h1><form method=post>{hidden}<label>Account <select name=user>{choices}</select></label>"
        f"<p>Scopes: {html.escape(asked.get('scope', ''))}</p>"
        "<button name=answer value=accept>Accept</button> <button name=answer value=deny>Cancel</button></form>"
    )
