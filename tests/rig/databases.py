"""Fixtures of a fresh, migrated database, on SQLite and PostgreSQL alike.

Migrations run once per test process into a template; each test gets a copy. Import the fixtures into a conftest:
``from tests.rig.databases import *`` brings all of them, which depend on each other.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from crm.database import Database
from tests.rig.postgres import Cluster, Missing

BOTH = [pytest.param("sqlite"), pytest.param("postgres", marks=pytest.mark.needs_postgres)]


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    made = Database(f"sqlite:///{path}")
    made.migrate()
    with made.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    made.dispose()
    return path


@pytest.fixture
def sqlite_database(sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    """A fresh SQLite database."""
    path = tmp_path / "crm.db"
    shutil.copyfile(sqlite_template, path)
    made = Database(f"sqlite:///{path}")
    yield made
    made.dispose()


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Cluster]:
    """A private PostgreSQL server of this test process; skips with the reason where it cannot run."""
    try:
        cluster = Cluster()
    except Missing as error:
        pytest.skip(str(error))
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def postgres_template(postgres_cluster: Cluster) -> str:
    """The name of a migrated database, to be copied."""
    made = Database(postgres_cluster.create("crm_template"))
    made.migrate()
    made.dispose()
    return "crm_template"


@pytest.fixture
def postgres_database(postgres_cluster: Cluster, postgres_template: str) -> Iterator[Database]:
    """A fresh PostgreSQL database."""
    name = f"t{uuid.uuid4().hex}"
    made = Database(postgres_cluster.create(name, template=postgres_template))
    yield made
    made.dispose()
    postgres_cluster.drop(name)


@pytest.fixture(scope="session")
def shared_sqlite(sqlite_template: Path) -> Iterator[Database]:
    """A migrated SQLite database for tests that roll back."""
    made = Database(f"sqlite:///{sqlite_template}")
    yield made
    made.dispose()


@pytest.fixture(scope="session")
def shared_postgres(postgres_cluster: Cluster, postgres_template: str) -> Iterator[Database]:
    """A migrated PostgreSQL database for tests that roll back."""
    made = Database(postgres_cluster.create("crm_shared", template=postgres_template))
    yield made
    made.dispose()


@pytest.fixture(params=BOTH)
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    """A session on each engine, rolled back at the end: cheap, since the database is shared. Ids don't start at 1."""
    shared: Database = request.getfixturevalue(f"shared_{request.param}")
    with shared.engine.connect() as connection, Session(bind=connection, expire_on_commit=False) as made:
        yield made
        made.rollback()


@pytest.fixture(params=BOTH)
def database(request: pytest.FixtureRequest) -> Database:
    """A fresh database; the test runs once on each engine."""
    found: Database = request.getfixturevalue(f"{request.param}_database")
    return found
