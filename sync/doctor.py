"""Checks the set-up, one line each with the mend: settings, database, keys, queue, clocks, disk, providers. Changes
nothing."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError

from connectors.registry import names
from crm import post
from crm.models import Account, Outbox, Setting, Stream
from crm.settings import NAMES, BadSetting, load
from crm.vault import CannotOpen
from sync import embedded, outbox
from sync.service import Service

LOW_DISK = 500_000_000


@dataclass(frozen=True, slots=True)
class Check:
    """One finding."""

    name: str
    ok: bool
    says: str
    mend: str = ""


def run() -> list[Check]:
    """All checks; the later ones are left out when the settings cannot be read."""
    try:
        service = Service.build(load())
    except BadSetting as error:
        return [Check("settings", False, str(error), f"known names: {', '.join(sorted(NAMES))}")]
    found = [Check("settings", True, f"data in {service.settings.data_dir}")]
    for check in (_database, _keys, _queue, _clock, _disk, _accounts, _outbox, _endpoints):
        found.extend(_guarded(check, service))
    return found


def _guarded(check: Callable[[Service], Iterator[Check]], service: Service) -> list[Check]:
    try:
        return list(check(service))
    except (SQLAlchemyError, OSError) as error:
        return [Check(check.__name__.strip("_"), False, f"{type(error).__name__}", "see the database line")]


def _database(service: Service) -> Iterator[Check]:
    try:
        with service.db.engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        current = service.db.is_current()
    except SQLAlchemyError as error:
        yield Check("database", False, f"cannot connect ({type(error).__name__})", "check CRM_SYNC_DATABASE_URL")
        return
    name = service.db.engine.dialect.name
    yield Check(
        "database",
        current,
        f"{name}, {'current' if current else 'not migrated'}",
        "" if current else "run `crm-sync init`",
    )


def _keys(service: Service) -> Iterator[Check]:
    unreadable = 0
    with service.db.reading() as session:
        accounts = session.execute(select(Account.id, Account.secret).where(Account.secret.is_not(None))).all()
        sealed = [(secret or "", f"account:{account_id}") for account_id, secret in accounts]
        password = session.get(Setting, post.PASSWORD)
        if password is not None and password.value:
            sealed.append((str(password.value), post.CONTEXT))
    for token, context in sealed:
        try:
            service.vault.open(token, context=context)
        except CannotOpen:
            unreadable += 1
    mend = "put the former key behind the new one in CRM_SYNC_SECRET_KEY" if unreadable else ""
    yield Check("keys", not unreadable, f"{len(sealed) - unreadable} of {len(sealed)} stored secrets open", mend)


def _queue(service: Service) -> Iterator[Check]:
    if service.settings.redis_url is None:
        how = embedded.describe()
        yield Check("queue", how is not None, how or "no Redis server found", "" if how else "install redis-server")
        return
    from redis import Redis, RedisError

    try:
        Redis.from_url(service.settings.redis_url, socket_timeout=3).ping()
    except RedisError as error:
        yield Check("queue", False, f"Redis does not answer ({type(error).__name__})", "check CRM_SYNC_REDIS_URL")
        return
    yield Check("queue", True, "Redis answers")


def _clock(service: Service) -> Iterator[Check]:
    with service.db.engine.connect() as connection:
        there = connection.execute(select(func.now())).scalar_one()
    here = service.now()
    drift = abs((there.astimezone(here.tzinfo) if there.tzinfo else there.replace(tzinfo=here.tzinfo)) - here)
    ok = drift < timedelta(seconds=30)
    yield Check(
        "clock", ok, f"{drift.total_seconds():.0f} s from the database's", "" if ok else "synchronise the clocks"
    )


def _disk(service: Service) -> Iterator[Check]:
    free = shutil.disk_usage(service.settings.data_dir).free
    yield Check(
        "disk", free > LOW_DISK, f"{free / 1e9:.1f} GB free", "" if free > LOW_DISK else "make room in the data folder"
    )


def _accounts(service: Service) -> Iterator[Check]:
    with service.db.reading() as session:
        total = session.scalar(select(func.count()).select_from(Account).where(Account.removed_at.is_(None))) or 0
        bad = list(session.scalars(select(Account.address).where(Account.health.in_(("needs_person", "failed")))))
        parked = session.scalar(select(func.count()).where(Stream.parked_until > service.now())) or 0
    mend = f"see `crm-sync account list`: {', '.join(bad[:5])}" if bad else ""
    yield Check("accounts", not bad, f"{total} connected, {len(bad)} in trouble, {parked} folders parked", mend)


def _outbox(service: Service) -> Iterator[Check]:
    with service.db.reading() as session:
        stuck = session.scalar(select(func.count()).where(Outbox.handled_at.is_(None), ~outbox.hopeful())) or 0
        waiting = session.scalar(select(func.count()).where(outbox.hopeful())) or 0
    yield Check(
        "outbox",
        not stuck,
        f"{waiting} waiting, {stuck} given up",
        "look into the log, then `crm-sync rematch`" if stuck else "",
    )


def _endpoints(service: Service) -> Iterator[Check]:
    """Only endpoints that were set by hand: the providers' own need no account to be right."""
    told = service.settings.for_connectors()
    for name in ("google_endpoint", "graph_endpoint"):
        if address := told.get(name):
            parts = urlsplit(address)
            try:
                socket.create_connection((parts.hostname or "", parts.port or 443), timeout=3).close()
                yield Check(name, True, "reachable")
            except OSError as error:
                yield Check(name, False, f"not reachable ({type(error).__name__})", f"check CRM_SYNC_{name.upper()}")
    yield Check("providers", True, ", ".join(names()))
