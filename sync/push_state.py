"""What is kept of an account's push: its channels at the provider, when they must be renewed, and when they were
last heard.

Lies in ``account.memory["push"]``: small facts that may be lost (then channels are made anew, and polling finds
everything
meanwhile). Secrets of channels are sealed. Asks no provider and starts nothing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import flag_modified

from crm.models import Account, Ledger
from sync.contexts import MAIN
from sync.service import Service

PART = "push"
PROVIDERS = ("google", "microsoft")
LOOK = timedelta(hours=6)
"""How often an account's channels are looked at when none is due sooner."""
LATE = timedelta(minutes=30)
"""Polling runs every two minutes; what it found this long after the last notice, push should have told."""
NOTE_EVERY = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Channel:
    """One thing a provider notifies us of. ``about`` is "mail", "calendar" or a calendar's id; ``id`` and
    ``resource`` are the provider's;
    ``secret`` is sealed. Times are ISO 8601, UTC."""

    about: str
    id: str = ""
    resource: str = ""
    secret: str = ""
    made_at: str = ""
    renew_at: str = ""
    ends: str = ""

    def due(self, now: datetime) -> bool:
        """Whether it is time to renew it."""
        return self.renew_at <= stamp(now)


@dataclass(frozen=True, slots=True)
class Push:
    """All of an account. ``cannot`` says by what it is about why something is polled only; ``says`` what went wrong
    last."""

    channels: tuple[Channel, ...] = ()
    cannot: dict[str, str] = field(default_factory=dict)
    next_at: str = ""
    heard_at: str = ""
    says: str = ""

    def of(self, about: str) -> Channel | None:
        """The channel about one thing."""
        return next((c for c in self.channels if c.about == about), None)


def stamp(at: datetime) -> str:
    """A time as text that sorts."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read(account: Account) -> Push:
    """What is kept, or nothing yet."""
    held = dict(account.memory.get(PART) or {})
    return Push(**{**held, "channels": tuple(Channel(**one) for one in held.get("channels") or ())})


def write(session: Session, account_id: int, push: Push) -> None:
    """Keep it."""
    row = session.get_one(Account, account_id, with_for_update=True, populate_existing=True)
    row.memory = {**row.memory, PART: asdict(push)}
    flag_modified(row, "memory")


def possible(service: Service) -> bool:
    """Whether a provider could reach us at all: only by https."""
    return service.settings.base_url.startswith("https://")


def due(session: Session, now: datetime) -> list[int]:
    """Accounts whose channels must be looked at now: level ones that can be reached."""
    next_at = Account.memory[PART]["next_at"].as_string()
    query = (
        select(Account.id)
        .where(Account.provider.in_(PROVIDERS), Account.stage == "level", Account.health == "ok")
        .where(Account.removed_at.is_(None), or_(next_at.is_(None), next_at <= stamp(now)))
        .order_by(Account.id)
    )
    return list(session.scalars(query))


def is_silent(session: Session, account_id: int, push: Push, now: datetime) -> bool:
    """Whether polling found things that push never told: no notice since the channels were made or last heard, and yet
    something came well after that."""
    if not push.channels:
        return False
    since = max([push.heard_at, *(c.made_at for c in push.channels)])
    after = datetime.fromisoformat(since) + LATE
    if after > now:
        return False
    newest = session.scalar(select(func.max(Ledger.seen_at)).where(Ledger.account_id == account_id))
    return newest is not None and newest > after


def after(push: Push, now: datetime) -> Push:
    """With the time of the next look: when the first channel is due, at the latest in some hours."""
    return replace(push, next_at=min([stamp(now + LOOK), *(c.renew_at for c in push.channels if c.renew_at)]))


def heard(service: Service, account_ids: list[int]) -> None:
    """Note that a genuine notice came; written now and then only, because notices come in storms."""
    now = service.now()
    with service.db.reading() as session:
        rows = list(session.scalars(select(Account).where(Account.id.in_(account_ids))))
        stale = [row.id for row in rows if read(row).heard_at < stamp(now - NOTE_EVERY)]
    for account_id in stale:
        with service.db.transaction() as session:
            push = read(session.get_one(Account, account_id))
            write(session, account_id, replace(push, heard_at=stamp(now)))


def secret_context(account_id: int) -> str:
    """What a channel's secret is sealed for."""
    return f"push:{account_id}"


def shown(account: Account) -> dict[str, Any]:
    """For the account's page: how many channels live, what is only polled and why, when push was last heard, and why
    Google shows no calendars, where it does not."""
    push, refused = read(account), dict(account.memory.get(MAIN) or {}).get("calendar_refused", "")
    return {
        "channels": len(push.channels), "cannot": dict(push.cannot), "heard_at": push.heard_at, "says": push.says,
        "refused": refused,
    }  # fmt: skip
