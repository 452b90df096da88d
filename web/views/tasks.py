"""Tasks: overdue, today, upcoming, undated, each with what can be done about it at once. Many at once are
``task_bulk``, one after the other ``task_work``; both add to this blueprint."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm import due, follow_up, steps, task_items, task_lists, tasks, users, workspace
from crm.errors import Refused
from web import about, back, door, filters, notes, pick
from web.forms.parts import options
from web.forms.tasks import Task, filled

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

blueprint = Blueprint("tasks", __name__, url_prefix="/tasks")
Page = str | Response | tuple[str, int]
SECTIONS = (
    ("overdue", "Overdue"),
    ("today", "Today"),
    ("upcoming", "Upcoming"),
    ("no_date", "No date"),
    ("done", "Done"),
)
TABS = (("mine", "My tasks"), ("team", "Team"), ("auto", "Auto-created"), ("done", "Done"))
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
        counts = tasks.counts(session, door.viewer(), chosen, now=door.now(), zone=door.me().zone)
        mates = [(u.id, u.name) for u in users.all_(session)]
        silent, days = _silent(session) if tab == "mine" and not counts.overdue + counts.today else (0, 0)
        context = {"rows": rows, "counts": counts, "mates": mates, "silent": silent, "days": days}
        context |= {"after": next_step(session)}
    return render_template(
        "tasks/listing.html", tab=tab, tabs=TABS, sections=SECTIONS, text=chosen.text, **context
    )


@blueprint.get("/new")
def new_page() -> Page:
    """The form; records may come along as ``on=contact:3``, a message as ``item=17``, a done task as ``after=5``."""
    data: dict[str, Any] = {"owner": door.me().id, "type": "todo", "due": _today() + timedelta(days=1)}
    if title := request.args.get("title", "")[:300]:
        data["title"] = title
    on: list[str] = []
    if request.args.get("after"):
        with door.reading() as session:
            prefilled = next_step(session)
        if prefilled:
            data |= {"title": prefilled["title"], "due": prefilled["due"]}
            on = prefilled["on"]
    wanted = about.of_address() or {noun: int(i) for noun, _, i in (text.partition(":") for text in on)}
    if wanted:
        with door.reading() as session:
            data |= about.named(session, wanted)
    return _form_page(Task(formdata=None, data=data), None, on)


@blueprint.post("/new")
def new() -> Page:
    """Add a task."""
    form = _form()
    if not form.validate():
        return _form_page(form, None), 422
    try:
        with door.transaction() as session:
            made = tasks.create(
                session, **form.fields(filters.zone()), **about.chosen(session, about.of_address()), **_item(session),
                now=door.now(), actor_id=door.me().id,
            )  # fmt: skip
    except Refused as error:
        form.refuse(error)
        return _form_page(form, None), 422
    notes.say(f"Task added: {made.title}.", undo=url_for("tasks.delete", task_id=made.id))
    return redirect(home(), 303)


@blueprint.get("/<int:task_id>")
def page(task_id: int) -> Page:
    """The form filled."""
    with door.reading() as session:
        found = tasks.by_id(session, task_id)
        data = _values(session, found)
    return _form_page(Task(formdata=None, data=data), task_id)


@blueprint.post("/<int:task_id>")
def edit(task_id: int) -> Page:
    """Save the form."""
    form = _form()
    if not form.validate():
        return _form_page(form, task_id), 422
    if changed := _changed_since(form, task_id):
        form.form_errors.append(f"Somebody changed this task meanwhile. {changed} Save again to keep what you typed.")
        return _form_page(form, task_id), 409
    try:
        with door.transaction() as session:
            step = _edit(session, task_id, form)
    except Refused as error:
        form.refuse(error)
        return _form_page(form, task_id), 422
    notes.say("Saved.", undo=url_for("tasks.undo_step", decision_id=step) if step else None)
    return redirect(home(), 303)


@blueprint.post("/<int:task_id>/done")
def done(task_id: int) -> Page:
    """Close it; the toast opens it again, and asks for the next step where the page can't."""
    with door.transaction() as session:
        title = tasks.done(session, task_id, actor_id=door.me().id, now=door.now()).title
    to, undo = home(), url_for("tasks.reopen", task_id=task_id)
    if to.startswith(url_for("tasks.listing")):
        notes.say(f"Done: {title}.", undo=undo)
        return redirect(_with(to, after=task_id), 303)
    notes.say(f"Done: {title}.", undo=undo, more=("Next step?", url_for("tasks.new_page", after=task_id, back=to)))
    return redirect(to, 303)


