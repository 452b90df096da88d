"""Writes the next migration from what the models have and the newest migration has not:
``python -m tests.make_migration 0003 "what it adds"``. Read it before you commit it: data is its author's to move.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config

from crm.database import Database


def main(number: str, says: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'crm.db'}")
        database.migrate()
        config = Config()
        config.set_main_option("script_location", "crm/migrations")
        with database.engine.connect() as connection:
            config.attributes["connection"] = connection
            command.revision(config, message=says, rev_id=number, autogenerate=True)
        database.dispose()


if __name__ == "__main__":
    main(*sys.argv[1:3])
