"""HTTP answers of the model and the faults a test can order."""

from __future__ import annotations

import re
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Request:
    """One request, outer or inner of a batch. ``path`` is below ``/v1.0`` and decoded; ``query`` keeps raw names."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: dict[str, Any]
    user: str = ""
    inner: bool = False

    @property
    def prefer(self) -> str:
        """The Prefer header."""
        return self.headers.get("prefer", "")

    @property
    def immutable(self) -> bool:
        """Whether immutable ids were asked for."""
        return 'idtype="immutableid"' in self.prefer.casefold()

    def page_size(self, default: int) -> int:
        """``$top`` or ``odata.maxpagesize``, at most 1000."""
        found = re.search(r"odata\.maxpagesize=(\d+)", self.prefer)
        wanted = self.query.get("$top") or (found.group(1) if found else "")
        return max(1, min(int(wanted), 1000)) if wanted else default


@dataclass
class Reply:
    """One answer; ``raw`` bytes win over ``body``."""

    status: int = 200
    body: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    content_type: str = "application/json"
    cut: bool = False


class Refusal(Exception):
    """Ends a request with an error answer."""

    def __init__(self, status: int, code: str, message: str = "", **headers: str) -> None:
        super().__init__(code)
        self.reply = error(status, code, message, {k.replace("_", "-"): v for k, v in headers.items()})


def error(status: int, code: str, message: str = "", headers: dict[str, str] | None = None, inner: str = "") -> Reply:
    """An error answer in Graph's form."""
    held: dict[str, Any] = {"code": code, "message": message or code, "innerError": {"date": "2026-01-01T00:00:00"}}
    if inner:
        held["innerError"]["code"] = inner
    return Reply(status, {"error": held}, headers or {})


@dataclass
class Fault:
    """An ordered misbehaviour: the next ``times`` requests whose "METHOD path" matches get this answer. ``skip`` lets
    so many pass first. ``inner`` limits it to requests inside (True) or outside (False) batches."""

    match: str
    reply: Reply
    times: int = 1
    skip: int = 0
    inner: bool | None = None


class Faults:
    """The ordered faults, taken in order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Order a fault."""
        with self._lock:
            self._held.append(fault)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._held.clear()

    def take(self, request: Request) -> Reply | None:
        """The answer a fault gives to this request, if any does."""
        line = f"{request.method} {request.path}"
        with self._lock:
            for fault in self._held:
                if fault.times <= 0 or not re.search(fault.match, line):
                    continue
                if fault.inner is not None and fault.inner != request.inner:
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    return None
                fault.times -= 1
                return fault.reply
        return None


@dataclass
class Statistics:
    """What was asked of the server."""

    requests: int = 0
    by_name: Counter[str] = field(default_factory=Counter)
    without_immutable: list[str] = field(default_factory=list)
    throttled: int = 0
    max_in_flight: Counter[str] = field(default_factory=Counter)
    lines: list[str] = field(default_factory=list)

    def reset(self) -> None:
        """Start counting anew."""
        self.__init__()  # type: ignore[misc]
