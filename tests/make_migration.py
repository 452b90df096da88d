"""Writes the initial migration from the models. Only for use until the first release; from then on migrations are
added, not rewritten."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

VERSIONS = Path("crm/migrations/versions")


def main() -> None:
    for old in VERSIONS.glob("0001_*.py"):
        old.unlink()
    config = Config()
    config.set_main_option("script_location", "crm/migrations")
    with create_engine("sqlite://").connect() as connection:
        config.attributes["connection"] = connection
        command.revision(config, message="initial", rev_id="0001", autogenerate=True)
    path = next(VERSIONS.glob("0001_*.py"))
    text = path.read_text()
    text = text.replace("import crm.models.declarative\n", "")
    text = text.replace(
        "from alembic import op\n",
        "from alembic import op\nfrom sqlalchemy import Text\nfrom sqlalchemy.dialects import postgresql\n\nimport crm.models.declarative\nfrom crm.search_index import POSTGRES, SQLITE\n",
        1,
    )
    tail = '\n    dialect = op.get_bind().dialect.name\n    for statement in SQLITE if dialect == "sqlite" else POSTGRES:\n        op.execute(statement)\n'
    text = text.replace("    # ### end Alembic commands ###\n", tail, 1)
    head = '    op.execute("DROP TABLE communication_fts")\n'
    text = text.replace("def downgrade() -> None:\n", "def downgrade() -> None:\n" + head)
    path.write_text(text)


if __name__ == "__main__":
    main()
