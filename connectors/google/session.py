"""The credentials of one Google account: keep an access token fresh, store a rotated refresh token before using it.

Takes google-auth's "authorized user" JSON, or a service account with the person it acts for (domain-wide delegation).
The refresh is one plain POST (RFC 6749 section 6; RFC 7523 for service accounts): google-auth's own would sleep and
retry inside, read its own clock and ignore ``token_uri``. Signing stays with google-auth. Never logs a token.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from google.auth import crypt, jwt

from connectors.errors import NeedsPerson, OperatorFault, TryLater
from connectors.google import endpoints, failures
from connectors.google.http import Transport
from connectors.protocol import Context

GMAIL_SCOPE = "https://www.googleapis.com/auth/gmail.readonly"
CALENDAR_SCOPE = "https://www.googleapis.com/auth/calendar.readonly"
SCOPES = (GMAIL_SCOPE, CALENDAR_SCOPE)

EARLY = timedelta(minutes=5)
"""A token is renewed so long before it ends, so that a token endpoint that is down for a moment harms nothing."""


class Session:
    """Access tokens for one account. Raises NeedsPerson, OperatorFault or TryLater per providers.md 3.4."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._plain = Transport(context.settings)
        self._secret = read_secret(context.secret())
        self.marks: set[str] = set()

    @property
    def scopes(self) -> frozenset[str] | None:
        """What was consented to, or None where the credentials do not say."""
        found = self._secret.get("scopes") or self._secret.get("scope")
        if isinstance(found, str):
            found = found.split()
        return frozenset(map(str, found)) if found else None

    @property
    def subject(self) -> str:
        """The person a service account acts for; "" for a person's own credentials."""
        if self._secret.get("type") != "service_account":
            return ""
        config = self._context.config
        return str(self._secret.get("subject") or config.get("subject") or config.get("address") or "")

    def mark(self) -> str:
        """A name for the present refresh token that gives nothing of it away; "" for a service account."""
        refresh = str(self._secret.get("refresh_token") or "")
        return hashlib.sha256(refresh.encode()).hexdigest()[:16] if refresh else ""

    def token(self, force: bool = False) -> str:
        """An access token; a new one when ``force`` or when the present one is about to end.

        While the present one lives, a token endpoint that fails for a moment is no error."""
        present, ends = str(self._secret.get("token") or self._secret.get("access_token") or ""), self._ends()
        now = self._context.now()
        if present and not force and (ends is None or now < ends - EARLY):
            return present
        try:
            return self._refresh(present)
        except TryLater:
            if present and not force and ends is not None and now < ends:
                return present
            raise

    def _ends(self) -> datetime | None:
        text = str(self._secret.get("expiry") or "")
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            return None
        return found if found.tzinfo else found.replace(tzinfo=UTC)

    def _refresh(self, stale: str) -> str:
        form = self._assertion() if self._secret.get("type") == "service_account" else self._refresh_form()
        self._context.usage.count("oauth.token")
        answer = post_form(self._plain, endpoints.token_url(self._context.settings), form)
        fresh = merge(self._secret, answer, self._context.now())
        if fresh.get("refresh_token") == self._secret.get("refresh_token"):
            self._secret = fresh  # an access token alone is worth no write; it lives in this session
            return str(fresh["token"])
        return self._keep(fresh, stale)

    def _keep(self, fresh: dict[str, Any], stale: str) -> str:
        """Store a rotated refresh token before use; where another process was first, take what it stored."""
        self.marks.add(self.mark())
        if not self._context.save_secret(json.dumps(fresh)):
            self.marks.clear()
            fresh = read_secret(self._context.secret())
        self._secret = fresh
        token = str(fresh.get("token") or fresh.get("access_token") or "")
        if not token or token == stale:
            raise TryLater("Google's credentials were renewed elsewhere at the same moment.", retry_after=5.0)
        return token

    def _refresh_form(self) -> dict[str, str]:
        settings = self._context.settings
        refresh = str(self._secret.get("refresh_token") or "")
        if not refresh:
            raise NeedsPerson("Google's consent has ended: connect the account again.", code="no_refresh_token")
        client_id = str(self._secret.get("client_id") or settings.get("google_client_id") or "")
        if not client_id:
            raise OperatorFault("No Google OAuth client is set: set CRM_SYNC_GOOGLE_CLIENT_ID.", code="no_client")
        secret = str(self._secret.get("client_secret") or settings.get("google_client_secret") or "")
        form = {"grant_type": "refresh_token", "refresh_token": refresh, "client_id": client_id}
        return form | ({"client_secret": secret} if secret else {})

    def _assertion(self) -> dict[str, str]:
        if not self.subject:
            raise OperatorFault("A Google service account needs the address it acts for.", code="no_subject")
        now = int(self._context.now().timestamp())
        claims = {
            "iss": self._secret["client_email"],
            "sub": self.subject,
            "scope": " ".join(sorted(self.scopes or SCOPES)),
            "aud": endpoints.token_url(self._context.settings),
            "iat": now,
            "exp": now + 3600,
        }
        try:
            signing: Any = crypt.RSASigner
            encode: Any = jwt.encode
            signed: bytes = encode(signing.from_service_account_info(self._secret), claims)
        except (ValueError, KeyError) as error:
            raise OperatorFault("The Google service account file has no usable key.", code="bad_key") from error
        return {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": signed.decode()}

    def close(self) -> None:
        """Give the connection to the token endpoint back."""
        self._plain.close()


def read_secret(text: str) -> dict[str, Any]:
    """The stored credentials. Raises OperatorFault when they are not a JSON object of a known form."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise OperatorFault("The stored Google credentials cannot be read: connect the account again.", code="secret")
    inner = found.get("service_account")
    return {**inner, **{k: v for k, v in found.items() if k != "service_account"}} if isinstance(inner, dict) else found


def post_form(http: Transport, url: str, form: dict[str, str]) -> dict[str, Any]:
    """POST to a token endpoint and return its JSON object. Raises per providers.md 3.4."""
    body = urlencode(form)
    status, content = http.request(
        url, method="POST", body=body, headers={"content-type": "application/x-www-form-urlencoded"}
    )
    answer = failures.json_object(content)
    if status.status != 200 or "error" in answer:
        raise failures.oauth(status.status, answer)
    if not answer.get("access_token"):
        raise TryLater("Google's token endpoint gave no token.", code="token_shape")
    return answer


def merge(secret: dict[str, Any], answer: dict[str, Any], now: datetime) -> dict[str, Any]:
    """The credentials after a token answer: its token, end, scopes, and refresh token where a new one was given."""
    seconds: Any = answer.get("expires_in")
    fresh = {**secret, "token": str(answer["access_token"])}
    fresh.pop("access_token", None)
    try:
        lasts = float(seconds)
    except (TypeError, ValueError):
        lasts = 3600.0
    fresh["expiry"] = (now + timedelta(seconds=lasts)).astimezone(UTC).isoformat()
    if answer.get("refresh_token"):
        fresh["refresh_token"] = str(answer["refresh_token"])
    if answer.get("scope"):
        fresh["scopes"] = str(answer["scope"]).split()
    return fresh


__all__ = ["CALENDAR_SCOPE", "GMAIL_SCOPE", "SCOPES", "Session", "merge", "post_form", "read_secret"]
