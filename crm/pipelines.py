"""Pipelines and their ordered stages, edited without code; the first one is made on init. Knows nothing of deals but
their stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session

from crm.errors import NotFound, Refused
from crm.models import Pipeline, Stage

DEFAULT_NAME = "Sales"
DEFAULT_STAGES = (
    ("Lead", 10, "open"), ("Qualified", 25, "open"), ("Proposal", 50, "open"), ("Negotiation", 75, "open"),
    ("Won", 100, "won"), ("Lost", 0, "lost"),
)  # fmt: skip
KINDS = ("open", "won", "lost")


def ensure_default(session: Session) -> Pipeline:
    """The first pipeline, made with its six stages when there is none. Idempotent; called by init."""
    found = session.scalar(select(Pipeline).where(_live()).order_by(Pipeline.position, Pipeline.id).limit(1))
    if found is not None:
        return found
    pipeline = Pipeline(name=DEFAULT_NAME, position=0)
    session.add(pipeline)
    session.flush()
    for position, (name, probability, kind) in enumerate(DEFAULT_STAGES):
        session.add(Stage(pipeline_id=pipeline.id, name=name, position=position, probability=probability, kind=kind))
    session.flush()
    return pipeline


def all_(session: Session) -> list[Pipeline]:
    """Pipelines in order, without removed ones: those that have no stage left."""
    return list(session.scalars(select(Pipeline).where(_live()).order_by(Pipeline.position, Pipeline.id)))


def chosen(session: Session, pipeline_id: int | None, among: Sequence[Pipeline]) -> Pipeline:
    """The pipeline of that id among them, the first for None (made when there is none). Raises NotFound."""
    if pipeline_id is None:
        return among[0] if among else ensure_default(session)
    found = next((pipeline for pipeline in among if pipeline.id == pipeline_id), None)
    if found is None:
        raise NotFound("There is no such pipeline.")
    return found


def stages(session: Session, pipeline_id: int) -> list[Stage]:
    """The stages of a pipeline in order, without archived ones."""
    query = select(Stage).where(Stage.pipeline_id == pipeline_id, Stage.archived_at.is_(None))
    return list(session.scalars(query.order_by(Stage.position, Stage.id)))


def stage(session: Session, stage_id: int) -> Stage:
    """One stage. Raises NotFound."""
    found = session.get(Stage, stage_id)
    if found is None:
        raise NotFound("There is no such stage.")
    return found


@dataclass(frozen=True, slots=True)
class StageSpec:
    """How a stage should be. ``probability`` in percent; ``rotting_days`` None: the workspace's days of silence, 0:
    never rots."""

    name: str
    probability: int
    kind: str = "open"
    rotting_days: int | None = None


def create(session: Session, name: str, specs: list[StageSpec]) -> Pipeline:
    """Add a pipeline with its stages. Raises Refused for no open stage, a repeated name or a bad number."""
    shown = " ".join(name.split())
    if not shown or session.scalar(select(Pipeline.id).where(func.lower(Pipeline.name) == shown.lower())):
        raise Refused("A pipeline needs a name that no other has.", "name")
    _check(specs)
    pipeline = Pipeline(name=shown, position=len(all_(session)))
    session.add(pipeline)
    session.flush()
    for position, spec in enumerate(specs):
        session.add(
            Stage(
                pipeline_id=pipeline.id, name=spec.name.strip(), position=position, probability=spec.probability,
                kind=spec.kind, rotting_days=spec.rotting_days,
            )
        )  # fmt: skip
    session.flush()
    return pipeline


def _live() -> ColumnElement[bool]:
    return exists().where(Stage.pipeline_id == Pipeline.id, Stage.archived_at.is_(None))


def _check(specs: list[StageSpec]) -> None:
    names = [spec.name.strip().lower() for spec in specs]
    if not all(names) or len(set(names)) != len(names):
        raise Refused("Each stage needs a name of its own.", "stages")
    if not any(spec.kind == "open" for spec in specs):
        raise Refused("A pipeline needs an open stage.", "stages")
    for spec in specs:
        if spec.kind not in KINDS or not 0 <= spec.probability <= 100:
            raise Refused("A stage is open, won or lost, with a probability from 0 to 100.", "stages")
