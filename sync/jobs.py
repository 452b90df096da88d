"""Jobs on RQ: ids only, idempotent, bounded. The rows are the truth: a job that is lost, doubled or late changes only
when work happens, never whether. RQ's unique jobs keep one job an account in the queue; leases keep two from the same
stream.

Functions here run in worker processes; each builds its own service, because a forked job must not share connections.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from redis import Redis
from rq import Queue
from rq.exceptions import DuplicateJobError, NoSuchJobError
from rq.job import Job, JobStatus
from sqlalchemy import func, or_, select

from crm.models import Account, Stream
from crm.settings import load
from sync import chores, coverage, outbox, passes, push_state, series
from sync.limits import Limits
from sync.passes import SLICE, Options
from sync.service import Service, bulk_memory, wall_clock

log = logging.getLogger(__name__)

LIVE, BACKFILL, SLOW = "crm-sync-live", "crm-sync-backfill", "crm-sync-slow"
QUEUES = (LIVE, BACKFILL, SLOW)
"""In the order workers serve them: level accounts and new ones' first minutes, then old history, then audits."""
INTERVAL = timedelta(minutes=2)
PATIENCE = timedelta(minutes=10)
"""A wrong password is tried once more after this: some servers answer so when overloaded."""
AUDIT_EVERY = timedelta(days=1)
JOB_TIMEOUT = int(SLICE) + 300
FAILURE_TTL = 300
ENDED = frozenset({JobStatus.FAILED, JobStatus.FINISHED, JobStatus.STOPPED, JobStatus.CANCELED})
CHORES = "crm-sync-chores"
"""There for a minute after the chores were put; losing it only does them sooner."""
SILENT = 90.0
"""Seconds without a heartbeat; workers give one every 30 s while a job runs."""


def connect(service: Service, url: str | None = None) -> Redis:
    """The queue's Redis. ``url`` is the embedded one's."""
    return Redis.from_url(url or service.settings.redis_url or "", socket_timeout=30, health_check_interval=30)


def enqueue(redis: Redis, queue: str, function: Callable[..., Any], *args: int, key: str) -> bool:
    """Put a job, unless the same one waits or runs already. Its id is free again as soon as it ends (result_ttl=0), or
    as soon as nobody works on it any more."""
    for _ in range(2):
        try:
            Queue(queue, connection=redis).enqueue_call(
                function, args=args, job_id=key, unique=True, result_ttl=0, failure_ttl=FAILURE_TTL, timeout=JOB_TIMEOUT
            )
            return True
        except DuplicateJobError:
            if not _clear_dead(redis, key):
                return False
    return False


def _clear_dead(redis: Redis, key: str) -> bool:
    """Delete the job of that id when it failed (a killed work-horse leaves it so for its failure TTL) or when its
    worker has not been heard of for a while; True when the id is free now."""
    try:
        job = Job.fetch(key, connection=redis)
    except NoSuchJobError:
        return True
    status, heard = job.get_status(refresh=False), job.last_heartbeat
    silent = heard is not None and (wall_clock() - heard.replace(tzinfo=UTC)).total_seconds() > SILENT
    if status in ENDED or (status == JobStatus.STARTED and silent):
        job.delete()
        return True
    return False


def tick(redis_url: str) -> int:
    """Enqueue what is due. Run by the scheduler every few seconds; running it twice is harmless."""
    service = Service.build(load())
    redis = connect(service, redis_url)
    now, made = service.now(), 0
    with service.db.reading() as session:
        due = [(a.id, a.stage) for a in session.scalars(_due(now))]
        waiting = session.scalar(select(func.count()).where(outbox.hopeful())) or 0
        audits = list(session.scalars(_unaudited(now)))
        channels = push_state.due(session, now) if push_state.possible(service) else []
    for account_id, stage in due:
        queue = LIVE if stage in ("new", "level") else BACKFILL
        made += enqueue(redis, queue, sync_account, account_id, key=f"sync-{account_id}")
    if waiting:
        made += enqueue(redis, LIVE, drain_outbox, key="outbox")
    if redis.set(CHORES, 1, nx=True, ex=chores.EVERY):
        made += enqueue(redis, LIVE, do_chores, key="chores")
    for account_id in audits:
        made += enqueue(redis, SLOW, audit_account, account_id, key=f"audit-{account_id}")
    for account_id in channels:
        made += enqueue(redis, SLOW, renew_push, account_id, key=f"push-{account_id}")
    service.db.dispose()
    redis.close()
    return made


def _due(now: datetime) -> Any:
    """Accounts to sync now: neither paused nor held back, not looked at within the interval, or never level."""
    latest = (
        select(Stream.account_id, func.max(Stream.last_attempt_at).label("at")).group_by(Stream.account_id).subquery()
    )
    hopeful = (Account.health != "needs_person") | ((Account.failures < 2) & (Account.error_at <= now - PATIENCE))
    return (
        select(Account)
        .outerjoin(latest, latest.c.account_id == Account.id)
        .where(Account.removed_at.is_(None), Account.stage != "paused", hopeful)
        .where(or_(Account.not_before.is_(None), Account.not_before <= now))
        .where(or_(Account.stage.in_(("new", "backfill")), latest.c.at.is_(None), latest.c.at <= now - INTERVAL))
        .order_by(Account.id)
    )


def _unaudited(now: datetime) -> Any:
    """Level accounts whose coverage was not audited for a day."""
    return (
        select(Stream.account_id)
        .join(Account, Account.id == Stream.account_id)
        .where(Account.stage == "level", Account.removed_at.is_(None), Account.health == "ok")
        .where(or_(Stream.last_audit_at.is_(None), Stream.last_audit_at <= now - AUDIT_EVERY))
        .distinct()
    )


def sync_account(account_id: int) -> str:
    """One time slice for one account, then what follows from it. Returns the state's name."""
    service = Service.build(load())
    bulk_memory()
    over = service.deadline(SLICE)
    redis = connect(service) if service.settings.redis_url else None
    report = passes.one_pass(service, account_id, Options(stop=over), Limits(service.sleep, redis))
    outbox.drain(service, seconds=60)
    service.db.dispose()
    return report.state


def renew_push(account_id: int) -> str:
    """Make and renew an account's push channels. Returns off, ok or failed."""
    from sync import push  # brings the providers' SDKs along, which most commands never need

    service = Service.build(load())
    word = push.renew(service, account_id)
    service.db.dispose()
    return word


def drain_outbox() -> int:
    """Handle waiting outbox rows for a while."""
    service = Service.build(load())
    handled = outbox.drain(service, seconds=SLICE)
    service.db.dispose()
    return handled


def do_chores() -> int:
    """Reminders, rules, mails to the team (``sync.chores``). Returns how much was done."""
    service = Service.build(load())
    done = chores.run(service)
    service.db.dispose()
    return sum(done.values())


def audit_account(account_id: int) -> float:
    """The daily coverage audit; gaps are requeued as pending rows. Also rolls the window of endless series on."""
    service = Service.build(load())
    found = coverage.audit(service, [account_id])
    series.roll(service, account_id, service.deadline(SLICE))
    service.db.dispose()
    return float(found["coverage"])
