"""Runs migrations on the connection that ``crm.database`` hands over. Never opens one of its own."""

from __future__ import annotations

from alembic import context

from crm.models import Base

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True, compare_type=True)
with context.begin_transaction():
    context.run_migrations()
