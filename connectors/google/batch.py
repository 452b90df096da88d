"""Gets many mails in few HTTP requests: batches of at most 50, each inner refusal judged on its own.

Only what failed is asked again; an inner 429 halves the size (Google runs the parts of a batch side by side and counts
each). The client library's batch retries nothing and trusts the order and shape of parts (google-api-python-client
issues 2201, 896), so the multipart body (developers.google.com/workspace/gmail/api/guides/batch) is read here.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import urlsplit

from connectors.errors import BadItem, ConnectorError, NeedsPerson, OperatorFault, TryLater
from connectors.google import failures
from connectors.google.calls import ATTEMPTS, Calls

SIZE = 50
"""Inner requests a batch: Google's advice; the hard limit is 100."""

SMALLEST = 5
NO_BATCHES = (404, 405, 501)
"""Statuses of a service that has no batch address; the mails are then fetched one by one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one inner request brought: a JSON object, or the error in its place."""

    key: str
    found: dict[str, Any] | None = None
    error: ConnectorError | None = None


@dataclass(slots=True)
class _Run:
    """Where one ``run`` stands: what waits, how often in a row all failed, whether the token was renewed."""

    waiting: list[str]
    single: bool
    tried: int = 0
    succeeded: bool = False
    renewed: bool = False


