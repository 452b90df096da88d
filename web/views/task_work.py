"""Work mode: what is due, one task after the other, each with what to know of its contact; keys for every button."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import render_template, request, url_for
from werkzeug.wrappers import Response

from crm import deals, facts, task_items, task_lists, timeline, users
from crm.task_lists import Filter
from crm.timeline import LogFilter
from web import door
from web.views.tasks import blueprint, next_step

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

Page = str | Response | tuple[str, int]
SKIPS = 200
TOUCHES, LONGEST, AROUND = 4, 500, 5


@blueprint.get("/work")
def work() -> Page:
    """The first that is due and was not skipped."""
    skipped = _skipped()
    with door.reading() as session:
        queue = task_lists.queue(
            session, door.viewer(), now=door.now(), zone=door.me().zone, skip=frozenset(skipped), limit=LONGEST
        )
        task = queue[0] if queue else None
        context: dict[str, Any] = {
            "task": task, "left": len(queue), "after": next_step(session), **_brief(session, task),
            "items": task_items.of_task(session, door.viewer(), task),
            "mates": [(u.id, u.name) for u in users.all_(session) if u.id != door.me().id],
        }  # fmt: skip
    here = url_for("tasks.work", skip=_joined(skipped))
    on = url_for("tasks.work", skip=_joined([*skipped, task.id])) if task else here
    return render_template("tasks/work.html", here=here, on=on, skipped=len(skipped), **context)


def _brief(session: Session, task: task_lists.TaskRow | None) -> dict[str, Any]:
    """Facts and last touches of whom the task is about."""
    if task is None:
        return {}
    viewer, now = door.viewer(), door.now()
    for noun, of in (("contact", facts.of_contact), ("deal", facts.of_deal), ("company", facts.of_company)):
        if (record_id := getattr(task, f"{noun}_id")) is not None:
            chosen = LogFilter(**{f"{noun}_id": record_id})
            rows = timeline.page(session, viewer, chosen, limit=TOUCHES, fold=True, now=now).rows
            record = {"kind": noun, "id": record_id, "name": getattr(task, noun)}
            about = {"facts": of(session, viewer, record_id, now=now), "rows": rows, "record": record}
            return about | _open(session, task, noun, record_id)
    return {}


def _open(session: Session, task: task_lists.TaskRow, noun: str, record_id: int) -> dict[str, Any]:
    """Open deals with them, and what else is to do about them."""
    viewer, now = door.viewer(), door.now()
    about: dict[str, Any] = {f"{noun}_id": record_id}
    open_deals = (
        deals.page(session, viewer, deals.Filter(status="open", **about), limit=AROUND) if noun != "deal" else []
    )
    others = task_lists.page(session, viewer, Filter(**about), now=now, zone=door.me().zone, limit=AROUND + 1)
    return {"deals": open_deals, "others": [t for t in others if t.id != task.id][:AROUND]}


def _skipped() -> list[int]:
    return [int(part) for part in request.args.get("skip", "")[:2000].split("-") if part.isdecimal()][:SKIPS]


def _joined(ids: list[int]) -> str | None:
    return "-".join(str(i) for i in ids) or None
