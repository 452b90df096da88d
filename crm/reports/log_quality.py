"""Log quality: how much of the log is filed without a person, how many clicks it costs, how often people correct it,
and how long questions wait. Counts only items the viewer may see; decisions of the viewer, for leads of everybody.

Reads only; three statements for the figures, whatever the size of the log.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select
from sqlalchemy.orm import Session

from crm.models import Communication, Decision, Link, Question
from crm.privacy import Viewer, member, subject_visible, visible
from crm.review import mine

WEEKS = 12
GROUPS_MAX = 20_000
ROWS_MAX = 500
MEASURES = ("automatic", "by_person", "corrected")


@dataclass(frozen=True, slots=True)
class Week:
    """One week from ``start`` (UTC): ``items`` stored, ``filed`` of them with links, ``automatic`` of those without a
    person's hand, ``by_person`` the rest, ``corrected`` items off which a person took a link, and ``clicks``, decisions
    made that week."""

    start: datetime
    items: int = 0
    filed: int = 0
    automatic: int = 0
    corrected: int = 0
    clicks: int = 0

    @property
    def by_person(self) -> int:
        return self.filed - self.automatic

    @property
    def share(self) -> float | None:
        """Automatic share of what is filed, 0 to 1."""
        return self.automatic / self.filed if self.filed else None

    @property
    def per_hundred(self) -> float | None:
        """Clicks per 100 items."""
        return 100 * self.clicks / self.items if self.items else None

    @property
    def precision(self) -> float | None:
        """Estimated: items with links that nobody found wrong."""
        return 1 - self.corrected / self.filed if self.filed else None


@dataclass(frozen=True, slots=True)
class Queue:
    """Open groups of questions of the viewer, and their ages in days (None when there are none)."""

    groups: int
    median_days: float | None
    oldest_days: float | None


@dataclass(frozen=True, slots=True)
class Figures:
    """``weeks`` the oldest first, ``total`` their sum from the first week's start."""

    weeks: tuple[Week, ...]
    total: Week
    queue: Queue


@dataclass(frozen=True, slots=True)
class Row:
    """One item behind a figure. ``subject`` is "" where the viewer may not read it."""

    id: int
    occurred_at: datetime
    subject: str


@dataclass(frozen=True, slots=True)
class Report:
    """What the page, the CSV and the drill-down need to know of a report."""

    key: str
    title: str
    definition: str
    figures: Callable[..., Figures]
    rows: Callable[..., list[Row]]


def figures(session: Session, viewer: Viewer, *, now: datetime) -> Figures:
    """The last twelve weeks, week by week and together, and the queue as it stands."""
    member(viewer)
    first = _first(now)
    counts = {row.week: row for row in session.execute(_items(viewer, first))}
    clicks = {row.week: row.clicks for row in session.execute(_clicks(viewer, first))}
    weeks = tuple(_week(n, first, counts.get(n), clicks.get(n, 0)) for n in range(WEEKS))
    return Figures(weeks, _sum(weeks), _queue(session, viewer, now))


def rows(
    session: Session, viewer: Viewer, measure: str, *, since: datetime, until: datetime, limit: int = 100
) -> list[Row]:
    """The items behind one figure, newest first."""
    member(viewer)
    condition = {
        "automatic": and_(_linked(), ~_touched()), "by_person": and_(_linked(), _touched()), "corrected": _taken_off(),
    }[measure]  # fmt: skip
    readable = subject_visible(viewer).label("open")
    query = (
        select(Communication.id, Communication.occurred_at, Communication.subject, readable)
        .where(condition, visible(viewer), Communication.occurred_at >= since, Communication.occurred_at < until)
        .order_by(Communication.occurred_at.desc(), Communication.id.desc())
        .limit(min(limit, ROWS_MAX))
    )  # fmt: skip
    return [Row(row.id, row.occurred_at, row.subject if row.open else "") for row in session.execute(query)]


def _first(now: datetime) -> datetime:
    """Monday 00:00 UTC of the first week."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=today.weekday(), weeks=WEEKS - 1)


def _bucket(column: Any, first: datetime) -> Any:
    """The number of the week a moment is in."""
    later = [(column < first + timedelta(weeks=n + 1), n) for n in range(WEEKS)]
    return case(*later, else_=WEEKS)


def _items(viewer: Viewer, first: datetime) -> Any:
    week = _bucket(Communication.occurred_at, first).label("week")
    return (
        select(
            week, func.count().label("items"), func.count().filter(_linked()).label("filed"),
            func.count().filter(and_(_linked(), ~_touched())).label("automatic"),
            func.count().filter(_taken_off()).label("corrected"),
        )
        .where(Communication.occurred_at >= first, Communication.occurred_at < first + timedelta(weeks=WEEKS))
        .where(visible(viewer))
        .group_by(week)
    )  # fmt: skip


def _clicks(viewer: Viewer, first: datetime) -> Any:
    week = _bucket(Decision.at, first).label("week")
    query = select(week, func.count().label("clicks")).where(Decision.at >= first).group_by(week)
    return query if viewer.leads else query.where(Decision.actor_id == viewer.user_id)


def _linked() -> ColumnElement[bool]:
    return exists().where(Link.communication_id == Communication.id, Link.tombstoned.is_(False))


def _touched() -> ColumnElement[bool]:
    by_hand = or_(Link.pinned.is_(True), Link.tombstoned.is_(True))
    return exists().where(Link.communication_id == Communication.id, by_hand)


def _taken_off() -> ColumnElement[bool]:
    return exists().where(Link.communication_id == Communication.id, Link.tombstoned.is_(True))


def _week(number: int, first: datetime, row: Any, clicks: int) -> Week:
    start = first + timedelta(weeks=number)
    if row is None:
        return Week(start, clicks=clicks)
    return Week(start, row.items, row.filed, row.automatic, row.corrected, clicks)


def _sum(weeks: tuple[Week, ...]) -> Week:
    names = ("items", "filed", "automatic", "corrected", "clicks")
    return Week(weeks[0].start, *(sum(getattr(week, name) for week in weeks) for name in names))


def _queue(session: Session, viewer: Viewer, now: datetime) -> Queue:
    """The age of a group is that of its first item."""
    query = (
        select(func.min(Communication.occurred_at))
        .select_from(Question)
        .join(Communication, Communication.id == Question.communication_id)
        .where(Communication.status.in_(("review", "linked")), mine(viewer))
        .group_by(Question.group_key)
        .limit(GROUPS_MAX)
    )
    ages = [max(0.0, (now - at).total_seconds() / 86_400) for at in session.scalars(query)]
    return Queue(len(ages), median(ages) if ages else None, max(ages) if ages else None)


REPORT = Report(
    "log-quality",
    "Log quality",
    "Automatic share: of the items with a link, those on which no person set or took off one. Clicks: decisions per 100"
    " items stored. Corrected: items off which a person took a link; precision is estimated as the filed items without"
    " one such. Weeks begin on Monday, UTC, by when an item happened; only items you may see are counted.",
    figures,
    rows,
)
