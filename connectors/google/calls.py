"""One call to Google: quota taken before, counted, retried while that is sensible, refused as one of our errors.

Gmail units come from two shared buckets, the person's and the project's; Calendar counts requests in buckets of its
own. Waits are bounded: what does not pass in a minute or two goes back to the schedule as TryLater.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from googleapiclient.errors import HttpError

from connectors.errors import ConnectorError, TryLater
from connectors.google import failures
from connectors.google.failures import Refusal
from connectors.google.http import Transport
from connectors.google.tariff import UNITS
from connectors.protocol import Context

ATTEMPTS = 6
"""Tries of one call: waits of about 1, 2, 4, 8 and 16 seconds between them."""

LONGEST_WAIT = 64.0
"""Seconds: a longer Retry-After is not waited for here; the schedule does that."""

Translate = Callable[[Refusal], ConnectorError]


class Calls:
    """Sends requests built by google-api-python-client for one account."""

    def __init__(self, context: Context, transport: Transport, address: Callable[[], str]) -> None:
        self.context = context
        self.transport = transport
        self._address = address

    def gmail(self, name: str, request: Any, translate: Translate = failures.error_of) -> dict[str, Any]:
        """The answer to one Gmail request called ``name`` (a row of the tariff). Raises ConnectorError."""
        return self._patiently(lambda: self.once(request, translate, lambda: self.pay(name)))

    def calendar(self, name: str, request: Any, *, with_token: bool = False) -> dict[str, Any]:
        """The answer to one Calendar request. ``with_token`` says that it carries a sync token."""

        def translate(found: Refusal) -> ConnectorError:
            return failures.of_calendar(found, with_token=with_token)

        return self._patiently(lambda: self.once(request, translate, lambda: self._pay_calendar(name)))

    def directory(self, request: Any) -> dict[str, Any]:
        """The answer to one Directory request, which has no quota of ours to mind."""
        count = self.context.usage.count
        return self._patiently(lambda: self.once(request, failures.error_of, lambda: count("directory.users.list")))

    def pay(self, name: str, times: int = 1) -> None:
        """Take the units of ``times`` calls called ``name`` from the buckets, and count them."""
        units = UNITS[name] * times
        address = self._address()
        if address:
            self.context.acquire(f"google:user:{address}", units)
        self.context.acquire("google:project", units)
        for _ in range(times):
            self.context.usage.count(name, UNITS[name])

    def _pay_calendar(self, name: str) -> None:
        address = self._address()
        if address:
            self.context.acquire(f"google-calendar:user:{address}", 1)
        self.context.acquire("google-calendar:project", 1)
        self.context.usage.count(f"calendar.{name}")

    def once(self, request: Any, translate: Translate, pay: Callable[[], None]) -> dict[str, Any]:
        """Pay and send once. Raises what ``translate`` makes of a refusal, TryLater for a broken answer."""
        pay()
        before = self.transport.bytes_in
        try:
            answer = request.execute(http=self.transport, num_retries=0)
        except HttpError as error:
            raise translate(self.read(error.resp.status, error.content, error.resp)) from error
        except ValueError as error:
            raise TryLater("Google's answer broke off in the middle.", code="truncated") from error
        finally:
            self.context.usage.bytes_in += self.transport.bytes_in - before
        if not isinstance(answer, dict):  # the client hands over what is no JSON as text, without a word
            if not answer and request.method == "POST":
                return {}
            raise TryLater("Google's answer broke off in the middle.", code="truncated")
        return answer

    def read(self, status: int, content: bytes, headers: Any) -> Refusal:
        """A refusal as its parts."""
        return failures.refusal(status, content, headers, self.context.now())

    def _patiently(self, attempt: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        for tried in range(1, ATTEMPTS):
            try:
                return attempt()
            except TryLater as error:
                self.wait(tried, error)
        return attempt()

    def wait(self, tried: int, error: TryLater) -> None:
        """Sleep before try number ``tried`` + 1, or raise ``error`` when that would take too long."""
        if error.code == "quota_exceeded" or (error.retry_after or 0.0) > LONGEST_WAIT:
            raise error
        self.context.sleep(max(pause(tried), error.retry_after or 0.0))


def pause(tried: int) -> float:
    """Seconds to wait after ``tried`` failures: 1, 2, 4 ... 64, with up to a quarter of jitter on top."""
    seconds = min(2.0 ** (tried - 1), LONGEST_WAIT)
    return seconds * (1.0 + random.random() / 4)  # noqa: S311 - jitter, not a secret
