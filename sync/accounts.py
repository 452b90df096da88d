"""Connecting, pausing, removing accounts. Tests a connection before anything is stored; tells what is wrong in one
sentence with the mend."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from connectors.errors import ConnectorError
from connectors.protocol import Connector, OwnAddresses, Usage
from connectors.types import Stream as RemoteStream
from crm import audit, outbox, workspace
from crm.errors import Refused
from crm.models import Account, AccountAlias, Communication, Ledger, Link, Sighting, Stream, User
from crm.privacy import Tier, tier_of
from matching.addresses import canonical
from sync import meetings, streams
from sync.contexts import open_part, parts_of
from sync.limits import Limits
from sync.service import Service

log = logging.getLogger(__name__)

PROVIDERS = ("imap", "archive", "caldav", "google", "microsoft", "memory")


@dataclass(frozen=True, slots=True)
class AccountSpec:
    """What is needed to connect. ``config`` as the provider wants it, without secrets; ``secret`` is the password or
    token JSON. ``kind`` is mailbox, shared or dropbox."""

    provider: str
    owner_email: str
    address: str
    config: dict[str, Any] = field(default_factory=dict)
    secret: str = ""
    aliases: tuple[str, ...] = ()
    sharing: str | None = None
    kind: str = "mailbox"
    include_folders: tuple[str, ...] = ()
    exclude_folders: tuple[str, ...] = ()
    include_labels: tuple[str, ...] = ()
    exclude_labels: tuple[str, ...] = ()
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class TestResult:
    """What the connection test saw. ``secret`` is the one to keep: providers may rotate it while it is tried.
    ``aliases`` are further addresses that the provider knows of the mailbox."""

    streams: tuple[RemoteStream, ...]
    requests: int
    secret: str
    aliases: tuple[str, ...] = ()


def test(service: Service, spec: AccountSpec) -> TestResult:
    """Connect, sign in and list the streams; store nothing. Raises ConnectorError or Refused, one sentence each."""
    account, trying = _unsaved(spec), service.trying(spec.secret)
    usage = Usage()
    found: list[RemoteStream] = []
    told: list[str] = []
    for part in parts_of(account):
        connector = open_part(trying, account, part, Limits(service.sleep), usage)
        try:
            found.extend(connector.streams())
            told.extend(own_addresses(connector))
        finally:
            connector.close()
    return TestResult(tuple(found), usage.requests, trying.untested or "", tuple(told))


def _unsaved(spec: AccountSpec) -> Account:
    if spec.provider not in PROVIDERS:
        raise Refused(f"There is no provider called {spec.provider}; there are {', '.join(PROVIDERS[:-1])}.")
    if "@" not in canonical(spec.address):
        raise Refused(f"{spec.address!r} is not an email address.", "address")
    return Account(
        id=0,
        provider=spec.provider,
        address=spec.address.strip(),
        config=dict(spec.config),
        memory={},
        secret=None,
        secret_version=0,
        owner_id=0,
    )


def add(service: Service, spec: AccountSpec, *, actor_id: int | None, tested: TestResult | None = None) -> int:
    """Test, then store. Returns the account's id. Raises ConnectorError or Refused; stores nothing then."""
    tested = tested or test(service, spec)
    now = service.now()
    with service.db.transaction() as session:
        account = _unsaved(spec)
        account.id = None  # type: ignore[assignment]  # the database gives it
        account.owner_id = _owner(session, spec.owner_email)
        _refuse_twice(session, spec)
        account.kind, account.created_at, account.since = spec.kind, now, spec.since
        account.sharing = _sharing(session, spec.sharing)
        account.include_folders, account.exclude_folders = list(spec.include_folders), list(spec.exclude_folders)
        account.include_labels, account.exclude_labels = list(spec.include_labels), list(spec.exclude_labels)
        session.add(account)
        session.flush()
        if tested.secret:
            account.secret = service.vault.seal(tested.secret, context=f"account:{account.id}")
        _aliases(session, account, spec.aliases)
        learn_aliases(session, account, tested.aliases)
        for part in parts_of(account):
            kinds = ("calendar",) if part.name != "main" else ("mail", "calendar")
            own = [s for s in tested.streams if str(s.kind) in kinds]
            if part.name == "main" and len(parts_of(account)) > 1:
                own = [s for s in own if str(s.kind) == "mail"]
            streams.keep(session, account.id, part.name, own, now)
        audit.record(
            session,
            actor_id=actor_id,
            action="account.add",
            subject_kind="account",
            subject_id=account.id,
            detail={"provider": spec.provider},
            now=now,
        )
        _own_side_changed(session, account, now)
        return account.id


