"""Health for people: per account and stream, how far behind, what was counted, what went wrong and the mend. A silent
stop is impossible because lag is computed from the last success, not from errors. Reads only."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.models import Account, Ledger, Notification, Stream, User
from crm.privacy import Viewer
from sync.pull import is_on

CYCLE = timedelta(minutes=5)
AMBER_CYCLES = 2
RED_CYCLES = 4


@dataclass(slots=True)
class StreamHealth:
    """One folder or calendar. ``counts`` by ledger state; ``lag`` since its last success."""

    id: int
    name: str
    kind: str
    role: str
    on: bool
    remote: int | None
    counts: dict[str, int]
    error: str | None
    last_success_at: datetime | None
    coverage: float | None
    listing: bool


@dataclass(slots=True)
class AccountHealth:
    """One account as its health page shows it. ``word`` is ok, working, late, behind, waiting, needs you, failed,
    paused; ``colour`` good, warn, bad or none. ``counts`` by ledger state, ``reasons`` by ledger reason.
    ``done``/``total`` of a first sync; ``rate`` items a minute over the last ten minutes; ``eta`` time left."""

    id: int
    address: str
    provider: str
    owner_id: int
    owner: str
    stage: str
    word: str
    colour: str
    error: str | None
    error_code: str | None
    last_success_at: datetime | None
    next_run_at: datetime | None
    lag: timedelta | None
    counts: dict[str, int]
    reasons: dict[str, int]
    done: int
    total: int
    rate: float
    eta: timedelta | None
    coverage: float | None
    streams: list[StreamHealth] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Trouble:
    """An account that needs a look. ``word`` and ``colour`` as in ``AccountHealth``."""

    id: int
    address: str
    owner_id: int
    word: str
    colour: str
    error: str | None


@dataclass(frozen=True, slots=True)
class Corner:
    """The summary in the corner of each page. ``troubles`` are the accounts that are not well."""

    accounts: int
    level: int
    troubled: int
    newest: datetime | None
    colour: str
    says: str
    troubles: tuple[Trouble, ...] = ()


def accounts(session: Session, viewer: Viewer, now: datetime, *, streams: bool = True) -> list[AccountHealth]:
    """Health of the viewer's own accounts; admins see every account's (counts and states, no content)."""
    query = select(Account, User.name).join(User, User.id == Account.owner_id).where(Account.removed_at.is_(None))
    if viewer.role != "admin":
        query = query.where(Account.owner_id == viewer.user_id)
    rows = session.execute(query.order_by(Account.id)).all()
    ids = [account.id for account, _ in rows]
    counts, reasons, per_stream = _counts(session, ids)
    recent = _recent(session, ids, now)
    by_account: dict[int, list[Stream]] = defaultdict(list)
    for row in session.scalars(select(Stream).where(Stream.account_id.in_(ids)).order_by(Stream.id)):
        by_account[row.account_id].append(row)
    return [
        _account(a, owner, by_account[a.id], counts[a.id], reasons[a.id], per_stream, recent.get(a.id, 0), now, streams)
        for a, owner in rows
    ]


def _counts(
    session: Session, ids: list[int]
) -> tuple[dict[int, dict[str, int]], dict[int, dict[str, int]], dict[int, dict[str, int]]]:
    counts: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    reasons: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    streams: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    query = (
        select(Ledger.account_id, Ledger.stream_id, Ledger.state, Ledger.reason, func.count())
        .where(Ledger.account_id.in_(ids))
        .group_by(Ledger.account_id, Ledger.stream_id, Ledger.state, Ledger.reason)
    )
    for account_id, stream_id, state, reason, n in session.execute(query):
        counts[account_id][state] += n
        streams[stream_id][state] += n
        if reason and state != "removed":
            reasons[account_id][reason] += n
    return counts, reasons, streams


def _recent(session: Session, ids: list[int], now: datetime) -> dict[int, int]:
    query = (
        select(Ledger.account_id, func.count())
        .where(Ledger.account_id.in_(ids), Ledger.seen_at >= now - timedelta(minutes=10))
        .group_by(Ledger.account_id)
    )
    return dict(session.execute(query).all())


def _account(
    account: Account,
    owner: str,
    rows: list[Stream],
    counts: dict[str, int],
    reasons: dict[str, int],
    per_stream: dict[int, dict[str, int]],
    recent: int,
    now: datetime,
    with_streams: bool,
) -> AccountHealth:
    on = [row for row in rows if is_on(account, row) and row.missing_since is None]
    total = sum(row.remote_count or 0 for row in on)
    done = sum(sum(n for state, n in per_stream[row.id].items() if state != "removed") for row in on)
    begun = max(1.0, min(600.0, (now - account.created_at).total_seconds()))
    rate = recent / begun * 60
    left = max(0, total - done)
    word, colour = _word(account, now)
    covered = [(row.coverage, row.remote_count or 0) for row in rows if row.coverage is not None]
    weight = sum(n for _, n in covered)
    return AccountHealth(
        account.id,
        account.address,
        account.provider,
        account.owner_id,
        owner,
        account.stage,
        word,
        colour,
        account.error,
        account.error_code,
        account.last_success_at,
        account.not_before,
        now - account.last_success_at if account.last_success_at else None,
        dict(counts),
        dict(reasons),
        done,
        max(total, done),
        rate,
        timedelta(seconds=left / rate * 60) if rate and left else None,
        (sum((c or 0) * n for c, n in covered) / weight if weight else 1.0) if covered else None,
        [_stream(account, row, per_stream[row.id]) for row in rows if row.missing_since is None]
        if with_streams
        else [],
    )


def _stream(account: Account, row: Stream, counts: dict[str, int]) -> StreamHealth:
    return StreamHealth(
        row.id,
        row.name,
        row.kind,
        row.role,
        is_on(account, row),
        row.remote_count,
        dict(counts),
        row.error,
        row.last_success_at,
        row.coverage,
        row.listing,
    )


def _word(account: Account, now: datetime) -> tuple[str, str]:
    if account.stage == "paused":
        return "paused", "none"
    if account.health == "needs_person":
        return "needs you", "bad"
    if account.health == "failed":
        return "failed", "bad"
    if account.stage in ("new", "backfill"):
        return ("waiting", "warn") if account.health == "deferred" else ("working", "good")
    lag = now - account.last_success_at if account.last_success_at else now - account.created_at
    if account.provider == "archive":
        return "ok", "good"
    if lag > RED_CYCLES * CYCLE:
        return "behind", "bad"
    if lag > AMBER_CYCLES * CYCLE or account.health == "deferred":
        return ("waiting" if account.health == "deferred" else "late"), "warn"
    return "ok", "good"


def operator_faults(session: Session, viewer: Viewer, now: datetime) -> list[str]:
    """For admins: what is wrong with the service's own set-up at a provider, while accounts wait for it. They are
    held back without an error of their own; nobody else is told."""
    if viewer.role != "admin":
        return []
    waiting = select(Account.id).where(
        Account.removed_at.is_(None), Account.not_before.is_not(None), Account.error.is_(None)
    )
    if session.scalar(waiting.limit(1)) is None:
        return []
    query = select(Notification.text).where(
        Notification.user_id == viewer.user_id,
        Notification.key.like("operator:%"),
        Notification.created_at >= now - timedelta(days=1, hours=1),
    )
    return sorted(set(session.scalars(query)))


def corner(session: Session, viewer: Viewer, now: datetime) -> Corner:
    """One statement: how many of the viewer's accounts are level, and how fresh the newest success is."""
    query = select(Account).where(Account.removed_at.is_(None))
    if viewer.role != "admin":
        query = query.where(Account.owner_id == viewer.user_id)
    held = list(session.scalars(query.order_by(Account.id)))
    words = [(_word(account, now), account.last_success_at) for account in held]
    good = sum(colour == "good" for (_, colour), _ in words)
    bad = sum(colour == "bad" for (_, colour), _ in words)
    newest = max((at for _, at in words if at), default=None)
    if not words:
        return Corner(0, 0, 0, None, "none", "no account connected")
    colour = "bad" if bad else "good" if good == len(words) else "warn"
    trouble = len(words) - good
    says = (
        f"{good} account{'s' if good != 1 else ''} level" if not trouble else f"{trouble} of {len(words)} need a look"
    )
    found = zip(held, words, strict=True)
    bad_ones = (Trouble(a.id, a.address, a.owner_id, w, c, a.error) for a, ((w, c), _) in found if c in ("warn", "bad"))
    return Corner(len(words), good, trouble, newest, colour, says, tuple(bad_ones))
