"""What each group of provider errors does to an account or stream: pause and tell, reschedule with back-off, park, or
nothing. The table is ``connectors.errors``; this writes its consequences. Sends nothing; notices are rows."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from connectors.errors import ConnectorError, NeedsPerson, OperatorFault, StreamGone, TryLater
from crm import outbox
from crm.models import Account, Notification, Stream, User
from sync.service import Service

FIRST_DELAY = 2.0
LONGEST_DELAY = 900.0
PARK_AFTER = 3
PARK_FOR = timedelta(hours=6)


def react(service: Service, account_id: int, error: ConnectorError) -> str:
    """Write the account's state and return its name for the report."""
    now = service.now()
    with service.db.transaction() as session:
        account = session.get_one(Account, account_id)
        if isinstance(error, OperatorFault):
            _tell(session, _admins(session), f"operator:{error.code}:{now:%Y%m%d}", str(error), "/accounts", now)
            account.not_before = now + timedelta(seconds=LONGEST_DELAY)
            return "failed"
        account.error, account.error_code, account.error_at = str(error), error.code, now
        account.failures += 1
        if isinstance(error, NeedsPerson):
            if account.health != "needs_person":
                people = {account.owner_id, *_admins(session)}
                _tell(
                    session,
                    people,
                    f"needs_person:{account_id}:{now:%Y%m%d%H%M}",
                    f"{account.address}: {error}",
                    "/accounts",
                    now,
                )
                outbox.emit(session, "account.changed", {"account": account_id}, now=now)
            account.health = "needs_person"
            return "needs_person"
        delay = back_off(account.failures, error.retry_after if isinstance(error, TryLater) else None)
        account.health, account.not_before = "deferred", now + timedelta(seconds=delay)
        return "deferred"


def back_off(failures: int, retry_after: float | None) -> float:
    """Seconds to wait: the provider's word and a little more, else doubling with full jitter, bounded."""
    if retry_after is not None:
        return retry_after * (1 + random.random() * 0.1)  # noqa: S311 - spreading load, not a secret
    ceiling = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(failures, 12))
    return FIRST_DELAY / 2 + random.random() * ceiling  # noqa: S311


def note(service: Service, account_id: int, health: str, message: str, code: str) -> None:
    """Record an error that is no provider's."""
    with service.db.transaction() as session:
        account = session.get_one(Account, account_id)
        account.health, account.error, account.error_code = health, message, code
        account.error_at, account.failures = service.now(), account.failures + 1
        account.not_before = service.now() + timedelta(seconds=back_off(account.failures, None))


def healthy(account: Account, state: str, now: datetime) -> None:
    """A pass got through: clear the error, note the success."""
    account.health = "ok" if state == "level" else "behind"
    account.error = account.error_code = account.error_at = account.not_before = None
    account.failures = 0
    if state == "level":
        account.last_success_at = now
        if account.stage in ("new", "backfill"):
            account.stage = "level"


def stream_gone(service: Service, stream_id: int, error: StreamGone) -> None:
    """A folder that cannot be opened: parked after three tries; the others go on."""
    now = service.now()
    with service.db.transaction() as session:
        row = session.get_one(Stream, stream_id)
        row.error, row.error_code, row.failures = str(error), error.code, row.failures + 1
        if error.permanent:
            row.missing_since = row.missing_since or now
        elif row.failures >= PARK_AFTER:
            row.parked_until = now + PARK_FOR


def stream_error(service: Service, stream_id: int, error: ConnectorError) -> None:
    """Show on the stream what stopped it."""
    with service.db.transaction() as session:
        row = session.get_one(Stream, stream_id)
        row.error, row.error_code = str(error), error.code


def _admins(session: Session) -> set[int]:
    return set(session.scalars(select(User.id).where(User.role == "admin", User.active.is_(True))))


def _tell(session: Session, people: set[int], key: str, text: str, href: str, now: datetime) -> None:
    """One notice a person and key, exactly once."""
    known = set(
        session.scalars(select(Notification.user_id).where(Notification.key == key, Notification.user_id.in_(people)))
    )
    rows = [
        {"user_id": p, "key": key, "kind": "account", "text": text, "href": href, "created_at": now}
        for p in sorted(people - known)
    ]
    if rows:
        session.execute(insert(Notification), rows)
