"""The review queue: who is this? Grouped, two panes, every answer a button with a key. The verbs are in
``views.deciding``."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from flask import Blueprint, render_template, request
from werkzeug.wrappers import Response

from crm import contacts, deals, review, users
from crm.errors import NotFound
from crm.review_group import Opened, open_group
from sync import decisions
from web import door, filters

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

blueprint = Blueprint("review", __name__, url_prefix="/review")
Page = str | Response | tuple[str, int]
PAGE = 50
FOUND = 12

TAB_NAMES = (("people", "People"), ("deals", "Deals to pick"), ("conflicts", "Conflicts"), ("snoozed", "Snoozed"))


@blueprint.get("")
def page() -> Page:
    """List left, answer right. ``at`` names the open group; without it the first is opened (on a narrow screen: the
    list)."""
    tab = request.args.get("tab", "")
    at = request.args.get("at", "")[:500]
    with door.reading() as session:
        viewer, now = door.viewer(), door.now()
        counts = review.counts(session, viewer, now=now)
        tab = tab if tab in review.TABS else next((t for t in review.TABS[:3] if counts[t]), "people")
        rows = review.groups(session, viewer, tab, now=now, before=_before(), limit=PAGE + 1)
        opened = _opened(session, at, rows)
        domain = opened.domain if opened else ""
        context = {
            "counts": counts, "tab": tab, "tabs": TAB_NAMES, "rows": rows[:PAGE],
            "more": rows[PAGE - 1] if len(rows) > PAGE else None,
            "opened": opened, "chosen": bool(at), "progress": review.progress(session, viewer, _midnight()),
            "skipped": review.skipped(session, viewer), "team": review.team(session, viewer),
            "mates": _mates(session),
            "same_domain": review.count_of_domain(session, viewer, domain, now=now) if domain else 0,
            "attached": review.attached_since(session, viewer, now - timedelta(days=7)) if not rows else (0, 0),
        }  # fmt: skip
    return render_template("review/page.html", next_key=_next_key(rows, opened), **context)


@blueprint.get("/decided")
def decided() -> Page:
    """What was decided, each with its undo."""
    with door.reading() as session:
        rows = review.decided(session, door.viewer(), before=request.args.get("before", type=int), limit=PAGE + 1)
        counts = review.counts(session, door.viewer(), now=door.now())
        names = {u.id: u.name for u in users.all_(session, active_only=False)}
    return render_template(
        "review/decided.html", rows=rows[:PAGE], next=rows[PAGE - 1].id if len(rows) > PAGE else None, counts=counts,
        tabs=TAB_NAMES, names=names,
    )  # fmt: skip


@blueprint.get("/someone")
def someone() -> Page:
    """Someone else, or another deal: search, and choose."""
    key, text = request.args.get("key", "")[:500], request.args.get("q", "")[:200].strip()
    with door.reading() as session:
        opened = open_group(session, door.viewer(), key, now=door.now())
        people = contacts.page(session, door.viewer(), contacts.Filter(text=text), limit=FOUND) if text else []
        found = deals.page(session, door.viewer(), deals.Filter(text=text, status="open"), limit=FOUND)
    wanted = request.args.get("kind", "contact")
    return render_template(
        "review/someone.html",
        opened=opened,
        text=text,
        people=people,
        deals=found if wanted == "deal" or text else [],
        kind=wanted,
    )


@blueprint.get("/of")
def of() -> Page:
    """Everybody of one domain who is asked about, for one answer to all; nothing is done before it is given."""
    domain = request.args.get("domain", "")[:255].lower()
    with door.reading() as session:
        viewer, now = door.viewer(), door.now()
        rows = review.of_domain(session, viewer, domain, now=now)
        total = review.count_of_domain(session, viewer, domain, now=now)
        counts = review.counts(session, viewer, now=now)
    return render_template("review/of.html", rows=rows, total=total, domain=domain, counts=counts, tabs=TAB_NAMES)


@blueprint.get("/preview")
def preview() -> Page:
    """How far an answer would reach, counted before it is given."""
    with door.reading() as session:
        opened = open_group(session, door.viewer(), request.args.get("key", "")[:500], now=door.now())
        address, domain = opened.group.address, opened.domain
        counts = decisions.preview(session, door.viewer(), opened.ids, address=address, domain=domain)
    template = "review/reach.html" if request.headers.get("HX-Request") else "review/preview.html"
    return render_template(template, opened=opened, counts=counts)


def _opened(session: Session, key: str, rows: list[review.Group]) -> Opened | None:
    """The open group; when the one asked for is settled already, the first of the list."""
    known = {row.key: row for row in rows}
    for wanted in dict.fromkeys(k for k in (key, rows[0].key if rows else "") if k):
        try:
            return open_group(session, door.viewer(), wanted, now=door.now(), known=known.get(wanted))
        except NotFound:
            continue
    return None


def _next_key(rows: list[review.Group], opened: Opened | None) -> str:
    """Which group comes after the open one, so that an answer leads straight to it."""
    keys = [row.key for row in rows]
    if opened is None or opened.group.key not in keys:
        return keys[0] if keys else ""
    at = keys.index(opened.group.key)
    rest = keys[at + 1 :] or keys[:at][-1:]
    return rest[0] if rest else ""


def _before() -> tuple[datetime, str] | None:
    try:
        return datetime.fromisoformat(request.args["before"]), request.args["last"]
    except (KeyError, ValueError):
        return None


def _midnight() -> datetime:
    """The start of the viewer's day; the count of what was settled starts over there."""
    return door.now().astimezone(filters.zone()).replace(hour=0, minute=0, second=0, microsecond=0)


def _mates(session: Session) -> list[tuple[int, str]]:
    return [(u.id, u.name) for u in users.all_(session) if u.id != door.me().id]
