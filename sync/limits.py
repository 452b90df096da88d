"""Provider limits as sliding minutes by name, shared through Redis by all workers; within one process alone where no
Redis runs (the command line). Waits are bounded: a caller that would wait longer is told to come back later.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from connectors.errors import TryLater

PER_MINUTE: tuple[tuple[str, float], ...] = (
    ("google:user:", 6_000.0),
    ("google:project", 1_200_000.0),
    ("google-calendar:user:", 600.0),
    ("google-calendar:project", 10_000.0),
    ("microsoft:mailbox:", 1_000.0),
)
"""Units a minute by the name's prefix: Gmail 6,000 quota units per user and minute for new projects; Graph 10,000
requests per mailbox in 10 minutes (providers.md 2.2, 2.4). A name without a row is not limited."""
LONGEST_WAIT = 90.0

WINDOW = 61
"""Seconds: a provider's minute, and one more because its clock and ours do not tick together."""

TAKE = """
local now, limit, units = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local window, longest = tonumber(ARGV[4]), tonumber(ARGV[5])
local held, total = {}, 0
local rows = redis.call('HGETALL', KEYS[1])
for i = 1, #rows, 2 do
  local second, spent = tonumber(rows[i]), tonumber(rows[i + 1])
  if second <= now - window then redis.call('HDEL', KEYS[1], rows[i])
  else held[#held + 1] = {second, spent}; total = total + spent end
end
table.sort(held, function(a, b) return a[1] < b[1] end)
local at = now
for _, one in ipairs(held) do
  if total + units <= limit then break end
  total = total - one[2]
  at = math.max(at, one[1] + window)
end
if at - now > longest then return tostring(at - now) end
redis.call('HINCRBYFLOAT', KEYS[1], tostring(math.ceil(at)), units)
redis.call('EXPIRE', KEYS[1], 3600)
return tostring(at - now)
"""


def limit_of(name: str) -> float | None:
    """Units a minute for a name, or None when it is not limited."""
    return next((per_minute for prefix, per_minute in PER_MINUTE if name.startswith(prefix)), None)


@dataclass(slots=True)
class Limits:
    """``acquire`` for connectors. ``redis`` may be None; ``sleep`` waits in seconds.

    Units are counted by the second over a sliding minute: a whole minute's worth may go at once, and then no minute
    ever holds more than the limit. (A bucket that fills while it is emptied would let two minutes' worth pass in one.)
    """

    sleep: Callable[[float], None]
    redis: Any = None
    clock: Callable[[], float] = time.time
    _local: dict[str, dict[int, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def acquire(self, name: str, units: int) -> None:
        """Take ``units``, waiting for them up to 90 s; who waits has his place. Raises TryLater, and takes nothing,
        where the wait would be longer."""
        limit = limit_of(name)
        if limit is None or units <= 0:
            return
        wait = self._take(name, float(units), limit)
        if wait > LONGEST_WAIT:
            raise TryLater(
                "The provider's quota is used up for now.", retry_after=wait, throttled=True, code="own_limit"
            )
        if wait > 0:
            self.sleep(wait)

    def _take(self, name: str, units: float, limit: float) -> float:
        if self.redis is not None:
            key = f"crm-sync:spent:{name}"
            return float(self.redis.eval(TAKE, 1, key, self.clock(), limit, units, WINDOW, LONGEST_WAIT))
        with self._lock:
            return reserve(self._local.setdefault(name, {}), self.clock(), units, limit)


def reserve(held: dict[int, float], now: float, units: float, limit: float) -> float:
    """Seconds to wait before ``units`` may be spent, which are noted in ``held`` (units by second) unless the wait is
    too long. The same as the script for Redis."""
    for second in [s for s in held if s <= now - WINDOW]:
        del held[second]
    total, at = sum(held.values()), now
    for second in sorted(held):
        if total + units <= limit:
            break
        total -= held[second]
        at = max(at, float(second + WINDOW))
    if at - now <= LONGEST_WAIT:
        slot = math.ceil(at)
        held[slot] = held.get(slot, 0.0) + units
    return at - now
