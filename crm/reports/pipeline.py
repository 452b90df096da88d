"""Pipeline value and weighted forecast per stage, today or as it stood at the end of an earlier day.

The past is read from the histories of stages and values, which are never rewritten; a deal without a history of values
(older than that history) counts with its present one. Deals deleted since are left out of the past too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, select
from sqlalchemy.orm import Session, aliased

from crm.currencies import Rates
from crm.forecast import weighted
from crm.models import Deal, DealStageChange, DealValueChange, Pipeline, Stage
from crm.privacy import Viewer, member
from crm.reports import deal_rows
from crm.reports.shape import Chart, Column, Line, Report, Scope, Table, start_of

COLUMNS = (
    Column("deals", "Deals", "count", True), Column("value", "Value", "money", True),
    Column("weighted", "Weighted", "money", True),
)  # fmt: skip


def table(session: Session, viewer: Viewer, scope: Scope, now: datetime) -> Table:
    """One line per open stage that has deals, in the pipelines' order."""
    member(viewer)
    rates = deal_rows.rates_on(session, [_day(scope, now)])[_day(scope, now)]
    found = session.execute(_by_stage(scope, _moment(scope, now))).all()
    stages = {row.stage_id: row for row in found}
    many = len({row.pipeline for row in found}) > 1
    names = {i: f"{row.pipeline}: {row.stage}" if many else row.stage for i, row in stages.items()}
    lines = tuple(_line(str(i), names[i], [r for r in found if r.stage_id == i], rates) for i in stages)
    says = (f"As it stood at the end of {scope.as_of:%d %B %Y}; probabilities are today's.",) if scope.as_of else ()
    chart = Chart("bars", ("value", "weighted"))
    return Table("Stage", COLUMNS, lines, _line("total", "All", found, rates), says, chart)


def rows(session: Session, viewer: Viewer, scope: Scope, line: str, column: str, now: datetime) -> Table:
    """The deals of a stage, or of all."""
    member(viewer)
    day, moment = _day(scope, now), _moment(scope, now)
    open_ = stood(scope, moment).subquery()
    query = select(open_.c.deal_id)
    if line != "total":
        query = query.where(open_.c.stage_id == deal_rows.number_of(line))
    rates = deal_rows.rates_on(session, [day])[day]
    return deal_rows.rows(session, [Deal.id.in_(query)], lambda _: rates)


def _day(scope: Scope, now: datetime) -> date:
    return scope.as_of or now.astimezone(scope.zone).date()


def _moment(scope: Scope, now: datetime) -> datetime | None:
    """The end of the day asked for; None for the present."""
    if scope.as_of is None:
        return None
    return start_of(scope.as_of, scope.zone).replace(hour=23, minute=59, second=59, microsecond=999_999)


def _by_stage(scope: Scope, moment: datetime | None) -> Select[Any]:
    open_ = stood(scope, moment).subquery()
    return (
        select(
            Stage.id.label("stage_id"), Stage.name.label("stage"), Pipeline.name.label("pipeline"), open_.c.currency,
            open_.c.percent, func.count().label("deals"), func.sum(open_.c.value).label("value"),
        )
        .join(Stage, Stage.id == open_.c.stage_id)
        .join(Pipeline, Pipeline.id == Stage.pipeline_id)
        .group_by(Stage.id, Stage.name, Stage.position, Pipeline.id, Pipeline.name, Pipeline.position, open_.c.currency,
                  open_.c.percent)
        .order_by(Pipeline.position, Pipeline.id, Stage.position, Stage.id)
    )  # fmt: skip


def stood(scope: Scope, moment: datetime | None) -> Any:
    """The open deals of the present or of a moment: id, stage, value, currency and probability."""
    if moment is None:
        query = select(
            Deal.id.label("deal_id"), Deal.stage_id, Deal.value, Deal.currency, deal_rows.chance().label("percent")
        )
        here = deal_rows.of_scope(scope)
        return query.join(Stage, Stage.id == Deal.stage_id).where(Deal.status == "open", *here)
    stage, value = _latest(DealStageChange, moment), _latest(DealValueChange, moment)
    of_owner = deal_rows.of_scope(Scope(scope.since, scope.until, scope.zone, scope.owner_id))
    known = value.c.deal_id.is_not(None)
    query = (
        select(
            Deal.id.label("deal_id"), stage.c.to_stage_id.label("stage_id"),
            _either(known, value.c.value, Deal.value).label("value"),
            _either(known, value.c.currency, Deal.currency).label("currency"),
            deal_rows.chance().label("percent"),
        )
        .join(stage, stage.c.deal_id == Deal.id)
        .join(Stage, Stage.id == stage.c.to_stage_id)
        .outerjoin(value, value.c.deal_id == Deal.id)
        .where(Deal.created_at <= moment, Stage.kind == "open", *of_owner)
    )  # fmt: skip
    return query if scope.pipeline_id is None else query.where(Stage.pipeline_id == scope.pipeline_id)


def _either(known: ColumnElement[bool], then: Any, present: Any) -> Any:
    return case((known, then), else_=present)


def _latest(history: Any, moment: datetime) -> Any:
    """The newest row of each deal in a history up to a moment."""
    row = aliased(history)
    rank = func.row_number().over(partition_by=row.deal_id, order_by=(row.at.desc(), row.id.desc())).label("rank")
    ranked = select(row, rank).where(row.at <= moment).subquery()
    return select(ranked).where(ranked.c.rank == 1).subquery()


def _line(key: str, label: str, found: Sequence[Any], rates: Rates) -> Line:
    held = [(row.currency, deal_rows.exact(row.value)) for row in found]
    likely = [(c, weighted(v, row.percent)) for (c, v), row in zip(held, found, strict=True)]
    deals: int = sum(row.deals for row in found)
    return Line(key, label, {"deals": deals, "value": rates.sum(held), "weighted": rates.sum(likely)})


REPORT = Report(
    "pipeline", "Pipeline value",
    "The value of all open deals in each stage, and the same times each deal's probability (its own, else its "
    "stage's).",
    "Pipeline", table, rows, frozenset({"owner", "pipeline", "as_of"}),
)  # fmt: skip
