"""Provider limits as token buckets by name, shared through Redis by all workers; within one process alone where no Redis
runs (the command line). Waits are bounded: a caller that would wait longer is told to come back later.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from connectors.errors import TryLater

PER_MINUTE: tuple[tuple[str, float], ...] = (
    ("google:user:", 6_000.0),
    ("google:project", 1_200_000.0),
    ("microsoft:mailbox:", 1_000.0),
)
"""Units a minute by the name's prefix: Gmail 6,000 quota units per user and minute for new projects; Graph 10,000 requests
per mailbox in 10 minutes (providers.md 2.2, 2.4). A name without a row is not limited."""
LONGEST_WAIT = 90.0

TAKE = """
local now, rate, size, units = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local row = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(row[1] or size), tonumber(row[2] or now)
tokens = math.min(size, tokens + math.max(0, now - at) * rate) - units
redis.call('HSET', KEYS[1], 'tokens', tokens, 'at', now)
redis.call('EXPIRE', KEYS[1], 3600)
if tokens >= 0 then return '0' end
return tostring(-tokens / rate)
"""


def rate_of(name: str) -> float | None:
    """Units a second for a bucket, or None when it is not limited."""
    for prefix, per_minute in PER_MINUTE:
        if name.startswith(prefix):
            return per_minute / 60
    return None


@dataclass(slots=True)
class Limits:
    """``acquire`` for connectors. ``redis`` may be None; ``sleep`` waits in seconds."""

    sleep: Callable[[float], None]
    redis: Any = None
    clock: Callable[[], float] = time.time
    _local: dict[str, tuple[float, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def acquire(self, name: str, units: int) -> None:
        """Take ``units``, waiting for them up to 90 s. The bucket may go below zero: whoever comes next waits for it.
        Raises TryLater where the wait would be longer."""
        rate = rate_of(name)
        if rate is None or units <= 0:
            return
        wait = self._take(name, float(units), rate)
        if wait > LONGEST_WAIT:
            raise TryLater(
                "The provider's quota is used up for now.", retry_after=wait, throttled=True, code="own_limit"
            )
        if wait > 0:
            self.sleep(wait)

    def _take(self, name: str, units: float, rate: float) -> float:
        if self.redis is not None:
            answer = self.redis.eval(TAKE, 1, f"crm-sync:bucket:{name}", self.clock(), rate, rate * 60, units)
            return float(answer)
        with self._lock:
            now = self.clock()
            tokens, at = self._local.get(name, (rate * 60, now))
            tokens = min(rate * 60, tokens + max(0.0, now - at) * rate) - units
            self._local[name] = (tokens, now)
            return 0.0 if tokens >= 0 else -tokens / rate
