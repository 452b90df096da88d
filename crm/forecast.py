"""The weighted forecast: open deals by the month they are expected to close in, value times probability. A deal's own
probability goes before its stage's. Deals whose date has passed, and those without one, are told apart, never moved.

Sums are exact and converted with the rates of the day (``crm.currencies``); what has no rate is named.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from crm import currencies
from crm.currencies import Rates, Sum
from crm.models import Deal, Stage
from crm.privacy import Viewer, member

MONTHS = 6


@dataclass(frozen=True, slots=True)
class Month:
    """Open deals expected to close from ``first`` to ``last``, both included; both None for deals without a date.
    ``open`` is their value, ``weighted`` times their probability."""

    first: date | None
    last: date | None
    count: int
    open: Sum
    weighted: Sum


@dataclass(frozen=True, slots=True)
class Forecast:
    """``months`` from the month of the day on, the first of them without the days gone by; ``passed`` before that day,
    ``later`` behind the last month, ``undated`` the rest; ``total`` is all of them."""

    months: tuple[Month, ...]
    passed: Month
    later: Month
    undated: Month
    total: Month


def by_month(
    session: Session,
    viewer: Viewer,
    *,
    today: date,
    months: int = MONTHS,
    owner_id: int | None = None,
    pipeline_id: int | None = None,
) -> Forecast:
    """The forecast as of ``today`` (the viewer's day), for everybody or one owner, for all pipelines or one. Three
    statements."""
    member(viewer)
    where = [Deal.status == "open", Deal.deleted_at.is_(None)]
    where += [Deal.owner_id == owner_id] if owner_id is not None else []
    where += [Deal.pipeline_id == pipeline_id] if pipeline_id is not None else []
    rows, rates = _rows(session, where), currencies.rates(session, on=today)
    firsts = [_month_after(today.replace(day=1), n) for n in range(months + 1)]
    found = tuple(
        _month(rows, rates, max(first, today), _day_before(after)) for first, after in itertools.pairwise(firsts)
    )
    return Forecast(
        found, _month(rows, rates, date.min, _day_before(today)), _month(rows, rates, firsts[-1], date.max),
        _month([r for r in rows if r.expected_close is None], rates, None, None), _month(rows, rates, None, None),
    )  # fmt: skip


def weighted(value: Decimal, probability: int) -> Decimal:
    """Value times probability in percent, not rounded."""
    return value * probability / 100


def _rows(session: Session, where: Iterable[ColumnElement[bool]]) -> Sequence[Any]:
    """Sums by day, currency and probability: as many rows as differ, however many deals."""
    chance = func.coalesce(Deal.probability, Stage.probability)
    keys = (Deal.expected_close, Deal.currency, chance.label("chance"))
    columns = (*keys, func.count().label("n"), func.sum(Deal.value).label("value"))
    query = select(*columns).join(Stage, Stage.id == Deal.stage_id).where(*where)
    return session.execute(query.group_by(Deal.expected_close, Deal.currency, chance)).all()


def _month(rows: Sequence[Any], rates: Rates, first: date | None, last: date | None) -> Month:
    chosen = [row for row in rows if first is None or last is None or _within(row.expected_close, first, last)]
    worth = [(row.currency, row.value) for row in chosen]
    likely = [(row.currency, None if row.value is None else weighted(row.value, row.chance)) for row in chosen]
    return Month(first, last, sum(row.n for row in chosen), rates.sum(worth), rates.sum(likely))


def _within(day: date | None, first: date, last: date) -> bool:
    return day is not None and first <= day <= last


def _month_after(first: date, months: int) -> date:
    years, month = divmod(first.month - 1 + months, 12)
    return date(first.year + years, month + 1, 1)


def _day_before(day: date) -> date:
    return date.fromordinal(day.toordinal() - 1)
