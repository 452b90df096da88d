"""Today: what is left to set up while the workspace is new, then what waits: the pipeline in sentences, tasks, replies,
leads and deals that must not be lost, meetings ahead with their briefs, and how the accounts are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm import follow_up, notices, replies, task_lists, task_steps, tasks, today, workspace
from crm.due import all_day
from crm.replies import NEWEST, OLDEST
from crm.steps import own, undo
from crm.task_lists import Filter
from web import auth, door, notes, shell, words

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

blueprint = Blueprint("home", __name__)
SHOWN = 8
MANY = 200


@blueprint.get("/")
def page() -> str:
    """The start page."""
    order = OLDEST if request.args.get("replies") == OLDEST else NEWEST
    around = shell.facts()
    with door.reading() as session:
        viewer, now = door.viewer(), door.now()
        days = int(workspace.get(session, "silent_days"))
        context = {
            "steps": _steps(session, connected=around.corner.accounts > 0), "around": around, "days": days,
            "notices": notices.unread(session, door.me().id), **_due(session),
            "stages": today.stages(session, viewer, now=now, zone=words.zone(door.me().zone)),
            "replies": replies.waiting(session, viewer, now=now, order=order, limit=SHOWN), "order": order,
            "lists": follow_up.lists(session, viewer, now=now, days=days, limit=SHOWN),
            "silent": today.silent_deals(session, viewer, now=now),
            "briefs": today.ahead(session, viewer, now=now), "shown": SHOWN,
        }  # fmt: skip
    return render_template("home/page.html", **context)


@blueprint.post("/today/replies/<int:item_id>/task")
def reply_task(item_id: int) -> Response:
    """Make a task of a mail that waits: due today, and the mail waits no more. Its subject stays out of the title,
    because tasks are the team's and the mail may not be."""
    with door.transaction() as session:
        mail = replies.one(session, door.viewer(), item_id)
        if replies.has_task(session, item_id):
            notes.say("There is a task for it already.")
            return _back()
        made = tasks.create(
            session, title=f"Reply to {mail.name}" if mail.name else "Reply to a mail", type="email",
            owner_id=door.me().id, contact_id=mail.contact_id, communication_id=mail.id,
            due_at=all_day(door.now().astimezone(words.zone(door.me().zone)).date()), now=door.now(),
            actor_id=door.me().id,
        )  # fmt: skip
    notes.say(f"Task added: {made.title}.", undo=url_for("tasks.delete", task_id=made.id))
    return _back()


@blueprint.post("/today/replies/<int:item_id>/no-reply")
def no_reply(item_id: int) -> Response:
    """The mail needs no answer."""
    with door.transaction() as session:
        replies.needs_none(session, door.viewer(), item_id, now=door.now())
    notes.say("Done, no reply needed.", undo=url_for("home.needs_reply", item_id=item_id))
    return _back()


@blueprint.post("/today/replies/<int:item_id>/waits")
def needs_reply(item_id: int) -> Response:
    """It does after all."""
    with door.transaction() as session:
        replies.needs_one(session, door.viewer(), item_id, now=door.now())
    notes.say("It waits for an answer again.")
    return _back()


@blueprint.post("/today/leads/tasks")
def lead_tasks() -> Response:
    """A task to get in touch for every lead on the list that has no next step, for the lead's owner, else for who
    asks."""
    with door.transaction() as session:
        viewer, now = door.viewer(), door.now()
        days = int(workspace.get(session, "silent_days"))
        due = all_day(now.astimezone(words.zone(door.me().zone)).date())
        wanted = [
            {"title": f"Get in touch with {lead.name}", "type": "call", "owner_id": lead.owner_id or door.me().id,
             "contact_id": lead.id, "due_at": due}
            for lead in follow_up.to_call(session, viewer, now=now, days=days, limit=MANY)
        ]  # fmt: skip
        step = task_steps.create(session, viewer, wanted, now=now) if wanted else None
    if step is None:
        notes.say("Each of them has a task or a meeting already.")
    else:
        notes.say(f"{step.says}.", undo=url_for("home.take_back", decision_id=step.id))
    return _back()


@blueprint.post("/today/steps/<int:decision_id>/undo")
def take_back(decision_id: int) -> Response:
    """Take a step of one's own back."""
    with door.transaction() as session:
        own(session, decision_id, door.me().id)
        undone = undo(session, decision_id, actor_id=door.me().id, now=door.now())
    notes.say(f"Taken back: {undone.says}.")
    return _back()


@blueprint.post("/notices/read")
def read() -> Response:
    """Put the lines on top away."""
    ids = [int(value) for value in request.form.getlist("id") if value.isdecimal()]
    with door.transaction() as session:
        notices.read(session, door.me().id, ids, now=door.now())
    return _back()


@blueprint.get("/favicon.ico")
@auth.public
def favicon() -> tuple[str, int]:
    """Browsers ask; the icon is in the page's head."""
    return "", 204


def _back() -> Response:
    order = request.form.get("order", "")
    return redirect(url_for("home.page", replies=OLDEST if order == OLDEST else None), 303)


def _due(session: Session) -> dict[str, Any]:
    """The viewer's tasks that are overdue or due today, the first of them."""
    mine = Filter(owner_id=door.me().id)
    rows = task_lists.page(session, door.viewer(), mine, now=door.now(), zone=door.me().zone, limit=MANY)
    due = [t for t in rows if t.section in ("overdue", "today")]
    return {"due": due[:SHOWN], "overdue": sum(t.section == "overdue" for t in due), "due_count": len(due)}


def _steps(session: Session, *, connected: bool) -> list[dict[str, Any]]:
    """The checklist of a new workspace; empty once all four are done."""
    done = today.set_up(session, door.viewer())
    steps = [
        {"done": connected, "title": "Connect a mailbox", "says": "Its newest mail is here within seconds.",
        "to": "connecting.providers", "does": "Connect"},
        {"done": done.people, "title": "Bring your contacts",
        "says": "A CSV file is enough; old mail finds them by itself.", "to": "importing.page", "does": "Import"},
        {"done": done.domains or connected, "title": "Say who is us",
        "says": "Your own domains, and what is never logged.",
        "to": "settings.page" if door.me().admin else "accounts.listing", "does": "Look"},
        {"done": done.settled, "title": "Settle the first question",
        "says": "One answer covers all mail of that person.", "to": "review.page", "does": "Review"},
    ]  # fmt: skip
    return [] if all(step["done"] for step in steps) else steps
