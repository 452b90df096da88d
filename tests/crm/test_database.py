"""The store itself: migrations on both engines, and what a transaction promises."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, select, text

from crm.database import Database
from crm.models import Base, Setting


def test_a_migrated_database_has_every_table_of_the_models(database: Database) -> None:
    assert set(Base.metadata.tables) <= set(inspect(database.engine).get_table_names())
    assert database.is_current()


def test_a_transaction_that_raises_leaves_nothing_behind(database: Database, now) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(RuntimeError), database.transaction() as session:
        session.add(Setting(name="x", value=1, updated_at=now))
        session.flush()
        raise RuntimeError
    with database.reading() as session:
        assert session.scalars(select(Setting)).all() == []


def test_the_migrations_end_where_the_models_are(database: Database) -> None:
    """Nothing a next migration would have to add or drop."""
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": _ours})
        assert compare_metadata(context, Base.metadata) == []


def test_tidying_tells_the_planner_how_large_tables_are(database: Database, now) -> None:  # type: ignore[no-untyped-def]
    with database.transaction() as session:
        session.add_all(Setting(name=f"x{n}", value=n, updated_at=now) for n in range(50))
    database.tidy()
    if database.is_sqlite:
        with database.reading() as session:
            found = session.execute(text("SELECT stat FROM sqlite_stat1 WHERE tbl = 'setting'")).scalars().all()
        assert any(stat.startswith("50 ") for stat in found)


def _ours(_thing: object, name: str | None, *_: object) -> bool:
    return not (name or "").startswith("communication_fts")
