"""Access tokens for Microsoft Graph through msal, and where the rotated refresh token goes.

The secret of an account is JSON: ``{"refresh_token": ...}`` as first handed in (or an msal cache blob), from then on
``{"refresh_token", "access_token", "use_until"}``. A rotated refresh token is saved *before* the new access token
is used, by compare-and-swap: the loser of a race re-reads what the winner saved. Never logs either, never asks an
authority that is not Microsoft's for instance discovery, and branches on ``error`` and ``suberror`` only.
Source: "Microsoft identity platform refresh tokens", "Handling errors in MSAL Python"; providers.md 3.4 and 6.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import msal
import requests

from connectors.errors import ConnectorError, NeedsPerson, OperatorFault, TryLater
from connectors.microsoft import transport
from connectors.protocol import Context

AUTHORITY = "https://login.microsoftonline.com"
RESOURCE = "https://graph.microsoft.com"
MICROSOFT_AUTHORITIES = frozenset(
    ("login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn", "login.microsoft.com")
)
NATIONAL_GRAPHS = frozenset(
    ("graph.microsoft.com", "graph.microsoft.us", "dod-graph.microsoft.us", "microsoftgraph.chinacloudapi.cn")
)
GENERAL_TENANTS = frozenset(("common", "organizations", "consumers"))
_TENANT = re.compile(r"^(?:common|organizations|consumers|[0-9a-fA-F-]{36}|[\w-]+(?:\.[\w-]+)+)$")
"""What looks like a tenant: a general one, a GUID, a domain."""

SKEW_SECONDS = 300
LIFETIME_SECONDS = 3600
RACES = 3

PERSON_ERRORS = frozenset(
    ["invalid_grant", "interaction_required", "consent_required", "login_required", "access_denied"]
)
TRANSIENT_ERRORS = frozenset(
    [
        "temporarily_unavailable",
        "server_error",
        "service_unavailable",
        "service_not_available",
        "timeout_error",
        "slow_down",
    ]
)
PERSON_SENTENCES: Mapping[str, str] = {
    "access_denied": "You did not agree at Microsoft: start again and accept the permissions.",
    "consent_required": "Microsoft asks for consent again: reconnect this account and agree to the permissions.",
    "basic_action": "Microsoft asks for a further step at sign-in: reconnect this account.",
    "additional_action": "Microsoft asks for a step outside sign-in (a device policy): ask your administrator, then "
    "reconnect this account.",
    "message_only": "Your organisation's access policy blocks this sign-in: ask your administrator.",
    "user_password_expired": "The password of this account has expired: change it, then reconnect this account.",
    "bad_token": "Microsoft no longer accepts our sign-in of this account: reconnect it.",
    "token_expired": "The sign-in of this account was not used for too long: reconnect it.",
    "client_mismatch": "This sign-in belongs to another application: reconnect this account.",
    "protection_policy_required": "A device protection policy blocks this sign-in: ask your administrator.",
}


def authority(settings: Mapping[str, Any]) -> str:
    """The authority URL with its tenant: the configured base (or Microsoft's) plus the configured tenant ("common"
    where none is). A base that names a tenant already is taken as it is, unless a special one is configured."""
    base = str(settings.get("microsoft_authority") or AUTHORITY).rstrip("/")
    tenant = str(settings.get("microsoft_tenant") or "common").strip("/")
    last = urlsplit(base).path.strip("/").rpartition("/")[2]
    if last == tenant or (tenant in GENERAL_TENANTS and _TENANT.match(last)):
        return base
    return f"{base.removesuffix(last)}{tenant}" if last in GENERAL_TENANTS else f"{base}/{tenant}"


def resource(settings: Mapping[str, Any]) -> str:
    """The resource tokens are asked for: a national cloud's Graph where that is configured, else Microsoft's."""
    endpoint = urlsplit(str(settings.get("graph_endpoint") or RESOURCE))
    return f"https://{endpoint.hostname}" if endpoint.hostname in NATIONAL_GRAPHS else RESOURCE


def application(settings: Mapping[str, Any]) -> Any:
    """A fresh msal application (msal keeps 400 answers for 60 s in an application's own HTTP cache, so one is never
    used twice). Raises OperatorFault or TryLater."""
    client_id = settings.get("microsoft_client_id")
    if not client_id:
        raise OperatorFault("No Microsoft application is set up: set CRM_SYNC_MICROSOFT_CLIENT_ID.", code="no_client")
    url = authority(settings)
    options: dict[str, Any] = {
        "authority": url,
        "http_client": transport.sign_in_session(settings.get("ca_bundle")),
        "http_cache": {},
    }
    if urlsplit(url).hostname not in MICROSOFT_AUTHORITIES:
        options["instance_discovery"] = False
    secret = settings.get("microsoft_client_secret")
    with talking():
        try:
            if secret:
                return msal.ConfidentialClientApplication(client_id, client_credential=secret, **options)
            return msal.PublicClientApplication(client_id, **options)
        except ValueError as error:
            raise OperatorFault(
                "Microsoft's sign-in service does not know this authority or tenant: check "
                "CRM_SYNC_MICROSOFT_AUTHORITY and CRM_SYNC_MICROSOFT_TENANT.",
                code="bad_authority",
            ) from error


@contextmanager
def talking() -> Iterator[None]:
    """Turns transport failures and 5xx of the sign-in service into OperatorFault (our trust in it) and TryLater."""
    try:
        yield
    except (requests.RequestException, msal.exceptions.MsalServiceError) as error:
        if transport.distrusted(error):
            raise OperatorFault(
                "The certificate of Microsoft's sign-in service could not be checked: see CRM_SYNC_CA_BUNDLE.",
                code="tls",
            ) from error
        raise TryLater("Microsoft's sign-in service cannot be reached.", code="identity_unreachable") from error


def judge(result: Mapping[str, Any]) -> ConnectorError:
    """The error a refused token request stands for, by ``error`` and ``suberror`` alone (providers.md 3.4)."""
    error = str(result.get("error") or "server_error").casefold()
    suberror = str(result.get("suberror") or "").casefold()
    if error in TRANSIENT_ERRORS:
        return TryLater("Microsoft's sign-in service is unavailable for the moment.", code=error)
    if error in PERSON_ERRORS:
        sentence = PERSON_SENTENCES.get(suberror) or PERSON_SENTENCES.get(error)
        return NeedsPerson(
            sentence or "Microsoft no longer accepts our sign-in of this account: reconnect it.",
            code=suberror or error,
        )
    return OperatorFault(
        "Microsoft does not accept this service's own application settings (client id, secret or tenant; a client "
        "secret may have expired): renew them in Entra and in CRM_SYNC_MICROSOFT_CLIENT_SECRET.",
        code=error,
    )


def read_secret(text: str) -> dict[str, Any]:
    """The secret as a dict: ours, the headless ``{"refresh_token"}``, or an msal cache blob. Raises NeedsPerson when
    it is not JSON."""
    try:
        data = json.loads(text or "{}")
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise NeedsPerson("The stored sign-in of this account cannot be read: reconnect it.", code="bad_secret")
    blob = data.get("cache", data)
    blob = json.loads(blob) if isinstance(blob, str) else blob
    entries = blob.get("RefreshToken") if isinstance(blob, dict) else None
    if isinstance(entries, dict) and entries:
        return {"refresh_token": next(iter(entries.values())).get("secret", "")}
    return data


def granted(result: Mapping[str, Any], now: datetime, refresh_token: str = "") -> dict[str, Any]:
    """The secret to store for a token answer; ``refresh_token`` is the one to keep where the answer has none. An
    access token is given up five minutes before its end, or after three quarters of a life shorter than that."""
    lifetime = float(result.get("expires_in") or LIFETIME_SECONDS)
    return {
        "refresh_token": result.get("refresh_token") or refresh_token,
        "access_token": result["access_token"],
        "use_until": int(now.timestamp() + lifetime - min(SKEW_SECONDS, lifetime / 4)),
    }


class Identity:
    """The access token of one connected account. Not thread-safe."""

    def __init__(self, context: Context, *, app_only: bool) -> None:
        self._context = context
        self._app_only = app_only
        self._scopes = [f"{resource(context.settings)}/.default"]
        self._held: dict[str, Any] | None = None

    def token(self, rejected: str = "") -> str:
        """A valid access token; one other than ``rejected``, by a forced refresh where needed. Raises NeedsPerson,
        OperatorFault, TryLater."""
        if rejected:
            self._held = None
        for _ in range(RACES):
            held = self._held or read_secret(self._context.secret())
            access = str(held.get("access_token") or "")
            if access and access != rejected and float(held.get("use_until") or 0) > self._context.now().timestamp():
                return access
            fresh = self._renew(held)
            if fresh is not None and self._context.save_secret(json.dumps(fresh)):
                self._held = fresh
                return str(fresh["access_token"])
            self._held = None
        raise TryLater("Another process is renewing the sign-in of this account.", retry_after=5, code="secret_race")

    def _renew(self, held: Mapping[str, Any]) -> dict[str, Any] | None:
        """A new secret, or None when another process changed the stored one meanwhile: then read it again."""
        result = self._ask(held)
        if "access_token" in result:
            return granted(result, self._context.now(), str(held.get("refresh_token") or ""))
        stored = read_secret(self._context.secret())
        if stored.get("refresh_token") != held.get("refresh_token"):
            return None
        raise judge(result)

    def _ask(self, held: Mapping[str, Any]) -> Mapping[str, Any]:
        refresh_token = str(held.get("refresh_token") or "")
        if not refresh_token and not self._app_only:
            raise NeedsPerson("This account has no sign-in stored: reconnect it.", code="no_refresh_token")
        app = application(self._context.settings)
        self._context.usage.count("openid-configuration")
        self._context.usage.count("token")
        with talking():
            try:
                if self._app_only:
                    return dict(app.acquire_token_for_client(scopes=self._scopes))
                return dict(app.acquire_token_by_refresh_token(refresh_token, scopes=self._scopes))
            except (ValueError, KeyError) as error:  # msal: the token endpoint answered with something not JSON
                raise TryLater("Microsoft's sign-in service gave an unreadable answer.", code="bad_answer") from error
