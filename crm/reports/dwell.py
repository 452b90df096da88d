"""How long deals stay in each stage, with the slowest pointed out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from statistics import fmean, median
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.errors import NotFound
from crm.models import Deal, DealStageChange, Pipeline, Stage
from crm.privacy import Viewer, member
from crm.reports import deal_rows
from crm.reports.shape import Chart, Column, Line, Report, Scope, Table

COLUMNS = (
    Column("left", "Stays ended", "count", True), Column("median", "Median", "days"), Column("mean", "Mean", "days"),
    Column("here", "Still there", "count", True), Column("oldest", "The longest of them", "days"),
)  # fmt: skip
STAYS_MAX = 100_000


def table(session: Session, viewer: Viewer, scope: Scope, now: datetime) -> Table:
    """One line per open stage in which deals were."""
    member(viewer)
    stays = _stays(scope)
    query = (
        select(stays, Stage.name.label("stage"), Pipeline.name.label("pipeline"))
        .join(Stage, Stage.id == stays.c.stage_id)
        .join(Pipeline, Pipeline.id == Stage.pipeline_id)
        .order_by(Pipeline.position, Pipeline.id, Stage.position, Stage.id)
        .limit(STAYS_MAX)
    )
    groups: dict[int, list[Any]] = {}
    for row in session.execute(query):
        groups.setdefault(row.stage_id, []).append(row)
    many = len({found[0].pipeline for found in groups.values()}) > 1
    lines = [
        _line(str(i), f"{found[0].pipeline}: {found[0].stage}" if many else found[0].stage, found, now)
        for i, found in groups.items()
    ]
    return Table("Stage", COLUMNS, tuple(_pointed_out(lines)), None, (), Chart("bars", ("median", "mean")))


def rows(session: Session, viewer: Viewer, scope: Scope, line: str, column: str, now: datetime) -> Table:
    """The deals that left a stage in the period, or are still there."""
    member(viewer)
    if column not in ("left", "here"):
        raise NotFound("There is no such column in this report.")
    stays = _stays(scope)
    query = select(stays.c.deal_id).where(stays.c.stage_id == deal_rows.number_of(line))
    query = query.where(stays.c.until.is_(None) if column == "here" else stays.c.until.is_not(None))
    today = now.astimezone(scope.zone).date()
    rates = deal_rows.rates_on(session, [today])[today]
    return deal_rows.rows(session, [Deal.id.in_(query)], lambda _: rates)


def _stays(scope: Scope) -> Any:
    """Each stay of a deal in an open stage that ended in the period or lasts: deal, stage, since, until (None: it
    lasts). A stay ends with the deal's next change of stage."""
    change = DealStageChange
    order = (change.at, change.id)
    following = func.lead(change.at, type_=change.at.type).over(partition_by=change.deal_id, order_by=order)
    came = change.to_stage_id.label("stage_id"), change.at.label("since")
    stays = select(change.deal_id, *came, following.label("until")).subquery()
    stage = Stage.__table__.alias("stayed_in")
    here = deal_rows.of_scope(Scope(scope.since, scope.until, scope.zone, scope.owner_id))
    query = (
        select(stays)
        .join(stage, stage.c.id == stays.c.stage_id)
        .join(Deal, Deal.id == stays.c.deal_id)
        .where(stage.c.kind == "open", *here)
        .where(stays.c.until.is_(None) | ((stays.c.until >= scope.first) & (stays.c.until < scope.end)))
    )
    if scope.pipeline_id is not None:
        query = query.where(stage.c.pipeline_id == scope.pipeline_id)
    return query.subquery()


def _line(key: str, label: str, found: Sequence[Any], now: datetime) -> Line:
    ended = [_days(row.since, row.until) for row in found if row.until is not None]
    lasting = [_days(row.since, now) for row in found if row.until is None]
    cells = {
        "left": len(ended), "median": median(ended) if ended else None, "mean": fmean(ended) if ended else None,
        "here": len(lasting), "oldest": max(lasting, default=None),
    }  # fmt: skip
    return Line(key, label, cells)


def _days(since: datetime, until: datetime) -> float:
    return max(0.0, (until - since).total_seconds() / 86_400)


def _pointed_out(lines: list[Line]) -> list[Line]:
    """The slowest stage by median is marked; with one stage alone there is none to compare."""
    known = [(m, line) for line in lines if isinstance(m := line.cells["median"], float)]
    if len(known) < 2:
        return lines
    slowest = max(known, key=lambda pair: pair[0])[1]
    return [
        Line(line.key, line.label, line.cells, marked="the slowest stage") if line is slowest else line
        for line in lines
    ]


REPORT = Report(
    "dwell", "Time in each stage",
    "Days that deals stayed in a stage, over the stays that ended in the period; those still there are counted apart.",
    "Pipeline", table, rows,
)  # fmt: skip
