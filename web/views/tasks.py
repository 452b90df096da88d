"""Tasks: overdue, today, upcoming, undated; done, put off and given on with one press each."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm import tasks, users
from crm.errors import CrmError, Refused
from web import door, notes, pick
from web.forms.parts import options
from web.forms.records import Task

blueprint = Blueprint("tasks", __name__, url_prefix="/tasks")
Page = str | Response | tuple[str, int]
SECTIONS = (
    ("overdue", "Overdue"),
    ("today", "Today"),
    ("upcoming", "Upcoming"),
    ("no_date", "No date"),
    ("done", "Done"),
)
TABS = (("mine", "My tasks"), ("team", "Team"), ("auto", "Made by rules"), ("done", "Done"))
SNOOZES = ("1", "3", "7")


@blueprint.get("")
def listing() -> Page:
    """By section; tabs for mine, the team's, those of rules, and done ones."""
    tab = request.args.get("tab", "mine")
    mine = door.me().id if tab in ("mine", "done") else None
    chosen = tasks.Filter(
        owner_id=mine, automatic=tab == "auto", done=tab == "done", text=request.args.get("q", "")[:200]
    )
    with door.reading() as session:
        rows = tasks.page(session, door.viewer(), chosen, now=door.now(), zone=door.me().zone)
        mates = [(u.id, u.name) for u in users.all_(session)]
    return render_template(
        "tasks/listing.html", rows=rows, tab=tab, tabs=TABS, sections=SECTIONS, mates=mates, text=chosen.text
    )


@blueprint.get("/new")
def new_page() -> Page:
    """The form; a record may come along as ``on=contact:3``."""
    data = {"owner": door.me().id, "type": "todo", "due": door.now().date() + timedelta(days=1)}
    return _form_page(Task(formdata=None, data=data), None)


@blueprint.post("/new")
def new() -> Page:
    """Add a task."""
    form = _form()
    if not form.validate():
        return _form_page(form, None), 422
    try:
        with door.transaction() as session:
            made = tasks.create(session, **_fields(form), **_on(), now=door.now(), actor_id=door.me().id)
    except Refused as error:
        form.refuse(error)
        return _form_page(form, None), 422
    notes.say(f"Task added: {made.title}.", undo=url_for("tasks.delete", task_id=made.id))
    return redirect(_home(), 303)


@blueprint.get("/<int:task_id>")
def page(task_id: int) -> Page:
    """The form filled."""
    with door.reading() as session:
        found = tasks.by_id(session, task_id)
        data = {
            "title": found.title,
            "type": found.type,
            "due": found.due_at and found.due_at.date(),
            "owner": found.owner_id,
            "notes": found.notes,
        }
    return _form_page(Task(formdata=None, data=data), task_id)


@blueprint.post("/<int:task_id>")
def edit(task_id: int) -> Page:
    """Save the form."""
    form = _form()
    if not form.validate():
        return _form_page(form, task_id), 422
    try:
        with door.transaction() as session:
            tasks.update(session, task_id, _fields(form), actor_id=door.me().id, now=door.now())
    except Refused as error:
        form.refuse(error)
        return _form_page(form, task_id), 422
    notes.say("Saved.")
    return redirect(url_for("tasks.listing"), 303)


@blueprint.post("/<int:task_id>/done")
def done(task_id: int) -> Page:
    """Close it; the toast opens it again."""
    with door.transaction() as session:
        title = tasks.done(session, task_id, actor_id=door.me().id, now=door.now()).title
    notes.say(f"Done: {title}.", undo=url_for("tasks.reopen", task_id=task_id))
    return redirect(_home(), 303)


@blueprint.post("/<int:task_id>/reopen")
def reopen(task_id: int) -> Page:
    """Take the closing back."""
    with door.transaction() as session:
        tasks.reopen(session, task_id, actor_id=door.me().id, now=door.now())
    notes.say("Open again.")
    return redirect(_home(), 303)


@blueprint.post("/<int:task_id>/snooze")
def snooze(task_id: int) -> Page:
    """Put it off by days: hidden until the morning of that day."""
    days = request.form.get("days", "1")
    until = door.now() + timedelta(days=int(days) if days in SNOOZES else 1)
    try:
        with door.transaction() as session:
            tasks.snooze(session, task_id, until, actor_id=door.me().id, now=door.now())
    except CrmError as error:
        notes.warn(str(error))
    else:
        notes.say("Put off.")
    return redirect(_home(), 303)


@blueprint.post("/<int:task_id>/delete")
def delete(task_id: int) -> Page:
    """Put away, with a way back."""
    with door.transaction() as session:
        tasks.delete(session, task_id, actor_id=door.me().id, now=door.now())
    notes.say("Task deleted.", undo=url_for("tasks.restore", task_id=task_id))
    return redirect(url_for("tasks.listing"), 303)


@blueprint.post("/<int:task_id>/restore")
def restore(task_id: int) -> Page:
    """Bring it back."""
    with door.transaction() as session:
        tasks.restore(session, task_id, actor_id=door.me().id, now=door.now())
    notes.say("Back again.")
    return redirect(url_for("tasks.listing"), 303)


def _fields(form: Task) -> dict[str, Any]:
    return {
        "title": form.title.data, "type": form.type.data, "due_at": _midnight(form.due.data), "due_all_day": True,
        "owner_id": form.owner.data, "notes": form.notes.data or "",
    }  # fmt: skip


def _midnight(day: date | None) -> datetime | None:
    """All-day tasks keep their date at midnight UTC; the section is reckoned in the viewer's zone."""
    return datetime.combine(day, time(), UTC) if day else None


def _on() -> dict[str, Any]:
    """The record a task is about, as ``on=contact:3``."""
    kind, _, number = (request.args.get("on") or request.form.get("on") or "").partition(":")
    return {f"{kind}_id": int(number)} if kind in ("contact", "company", "deal") and number.isdecimal() else {}


def _home() -> str:
    """Back to where the press was made: a path of ours."""
    back = request.form.get("back", "")
    return back if back.startswith("/") and not back.startswith(("//", "/\\")) else url_for("tasks.listing")


def _form() -> Task:
    form = Task()
    with door.reading() as session:
        form.owner.choices = options(pick.owners(session))
    return form


def _form_page(form: Task, task_id: int | None) -> str:
    with door.reading() as session:
        form.owner.choices = options(pick.owners(session))
    return render_template(
        "tasks/form.html",
        form=form,
        task_id=task_id,
        on=request.args.get("on", "")[:40],
        back=request.args.get("back", "")[:200],
    )
