"""The log: everything that was said and met, with why it is where it is; the item's page; and the answer to "why not
here?"."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

from flask import Blueprint, render_template, request
from werkzeug.wrappers import Response

from crm import ledger, timeline, users
from crm.timeline import LogFilter
from sync import explain
from web import door, filters

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

blueprint = Blueprint("log", __name__, url_prefix="/log")
Page = str | Response | tuple[str, int]
PAGE = 50
KINDS = ("email", "meeting", "call", "note")
STATUSES = ("linked", "review", "unmatched", "ignored")
PERIODS = {"7": "last 7 days", "30": "last 30 days", "90": "last 3 months", "365": "last year"}


@blueprint.get("")
def page() -> Page:
    """Newest first, narrowed by what the address says; every filter stays in the address."""
    chosen = _chosen()
    with door.reading() as session:
        found = timeline.page(
            session, door.viewer(), chosen, before=request.args.get("before"), limit=PAGE, now=door.now()
        )
        ahead = [] if request.args else timeline.upcoming(session, door.viewer(), chosen, now=door.now(), limit=3)
        context = {"accounts": _accounts(session), "everybody": [(u.id, u.name) for u in users.all_(session)]}
    kept = {k: v for k, v in request.args.items() if v and k != "before"}
    return render_template(
        "log/page.html", rows=found.rows, next=found.next, ahead=ahead, chosen=chosen, kept=kept, kinds=KINDS,
        statuses=STATUSES,
        periods=PERIODS, **context,
    )  # fmt: skip


def _chosen() -> LogFilter:
    kind = request.args.get("kind", "")
    return LogFilter(
        kinds=frozenset({kind} if kind in KINDS else ()), direction=_one_of("direction", ("inbound", "outbound",
        "internal")),
        status=_one_of("status", STATUSES), reason=request.args.get("reason", "")[:50],
        account_id=request.args.get("account", type=int), user_id=request.args.get("user", type=int),
        address=request.args.get("address", "")[:320].strip().lower(), text=request.args.get("q", "")[:200],
        since=_since(), until=_until(),
    )  # fmt: skip


def _one_of(name: str, allowed: tuple[str, ...]) -> str:
    value = request.args.get(name, "")
    return value if value in allowed else ""


def _since() -> datetime | None:
    if (days := request.args.get("days", "")) in PERIODS:
        return door.now() - timedelta(days=int(days))
    return _day("since")


def _until() -> datetime | None:
    day = _day("until")
    return day + timedelta(days=1) if day else None


def _day(name: str) -> datetime | None:
    """Midnight of a day in the viewer's zone."""
    try:
        day = datetime.fromisoformat(request.args.get(name, "")).date()
    except ValueError:
        return None
    return datetime.combine(day, time(), filters.zone())


def _accounts(session: Session) -> list[tuple[int, str]]:
    return [(a.id, a.address) for a in ledger.accounts(session, door.viewer())]


@blueprint.get("/why")
def why() -> Page:
    """ "Why is it not here?": an id tells the stage where it stopped; words find what is here after all."""
    text = request.args.get("q", "")[:998].strip()
    with door.reading() as session:
        found = explain.explain(session, door.viewer(), door.service().vault, text) if text else None
        alike = timeline.page(session, door.viewer(), LogFilter(text=text), limit=10).rows if text else []
    return render_template("log/why.html", text=text, found=found, alike=alike)
