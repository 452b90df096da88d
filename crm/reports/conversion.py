"""Conversion from stage to stage: of the deals that came into a stage in the period, how many went further."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from crm.errors import NotFound
from crm.models import Deal, DealStageChange, Pipeline, Stage
from crm.privacy import Viewer, member
from crm.reports import deal_rows
from crm.reports.shape import Chart, Column, Line, Report, Scope, Table

COLUMNS = (
    Column("entered", "Came in", "count", True), Column("further", "Went further", "count", True),
    Column("rate", "Rate", "share"), Column("won", "Won", "count", True), Column("won_rate", "Won of them", "share"),
    Column("lost", "Lost", "count", True),
)  # fmt: skip


def table(session: Session, viewer: Viewer, scope: Scope, now: datetime) -> Table:
    """One line per open stage into which deals came, in order."""
    member(viewer)
    came = _came(scope)
    counted = {
        "entered": func.count(),
        **{name: func.sum(case((when, 1), else_=0)) for name, when in _outcomes(came).items()},
    }
    query = (
        select(came.c.stage_id, Stage.name.label("stage"), Pipeline.name.label("pipeline"),
               *(column.label(name) for name, column in counted.items()))
        .join(Stage, Stage.id == came.c.stage_id)
        .join(Pipeline, Pipeline.id == Stage.pipeline_id)
        .join(Deal, Deal.id == came.c.deal_id)
        .group_by(came.c.stage_id, Stage.name, Stage.position, Pipeline.id, Pipeline.name, Pipeline.position)
        .order_by(Pipeline.position, Pipeline.id, Stage.position)
    )  # fmt: skip
    found = session.execute(query).all()
    many = len({row.pipeline for row in found}) > 1
    lines = tuple(_line(row, f"{row.pipeline}: {row.stage}" if many else row.stage) for row in found)
    return Table("Stage", COLUMNS, lines, None, (), Chart("bars", ("rate", "won_rate")))


def rows(session: Session, viewer: Viewer, scope: Scope, line: str, column: str, now: datetime) -> Table:
    """The deals that came into a stage, or those of them that went further, were won or lost."""
    member(viewer)
    came = _came(scope)
    query = select(came.c.deal_id).join(Stage, Stage.id == came.c.stage_id).join(Deal, Deal.id == came.c.deal_id)
    query = query.where(came.c.stage_id == deal_rows.number_of(line))
    if column != "entered":
        outcomes = _outcomes(came)
        if column not in outcomes:
            raise NotFound("There is no such column in this report.")
        query = query.where(outcomes[column])
    today = now.astimezone(scope.zone).date()
    rates = deal_rows.rates_on(session, [today])[today]
    return deal_rows.rows(session, [Deal.id.in_(query)], lambda _: rates)


def _came(scope: Scope) -> Any:
    """When each deal first came into each open stage, for those that did in the period."""
    stage = aliased(Stage)
    first = func.min(DealStageChange.at)
    here = deal_rows.of_scope(Scope(scope.since, scope.until, scope.zone, scope.owner_id))
    query = (
        select(DealStageChange.deal_id, DealStageChange.to_stage_id.label("stage_id"), first.label("at"),
               func.min(DealStageChange.id).label("change_id"))
        .join(Deal, Deal.id == DealStageChange.deal_id)
        .join(stage, stage.id == DealStageChange.to_stage_id)
        .where(stage.kind == "open", *here)
        .group_by(DealStageChange.deal_id, DealStageChange.to_stage_id)
        .having(and_(first >= scope.first, first < scope.end))
    )  # fmt: skip
    if scope.pipeline_id is not None:
        query = query.where(stage.pipeline_id == scope.pipeline_id)
    return query.subquery()


def _outcomes(came: Any) -> dict[str, ColumnElement[bool]]:
    """Conditions on a stay: later in a later stage of the same pipeline or won; won by now; lost by now. Needs
    ``Stage`` (the one it came into) and ``Deal`` joined."""
    change, later = aliased(DealStageChange), aliased(Stage)
    beyond = and_(later.kind == "open", later.pipeline_id == Stage.pipeline_id, later.position > Stage.position)
    further = exists().where(
        change.deal_id == came.c.deal_id, later.id == change.to_stage_id, change.at >= came.c.at,
        change.id != came.c.change_id, or_(beyond, later.kind == "won"),
    ).correlate(came, Stage)  # fmt: skip
    return {"further": further, "won": Deal.status == "won", "lost": Deal.status == "lost"}


def _line(row: Any, label: str) -> Line:
    cells = {
        "entered": row.entered, "further": row.further, "rate": row.further / row.entered, "won": row.won,
        "won_rate": row.won / row.entered, "lost": row.lost,
    }  # fmt: skip
    return Line(str(row.stage_id), label, cells)


REPORT = Report(
    "conversion", "Conversion by stage",
    "Of the deals that first came into a stage in the period, the share that has since come into a later stage or was "
    "won.",
    "Pipeline", table, rows,
)  # fmt: skip
