"""Fixtures for the tests of crm: a database on both engines, and the day the tests live in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import Session

from crm.database import Database
from tests.rig.databases import (
    database,
    postgres_cluster,
    postgres_database,
    postgres_template,
    sqlite_database,
    sqlite_template,
)

__all__ = [
    "database", "now", "postgres_cluster", "postgres_database", "postgres_template", "session", "sqlite_database",
    "sqlite_template",
]  # fmt: skip


@pytest.fixture
def now() -> datetime:
    """A fixed moment: Wednesday 4 March 2026, 12:00 UTC."""
    return datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    """A session in one transaction that is rolled back at the end."""
    with database.engine.connect() as connection, Session(bind=connection, expire_on_commit=False) as made:
        yield made
        made.rollback()
