"""One box over people, companies, deals and the log, within what the viewer may see: a page, and the same as JSON for
the palette."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, render_template, request, url_for

from crm import finding, timeline
from crm.finding import Hit
from crm.timeline import LogFilter
from web import door, filters, words

blueprint = Blueprint("search", __name__, url_prefix="/search")
LONGEST = 200
FEW = 6
MANY = 30
LIVE = 5
LABELS = {"contact": "People", "company": "Companies", "deal": "Deals"}


@blueprint.get("")
def page() -> str:
    """Results by kind; names though mistyped, addresses, numbers and domains by part, the log by words."""
    text = request.args.get("q", "")[:LONGEST].strip()
    if not text:
        return render_template("search/page.html", text="")
    with door.reading() as session:
        viewer = door.viewer()
        found = timeline.page(
            session, viewer, LogFilter(text=text), before=request.args.get("before"), limit=MANY, now=door.now()
        )
        records = finding.records(session, viewer, text, limit=FEW + 1)
    return render_template(
        "search/page.html", text=text, few=FEW, groups=[(n, LABELS[n], hits) for n, hits in _best_first(records)],
        rows=found.rows, next=found.next,
    )  # fmt: skip


@blueprint.get("/live")
def live() -> Response:
    """The first hits of each kind as JSON: groups of name, detail, reason and address."""
    text = request.args.get("q", "")[:LONGEST].strip()
    groups: list[dict[str, Any]] = []
    if text:
        with door.reading() as session:
            records = finding.records(session, door.viewer(), text, limit=LIVE)
            found = timeline.page(session, door.viewer(), LogFilter(text=text), limit=LIVE, now=door.now())
        groups = [{"label": LABELS[n], "hits": [_hit(h) for h in hits]} for n, hits in _best_first(records)]
        if found.rows:
            groups.append({"label": "Log", "hits": [_item(row) for row in found.rows]})
    return jsonify(query=text, groups=groups, all=url_for("search.page", q=text))


def _best_first(records: dict[str, list[Hit]]) -> list[tuple[str, list[Hit]]]:
    """The kinds that have hits, the one with the surest hit first."""
    return sorted(((noun, hits) for noun, hits in records.items() if hits), key=lambda found: -found[1][0].score)


def _hit(hit: Hit) -> dict[str, str]:
    return {
        "name": hit.name, "detail": hit.detail,
        "reason": "" if hit.reason == "name" or hit.reason in hit.detail else hit.reason,
        "href": filters.target_url(hit.noun, hit.id),
    }  # fmt: skip


def _item(row: timeline.LogRow) -> dict[str, str]:
    when = words.day(row.occurred_at, door.now(), filters.zone())
    detail = " · ".join([when, *row.people[:2]])
    return {
        "name": row.subject or row.kind, "detail": detail, "reason": "", "href": url_for("log.item", item_id=row.id)
    }  # fmt: skip
