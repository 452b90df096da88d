"""Periods by name and by days, as they stand in the address of a report. Pure; ``today`` is given."""

from __future__ import annotations

from datetime import date, timedelta

NAMES = (
    ("month", "this month"), ("last-month", "last month"), ("3m", "last 3 months"), ("6m", "last 6 months"),
    ("12m", "last 12 months"), ("year", "this year"), ("last-year", "last year"), ("all", "all time"),
    ("days", "from … to …"),
)  # fmt: skip
BEGINNING = date(2000, 1, 1)


def days_of(name: str, today: date) -> tuple[date, date]:
    """First and last day of a named period. Those of several months begin on the first of one, and end today. Raises
    KeyError for another name."""
    first = today.replace(day=1)
    before = first - timedelta(days=1)
    return {
        "month": (first, today), "last-month": (before.replace(day=1), before), "3m": (_back(first, 2), today),
        "6m": (_back(first, 5), today), "12m": (_back(first, 11), today), "year": (date(today.year, 1, 1), today),
        "last-year": (date(today.year - 1, 1, 1), date(today.year - 1, 12, 31)), "all": (BEGINNING, today),
    }[name]  # fmt: skip


def between(since: str, until: str, today: date) -> tuple[date, date] | str:
    """Two days as typed (ISO); the second may be empty for today. A sentence when they can't be."""
    try:
        first, last = date.fromisoformat(since), date.fromisoformat(until) if until else today
    except ValueError:
        return "Write both days as 2026-03-04."
    if not BEGINNING <= first <= last or last.year > today.year + 10:
        return "The first day comes before the last, both from 2000 on."
    return first, last


def _back(first: date, months: int) -> date:
    total = first.year * 12 + first.month - 1 - months
    return date(total // 12, total % 12 + 1, 1)
