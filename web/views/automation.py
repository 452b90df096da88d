"""Automation rules: what is on, what is offered, what a rule would do now, what it did. Everybody sees them; admins and
managers change them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm import automation, stages, users
from crm.automation_events import EVENTS
from crm.errors import Refused
from crm.models import AutomationRule
from web import auth, door, notes, words
from web.forms.automation import Rule, filled
from web.forms.parts import options

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

blueprint = Blueprint("automation", __name__, url_prefix="/automation")
Page = str | Response | tuple[str, int]
SHOWN = 20
LOG = 30


@blueprint.get("")
def listing() -> Page:
    """Rules in a sentence each, with how often they fired; then what is offered."""
    with door.reading() as session:
        rules = automation.all_(session)
        context = {"rules": rules, "counts": automation.run_counts(session), "says": _sentences(session, rules)}
    used = {rule.name for rule in rules}
    offers = [offer for offer in automation.OFFERS if offer.name not in used]
    return render_template("automation/listing.html", offers=offers, may=_may(), events=EVENTS, **context)


@blueprint.get("/new")
@auth.needs("admin", "manager")
def new_page() -> Page:
    """The form, or an offer in it."""
    offer = next((o for o in automation.OFFERS if o.key == request.args.get("from")), None)
    data = filled(offer.name, offer.event, offer.conditions, offer.action) if offer else {"due_days": 1}
    return _form_page(Rule(formdata=None, data=data), None, [])


@blueprint.post("/new")
@auth.needs("admin", "manager")
def new() -> Page:
    """Keep it, off."""
    return _save(None)


@blueprint.get("/<int:rule_id>")
def page(rule_id: int) -> Page:
    """What it would do now, what of the past, and what it did."""
    with door.reading() as session:
        rule, now = automation.by_id(session, rule_id), door.now()
        context = {
            "rule": rule, "says": _sentences(session, [rule])[rule.id], "may": _may(),
            "dry": automation.dry_run(session, rule, now=now, limit=SHOWN),
            "past": len(automation.pending(session, rule, now=now, past=True)),
            "runs": automation.runs(session, rule_id, before=request.args.get("before", type=int), limit=LOG + 1),
        }  # fmt: skip
    return render_template("automation/page.html", log=LOG, **context)


@blueprint.get("/<int:rule_id>/edit")
@auth.needs("admin", "manager")
def edit_page(rule_id: int) -> Page:
    """The form filled."""
    with door.reading() as session:
        rule = automation.by_id(session, rule_id)
    data = filled(rule.name, rule.event, rule.conditions, rule.action)
    return _form_page(Rule(formdata=None, data=data), rule_id, rule.action.get("people", []))


@blueprint.post("/<int:rule_id>/edit")
@auth.needs("admin", "manager")
def edit(rule_id: int) -> Page:
    """Save it."""
    return _save(rule_id)


@blueprint.post("/<int:rule_id>/on")
@auth.needs("admin", "manager")
def on(rule_id: int) -> Page:
    """Switch on from now; with ``past``, after its count was shown, the last 90 days as well."""
    past = request.form.get("past") == "yes"
    try:
        with door.transaction() as session:
            rule, now = automation.by_id(session, rule_id), door.now()
            found = automation.pending(session, rule, now=now, past=True) if past else []
            automation.switch(session, rule_id, True, actor_id=door.me().id, now=now)
            fired = automation.fire(session, rule, found, now=now)
    except Refused as error:
        notes.warn(str(error))
        return redirect(url_for("automation.page", rule_id=rule_id), 303)
    did = f" Done {words.count(fired, 'time')} for the past." if past else ""
    notes.say(f"{rule.name} is on, from now.{did}", undo=url_for("automation.off", rule_id=rule_id))
    return redirect(url_for("automation.page", rule_id=rule_id), 303)


@blueprint.post("/<int:rule_id>/off")
@auth.needs("admin", "manager")
def off(rule_id: int) -> Page:
    """Switch off; what it did stays."""
    with door.transaction() as session:
        rule = automation.switch(session, rule_id, False, actor_id=door.me().id, now=door.now())
    notes.say(f"{rule.name} is off.", undo=url_for("automation.on", rule_id=rule_id))
    return redirect(url_for("automation.page", rule_id=rule_id), 303)


@blueprint.post("/<int:rule_id>/delete")
@auth.needs("admin", "manager")
def delete(rule_id: int) -> Page:
    """Put it away."""
    with door.transaction() as session:
        automation.delete(session, rule_id, actor_id=door.me().id, now=door.now())
    notes.say("Rule deleted. What it did stays.", undo=url_for("automation.restore", rule_id=rule_id))
    return redirect(url_for("automation.listing"), 303)


@blueprint.post("/<int:rule_id>/restore")
@auth.needs("admin", "manager")
def restore(rule_id: int) -> Page:
    """Bring it back, off."""
    with door.transaction() as session:
        automation.restore(session, rule_id, actor_id=door.me().id, now=door.now())
    notes.say("Back again, switched off.")
    return redirect(url_for("automation.page", rule_id=rule_id), 303)


def _save(rule_id: int | None) -> Page:
    form, people = Rule(), [p for p in request.form.getlist("people") if p.isdecimal()]
    with door.reading() as session:
        _choices(session, form)
    if form.validate():
        try:
            with door.transaction() as session:
                rule = automation.save(
                    session, rule_id, name=form.name.data, event=form.event.data, conditions=form.conditions(),
                    action=form.action(people), actor_id=door.me().id, now=door.now(),
                )  # fmt: skip
        except Refused as error:
            form.refuse(error)
        else:
            notes.say("Saved." if rule_id else "Saved, switched off. Look at what it would do, then switch it on.")
            return redirect(url_for("automation.page", rule_id=rule.id), 303)
    return _form_page(form, rule_id, people), 422


def _form_page(form: Rule, rule_id: int | None, people: list[Any]) -> str:
    with door.reading() as session:
        _choices(session, form)
        mates = [(u.id, u.name) for u in users.all_(session)]
    return render_template(
        "automation/form.html", form=form, rule_id=rule_id, mates=mates, people={int(p) for p in people}
    )


def _choices(session: Session, form: Rule) -> None:
    pipelines = stages.everything(session)
    found = [(str(s.id), f"{pipeline.name}: {s.name}") for pipeline, live, _ in pipelines for s in live]
    form.stage.choices = options([("", "any"), *found])
    form.to.choices = options([("owner", "the record's owner"), *((str(u.id), u.name) for u in users.all_(session))])


def _sentences(session: Session, rules: list[AutomationRule]) -> dict[int, str]:
    """ "When nobody answered our mail for 5 d: create a task “Follow up” for the owner, due in 0 days." """
    names = {str(u.id): u.name for u in users.all_(session, active_only=False)}
    named = {s.id: s.name for _, live, archived in stages.everything(session) for s in (*live, *archived)}
    return {rule.id: _sentence(rule, names, named) for rule in rules}


def _sentence(rule: AutomationRule, names: dict[str, str], named: dict[int, str]) -> str:
    held, action = rule.conditions, rule.action
    parts = [
        f"for {held['days']} d" if held.get("days") else "",
        f"({held['lifecycle'].replace('_', ' ')}s only)" if held.get("lifecycle") else "",
        f"from {held['source']}" if held.get("source") else "",
        f"({named.get(held['stage'], 'a stage')})" if held.get("stage") else "",
        f"({held['kind']})" if held.get("kind") else "",
    ]
    when = " ".join([f"When {EVENTS[rule.event].says}", *(part for part in parts if part)])
    if action["do"] == "assign":
        turn = ", ".join(names.get(str(p), "somebody who left") for p in action["people"])
        return f"{when}: give it to the next of {turn or 'nobody yet'}."
    who = "its owner" if action["to"] == "owner" else names.get(str(action["to"]), "somebody who left")
    if action["do"] == "notify":
        return f"{when}: tell {who} “{_plain(action['title'])}”."
    days = action["due_days"]
    due = "due the same day" if not days else f"due in {words.count(days, 'day')}"
    return f"{when}: create a task “{_plain(action['title'])}” for {who}, {due}."


def _plain(title: str) -> str:
    """A template as a person reads it."""
    for word in ("contact", "company", "deal"):
        title = title.replace("{" + word + "}", f"the {word}")
    return title


def _may() -> bool:
    return door.viewer().leads
