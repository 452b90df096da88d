"""Fixtures for the tests of crm: a database on both engines, and the day the tests live in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from tests.crm.world import World
from tests.rig.databases import *  # noqa: F403


@pytest.fixture
def now() -> datetime:
    """A fixed moment: Wednesday 4 March 2026, 12:00 UTC."""
    return datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


@pytest.fixture
def statements(session: Session) -> Iterator[list[str]]:
    """The SQL statements sent while a test runs; clear it to count from there."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        sent.append(statement)

    engine = session.get_bind().engine
    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


@pytest.fixture
def world(session: Session, now: datetime) -> World:
    """A team with two mailboxes."""
    return World(session, now)
