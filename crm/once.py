"""Inserts a row unless one with its unique key is there: what makes notices, mails and runs of rules happen once,
whoever else is at it. One statement, on both engines (sqlite.org/lang_upsert.html, postgresql.org "ON CONFLICT")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from crm.models import Base


def insert_once(session: Session, model: type[Base], values: Mapping[str, Any]) -> int | None:
    """Insert; returns the new primary key, or None when the unique key was taken. Column defaults apply."""
    dialect = session.get_bind().dialect.name
    table: Any = model.__table__
    statement: Any = (sqlite if dialect == "sqlite" else postgresql).insert(table).values(**values)
    return session.execute(statement.on_conflict_do_nothing().returning(*table.primary_key)).scalar_one_or_none()
