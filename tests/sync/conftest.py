"""Fixtures for the tests of sync: an office on SQLite and PostgreSQL, and one on SQLite alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from crm.database import Database
from tests.rig.databases import *  # noqa: F403
from tests.rig.office import Office


@pytest.fixture
def office(database: Database, tmp_path: Path) -> Office:
    """An office; the test runs once on each engine."""
    return Office.open(database, tmp_path)


@pytest.fixture
def lite(sqlite_database: Database, tmp_path: Path) -> Office:
    """An office on SQLite, for what does not depend on the engine."""
    return Office.open(sqlite_database, tmp_path)
