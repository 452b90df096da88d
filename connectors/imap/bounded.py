"""A socket that cannot be read without end: every read is held to a byte budget and a deadline.

What a hostile or broken server makes grow is bounded here, below every parser. Uses the monotonic clock for deadlines,
never the wall clock.
"""

from __future__ import annotations

import io
import socket
import time
from typing import Any

from connectors.imap.answers import Closed
from connectors.protocol import Usage

LOGIN_BUDGET = 1_000_000
"""Bytes a server may send before sign-in."""
SLOWEST = 4000.0
"""Bytes per second: what comes faster than this extends a command's time."""


class Bounded(io.RawIOBase):
    """A socket as a raw stream with a deadline, a byte budget and a counter."""

    def __init__(self, sock: socket.socket, usage: Usage) -> None:
        self._sock = sock
        self._usage = usage
        self.budget = LOGIN_BUDGET
        self.deadline = float("inf")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with what is there. Raises Closed beyond the deadline or the budget."""
        if self.budget <= 0:
            raise Closed("flood")
        if time.monotonic() > self.deadline:
            raise Closed("timeout")
        count = self._sock.recv_into(buffer)
        self.budget -= count
        self.deadline += count / SLOWEST
        self._usage.bytes_in += count
        return count
