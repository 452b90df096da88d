"""The settings of contract.md: read once from the environment (and a ``.env`` file), checked, and passed down. Never
read at import time.

Unknown ``CRM_SYNC_*`` names, bad URLs and out-of-range values raise ``BadSetting`` whose one line names the setting.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from dotenv import dotenv_values

GOOGLE_AUTH = "https://accounts.google.com/o/oauth2/v2/auth"
GOOGLE_TOKEN = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address, not a secret
MICROSOFT_AUTHORITY = "https://login.microsoftonline.com"
GRAPH = "https://graph.microsoft.com"

NAMES = frozenset(
    "CRM_SYNC_" + name
    for name in (
        "DATA_DIR", "DATABASE_URL", "REDIS_URL", "SECRET_KEY", "BASE_URL", "GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET",
        "GOOGLE_ENDPOINT", "GOOGLE_AUTH_URL", "GOOGLE_TOKEN_URL", "MICROSOFT_CLIENT_ID", "MICROSOFT_CLIENT_SECRET",
        "MICROSOFT_TENANT", "MICROSOFT_AUTHORITY", "GRAPH_ENDPOINT", "CA_BUNDLE", "INTERNAL_DOMAINS",
        "ALLOW_PRIVATE_HOSTS",
        "GOOGLE_PUSH_AUDIENCE", "GOOGLE_PUSH_EMAIL", "GOOGLE_PUBSUB_TOPIC",
    )
)  # fmt: skip


class BadSetting(Exception):
    """A setting is unknown or out of range. ``str()`` is one line that starts with its name."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the process was told. ``secret_keys`` newest first. ``redis_url`` None means embedded. URLs carry no
    trailing slash."""

    data_dir: Path
    database_url: str
    redis_url: str | None
    secret_keys: tuple[str, ...]
    base_url: str
    google_client_id: str | None
    google_client_secret: str | None
    google_endpoint: str | None
    google_auth_url: str
    google_token_url: str
    microsoft_client_id: str | None
    microsoft_client_secret: str | None
    microsoft_tenant: str
    microsoft_authority: str
    graph_endpoint: str | None
    ca_bundle: str | None
    internal_domains: tuple[str, ...]
    allow_private_hosts: bool
    google_push_audience: str | None = None
    google_push_email: str | None = None
    google_pubsub_topic: str | None = None

    def for_connectors(self) -> dict[str, str | None]:
        """The part of the settings that connectors are given."""
        return {
            "google_client_id": self.google_client_id,
            "google_client_secret": self.google_client_secret,
            "google_endpoint": self.google_endpoint,
            "google_auth_url": self.google_auth_url,
            "google_token_url": self.google_token_url,
            "microsoft_client_id": self.microsoft_client_id,
            "microsoft_client_secret": self.microsoft_client_secret,
            "microsoft_tenant": self.microsoft_tenant,
            "microsoft_authority": self.microsoft_authority,
            "graph_endpoint": self.graph_endpoint,
            "ca_bundle": self.ca_bundle,
        }


def load(environ: Mapping[str, str] | None = None, *, env_file: Path | None = None) -> Settings:
    """Read the settings; the environment wins over ``env_file`` (default ``.env`` in the working folder).

    Creates the data folder, and in it a secret key (mode 600) when none was given. Raises BadSetting.
    """
    values = _gather(os.environ if environ is None else environ, env_file or Path(".env"))
    data_dir = Path(values.get("CRM_SYNC_DATA_DIR") or "./data").expanduser().resolve()
    _make_dir(data_dir)
    given = {name.removeprefix("CRM_SYNC_").lower(): value for name, value in values.items() if value}
    return Settings(
        data_dir=data_dir,
        database_url=_database_url(given.get("database_url"), data_dir),
        redis_url=_url("REDIS_URL", given.get("redis_url"), ("redis", "rediss", "unix")),
        secret_keys=_secret_keys(given.get("secret_key"), data_dir),
        base_url=_url("BASE_URL", given.get("base_url"), ("http", "https")) or "http://127.0.0.1:8000",
        google_client_id=given.get("google_client_id"),
        google_client_secret=given.get("google_client_secret"),
        google_endpoint=_url("GOOGLE_ENDPOINT", given.get("google_endpoint"), ("http", "https")),
        google_auth_url=_url("GOOGLE_AUTH_URL", given.get("google_auth_url"), ("http", "https")) or GOOGLE_AUTH,
        google_token_url=_url("GOOGLE_TOKEN_URL", given.get("google_token_url"), ("http", "https")) or GOOGLE_TOKEN,
        microsoft_client_id=given.get("microsoft_client_id"),
        microsoft_client_secret=given.get("microsoft_client_secret"),
        microsoft_tenant=given.get("microsoft_tenant") or "organizations",
        microsoft_authority=_url("MICROSOFT_AUTHORITY", given.get("microsoft_authority"), ("http", "https"))
        or MICROSOFT_AUTHORITY,
        graph_endpoint=_url("GRAPH_ENDPOINT", given.get("graph_endpoint"), ("http", "https")),
        ca_bundle=_file("CA_BUNDLE", given.get("ca_bundle")),
        internal_domains=_domains(given.get("internal_domains", "")),
        allow_private_hosts=_flag("ALLOW_PRIVATE_HOSTS", given.get("allow_private_hosts", "0")),
        google_push_audience=given.get("google_push_audience"),
        google_push_email=given.get("google_push_email"),
        google_pubsub_topic=given.get("google_pubsub_topic"),
    )


def _gather(environ: Mapping[str, str], env_file: Path) -> dict[str, str]:
    """Both sources merged, ``NAME_FILE`` replaced by the file's content."""
    values = {k: v or "" for k, v in dotenv_values(env_file).items()} if env_file.is_file() else {}
    values.update(environ)
    found: dict[str, str] = {}
    for name, value in values.items():
        if not name.startswith("CRM_SYNC_"):
            continue
        plain = name.removesuffix("_FILE")
        if plain not in NAMES:
            raise BadSetting(f"{name}: unknown setting; `crm-sync doctor` lists the known ones")
        if name == plain:
            found[plain] = value.strip()
        elif plain not in values:
            found[plain] = _read_file(name, value)
    return found


