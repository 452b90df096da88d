"""Quota as Google counts it: units in a sliding minute, per person and per project, by the tariff of 2026.

The figures stand here a second time on purpose: a connector that counts wrongly must not be judged by its own table.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.emulators.google.errors import Refused

TARIFF = {
    "getProfile": 1, "labels.list": 1, "labels.get": 1, "history.list": 2, "messages.list": 5, "messages.get": 20,
    "messages.attachments.get": 20, "watch": 100, "stop": 50, "settings.sendAs.list": 1,
}  # fmt: skip
WINDOW = 60.0


@dataclass
class Quota:
    """``per_user`` and ``per_project`` are units a minute; 0 lifts the limit. ``clock`` is in seconds."""

    clock: Callable[[], float]
    per_user: int = 0
    per_project: int = 0
    calendar_per_user: int = 0
    spent: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    refused: int = 0
    _recent: dict[str, deque[tuple[float, int]]] = field(default_factory=lambda: defaultdict(deque))

    def take(self, user: str, method: str) -> None:
        """Spend what ``method`` costs, or refuse with 403/429 as Gmail does."""
        units = TARIFF[method]
        self._take(f"user:{user}", units, self.per_user, "userRateLimitExceeded")
        self._take("project", units, self.per_project, "rateLimitExceeded")
        self.spent[user] += units

    def take_calendar(self, user: str) -> None:
        self._take(f"calendar:{user}", 1, self.calendar_per_user, "rateLimitExceeded")

    def _take(self, key: str, units: int, limit: int, reason: str) -> None:
        now = self.clock()
        recent = self._recent[key]
        while recent and recent[0][0] <= now - WINDOW:
            recent.popleft()
        if limit and sum(spent for _, spent in recent) + units > limit:
            self.refused += 1
            raise Refused(403, reason, "User-rate limit exceeded.")
        recent.append((now, units))
