"""Editing pipelines and their stages without code: add, rename, reorder, probability, days of silence, archive.

Nothing here orphans a deal: a stage or pipeline that holds deals is archived only together with a stage they go to, and
they go there with history. A stage is never deleted while history names it. Every change is audited; callers see to it
that an admin asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm import audit, deal_bulk, deals, pipelines, steps
from crm.errors import NotFound, Refused
from crm.models import Deal, Decision, Pipeline, Stage
from crm.pipelines import KINDS, StageSpec

NAME_MAX = 60
STAGES_MAX = 20
PIPELINES_MAX = 50
DAYS_MAX = 365


def add(session: Session, pipeline_id: int, spec: StageSpec, *, actor_id: int | None, now: datetime) -> Stage:
    """Add a stage behind those of its kind. Raises NotFound, Refused."""
    pipeline, held = of_pipeline(session, pipeline_id), pipelines.stages(session, pipeline_id)
    if len(held) >= STAGES_MAX:
        raise Refused(f"A pipeline has at most {STAGES_MAX} stages.", "name")
    clean = _checked(session, pipeline.id, spec, None)
    stage = Stage(
        pipeline_id=pipeline.id, name=clean.name, probability=clean.probability, kind=clean.kind,
        rotting_days=clean.rotting_days, position=0,
    )  # fmt: skip
    session.add(stage)
    before = [each for each in held if KINDS.index(each.kind) <= KINDS.index(clean.kind)]
    _number([*before, stage, *(each for each in held if each not in before)])
    session.flush()
    _audit(session, "stage.add", stage.id, {"name": stage.name, "pipeline": pipeline.id}, actor_id, now)
    return stage


def change(session: Session, stage_id: int, spec: StageSpec, *, actor_id: int | None, now: datetime) -> Stage:
    """Rename a stage, and set its probability and days; its kind stays. Raises NotFound, Refused."""
    stage = pipelines.stage(session, stage_id)
    clean = _checked(session, stage.pipeline_id, spec, stage)
    before = {"name": stage.name, "probability": stage.probability, "rotting_days": stage.rotting_days}
    stage.name, stage.probability, stage.rotting_days = clean.name, clean.probability, clean.rotting_days
    after = {"name": stage.name, "probability": stage.probability, "rotting_days": stage.rotting_days}
    if after != before:
        session.flush()
        changed: dict[str, object] = {key: [before[key], after[key]] for key in after if after[key] != before[key]}
        _audit(session, "stage.change", stage_id, changed, actor_id, now)
    return stage


def step(session: Session, stage_id: int, by: int, *, actor_id: int | None, now: datetime) -> None:
    """Move a stage one place up (-1) or down (1) among those of its kind; at the end it stays. Raises NotFound."""
    stage = pipelines.stage(session, stage_id)
    held = pipelines.stages(session, stage.pipeline_id)
    peers = [each for each in held if each.kind == stage.kind]
    if stage not in peers:
        raise Refused(f"The stage {stage.name} is archived.")
    at = peers.index(stage)
    to = at + (1 if by > 0 else -1)
    if not 0 <= to < len(peers):
        return
    peers[at], peers[to] = peers[to], peers[at]
    rest = {kind: [each for each in held if each.kind == kind] for kind in KINDS} | {stage.kind: peers}
    _number([each for kind in KINDS for each in rest[kind]])
    session.flush()
    _audit(session, "stage.reorder", stage_id, {"place": to + 1}, actor_id, now)


def archive(
    session: Session, stage_id: int, to_stage_id: int | None, *, actor_id: int | None, now: datetime
) -> Decision:
    """Take a stage out of its pipeline; its deals go to ``to_stage_id`` of the same kind, with history. Returns the
    step, whose ``items`` are the deals that went (``crm.deal_bulk.undo`` puts them back). Raises Refused when there
    are deals and no target, and for the last stage of its kind."""
    stage = pipelines.stage(session, stage_id)
    held = pipelines.stages(session, stage.pipeline_id)
    if stage not in held:
        raise Refused(f"The stage {stage.name} is archived already.")
    if not any(each.kind == stage.kind and each.id != stage.id for each in held):
        raise Refused(f"{stage.name} is the only {stage.kind} stage; a pipeline needs one.", "to")
    target, step = _target(session, stage, to_stage_id), steps.Step()
    _take_along(session, stage, target, step, actor_id, now)
    stage.archived_at = now
    says = f"{stage.name} is archived"
    done = steps.finish(session, step, says=says, what=deal_bulk.STEP, actor_id=actor_id, now=now)
    detail = {"name": stage.name, "deals": done.items, "to": target.id if target else None}
    _audit(session, "stage.archive", stage_id, detail, actor_id, now)
    return done


def restore(session: Session, stage_id: int, *, actor_id: int | None, now: datetime) -> Stage:
    """Bring an archived stage back, behind those of its kind. Raises NotFound, Refused."""
    stage = pipelines.stage(session, stage_id)
    held = pipelines.stages(session, stage.pipeline_id)
    if stage.archived_at is None:
        raise Refused(f"The stage {stage.name} is not archived.")
    if not held:
        raise Refused("Its pipeline was removed.")
    stage.archived_at = None
    before = [each for each in held if KINDS.index(each.kind) <= KINDS.index(stage.kind)]
    _number([*before, stage, *(each for each in held if each not in before)])
    session.flush()
    _audit(session, "stage.restore", stage_id, {"name": stage.name}, actor_id, now)
    return stage


def everything(session: Session) -> list[tuple[Pipeline, list[Stage], list[Stage]]]:
    """Every pipeline in use with its stages in order, and the archived ones, the last one first. One statement."""
    query = select(Pipeline, Stage).join(Stage, Stage.pipeline_id == Pipeline.id)
    in_order = (Pipeline.position, Pipeline.id, Stage.archived_at.desc(), Stage.position, Stage.id)
    found: dict[int, tuple[Pipeline, list[Stage], list[Stage]]] = {}
    for pipeline, stage in session.execute(query.order_by(*in_order)):
        held = found.setdefault(pipeline.id, (pipeline, [], []))
        (held[1] if stage.archived_at is None else held[2]).append(stage)
    return [held for held in found.values() if held[1]]


def held_by(session: Session) -> dict[int, int]:
    """How many deals each stage holds, without deleted ones."""
    query = select(Deal.stage_id, func.count()).where(Deal.deleted_at.is_(None)).group_by(Deal.stage_id)
    return dict(session.execute(query).all())


def of_pipeline(session: Session, pipeline_id: int) -> Pipeline:
    """A pipeline that is in use. Raises NotFound."""
    return pipelines.chosen(session, pipeline_id, pipelines.all_(session))


def add_pipeline(session: Session, name: str, *, actor_id: int | None, now: datetime) -> Pipeline:
    """A new pipeline with the default stages, to be edited. Raises Refused."""
    if len(pipelines.all_(session)) >= PIPELINES_MAX:
        raise Refused(f"There are at most {PIPELINES_MAX} pipelines.", "name")
    specs = [StageSpec(title, probability, kind) for title, probability, kind in pipelines.DEFAULT_STAGES]
    made = pipelines.create(session, _name(name), specs)
    _audit(session, "pipeline.add", made.id, {"name": made.name}, actor_id, now)
    return made


def rename_pipeline(session: Session, pipeline_id: int, name: str, *, actor_id: int | None, now: datetime) -> Pipeline:
    """Give a pipeline another name. Raises NotFound, Refused."""
    pipeline, shown = of_pipeline(session, pipeline_id), _name(name)
    same = func.lower(Pipeline.name) == shown.lower(), Pipeline.id != pipeline_id
    if session.scalar(select(Pipeline.id).where(*same)):
        raise Refused("Another pipeline has that name.", "name")
    before, pipeline.name = pipeline.name, shown
    session.flush()
    _audit(session, "pipeline.rename", pipeline_id, {"name": [before, shown]}, actor_id, now)
    return pipeline


def remove_pipeline(
    session: Session, pipeline_id: int, to_stage_id: int | None, *, actor_id: int | None, now: datetime
) -> int:
    """Take a pipeline out of use: its stages are archived, its open deals go to ``to_stage_id`` of another pipeline,
    closed ones to a stage of the same kind there. Returns how many deals went. Raises Refused for the last pipeline,
    and when there are deals and no target."""
    pipeline, held = of_pipeline(session, pipeline_id), pipelines.stages(session, pipeline_id)
    if len(pipelines.all_(session)) == 1:
        raise Refused("This is the only pipeline; add another one first.", "to")
    target = pipelines.stage(session, to_stage_id) if to_stage_id else None
    if target is not None and (target.pipeline_id == pipeline_id or target.archived_at or target.kind != "open"):
        raise Refused("Choose an open stage of another pipeline.", "to")
    step = steps.Step()
    for stage in held:
        _take_along(session, stage, _counterpart(session, stage, target), step, actor_id, now)
    for stage in held:
        stage.archived_at = now
    moved = len(step.rows)
    pipeline.name = f"{pipeline.name} (removed {now:%Y-%m-%d %H:%M})"
    session.flush()
    _audit(session, "pipeline.remove", pipeline_id, {"deals": moved}, actor_id, now)
    return moved


def _counterpart(session: Session, stage: Stage, target: Stage | None) -> Stage | None:
    """Where the deals of a stage go when its pipeline does."""
    if target is None or stage.kind == "open":
        return target
    return next((each for each in pipelines.stages(session, target.pipeline_id) if each.kind == stage.kind), target)


def _target(session: Session, stage: Stage, to_stage_id: int | None) -> Stage | None:
    if to_stage_id is None:
        return None
    target = pipelines.stage(session, to_stage_id)
    if target.id == stage.id or target.pipeline_id != stage.pipeline_id or target.archived_at is not None:
        raise Refused("Choose another stage of this pipeline.", "to")
    if target.kind != stage.kind:
        raise Refused(f"Choose another {stage.kind} stage, so that no deal changes its outcome.", "to")
    return target


def _take_along(
    session: Session, stage: Stage, target: Stage | None, step: steps.Step, actor_id: int | None, now: datetime
) -> None:
    """Move the deals of a stage, noting them in ``step``, and the deleted ones too: they may come back. Raises Refused
    without a target."""
    rows = list(session.scalars(select(Deal).where(Deal.stage_id == stage.id).order_by(Deal.id)))
    shown = [deal for deal in rows if deal.deleted_at is None]
    if shown and target is None:
        count = "1 deal" if len(shown) == 1 else f"{len(shown)} deals"
        raise Refused(f"{stage.name} holds {count}: choose the stage they go to.", "to")
    if target is None:
        return
    for deal in shown:
        step.touch(deal, *deal_bulk.FIELDS, *deal_bulk.CLOSING)
        deals.move(
            session, deal.id, target.id, lost_reason=deal.lost_reason, won_reason=deal.won_reason,
            closed_at=deal.closed_at, across=True, actor_id=actor_id, now=now,
        )  # fmt: skip
    for deal in rows:
        if deal.deleted_at is not None:
            deal.stage_id, deal.pipeline_id, deal.status = target.id, target.pipeline_id, target.kind
    session.flush()


def _checked(session: Session, pipeline_id: int, spec: StageSpec, stage: Stage | None) -> StageSpec:
    """The spec with a clean name. Raises Refused."""
    name = _name(spec.name)
    same = Stage.pipeline_id == pipeline_id, func.lower(Stage.name) == name.lower()
    other = session.scalar(select(Stage).where(*same, *([Stage.id != stage.id] if stage else [])).limit(1))
    if other is not None:
        raise Refused(f"{'An archived' if other.archived_at else 'Another'} stage has that name.", "name")
    if not 0 <= spec.probability <= 100:
        raise Refused("A probability is from 0 to 100.", "probability")
    if spec.rotting_days is not None and not 0 <= spec.rotting_days <= DAYS_MAX:
        raise Refused(f"Days are from 0 to {DAYS_MAX}.", "rotting_days")
    if spec.kind not in KINDS:
        raise NotFound("There is no such kind of stage.")
    return StageSpec(name, spec.probability, spec.kind, spec.rotting_days)


def _name(raw: str) -> str:
    name = " ".join(raw.split())
    if not 0 < len(name) <= NAME_MAX:
        raise Refused(f"A name has 1 to {NAME_MAX} characters.", "name")
    return name


def _number(stages: Sequence[Stage]) -> None:
    for position, stage in enumerate(stages):
        stage.position = position


def _audit(
    session: Session, action: str, subject_id: int, detail: dict[str, object], actor_id: int | None, now: datetime
) -> None:
    audit.record(session, actor_id=actor_id, action=action, subject_id=subject_id, detail=detail, now=now)
