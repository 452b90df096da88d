"""What an entry point builds once and hands down: settings, database, vault and the clock. Opens no session by
itself."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from crm.database import Database
from crm.settings import Settings
from crm.vault import Vault


def wall_clock() -> datetime:
    """The time now, aware, UTC. Only entry points call this; all else is given a ``now``."""
    return datetime.now(UTC)


def bulk_memory() -> None:
    """For processes that move mails in bulk: what is loaded by now is never looked at again by the collector, and it
    runs less often. A batch makes thousands of values that live shortly; by default a tenth of the time goes
    there."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


@dataclass(slots=True)
class Service:
    """One per process. ``stopping`` is set on SIGTERM; long waits end early then. ``untested`` is a secret
    that is tried before it is stored (``trying``)."""

    settings: Settings
    db: Database
    vault: Vault
    now: Callable[[], datetime] = wall_clock
    stopping: threading.Event = field(default_factory=threading.Event)
    untested: str | None = None

    @classmethod
    def build(cls, settings: Settings, *, now: Callable[[], datetime] = wall_clock) -> Service:
        """Connect nothing yet; the engine opens its first connection when used."""
        database = Database(settings.database_url, internal_domains=settings.internal_domains)
        return cls(settings, database, Vault(settings.secret_keys), now)

    def trying(self, secret: str) -> Service:
        """The same service, for testing a connection whose secret no row holds yet."""
        return replace(self, untested=secret)

    def sleep(self, seconds: float) -> None:
        """Wait, or return early when the process is asked to stop."""
        self.stopping.wait(max(0.0, seconds))

    def deadline(self, seconds: float) -> Callable[[], bool]:
        """A function that says whether ``seconds`` from now are over (monotonic)."""
        end = time.monotonic() + seconds
        return lambda: time.monotonic() >= end