@blueprint.post("/<int:task_id>/reopen")
def reopen(task_id: int) -> Page:
    """Take the closing back."""
    with door.transaction() as session:
        tasks.reopen(session, task_id, actor_id=door.me().id, now=door.now())
    notes.say("Open again.")
    return redirect(home(), 303)


@blueprint.post("/<int:task_id>/snooze")
def snooze(task_id: int) -> Page:
    """Put it off by days, or to a day: hidden until the morning of that day in one's zone."""
    try:
        with door.transaction() as session:
            tasks.snooze(session, task_id, until(), actor_id=door.me().id, now=door.now())
    except Refused as error:
        notes.warn(str(error))
    else:
        notes.say("Put off.", undo=url_for("tasks.wake", task_id=task_id))
    return redirect(home(), 303)


@blueprint.post("/<int:task_id>/wake")
def wake(task_id: int) -> Page:
    """Take a snooze back."""
    with door.transaction() as session:
        tasks.wake(session, task_id, actor_id=door.me().id, now=door.now())
    notes.say("Back again.")
    return redirect(home(), 303)


@blueprint.post("/<int:task_id>/assign")
def assign(task_id: int) -> Page:
    """Give it to a teammate."""
    to = request.form.get("to", type=int)
    with door.transaction() as session:
        before = tasks.by_id(session, task_id).owner_id
        name = users.by_id(session, to).name if to else "nobody"
        tasks.update(session, task_id, {"owner_id": to}, actor_id=door.me().id, now=door.now())
    notes.say(f"Given to {name}.", undo=url_for("tasks.give_back", task_id=task_id, to=before))
    return redirect(home(), 303)


@blueprint.post("/<int:task_id>/give-back")
def give_back(task_id: int) -> Page:
    """Undo a reassignment."""
    to = request.args.get("to", type=int)
    with door.transaction() as session:
        tasks.update(session, task_id, {"owner_id": to}, actor_id=door.me().id, now=door.now())
    notes.say("Given back.")
    return redirect(url_for("tasks.listing"), 303)


@blueprint.post("/<int:task_id>/delete")
def delete(task_id: int) -> Page:
    """Put away, with a way back."""
    with door.transaction() as session:
        tasks.delete(session, task_id, actor_id=door.me().id, now=door.now())
    notes.say("Task deleted.", undo=url_for("tasks.restore", task_id=task_id))
    return redirect(home(), 303)


@blueprint.post("/<int:task_id>/restore")
def restore(task_id: int) -> Page:
    """Bring it back."""
    with door.transaction() as session:
        tasks.restore(session, task_id, actor_id=door.me().id, now=door.now())
    notes.say("Back again.")
    return redirect(url_for("tasks.listing"), 303)


def home() -> str:
    """Back to where the press was made: a path of ours."""
    return back.inside(request.form.get("back"), url_for("tasks.listing"))


def until() -> Any:
    """Until when a snooze as posted lasts: ``days``, or the day in ``until``. Raises Refused."""
    if typed := request.form.get("until", "").strip():
        try:
            return due.put_off(door.now(), filters.zone(), day=date.fromisoformat(typed))
        except ValueError:
            raise Refused("That is not a date.", "until") from None
    days = request.form.get("days", "1")
    return due.put_off(door.now(), filters.zone(), days=int(days) if days in SNOOZES else 1)


def next_step(session: Session) -> dict[str, Any] | None:
    """What the "Next step?" line offers after the task in ``after`` was done; None where there is none, or it makes
    its own follower."""
    done_id = request.args.get("after", type=int)
    task = task_lists.row(session, door.viewer(), done_id, now=door.now(), zone=door.me().zone) if done_id else None
    if task is None or task.section != "done" or task.recurrence:
        return None
    who = task.contact or task.deal or task.company
    on = [f"{noun}:{value}" for noun in about.NOUNS if (value := getattr(task, f"{noun}_id"))]
    title = f"Follow up with {who}" if who else ""
    return {"task": task, "title": title, "on": on, "due": _today() + timedelta(days=3)}


