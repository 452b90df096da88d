"""The contract suite over a real Dovecot, once per tier of finding changes, and with an ``INBOX.`` prefix."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.protocol import Connector
from connectors.providers.imap import PROVIDER
from tests.connectors.contract import Clock, ConnectorContract, make_context
from tests.rig import dovecot

pytestmark = pytest.mark.needs_dovecot
_users = itertools.count()


class Opening:
    """Opens connectors on a configuration, all with one clock and one memory."""

    def __init__(self, **config: Any) -> None:
        self._config = config
        self.clock = Clock()
        self.memory: dict[str, Any] = {}

    def __call__(self, config: dict[str, Any]) -> Connector:
        full = {**config, **self._config}
        return PROVIDER.open(make_context(full, dovecot.PASSWORD, clock=self.clock, memory=self.memory))

    def advance(self, seconds: float) -> None:
        self.clock.sleep(seconds)


class TestWithQresync(ConnectorContract):
    @pytest.fixture
    def driver(self, server: dovecot.Dovecot) -> dovecot.DovecotDriver:
        return dovecot.DovecotDriver(server, f"q{next(_users)}", Opening())


class TestWithCondstoreOnly(ConnectorContract):
    @pytest.fixture
    def driver(self, server: dovecot.Dovecot) -> dovecot.DovecotDriver:
        return dovecot.DovecotDriver(server, f"c{next(_users)}", Opening(disable=["QRESYNC"]))


class TestWithNeither(ConnectorContract):
    @pytest.fixture
    def driver(self, server: dovecot.Dovecot) -> dovecot.DovecotDriver:
        without = ["QRESYNC", "CONDSTORE", "ESEARCH", "LIST-STATUS", "SPECIAL-USE", "ID", "NAMESPACE"]
        return dovecot.DovecotDriver(server, f"n{next(_users)}", Opening(disable=without))


class TestWithInboxPrefix(ConnectorContract):
    many = 320

    @pytest.fixture
    def driver(self, prefixed: dovecot.Dovecot) -> dovecot.DovecotDriver:
        return dovecot.DovecotDriver(prefixed, f"p{next(_users)}", Opening())


@pytest.fixture(scope="session")
def server() -> Iterator[dovecot.Dovecot]:
    running = dovecot.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def prefixed() -> Iterator[dovecot.Dovecot]:
    running = dovecot.start(prefix="INBOX.")
    yield running
    running.stop()
