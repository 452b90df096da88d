"""Holds one waiting connection an account (IDLE, or what the provider has) and turns each hint into a job. A hint
only: polling finds everything without it. Runs as its own process, because jobs must be short."""

from __future__ import annotations

import logging
import random
import threading
from dataclasses import dataclass, field

from sqlalchemy import select

from connectors.errors import ConnectorError
from connectors.protocol import Watches
from crm.models import Account, Stream
from sync import jobs
from sync.contexts import MAIN, Part, open_part
from sync.limits import Limits
from sync.pull import remote_stream
from sync.service import Service

log = logging.getLogger(__name__)

LOOK_AGAIN = 30.0
WAIT = 540.0
MOST = 200
"""Watched accounts a process; the others are polled."""
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 900.0


@dataclass(slots=True)
class _Watcher:
    thread: threading.Thread
    stop: threading.Event = field(default_factory=threading.Event)


def run(service: Service, redis_url: str) -> None:
    """Until the process is asked to stop: one thread for each level account whose provider can wait."""
    watchers: dict[int, _Watcher] = {}
    while not service.stopping.is_set():
        wanted = _watchable(service)
        for account_id in [i for i in watchers if i not in wanted or not watchers[i].thread.is_alive()]:
            watchers.pop(account_id).stop.set()
        for account_id in wanted:
            if account_id not in watchers:
                stop = threading.Event()
                thread = threading.Thread(target=_watch, args=(service, redis_url, account_id, stop), daemon=True)
                watchers[account_id] = _Watcher(thread, stop)
                thread.start()
                service.sleep(random.random())  # noqa: S311 - spreads the sign-ins of many accounts
        service.sleep(LOOK_AGAIN)


def _watchable(service: Service) -> list[int]:
    with service.db.reading() as session:
        query = select(Account.id).where(
            Account.removed_at.is_(None), Account.stage == "level", Account.health == "ok", Account.provider == "imap"
        )
        return list(session.scalars(query.order_by(Account.id).limit(MOST)))


def _watch(service: Service, redis_url: str, account_id: int, stop: threading.Event) -> None:
    """Wait on INBOX, nudge, repeat. A connection that breaks at once is tried less and less often."""
    pause = FIRST_PAUSE
    redis = jobs.connect(service, redis_url)
    while not (stop.is_set() or service.stopping.is_set()):
        try:
            with service.db.reading() as session:
                account = session.get_one(Account, account_id)
                inbox = session.scalar(select(Stream).where(Stream.account_id == account_id, Stream.role == "inbox"))
            if inbox is None:
                return
            connector = open_part(service, account, Part(MAIN, account.provider), Limits(service.sleep))
            if not isinstance(connector, Watches):
                return
            try:
                while not (stop.is_set() or service.stopping.is_set()):
                    if connector.wait(remote_stream(inbox), WAIT):
                        jobs.enqueue(redis, jobs.LIVE, jobs.sync_account, account_id, key=f"sync-{account_id}")
                    pause = FIRST_PAUSE
            finally:
                connector.close()
        except ConnectorError as error:
            log.info("account %s: waiting connection ended (%s)", account_id, error.code)
        service.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