def _owner(session: Session, email: str) -> int:
    found = session.scalar(
        select(User.id).where(func.lower(User.email) == email.strip().lower(), User.active.is_(True))
    )
    if found is None:
        raise Refused(f"There is no user {email}; add one with `crm-sync user add {email}`.", "owner")
    return found


def _refuse_twice(session: Session, spec: AccountSpec) -> None:
    same = select(Account.id).where(
        func.lower(Account.address) == spec.address.strip().lower(),
        Account.provider == spec.provider,
        Account.removed_at.is_(None),
    )
    if spec.provider in ("archive", "memory"):
        return
    if (known := session.scalar(same)) is not None:
        raise Refused(f"{spec.address} is connected already, as account {known}.", "address")


def _sharing(session: Session, wanted: str | None) -> str:
    loosest = tier_of(workspace.get(session, "loosest_sharing"))
    tier: Tier = tier_of(wanted or workspace.get(session, "default_sharing"))
    if wanted and tier > loosest:
        raise Refused(f"The workspace allows sharing no looser than {loosest.word}.", "sharing")
    return min(tier, loosest).word


def _aliases(session: Session, account: Account, aliases: Sequence[str]) -> None:
    wanted = {canonical(a) for a in aliases if canonical(a)} - {canonical(account.address)}
    session.add_all(AccountAlias(account_id=account.id, canonical=alias, source="given") for alias in sorted(wanted))


def own_addresses(connector: Connector) -> tuple[str, ...]:
    """What the provider tells of further addresses; nothing where it does not, or not just now (they are asked for
    again with the daily audit)."""
    if not isinstance(connector, OwnAddresses):
        return ()
    try:
        return tuple(connector.own_addresses())
    except ConnectorError as error:
        log.info("no further addresses were told (%s)", error.code)
        return ()


def learn_aliases(session: Session, account: Account, told: Sequence[str]) -> list[str]:
    """Keep further addresses that the provider told, as the owner's; returns those that are new. One that a person gave
    stays as given; none is ever taken away, because old mail was sent from it."""
    known = set(session.scalars(select(AccountAlias.canonical).where(AccountAlias.account_id == account.id)))
    fresh = {canonical(a) for a in told if "@" in canonical(a)} - known - {canonical(account.address)}
    session.add_all(AccountAlias(account_id=account.id, canonical=a, source="provider") for a in sorted(fresh))
    return sorted(fresh)


def relearn_aliases(service: Service, account_id: int, told: Sequence[str]) -> list[str]:
    """The same for an account that is connected already; what they change about the past is looked at again."""
    with service.db.transaction() as session:
        account = live(session, account_id)
        if fresh := learn_aliases(session, account, told):
            outbox.identity_changed(session, now=service.now(), addresses=fresh)
        return fresh


def _own_side_changed(session: Session, account: Account, now: datetime) -> None:
    """A new own address turns counterparties into colleagues; matching must look again."""
    aliases = session.scalars(select(AccountAlias.canonical).where(AccountAlias.account_id == account.id))
    address = canonical(account.address)
    domain = address.rpartition("@")[2]
    session.flush()
    internal = workspace.internal_domains(session, session.info.get("internal_domains", ()))
    outbox.identity_changed(
        session, now=now, addresses=[address, *aliases], domains=[domain] if domain in internal else []
    )


def pause(session: Session, account_id: int, *, actor_id: int | None, now: datetime) -> None:
    """Stop syncing; keep everything. Cursors stay."""
    account = live(session, account_id)
    account.stage = "paused"
    audit.record(
        session, actor_id=actor_id, action="account.pause", subject_kind="account", subject_id=account_id, now=now
    )


def resume(session: Session, account_id: int, *, actor_id: int | None, now: datetime) -> None:
    """Go on from the kept cursors; what came meanwhile is fetched."""
    account = live(session, account_id)
    account.stage = "level" if account.last_success_at else "new"
    account.health, account.not_before, account.failures = "ok", None, 0
    account.error = account.error_code = account.error_at = None
    audit.record(
        session, actor_id=actor_id, action="account.resume", subject_kind="account", subject_id=account_id, now=now
    )


