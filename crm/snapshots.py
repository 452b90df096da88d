"""Rows as JSON and back, for journals that can restore what was. Knows no table by name."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Date, Float, Numeric, inspect

from crm.models.declarative import UtcDateTime


def columns(row: Any, without: Iterable[str] = ()) -> dict[str, Any]:
    """A row's columns by name, as JSON values."""
    left_out = set(without)
    return {c.key: plain(getattr(row, c.key)) for c in inspect(type(row)).column_attrs if c.key not in left_out}


def plain(value: Any) -> Any:
    """One value as JSON: times and dates in ISO form, amounts with two decimals."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    return f"{value:.2f}" if isinstance(value, Decimal) else value


def typed(table: Any, name: str, value: Any) -> Any:
    """What ``plain`` made of a column of ``table``, back in its own type."""
    kind = table.__table__.c[name].type
    if value is None:
        return None
    if isinstance(kind, UtcDateTime):
        return datetime.fromisoformat(value)
    if isinstance(kind, Date):
        return date.fromisoformat(value)
    return Decimal(value) if isinstance(kind, Numeric) and not isinstance(kind, Float) else value


def rebuilt(table: Any, values: dict[str, Any]) -> Any:
    """A new row from ``columns``, with its old id."""
    return table(**{name: typed(table, name, value) for name, value in values.items()})
