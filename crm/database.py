"""Opens the database and gives out transactions. The one place that knows SQLite from PostgreSQL.

Sessions are opened in entry points only, through ``transaction()``; everything below takes ``session`` first and
never commits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from crm import names

BUSY_TIMEOUT_MS = 30_000
READING = "reading"
"""The key in ``Session.info`` that says a session writes nothing, so that what it read once may be kept."""
names.follow()


class Database:
    """An engine and its sessions. One per process; not to be shared over a fork (call ``dispose`` in the child)."""

    def __init__(self, url: str, *, echo: bool = False, internal_domains: tuple[str, ...] = ()) -> None:
        """``internal_domains`` is the process setting; readers find it in ``session.info["internal_domains"]``."""
        self.url = url
        self.engine = _engine(url, echo)
        self._info: dict[Any, Any] = {"internal_domains": internal_domains}
        self._sessions = sessionmaker(self.engine, expire_on_commit=False, info=self._info)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that commits at the end of the block, or rolls back when it raises."""
        with self._sessions.begin() as session:
            yield session

    @contextmanager
    def trial(self) -> Iterator[Session]:
        """A session that may write and is always rolled back: what a change would do, by doing it."""
        with self._sessions() as session:
            session.begin()
            yield session
            session.rollback()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session for reading only: on SQLite it takes no write lock, so that pages never wait for a sync."""
        connection = self.engine.connect().execution_options(read_only=True)
        info = {**self._info, READING: True}
        try:
            with connection.begin(), Session(bind=connection, expire_on_commit=False, info=info) as session:
                yield session
        finally:
            connection.close()

    def tidy(self) -> None:
        """Let SQLite learn how large its tables are: without that it takes quadratic ways through joins of links and
        items. A sample of each index, so that it takes as long in a large log (sqlite.org/lang_analyze.html, 3.2).
        PostgreSQL does it by itself."""
        if not self.is_sqlite:
            return
        with self.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA analysis_limit=400")
            connection.exec_driver_sql("ANALYZE")
            connection.commit()

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded database."""
        return self.engine.dialect.name == "sqlite"

    def migrate(self) -> None:
        """Create or upgrade all tables; idempotent."""
        if self.is_sqlite and (path := self.engine.url.database):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        config = _alembic()
        with self.engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()

    def is_current(self) -> bool:
        """Whether the schema is at the newest migration."""
        with self.engine.connect() as connection:
            here = MigrationContext.configure(connection).get_current_revision()
        return here == ScriptDirectory.from_config(_alembic()).get_current_head()

    def dispose(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def is_race(error: DBAPIError) -> bool:
    """Whether a transaction failed because another one was at the same rows: a key that both made, a deadlock, a
    serialisation failure (PostgreSQL's appendix A). Doing it again is the answer."""
    return isinstance(error, IntegrityError) or getattr(error.orig, "sqlstate", "") in ("40001", "40P01")


def _alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def _engine(url: str, echo: bool) -> Engine:
    if url.startswith("sqlite"):
        engine = create_engine(url, echo=echo, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000}, pool_size=10)
        event.listen(engine, "connect", _sqlite_pragmas)
        event.listen(engine, "begin", _sqlite_begin)
        return engine
    # compiling takes longer than any of our queries runs (postgresql.org/docs "jit")
    options = {"options": "-c jit=off"}
    return create_engine(url, echo=echo, pool_pre_ping=True, pool_size=5, max_overflow=10, connect_args=options)


def _sqlite_pragmas(connection: Any, _record: Any) -> None:
    """WAL for readers beside a writer; NORMAL is durable across a process crash, and loses no committed row in WAL mode
    but the last ones on a power cut, which the at-least-once cursor then fetches again with their ledger rows."""
    connection.isolation_level = None  # the driver's own BEGIN is deferred and ill-timed; ``_sqlite_begin`` does it
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "cache_size=-65536",
        "temp_store=MEMORY",
        "journal_size_limit=67108864",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_begin(connection: Any) -> None:
    """IMMEDIATE takes the write lock at the start: a deferred transaction that turns writer late fails at once with
    "database is locked" whatever the busy timeout. Readers ask for a plain BEGIN with
    ``execution_options(read_only=True)``."""
    read_only = connection.get_execution_options().get("read_only")
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