class Batches:
    """Runs inner requests of one kind for one account; remembers the size that Google bears."""

    def __init__(self, calls: Calls, url: str) -> None:
        self._calls = calls
        self._url = url
        self.size = SIZE
        self.alone = False

    def run(self, name: str, keys: Sequence[str], build: Callable[[str], Any]) -> Iterator[Answer]:
        """The answers to ``build(key)`` for each of ``keys``, in the order given within each HTTP request.

        A refusal of one item (400, 404) is an Answer with its error. Raises TryLater when what is throttled or broken
        stays so, and what stops the whole account (NeedsPerson, OperatorFault)."""
        state = _Run(waiting=list(keys), single=len(keys) == 1)
        while state.waiting:
            now, later = state.waiting[: self.size], state.waiting[self.size :]
            again: list[Answer] = []
            for answer in self._send(name, now, build):
                if self._passing(answer, state):
                    again.append(answer)
                elif isinstance(answer.error, NeedsPerson | OperatorFault):
                    raise answer.error
                else:
                    state.succeeded = True
                    yield answer
            state.waiting = [answer.key for answer in again] + later
            state.tried = state.tried + 1 if len(again) == len(now) else min(len(again), 1)
            if state.tried >= ATTEMPTS:
                yield from self._given_up(again, state)
                state.waiting = later
            elif again:
                self._renew(again, state)
                self._slow_down(state.tried, again)

    def _passing(self, answer: Answer, state: _Run) -> bool:
        """Whether the same request may succeed later; a refused token is renewed once for that."""
        if isinstance(answer.error, NeedsPerson) and answer.error.code == "revoked":
            return not state.renewed
        return isinstance(answer.error, TryLater)

    def _renew(self, again: Sequence[Answer], state: _Run) -> None:
        if any(isinstance(answer.error, NeedsPerson) for answer in again):
            self._calls.transport.renew()
            state.renewed = True

    def _slow_down(self, tried: int, again: Sequence[Answer]) -> None:
        errors = [answer.error for answer in again if isinstance(answer.error, TryLater)]
        if any(error.throttled for error in errors):
            self.size = max(self.size // 2, SMALLEST)
        if errors:
            self._calls.wait(tried, max(errors, key=lambda error: error.retry_after or 0.0))

    def _given_up(self, again: Sequence[Answer], state: _Run) -> Iterator[Answer]:
        """One item that never comes while others do is a bad item; when nothing comes, Google is out of order."""
        for answer in again:
            error = answer.error
            if not isinstance(error, TryLater) or error.throttled or not (state.succeeded or state.single):
                raise error or TryLater("Google gave no answer.")
            yield Answer(answer.key, error=BadItem("Google cannot deliver this mail.", code=error.code))

    def _send(self, name: str, keys: Sequence[str], build: Callable[[str], Any]) -> list[Answer]:
        requests = [build(key) for key in keys]
        self._calls.pay(name, len(keys))
        if self.alone:
            return [self._single(key, request) for key, request in zip(keys, requests, strict=True)]
        boundary = f"batch_{uuid.uuid4().hex}"
        body = compose(boundary, requests)
        headers = {"content-type": f'multipart/mixed; boundary="{boundary}"', "accept-encoding": "gzip, deflate"}
        try:
            status, content = self._post(body, headers)
        except TryLater as failure:
            return [Answer(key, error=failure) for key in keys]
        if status.status in NO_BATCHES:
            self.alone = True
            return [self._single(key, request) for key, request in zip(keys, requests, strict=True)]
        if status.status >= 300:
            return [Answer(key, error=self._refused(status, content)) for key in keys]
        self._calls.context.usage.bytes_in += len(content)
        parts = parse(str(status.get("content-type", "")), content, len(keys))
        return [self._judge(key, parts.get(index)) for index, key in enumerate(keys)]

    def _refused(self, status: Any, content: bytes) -> ConnectorError:
        """Why a whole batch was refused; never taken for a fault of the mails in it."""
        error = failures.error_of(self._calls.read(status.status, content, status))
        if isinstance(error, TryLater | NeedsPerson | OperatorFault):
            return error
        return OperatorFault("Google does not take batches of requests here.", code="batch_refused")

    def _single(self, key: str, request: Any) -> Answer:
        """One call on its own, paid for already; for a service that has no batches."""
        try:
            return Answer(key, found=self._calls.once(request, failures.error_of, lambda: None))
        except ConnectorError as error:
            return Answer(key, error=error)

    def _post(self, body: bytes, headers: dict[str, str]) -> tuple[Any, bytes]:
        """Send to the address of the discovery document; where there is none, to the one of the batch guide."""
        status, content = self._calls.transport.request(self._url, method="POST", body=body, headers=headers)
        if status.status == 404 and not self._url.endswith("/gmail/v1"):
            self._url = self._url.rstrip("/") + "/gmail/v1"
            return self._calls.transport.request(self._url, method="POST", body=body, headers=headers)
        return status, content

    def _judge(self, key: str, part: tuple[int, Message, bytes] | None) -> Answer:
        if part is None:
            return Answer(key, error=TryLater("A part of Google's answer is missing.", code="truncated"))
        status, headers, content = part
        if status >= 300:
            lowered = {name.lower(): str(value) for name, value in headers.items()}
            return Answer(key, error=failures.error_of(self._calls.read(status, content, lowered)))
        try:
            found = json.loads(content)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            return Answer(key, error=TryLater("Google's answer broke off in the middle.", code="truncated"))
        return Answer(key, found=found)


def compose(boundary: str, requests: Sequence[Any]) -> bytes:
    """A multipart/mixed body; part ids are the positions, in the form the client library uses."""
    base = uuid.uuid4()
    lines: list[str] = []
    for index, request in enumerate(requests):
        parsed = urlsplit(request.uri)
        target = parsed.path + (f"?{parsed.query}" if parsed.query else "")
        lines += [
            f"--{boundary}", "Content-Type: application/http", "MIME-Version: 1.0",
            "Content-Transfer-Encoding: binary", f"Content-ID: <{base} + {index}>", "",
            f"{request.method} {target} HTTP/1.1", "Content-Type: application/json", "accept: application/json",
            f"Host: {parsed.netloc}", "", "",
        ]  # fmt: skip
    return "\r\n".join([*lines, f"--{boundary}--", ""]).encode()


def parse(content_type: str, content: bytes, expected: int) -> dict[int, tuple[int, Message, bytes]]:
    """The inner answers by position: (status, headers, body). Parts that make no sense are left out."""
    header = Message()
    header["content-type"] = content_type
    boundary = header.get_boundary("")
    if not boundary:
        return {}
    found: dict[int, tuple[int, Message, bytes]] = {}
    sections = re.split(rb"(?:^|\r?\n)--" + re.escape(boundary.encode()) + rb"(?:--)?[ \t]*(?:\r?\n|$)", content)
    for section in (s for s in sections[1:] if s.strip()):
        outer, inner = _split(section)
        line, headers, body = _inner(inner)
        status = re.match(rb"HTTP/\d(?:\.\d)?\s+(\d{3})", line)
        index = _position(str(outer.get("content-id") or ""), len(found))
        if status and 0 <= index < expected:
            found[index] = (int(status.group(1)), headers, body)
    return found


def _split(block: bytes) -> tuple[Message, bytes]:
    """The header lines, and what comes after the empty line."""
    match = re.search(rb"\r?\n\r?\n", block)
    head, rest = (block[: match.start()], block[match.end() :]) if match else (block, b"")
    headers = Message()
    for line in head.decode("utf-8", "replace").splitlines():
        name, colon, value = line.partition(":")
        if colon and name.strip():
            headers[name.strip()] = value.strip()
    return headers, rest


def _inner(block: bytes) -> tuple[bytes, Message, bytes]:
    line, _, rest = block.lstrip().partition(b"\n")
    if rest.startswith((b"\r\n", b"\n")):  # a status line with no headers
        return line, Message(), rest.lstrip(b"\r\n")
    headers, body = _split(rest)
    return line, headers, body


def _position(content_id: str, fallback: int) -> int:
    """Google answers ``<response-BASE + 7>`` to ``<BASE + 7>``; without a number the order counts."""
    match = re.search(r"(\d+)>?\s*$", content_id) if "+" in content_id else None
    return int(match.group(1)) if match else fallback
