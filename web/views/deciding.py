"""Answers in review, as posts: each one decides a group (or several), says what it did, and can be undone with one
key."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm import addresses
from crm.errors import CrmError, NotFound, Refused
from crm.review_group import Opened, Prefill, open_group
from sync import decisions
from sync.decisions import DecisionResult
from web import door, notes, pick, settle, words
from web.forms.review import Create

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

blueprint = Blueprint("deciding", __name__, url_prefix="/review")
Page = str | Response | tuple[str, int]
SNOOZES = {"1": "tomorrow", "3": "in 3 days", "7": "in a week"}
BULK_MAX = 200


@blueprint.post("/decide")
def decide() -> Page:
    """One answer for one group: ``verb``, ``key``, ``scope`` and, for attach, ``target`` as kind:id."""
    key = request.form.get("key", "")[:500]
    try:
        with door.transaction() as session:
            result = _answer(session, open_group(session, door.viewer(), key, now=door.now()))
    except NotFound:
        notes.warn("That question is settled already.")
    except Refused as error:
        notes.warn(str(error))
        return redirect(url_for("review.page", tab=request.form.get("tab"), at=key), 303)
    else:
        settle.after_change()
        _toast([result])
    return _onward()


@blueprint.post("/bulk")
def bulk() -> Page:
    """The same answer for all selected groups, with one undo."""
    if not (keys := _picked()):
        return _onward()
    try:
        with door.transaction() as session:
            results = _answers(session, keys)
    except (NotFound, Refused) as error:
        notes.warn(f"Nothing was changed. {error}")
        return _onward()
    settle.after_change()
    _toast(results)
    return _onward()


@blueprint.post("/bulk/preview")
def trial() -> Page:
    """What the same answer would do to each selected group: done, looked at, and rolled back."""
    if not (keys := _picked()):
        return _onward()
    try:
        with door.trial() as session:
            names = {key: open_group(session, door.viewer(), key, now=door.now()).group.name for key in keys}
            results = _answers(session, keys)
    except (NotFound, Refused) as error:
        notes.warn(str(error))
        return _onward()
    rows = [(names[key], result.says) for key, result in zip(keys, results, strict=True)]
    return render_template(
        "review/trial.html", rows=rows, keys=keys, verb=request.form.get("verb", ""), tab=request.form.get("tab", "")
    )


@blueprint.post("/undo")
def undo() -> Page:
    """Take decisions back (``ids`` joined by dashes), the last one first."""
    ids = [int(part) for part in request.args.get("ids", "").split("-") if part.isdecimal()]
    try:
        with door.transaction() as session:
            says = [
                decisions.undo(session, door.viewer(), i, vault=door.service().vault, now=door.now()).says
                for i in sorted(ids, reverse=True)
            ]
    except CrmError as error:
        notes.warn(str(error))
    else:
        settle.after_change()
        notes.say(says[0] + "." if len(says) == 1 else f"{words.count(len(says), 'decision')} taken back.")
    back = request.form.get("back", "")
    return redirect(back if back.startswith("/review") else url_for("review.page"), 303)


@blueprint.get("/create")
def create_page() -> Page:
    """A new contact, prefilled."""
    with door.reading() as session:
        opened = open_group(session, door.viewer(), request.args.get("key", "")[:500], now=door.now())
    prefill = _prefill(opened)
    form = Create(formdata=None, data={
        "name": prefill.name, "company": prefill.company, "title": prefill.title, "phones": "; ".join(prefill.phones),
        "lifecycle": "lead",
    })  # fmt: skip
    return render_template("review/create.html", form=form, opened=opened, prefill=prefill)


@blueprint.post("/create")
def create() -> Page:
    """Make the contact and attach everything that is theirs."""
    form, key = Create(), request.args.get("key", "")[:500]
    with door.reading() as session:
        opened = open_group(session, door.viewer(), key, now=door.now())
    prefill = _prefill(opened)
    if form.validate():
        try:
            with door.transaction() as session:
                result = _create(session, opened, prefill, form)
        except Refused as error:
            form.refuse(error)
        else:
            settle.after_change()
            _toast([result])
            return redirect(url_for("review.page"), 303)
    return render_template("review/create.html", form=form, opened=opened, prefill=prefill), 422


def _answer(session: Session, opened: Opened) -> DecisionResult:
    verb = request.form.get("verb", "")
    viewer, now, key = door.viewer(), door.now(), opened.group.key
    if verb == "accept":
        return _accept(session, opened)
    if verb == "attach":
        return _attach(session, opened, request.args.get("target") or request.form.get("target", ""))
    if verb == "create":
        return _create(session, opened, _prefill(opened), None)
    if verb in ("not_a_contact", "private"):
        scope, value = _scope(opened, request.form.get("scope", "address"))
        return decisions.ignore(session, viewer, opened.ids, scope=scope, value=value, verdict=verb, now=now)
    if verb == "ignore_domain":
        if not opened.domain:
            raise Refused("This address is not of a company's own domain; answer for the address alone.")
        return decisions.ignore(session, viewer, opened.ids, scope="domain", value=opened.domain, now=now)
    if verb == "snooze":
        days = request.form.get("days", "1")
        until = now + timedelta(days=int(days)) if days in SNOOZES else None
        return decisions.snooze(session, viewer, key, until, now=now)
    if verb == "assign":
        to = request.form.get("to", type=int)
        return decisions.assign(session, viewer, key, to, now=now)
    raise Refused("Choose one of the answers.")


def _picked() -> list[str]:
    """The selected groups' keys, each once; says so when there are none."""
    keys = list(dict.fromkeys(request.form.getlist("key")))[:BULK_MAX]
    if not keys:
        notes.warn("Nothing was selected. Select rows with their boxes, or x.")
    return keys


