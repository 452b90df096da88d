"""The pipeline board: columns with sums, chips, cards, and the side panel of one deal. Moving and editing are
``web.views.moves``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Blueprint, render_template, request, url_for
from werkzeug.wrappers import Response

from crm import board, companies, deals, pipelines, silence, tasks, timeline, users, workspace
from crm.board import Chosen
from crm.timeline import LogFilter
from web import door, filters
from web.forms.parts import whole

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

blueprint = Blueprint("pipeline", __name__, url_prefix="/pipeline")
Page = str | Response | tuple[str, int]
LATEST = 4
PERIODS = (
    ("", "any close date"), ("month", "closes this month"), ("next", "closes next month"),
    ("quarter", "closes this quarter"), ("passed", "close date passed"), ("undated", "no close date"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Trouble:
    """What could not be saved on a card: shown at its field, with what was typed."""

    deal_id: int
    typed: str
    says: str


@blueprint.get("")
def page() -> Page:
    """The board."""
    return render(chosen_of(request.args))


@blueprint.get("/card/<int:deal_id>")
def card(deal_id: int) -> Page:
    """One deal beside the board; a page of its own without JavaScript."""
    with door.reading() as session:
        context = _card(session, deal_id)
    fragment = bool(request.headers.get("HX-Request")) and not request.headers.get("HX-Boosted")
    return render_template("pipeline/card.html", fragment=fragment, **context)


def chosen_of(args: Any) -> Chosen:
    """The filters of an address; what can't be read is no filter."""
    period, show = args.get("period", ""), args.get("show", "")
    return Chosen(
        args.get("pipeline", type=whole), args.get("owner", type=whole),
        period if period in board.PERIODS else "", show if show in board.SHOWS else "",
    )  # fmt: skip


def address(chosen: Chosen, **changes: Any) -> str:
    """The address of the board with these filters, changed."""
    held: dict[str, Any] = {
        "pipeline": chosen.pipeline_id, "owner": chosen.owner_id, "period": chosen.period or None,
        "show": chosen.show or None,
    }  # fmt: skip
    return url_for("pipeline.page", **(held | changes))


def render(chosen: Chosen, trouble: Trouble | None = None) -> str:
    """The board's page, with what could not be saved."""
    with door.reading() as session:
        found = board.read(session, door.viewer(), chosen, now=door.now(), zone=filters.zone())
        owners = [(u.id, u.name) for u in users.all_(session)]
        reasons = workspace.get(session, "lost_reasons")
    return render_template(
        "pipeline/page.html", board=found, chosen=chosen, owners=owners, periods=PERIODS, reasons=reasons,
        trouble=trouble, address=lambda **changes: address(chosen, **changes), back=address(chosen),
    )  # fmt: skip


def _card(session: Session, deal_id: int) -> dict[str, Any]:
    found = deals.by_id(session, deal_id)
    filter_ = tasks.Filter(deal_id=deal_id)
    rows = timeline.page(session, door.viewer(), LogFilter(deal_id=deal_id), limit=LATEST, fold=True, now=door.now())
    return {
        "deal": found, "stage": pipelines.stage(session, found.stage_id),
        "company": companies.by_id(session, found.company_id) if found.company_id else None,
        "owner": users.by_id(session, found.owner_id).name if found.owner_id else "",
        "people": deals.people(session, deal_id), "rows": rows.rows,
        "silence": silence.of_deals(session, door.viewer(), [deal_id], now=door.now())[deal_id],
        "tasks": tasks.page(session, door.viewer(), filter_, now=door.now(), zone=door.me().zone, limit=LATEST),
    }  # fmt: skip