def reconnect(service: Service, account_id: int, secret: str, *, actor_id: int | None) -> None:
    """Test a new password or token, then keep it. Cursors stay, so the hole is filled. Raises ConnectorError, and
    Refused for somebody else's token."""
    with service.db.reading() as session:
        account = live(session, account_id)
        owner = session.get_one(User, account.owner_id)
        provider, config, address, email = account.provider, dict(account.config), account.address, owner.email
    if provider == "microsoft" and not config.get("app_only"):
        from sync import whose  # brings the SDK along, which nothing else here needs

        secret = whose.same_person(service, secret, address)
    spec = AccountSpec(provider, email, address, config, secret)
    tested = test(service, spec)
    kept = tested.secret
    relearn_aliases(service, account_id, tested.aliases)
    with service.db.transaction() as session:
        account = live(session, account_id)
        account.secret = service.vault.seal(kept, context=f"account:{account_id}")
        account.secret_version += 1
        resume(session, account_id, actor_id=actor_id, now=service.now())


def remove(session: Session, account_id: int, *, purge: bool, actor_id: int | None, now: datetime) -> dict[str, int]:
    """Disconnect. With ``purge`` everything that only this account saw goes too; else the log stays. Returns counts."""
    account = live(session, account_id)
    counts = removal_counts(session, account_id)
    account.secret, account.stage, account.removed_at, account.health = None, "removed", now, "removed"
    audit.record(
        session,
        actor_id=actor_id,
        action="account.purge" if purge else "account.remove",
        subject_kind="account",
        subject_id=account_id,
        detail=dict(counts.items()),
        now=now,
    )
    if purge:
        _purge(session, account_id, now)
    return counts


def removal_counts(session: Session, account_id: int) -> dict[str, int]:
    """What keeping and purging would mean: items seen here, and those that no other account saw."""
    seen = session.scalar(select(func.count()).where(Sighting.account_id == account_id)) or 0
    return {"seen": seen, "only_here": session.scalar(select(func.count()).select_from(_only_here(account_id))) or 0}


def _only_here(account_id: int) -> Any:
    others = select(Sighting.communication_id).where(Sighting.account_id != account_id)
    return (
        select(Sighting.communication_id)
        .where(Sighting.account_id == account_id, Sighting.communication_id.not_in(others))
        .subquery()
    )


def _purge(session: Session, account_id: int, now: datetime) -> None:
    from crm import search

    ids = list(session.scalars(select(_only_here(account_id).c.communication_id)))
    for start in range(0, len(ids), 400):
        chunk = ids[start : start + 400]
        search.forget(session, chunk)
        session.execute(delete(Link).where(Link.communication_id.in_(chunk)))
        session.execute(delete(Communication).where(Communication.id.in_(chunk)))
    session.execute(delete(Ledger).where(Ledger.account_id == account_id))
    session.execute(delete(Stream).where(Stream.account_id == account_id))
    session.execute(delete(AccountAlias).where(AccountAlias.account_id == account_id))
    session.execute(delete(Sighting).where(Sighting.account_id == account_id))
    meetings.forget(session, account_id, now)


def of(session: Session, owner_id: int) -> list[int]:
    """The accounts of a person that were not removed."""
    mine = Account.owner_id == owner_id, Account.removed_at.is_(None)
    return list(session.scalars(select(Account.id).where(*mine).order_by(Account.id)))


def live(session: Session, account_id: int) -> Account:
    """The account, unless it was removed. Raises Refused."""
    account = session.get(Account, account_id)
    if account is None or account.removed_at is not None:
        raise Refused(f"There is no account {account_id}; `crm-sync account list` shows them.", "account")
    return account


def choose_folders(
    session: Session, account_id: int, selected: dict[int, bool], *, actor_id: int | None, now: datetime
) -> None:
    """Switch streams on or off. A folder switched on is listed from scratch; one switched off stops being read and
    its items stay counted."""
    for row in session.scalars(select(Stream).where(Stream.account_id == account_id, Stream.id.in_(list(selected)))):
        if row.selected is not selected[row.id]:
            row.selected = selected[row.id]
            if row.selected:
                streams.restart_row(row)
    audit.record(
        session,
        actor_id=actor_id,
        action="account.folders",
        subject_kind="account",
        subject_id=account_id,
        detail={str(k): v for k, v in selected.items()},
        now=now,
    )
