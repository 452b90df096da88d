"""Segments: filters with a name over contacts, companies and deals; who is in one, a table of them, a task for each."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm import criteria, fields, segment_table, segments, stages, users
from crm.criteria import Criteria
from crm.errors import CrmError, Refused
from web import door, keyset, notes, words
from web.forms.records import LIFECYCLES

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from crm.models import Segment

blueprint = Blueprint("segments", __name__, url_prefix="/segments")
Page = str | Response | tuple[str, int]
PAGE = 50
NOUNS = {"contact": "Contacts", "company": "Companies", "deal": "Deals"}


@blueprint.get("")
def listing() -> Page:
    """One's own and the team's, with how many fit each now."""
    with door.reading() as session:
        rows = segments.listed(session, door.viewer(), now=door.now())
    groups = [(noun, label, [r for r in rows if r.noun == noun]) for noun, label in NOUNS.items()]
    return render_template("segments/listing.html", groups=groups)


@blueprint.get("/new")
def new_page() -> Page:
    """The filter as the address has it, with how many fit."""
    return _form(None, _given(), request.args.get("noun", "contact"))


@blueprint.post("/new")
def new() -> Page:
    """Keep it under a name."""
    return _save(None, request.args.get("noun", "contact"))


@blueprint.get("/<int:segment_id>")
def page(segment_id: int) -> Page:
    """Who is in it."""
    with door.reading() as session:
        row = segments.by_id(session, door.viewer(), segment_id)
        chosen = criteria.read(row.noun, row.filters)
        try:
            found = _members(session, chosen)
        except Refused as error:
            return render_template("segments/broken.html", segment=row, says=str(error)), 422
    more = keyset.mark(found["rows"][PAGE - 1].id) if len(found["rows"]) > PAGE else None
    found["rows"] = found["rows"][:PAGE]
    mine = row.owner_id == door.me().id or door.viewer().leads
    return render_template("segments/page.html", segment=row, next=more, mine=mine, said=_said(row), **found)


@blueprint.get("/<int:segment_id>/edit")
def edit_page(segment_id: int) -> Page:
    """The filter of a segment to change."""
    with door.reading() as session:
        row = segments.changeable(session, door.viewer(), segment_id)
    return _form(row, _given() or dict(row.filters), row.noun)


@blueprint.post("/<int:segment_id>/edit")
def edit(segment_id: int) -> Page:
    """Save it."""
    with door.reading() as session:
        row = segments.changeable(session, door.viewer(), segment_id)
    return _save(row, row.noun)


@blueprint.post("/<int:segment_id>/delete")
def delete(segment_id: int) -> Page:
    """Take it away, with a way back. The records stay."""
    with door.transaction() as session:
        found = segments.remove(session, door.viewer(), segment_id, now=door.now())
    notes.say(f"{found['name']} is removed.", undo=url_for("segments.restore", segment_id=segment_id))
    return redirect(url_for("segments.listing"), 303)


@blueprint.post("/<int:segment_id>/restore")
def restore(segment_id: int) -> Page:
    """Bring it back."""
    try:
        with door.transaction() as session:
            again = segments.bring_back(session, door.viewer(), segment_id, now=door.now()).id
    except CrmError as error:
        notes.warn(str(error))
        return redirect(url_for("segments.listing"), 303)
    notes.say("Back again.")
    return redirect(url_for("segments.page", segment_id=again), 303)


@blueprint.get("/<int:segment_id>.csv")
def download(segment_id: int) -> Response:
    """All of it as a table; who does not want to be written to is left out."""
    out = io.StringIO()
    writer = csv.writer(out)
    with door.reading() as session:
        row = segments.by_id(session, door.viewer(), segment_id)
        chosen = criteria.read(row.noun, row.filters)
        writer.writerows(segment_table.lines(session, door.viewer(), chosen, now=door.now()))
    name = f"segment-{segment_id}.csv"
    headers = {"Content-Disposition": f"attachment; filename={name}"}
    return Response("\ufeff" + out.getvalue(), mimetype="text/csv", headers=headers)


@blueprint.post("/<int:segment_id>/tasks")
def make_tasks(segment_id: int) -> Page:
    """A task for each, taken back with one press."""
    back = redirect(url_for("segments.page", segment_id=segment_id), 303)
    try:
        due = datetime.fromisoformat(request.form["due"][:10]).date() if request.form.get("due") else None
        with door.transaction() as session:
            row = segments.by_id(session, door.viewer(), segment_id)
            number, made = segments.make_tasks(
                session, door.viewer(), criteria.read(row.noun, row.filters), title=request.form.get("title", "")[:300],
                due_at=datetime.combine(due, time(), UTC) if due else None,
                to_owners=request.form.get("who") == "owners", now=door.now(),
            )  # fmt: skip
    except ValueError:
        notes.warn("No task was made. The day must be a date such as 2026-03-04.")
        return back
    except Refused as error:
        notes.warn(f"No task was made. {error}")
        return back
    notes.say(f"{words.count(made, 'task')} made.", undo=url_for("segments.undo_tasks", number=number))
    return back


@blueprint.post("/tasks/undo")
def undo_tasks() -> Page:
    """The undo of ``make_tasks``."""
    with door.transaction() as session:
        gone = segments.undo_tasks(session, door.viewer(), request.args.get("number", 0, type=int), now=door.now())
    notes.say(f"{words.count(gone, 'task')} taken back.")
    return redirect(url_for("segments.listing"), 303)


def _given() -> dict[str, str]:
    return criteria.kept(request.values)


def _members(session: Session, chosen: Criteria) -> dict[str, Any]:
    viewer, now = door.viewer(), door.now()
    rows = segments.page(session, viewer, chosen, after=keyset.numbered(), limit=PAGE + 1, now=now)
    total = segments.count(session, viewer, chosen, now=now)
    return {"rows": rows, "total": total, "opted_out": segments.opted_out(session, viewer, chosen, now=now)}


def _save(row: Segment | None, noun: str) -> Page:
    name, shared = request.form.get("name", "")[:200], bool(request.form.get("shared"))
    try:
        with door.transaction() as session:
            made = segments.save(
                session, door.viewer(), noun=noun, name=name, given=_given(), shared=shared,
                segment_id=row.id if row else None, now=door.now(),
            ).id  # fmt: skip
    except Refused as error:
        return _form(row, _given(), noun, error), 422
    notes.say(f"{name} is saved.")
    return redirect(url_for("segments.page", segment_id=made), 303)


def _form(row: Segment | None, given: dict[str, str], noun: str, error: Refused | None = None) -> str:
    """The form with the criteria filled, how many fit, and the first of them."""
    noun = noun if noun in NOUNS else "contact"
    with door.reading() as session:
        found: dict[str, Any] = {"rows": [], "total": None, "opted_out": 0}
        if error is None:
            try:
                found = _members(session, criteria.read(noun, given))
            except Refused as refused:
                error = refused
        context = {
            "known": fields.of(session, noun), "owners": [(u.id, u.name) for u in users.all_(session)],
            "stages": _stages(session) if noun == "deal" else [],
        }  # fmt: skip
    return render_template(
        "segments/form.html", segment=row, noun=noun, nouns=NOUNS, given=given, error=error, lifecycles=LIFECYCLES,
        operations=criteria.OPERATIONS, statuses=criteria.STATUSES, tests=range(1, criteria.FIELDS_MAX + 1),
        name=request.form.get("name", row.name if row else ""),
        shared=bool(request.form.get("shared")) if request.method == "POST" else bool(row and row.shared), **found,
        **context,
    )  # fmt: skip


def _stages(session: Session) -> list[tuple[int, str]]:
    return [(s.id, f"{p.name}: {s.name}") for p, found, _archived in stages.everything(session) for s in found]


def _said(row: Segment) -> list[str]:
    """The filter in words, for the head of the page."""
    given = row.filters
    says = {
        "q": "with “{}”", "lifecycle": "{}", "source": "from {}", "company": "at {}", "industry": "in {}",
        "status": "{}", "least": "worth {} or more", "most": "worth {} or less", "older": "no contact for {} days",
        "newer": "contact within {} days",
    }  # fmt: skip
    found = [says[name].format(value.replace("_", " ")) for name, value in given.items() if name in says]
    if owner := given.get("owner"):
        found.append({"me": "owned by me", "nobody": "without an owner"}.get(owner, "of one owner"))
    if given.get("no_task"):
        found.append("no open task")
    for n in range(1, criteria.FIELDS_MAX + 1):
        name, operation, value = (given.get(f"{part}{n}", "") for part in ("field", "op", "value"))
        if name:
            found.append(f"{name.replace('_', ' ')} {criteria.OPERATIONS.get(operation or 'is', '')} {value}")
    return [text.strip() for text in found]
