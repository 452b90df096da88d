"""Pipelines and their stages, edited by an admin without code. What an edit would do to deals is said before it is
done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm import deal_bulk, pipelines, stages, workspace
from crm.errors import Refused
from crm.pipelines import StageSpec
from web import auth, door, notes, settle, words
from web.forms.parts import whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

blueprint = Blueprint("stages", __name__, url_prefix="/pipeline/stages")
Page = str | Response | tuple[str, int]
Said = tuple[str, str | None]
"""A sentence for the toast, and the address of its undo."""


@blueprint.get("")
@auth.needs("admin")
def page() -> Page:
    """All pipelines with their stages."""
    return _render()


@blueprint.post("/pipelines")
@auth.needs("admin")
def add_pipeline() -> Page:
    """Add a pipeline with the default stages."""
    name = request.form.get("name", "")[:200]

    def go(session: Session, by: dict[str, Any]) -> Said:
        made = stages.add_pipeline(session, name, **by)
        return f"{made.name} is a pipeline now.", url_for("stages.remove_pipeline", pipeline_id=made.id)

    return _do("pipeline-new", go)


@blueprint.post("/pipelines/<int:pipeline_id>/rename")
@auth.needs("admin")
def rename_pipeline(pipeline_id: int) -> Page:
    """Give it another name."""
    name = request.values.get("name", "")[:200]

    def go(session: Session, by: dict[str, Any]) -> Said:
        before = stages.of_pipeline(session, pipeline_id).name
        made = stages.rename_pipeline(session, pipeline_id, name, **by)
        undo = url_for("stages.rename_pipeline", pipeline_id=pipeline_id, name=before)
        return f"The pipeline is called {made.name} now.", undo

    return _do(f"pipeline-{pipeline_id}", go)


@blueprint.post("/pipelines/<int:pipeline_id>/remove")
@auth.needs("admin")
def remove_pipeline(pipeline_id: int) -> Page:
    """Take it out of use; its deals go to the stage chosen."""
    to = request.form.get("to", type=int)

    def remove(session: Session, by: dict[str, Any]) -> Said:
        moved = stages.remove_pipeline(session, pipeline_id, to, **by)
        return f"The pipeline is removed; {words.count(moved, 'deal')} went along.", None

    return _do(f"remove-{pipeline_id}", remove)


@blueprint.post("/pipelines/<int:pipeline_id>/stages")
@auth.needs("admin")
def add(pipeline_id: int) -> Page:
    """Add a stage."""

    def go(session: Session, by: dict[str, Any]) -> Said:
        made = stages.add(session, pipeline_id, _spec(), **by)
        return f"{made.name} is added.", url_for("stages.archive", stage_id=made.id)

    return _do(f"new-{pipeline_id}", go)


@blueprint.post("/<int:stage_id>")
@auth.needs("admin")
def change(stage_id: int) -> Page:
    """Name, probability and days of silence."""

    def go(session: Session, by: dict[str, Any]) -> Said:
        was = pipelines.stage(session, stage_id)
        old: dict[str, Any] = {"name": was.name, "probability": was.probability, "rotting_days": was.rotting_days}
        made = stages.change(session, stage_id, _spec(), **by)
        return f"{made.name} is saved.", url_for("stages.change", stage_id=stage_id, **old)

    return _do(f"stage-{stage_id}", go)


@blueprint.post("/<int:stage_id>/step")
@auth.needs("admin")
def step(stage_id: int) -> Page:
    """One place up or down."""
    by_one = 1 if request.values.get("by") == "down" else -1

    def go(session: Session, by: dict[str, Any]) -> Said:
        stages.step(session, stage_id, by_one, **by)
        name = pipelines.stage(session, stage_id).name
        undo = url_for("stages.step", stage_id=stage_id, by="up" if by_one > 0 else "down")
        return f"{name} is one place {'down' if by_one > 0 else 'up'}.", undo

    return _do(f"stage-{stage_id}", go)


@blueprint.post("/<int:stage_id>/archive")
@auth.needs("admin")
def archive(stage_id: int) -> Page:
    """Take a stage out; its deals go to the stage chosen. Undo brings the stage back, and its deals into it."""
    to = request.form.get("to", type=int)
    try:
        with door.transaction() as session:
            done = stages.archive(session, stage_id, to, actor_id=door.me().id, now=door.now())
            says = done.says + (f"; {words.count(done.items, 'deal')} moved." if done.items else ".")
            undo = url_for("stages.restore", stage_id=stage_id, step=done.id if done.items else None)
    except Refused as error:
        return _render(f"archive-{stage_id}", str(error), request.form.to_dict()), 422
    settle.after_change()
    notes.say(says, undo=undo)
    return redirect(url_for("stages.page"), 303)


@blueprint.post("/<int:stage_id>/restore")
@auth.needs("admin")
def restore(stage_id: int) -> Page:
    """Bring an archived stage back; as an undo, with the deals that went when it was archived."""
    step = request.args.get("step", type=int)

    def go(session: Session, by: dict[str, Any]) -> Said:
        says = f"{stages.restore(session, stage_id, **by).name} is back."
        return f"{says} {deal_bulk.undo(session, step, **by)}" if step else says, None

    return _do(f"stage-{stage_id}", go)


def _do(form: str, what: Callable[[Session, dict[str, Any]], Said]) -> Page:
    """Do one edit; what is refused is shown at its form with what was typed."""
    try:
        with door.transaction() as session:
            says, undo = what(session, {"actor_id": door.me().id, "now": door.now()})
    except Refused as error:
        return _render(form, str(error), request.form.to_dict()), 422
    settle.after_change()
    notes.say(says, undo=undo)
    return redirect(url_for("stages.page", _anchor=form), 303)


def _spec() -> StageSpec:
    """The stage as typed. Raises Refused."""
    typed = request.values
    return StageSpec(
        typed.get("name", ""), _number(typed.get("probability", ""), "probability", "A probability is from 0 to 100."),
        typed.get("kind", "open"),
        None if not typed.get("rotting_days", "").strip()
        else _number(typed.get("rotting_days", ""), "rotting_days", "Days are a whole number, or empty."),
    )  # fmt: skip


def _number(text: str, field: str, says: str) -> int:
    try:
        return whole(text.strip().rstrip("%").strip()[:9]) or 0
    except ValueError:
        raise Refused(says, field) from None


def _render(form: str = "", error: str = "", typed: dict[str, str] | None = None) -> str:
    with door.reading() as session:
        everything = stages.everything(session)
        held, default = stages.held_by(session), int(workspace.get(session, "silent_days"))
    return render_template(
        "pipeline/stages.html", pipelines=everything, held=held, default=default, wrong=form, error=error,
        typed=typed or {},
    )  # fmt: skip
