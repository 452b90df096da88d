"""Fixtures of whole flows: databases, and offices that are made one after the other within a test."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from crm.database import Database
from tests.rig.databases import *  # noqa: F403
from tests.rig.office import Office

MakeOffice = Callable[[], Office]


@pytest.fixture
def make_office(sqlite_template: Path, tmp_path: Path) -> MakeOffice:
    """A fresh office on SQLite each time it is called."""
    numbers = itertools.count()

    def make() -> Office:
        folder = tmp_path / f"office{next(numbers)}"
        folder.mkdir()
        shutil.copyfile(sqlite_template, folder / "crm.db")
        return Office.open(Database(f"sqlite:///{folder / 'crm.db'}"), folder)

    return make


@pytest.fixture
def office(make_office: MakeOffice) -> Office:
    """One office on SQLite."""
    return make_office()