def _answers(session: Session, keys: list[str]) -> list[DecisionResult]:
    return [_answer(session, open_group(session, door.viewer(), key, now=door.now())) for key in keys]


def _accept(session: Session, opened: Opened) -> DecisionResult:
    """The first candidate, whatever it is."""
    if not opened.candidates:
        raise Refused("There is no suggestion to accept; choose someone, or create a contact.")
    best = opened.candidates[0]
    if best.kind == "new":
        return _create(session, opened, _prefill(opened), None)
    return _attach(session, opened, f"{best.kind}:{best.id}")


def _attach(session: Session, opened: Opened, target: str) -> DecisionResult:
    kind, _, number = target.partition(":")
    if kind not in ("contact", "company", "deal") or not number.isdecimal():
        raise Refused("Choose who or what these belong to.")
    viewer, now, target_id = door.viewer(), door.now(), int(number)
    scope, value = _scope(opened, request.form.get("scope", "address"))
    if kind == "contact" and scope == "domain":
        raise Refused("A whole domain can be a company's, not one person's. Choose this address, or just these.")
    if kind == "contact" and scope == "address" and not _has(session, target_id, value):
        return decisions.add_address(session, viewer, opened.ids, target_id, value, now=now)
    return decisions.attach(session, viewer, opened.ids, (kind, target_id), scope=scope, value=value, now=now)


def _has(session: Session, contact_id: int, address: str) -> bool:
    return any(row.canonical == address for row in addresses.of(session, contact_id))


def _scope(opened: Opened, wanted: str) -> tuple[str, str]:
    """What the answer covers: these items, the address, the domain, or (for deals) the thread."""
    kind, _, value = opened.group.key.partition(":")
    if wanted == "item" or kind == "name":
        return "item", ""
    if kind == "thread":
        return "thread", value
    if kind == "domain" or (wanted == "domain" and opened.domain):
        return "domain", opened.domain or value
    return "address", opened.group.address


def _prefill(opened: Opened) -> Prefill:
    if opened.prefill is None:
        raise Refused("No contact can be made of this: it is not one person's address.")
    return opened.prefill


def _create(session: Session, opened: Opened, prefill: Prefill, form: Create | None) -> DecisionResult:
    company = form.company.data or "" if form else prefill.company
    known = pick.company_named(session, company)
    phones = [p.strip() for p in (form.phones.data or "").split(";") if p.strip()] if form else prefill.phones
    return decisions.create_and_attach(
        session, door.viewer(), opened.ids, name=form.name.data if form else prefill.name, address=prefill.address,
        company_id=known, company_name="" if known else company,
        lifecycle=form.lifecycle.data if form else "lead", title=(form.title.data if form else prefill.title) or None,
        phones=phones, now=door.now(),
    )  # fmt: skip


def _toast(results: list[DecisionResult]) -> None:
    ids = "-".join(str(r.decision_id) for r in results)
    text = (
        results[0].says
        if len(results) == 1
        else f"{words.count(len(results), 'group')} settled: {results[0].says}, and so on"
    )
    notes.say(text, undo=url_for("deciding.undo", ids=ids))


def _onward() -> Response:
    """To the next group of the tab."""
    return redirect(
        url_for("review.page", tab=request.form.get("tab") or None, at=request.form.get("next") or None), 303
    )
