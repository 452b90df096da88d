"""Runs migrations on the connection that ``crm.database`` hands over. Never opens one of its own."""

from __future__ import annotations

from alembic import context

from crm.models import Base


def ours(_thing: object, name: str | None, *_: object) -> bool:
    """The search index of SQLite is made by hand (``crm.search_index``), with tables of its own beneath."""
    return not (name or "").startswith("communication_fts")


connection = context.config.attributes["connection"]
context.configure(
    connection=connection, target_metadata=Base.metadata, render_as_batch=True, compare_type=True, include_object=ours
)
with context.begin_transaction():
    context.run_migrations()