def _silent(session: Session) -> tuple[int, int]:
    """How many leads nobody was in touch with for too long, and after how many days that is."""
    days = int(workspace.get(session, "silent_days"))
    sorts = (follow_up.STALE,)
    found = follow_up.lists(session, door.viewer(), now=door.now(), days=days, limit=1, sorts=sorts)
    return found[follow_up.STALE].total, days


def _today() -> date:
    return due.today(door.now(), filters.zone())


def _values(session: Session, task: Any) -> dict[str, Any]:
    """A task's values for the form."""
    return filled(task, filters.zone()) | about.named(session, _current(task))


def _mark(values: dict[str, Any]) -> str:
    """Tells two states of a task apart."""
    return hashlib.sha256(repr(sorted(values.items())).encode()).hexdigest()[:16]


def _changed_since(form: Task, task_id: int) -> str:
    """What is different now from what the form was filled with, where it differs from what was typed too; "" for
    nothing, and for a form that doesn't say what it was filled with."""
    seen = request.form.get("seen")
    with door.reading() as session:
        values = _values(session, tasks.by_id(session, task_id))
    if not seen or seen == _mark(values):
        return ""
    other = {name: value for name, value in values.items() if (form[name].data or None) != (value or None)}
    said = [f"{form[name].label.text}: {_shown(form[name], value)}" for name, value in other.items()]
    return f"It is now {'; '.join(said)[:500]}." if said else ""


def _shown(field: Any, value: Any) -> str:
    """A value as its field shows it."""
    labels = {str(choice.value): str(choice.label) for choice in getattr(field, "choices", None) or ()}
    return labels.get(str(value or ""), "nothing" if value in (None, "") else str(value))


def _edit(session: Session, task_id: int, form: Task) -> int | None:
    """Change the task as the form says; the step that takes it back, None when nothing changed."""
    task, step = tasks.by_id(session, task_id), steps.Step()
    changes = form.fields(filters.zone()) | about.chosen(session, _current(task))
    step.touch(task, *tasks.FIELDS, "reminded_at", "snoozed_until", "awaits_since")
    me, now = door.me().id, door.now()
    tasks.update(session, task_id, changes, actor_id=me, now=now)
    done = steps.finish(session, step, says=f"Change of {task.title}", what="task.edit", actor_id=me, now=now)
    return done.id if done.items else None


def _item(session: Session) -> dict[str, Any]:
    """The message a task is made of, as ``item=17``; one that may not be seen is as if it were not there."""
    item = request.form.get("item", type=int)
    if item is not None and task_items.exists_for(session, door.viewer(), item):
        return {"communication_id": item}
    return {}


def _current(task: Any) -> dict[str, int | None]:
    """The records a task is about."""
    return {noun: getattr(task, f"{noun}_id") for noun in about.NOUNS}


def _with(path: str, **more: Any) -> str:
    return path + ("&" if "?" in path else "?") + "&".join(f"{name}={value}" for name, value in more.items())


def _form() -> Task:
    form = Task()
    with door.reading() as session:
        form.owner.choices = options(pick.owners(session))
    return form


def _form_page(form: Task, task_id: int | None, on: Sequence[str] = ()) -> str:
    with door.reading() as session:
        form.owner.choices = options(_owners(session, form))
        task = (
            task_lists.row(session, door.viewer(), task_id, now=door.now(), zone=door.me().zone) if task_id else None
        )
        items = task_items.of_task(session, door.viewer(), task)
        seen = _mark(_values(session, tasks.by_id(session, task_id))) if task_id else ""
    after = request.args.get("after", type=int)
    return render_template(
        "tasks/form.html", form=form, task_id=task_id, task=task, items=items, after=after, seen=seen,
        on=(request.args.getlist("on") or request.form.getlist("on") or on)[:3],
        item=request.args.get("item", type=int) or request.form.get("item", type=int),
        back=(request.args.get("back") or request.form.get("back") or "")[:1000],
    )  # fmt: skip


def _owners(session: Session, form: Task) -> list[tuple[str, str]]:
    """Everybody active, and whoever has it though they left."""
    found = pick.owners(session)
    held = form.owner.data
    if held and str(held) not in {value for value, _ in found}:
        found.append((str(held), f"{users.by_id(session, held).name} (left)"))
    return found
