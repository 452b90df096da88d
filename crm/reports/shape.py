"""What every report is made of: its scope (period, owner, pipeline), a table with named columns, and how it is drawn.
Values are plain; how they are written is the page's. Knows no report and sends no statement.

A cell of None means "no data" and is said so; it is never 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from crm.currencies import Sum
from crm.privacy import Viewer

Value = int | float | Decimal | Sum | str | date | datetime | None
KINDS = ("text", "count", "money", "share", "days", "day", "moment")
BUCKETS_MAX = 120
ROWS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Scope:
    """What a report looks at: the days from ``since`` to ``until`` (both included) in ``zone``, the deals or work of
    one owner, one pipeline. ``as_of`` asks for the state at the end of a day."""

    since: date
    until: date
    zone: ZoneInfo
    owner_id: int | None = None
    pipeline_id: int | None = None
    as_of: date | None = None
    sort: str = ""

    @property
    def first(self) -> datetime:
        """The first moment (an aware time in ``zone``)."""
        return start_of(self.since, self.zone)

    @property
    def end(self) -> datetime:
        """The first moment after the last day."""
        return start_of(self.until + timedelta(days=1), self.zone)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A month or week of a scope: from ``first`` until before ``end``. ``key`` is its first day, ISO."""

    first: datetime
    end: datetime

    @property
    def day(self) -> date:
        return self.first.date()

    @property
    def key(self) -> str:
        return self.day.isoformat()


@dataclass(frozen=True, slots=True)
class Column:
    """A column: ``kind`` is one of ``KINDS``; ``opens``: its numbers lead to the rows behind them."""

    key: str
    label: str
    kind: str = "count"
    opens: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A line: its name in the first column and a value by column. ``target`` is the record it is about. ``level`` 1
    stands below a line of level 0. ``marked`` says in a few words why it is pointed out, "" for not."""

    key: str
    label: str
    cells: Mapping[str, Value]
    target: tuple[str, int] | None = None
    level: int = 0
    marked: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """How the table is drawn: ``kind`` bars, stacked or line, of these columns over the lines of level 0."""

    kind: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A report's answer. ``head`` names the first column; ``says`` are sentences to read with the figures; ``total``
    is None where a sum would mean nothing. ``below`` names what lines of level 1 are."""

    head: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    total: Line | None = None
    says: tuple[str, ...] = ()
    chart: Chart | None = None
    below: str = ""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not self.lines


@dataclass(frozen=True, slots=True)
class Report:
    """One report. ``definition`` is one sentence. ``filters`` of period, owner, pipeline, as_of, sort. ``table``
    answers, ``rows`` gives the rows behind one number: (session, viewer, scope, line, column, now); it raises NotFound
    for a line or column there is not. ``sorts`` are what ``Scope.sort`` may be, the first the default."""

    key: str
    title: str
    definition: str
    group: str
    table: Callable[[Session, Viewer, Scope, datetime], Table]
    rows: Callable[[Session, Viewer, Scope, str, str, datetime], Table]
    filters: frozenset[str] = field(default_factory=lambda: frozenset({"period", "owner", "pipeline"}))
    period: str = "12m"
    sorts: tuple[tuple[str, str], ...] = ()


def start_of(day: date, zone: ZoneInfo) -> datetime:
    """Midnight of a day in a zone, aware."""
    return datetime.combine(day, time(), zone)


def months(scope: Scope) -> list[Bucket]:
    """The calendar months that the scope touches, the oldest first, at most ``BUCKETS_MAX``: the newest. The first and
    the last one are cut to the scope."""
    found: list[Bucket] = []
    day = scope.until.replace(day=1)
    while day >= scope.since.replace(day=1) and len(found) < BUCKETS_MAX:
        following = (day + timedelta(days=32)).replace(day=1)
        first, end = max(day, scope.since), min(following, scope.until + timedelta(days=1))
        found.append(Bucket(start_of(first, scope.zone), start_of(end, scope.zone)))
        day = (day - timedelta(days=1)).replace(day=1)
    return found[::-1]


def weeks(scope: Scope) -> list[Bucket]:
    """The weeks (from Monday) that the scope touches, whole ones, the oldest first, at most ``BUCKETS_MAX``."""
    monday = scope.until - timedelta(days=scope.until.weekday())
    found: list[Bucket] = []
    while monday + timedelta(days=6) >= scope.since and len(found) < BUCKETS_MAX:
        end = start_of(monday + timedelta(days=7), scope.zone)
        found.append(Bucket(start_of(monday, scope.zone), end))
        monday -= timedelta(days=7)
    return found[::-1]


def cut(scope: Scope, buckets: list[Bucket], what: str) -> tuple[str, ...]:
    """The sentence that says that the scope begins before its buckets, if so; ``what`` they are."""
    return (f"The newest {len(buckets)} {what} of the period.",) if scope.first < buckets[0].first else ()


def month_name(day: date) -> str:
    """ "Mar 2026"."""
    return f"{day:%b %Y}"
