"""Reserves primary keys, so that rows and their children can be written in bulk, a statement a table. Writes nothing.

SQLite's RETURNING promises no order, which makes an ordered bulk insert one statement a row; PostgreSQL's sequences
give any number at once."""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import Table, func, select, text
from sqlalchemy.orm import Session

from crm.models import Base


def reserve(session: Session, model: type[Base], count: int) -> list[int]:
    """``count`` fresh ids of a table, ascending, within the caller's transaction. On SQLite the transaction must hold
    the write lock, as ``Database.transaction`` does from its start."""
    if count == 0:
        return []
    table = cast(Table, model.__table__)
    if session.get_bind().dialect.name == "sqlite":
        last = session.scalar(select(func.max(cast(Any, table.c.id)))) or 0
        return list(range(last + 1, last + count + 1))
    query = text("SELECT nextval(pg_get_serial_sequence(:table, 'id')) FROM generate_series(1, :count)")
    return sorted(session.scalars(query, {"table": f'"{table.name}"', "count": count}))