def _read_file(name: str, path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise BadSetting(f"{name}: cannot read {path}: {error.strerror}") from error


def _make_dir(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise BadSetting(f"CRM_SYNC_DATA_DIR: cannot create {path}: {error.strerror}") from error


def _url(name: str, value: str | None, schemes: tuple[str, ...]) -> str | None:
    if not value:
        return None
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 - raises for a port that is none
    except ValueError as error:
        raise BadSetting(f"CRM_SYNC_{name}: not a URL: {error}") from error
    if parts.scheme not in schemes or not (parts.netloc or parts.path):
        raise BadSetting(f"CRM_SYNC_{name}: must be a URL starting with {' or '.join(s + '://' for s in schemes)}")
    return value.rstrip("/")


def _database_url(value: str | None, data_dir: Path) -> str:
    if not value:
        return f"sqlite:///{data_dir / 'crm-sync.db'}"
    if value.startswith("postgresql://"):
        value = "postgresql+psycopg://" + value.removeprefix("postgresql://")
    if not value.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise BadSetting("CRM_SYNC_DATABASE_URL: must start with sqlite:/// or postgresql+psycopg://")
    return value


def _secret_keys(value: str | None, data_dir: Path) -> tuple[str, ...]:
    """Given keys, or the one in the data folder, made there at the first start."""
    if value:
        keys = tuple(k.strip() for k in value.split(",") if k.strip())
        if any(len(k) < 16 for k in keys):
            raise BadSetting("CRM_SYNC_SECRET_KEY: each key needs at least 16 characters")
        return keys
    path = data_dir / "secret.key"
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return (path.read_text().strip(),)
    with os.fdopen(handle, "w") as out:
        out.write(key := secrets.token_urlsafe(48))
    return (key,)


def _file(name: str, value: str | None) -> str | None:
    if value and not Path(value).is_file():
        raise BadSetting(f"CRM_SYNC_{name}: no such file: {value}")
    return value or None


def _domains(value: str) -> tuple[str, ...]:
    domains = tuple(d.strip().lower().lstrip("@") for d in value.split(",") if d.strip())
    for domain in domains:
        if "." not in domain or any(c in domain for c in " /@:"):
            raise BadSetting(f"CRM_SYNC_INTERNAL_DOMAINS: {domain!r} is not a domain")
    return domains


def _flag(name: str, value: str) -> bool:
    if value.lower() in ("1", "true", "yes", "on"):
        return True
    if value.lower() in ("0", "false", "no", "off", ""):
        return False
    raise BadSetting(f"CRM_SYNC_{name}: must be 0 or 1")
