"""Ends a worker at a chosen point: at the k-th commit or provider request everything stops, as SIGKILL would stop
it, and goes on failing until the worker is "started again".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event


class Crash(BaseException):
    """The process is gone. Not an Exception: no handler of ours may stop it."""


class Crasher:
    """Counts points; at number ``at`` (from 1; 0 never) and ever after raises ``Crash``."""

    def __init__(self, at: int = 0) -> None:
        self.at = at
        self.points = 0

    def point(self, *_: Any) -> None:
        """One commit or request."""
        self.points += 1
        if self.at and self.points >= self.at:
            raise Crash(f"at point {self.points}")

    @contextmanager
    def watching(self, engine: Engine, mailboxes: list[Any]) -> Iterator[Crasher]:
        """Hooked into the database and these mailboxes while the block runs."""
        event.listen(engine, "commit", self.point)
        before: list[Callable[[int], None] | None] = [box.before_request for box in mailboxes]
        for box in mailboxes:
            box.before_request = self.point
        try:
            yield self
        finally:
            event.remove(engine, "commit", self.point)
            for box, hook in zip(mailboxes, before, strict=True):
                box.before_request = hook
