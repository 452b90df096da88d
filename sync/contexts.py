"""Opens connectors: builds the Context a provider is given for one account. The only place where a sealed secret is
opened; holds no session while the provider talks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm.attributes import flag_modified

from connectors.errors import NeedsPerson
from connectors.protocol import Connector, Context, Usage
from connectors.registry import provider
from crm.models import Account, Stream
from crm.vault import CannotOpen
from sync import hosts, known
from sync.limits import Limits
from sync.service import Service

UNSAVED = 0
"""The id of an account that is only being tested."""
MAIN = "main"
CALDAV = "caldav"


@dataclass(frozen=True, slots=True)
class Part:
    """One connector of an account: its own provider ("main"), or the calendar beside an IMAP mailbox ("caldav")."""

    name: str
    provider: str


def parts_of(account: Account) -> list[Part]:
    """Which connectors an account has."""
    parts = [Part(MAIN, account.provider)]
    if account.provider == "imap" and account.config.get("caldav_url"):
        parts.append(Part(CALDAV, "caldav"))
    return parts


def open_part(service: Service, account: Account, part: Part, limits: Limits, usage: Usage | None = None) -> Connector:
    """Connect. Raises ConnectorError, also for a host that may not be connected. ``account`` may be detached."""
    hosts.check(account.config, allow_private=service.settings.allow_private_hosts)
    return provider(part.provider).open(context_of(service, account, part, limits, usage))


def context_of(
    service: Service, account: Account, part: Part, limits: Limits, usage: Usage | None = None
) -> Context:
    """What a provider is given for this account; asks nobody anything yet."""
    secrets = _Secrets(service, account.id, account.secret_version)
    return Context(
        now=service.now,
        sleep=service.sleep,
        config={**account.config, "address": account.address},
        secret=secrets.read,
        save_secret=secrets.save,
        acquire=limits.acquire,
        memory=dict(account.memory.get(part.name, {})),
        remember=_Memory(service, account.id, part.name).remember,
        settings=service.settings.for_connectors(),
        usage=usage or Usage(),
        known=_Known(service, account.id, part.name).ask,
    )


@dataclass(slots=True)
class _Secrets:
    """The account's secret, read when asked for and saved by compare-and-swap on its version."""

    service: Service
    account_id: int
    version: int

    def read(self) -> str:
        if self.service.untested is not None:
            return self.service.untested
        with self.service.db.reading() as session:
            row = session.get_one(Account, self.account_id)
            sealed, self.version = row.secret, row.secret_version
        if not sealed:
            return ""
        try:
            return self.service.vault.open(sealed, context=f"account:{self.account_id}")
        except CannotOpen as error:
            raise NeedsPerson(
                "The stored password cannot be read with the present secret key. Sign in to this account again.",
                code="secret_unreadable",
            ) from error

    def save(self, secret: str) -> bool:
        if self.service.untested is not None:
            self.service.untested = secret
            return True
        sealed = self.service.vault.seal(secret, context=f"account:{self.account_id}")
        with self.service.db.transaction() as session:
            result = session.execute(
                update(Account)
                .where(Account.id == self.account_id, Account.secret_version == self.version)
                .values(secret=sealed, secret_version=self.version + 1)
            )
            saved = bool(getattr(result, "rowcount", 0))
        if saved:
            self.version += 1
        return saved


@dataclass(slots=True)
class _Memory:
    """Small facts a connector keeps between runs."""

    service: Service
    account_id: int
    part: str

    def remember(self, key: str, value: Any) -> None:
        if self.account_id == UNSAVED:
            return
        with self.service.db.transaction() as session:
            row = session.get_one(Account, self.account_id, with_for_update=True)
            facts = dict(row.memory.get(self.part, {}))
            if facts.get(key) == value:
                return
            row.memory = {**row.memory, self.part: {**facts, key: value}}
            flag_modified(row, "memory")


@dataclass(slots=True)
class _Known:
    """Which remote ids of a stream are in the log already."""

    service: Service
    account_id: int
    part: str

    def ask(self, stream: str, remote_ids: Collection[str]) -> Collection[str]:
        with self.service.db.reading() as session:
            stream_id = session.scalar(
                select(Stream.id).where(
                    Stream.account_id == self.account_id, Stream.part == self.part, Stream.remote_id == stream
                )
            )
            return known.stored_ids(session, stream_id, remote_ids) if stream_id is not None else ()
