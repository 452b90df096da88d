"""Deals: list, record, form, and moving along the stages with history."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm import contacts, deals, pipelines, users
from crm.errors import Conflict, CrmError, NotFound, Refused
from web import door, keyset, notes, pick, settle
from web.forms.parts import options, whole
from web.forms.records import Deal, lines_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

blueprint = Blueprint("deals", __name__, url_prefix="/deals")
Page = str | Response | tuple[str, int]
PAGE = 50


@blueprint.get("")
def listing() -> Page:
    """Newest first, open ones unless asked otherwise."""
    chosen = deals.Filter(
        text=request.args.get("q", "")[:200], owner_id=request.args.get("owner", type=whole),
        stage_id=request.args.get("stage", type=whole), status=request.args.get("status", "open")[:10],
    )  # fmt: skip
    with door.reading() as session:
        rows = deals.page(session, door.viewer(), chosen, after=keyset.numbered(), limit=PAGE + 1)
        total = deals.count(session, door.viewer(), chosen)
        everybody = [(u.id, u.name) for u in users.all_(session)]
        stages = _stages(session)
    more = keyset.mark(rows[PAGE - 1].id) if len(rows) > PAGE else None
    return render_template(
        "deals/listing.html", rows=rows[:PAGE], total=total, next=more, chosen=chosen, owners=everybody, stages=stages
    )


@blueprint.get("/new")
def new_page() -> Page:
    """The empty form; a company or a person may come along."""
    data = {
        "owner": door.me().id,
        "company": request.args.get("company", "")[:200],
        "people": request.args.get("person", "")[:320],
    }
    return _form_page(Deal(formdata=None, data=data), None)


@blueprint.post("/new")
def new() -> Page:
    """Add a deal."""
    form = _form()
    if not form.validate():
        return _form_page(form, None), 422
    try:
        with door.transaction() as session:
            people = _people(session, lines_of(form.people.data))
            fields = _fields(session, form)
            made = deals.create(
                session, **fields, contact_ids=people, stage_id=form.stage.data, now=door.now(), actor_id=door.me().id
            )
    except Refused as error:
        form.refuse(error)
        return _form_page(form, None), 422
    settle.after_change()
    notes.say(f"{made.title} is a deal now.")
    return redirect(url_for("deals.page", deal_id=made.id), 303)


@blueprint.get("/<int:deal_id>/edit")
def edit_page(deal_id: int) -> Page:
    """The form filled, with the version it was read in."""
    with door.reading() as session:
        found = deals.by_id(session, deal_id)
        data = {
            name: getattr(found, name)
            for name in ("title", "value", "currency", "expected_close", "number", "product", "source", "version")
        }
        data |= {
            "company": pick.company_name(session, found.company_id),
            "owner": found.owner_id,
            "stage": found.stage_id,
        }
        data["people"] = "\n".join(
            _address(session, person.id) or person.name for person, _ in deals.people(session, deal_id)
        )
    return _form_page(Deal(formdata=None, data=data), deal_id)


@blueprint.post("/<int:deal_id>/edit")
def edit(deal_id: int) -> Page:
    """Save; when somebody else was faster, show what they changed and keep what was typed."""
    form = _form()
    if not form.validate():
        return _form_page(form, deal_id), 422
    try:
        with door.transaction() as session:
            deals.update(
                session,
                deal_id,
                _fields(session, form),
                version=form.version.data,
                actor_id=door.me().id,
                now=door.now(),
            )
            _set_people(session, deal_id, _people(session, lines_of(form.people.data)))
    except Conflict as error:
        return _conflict(form, deal_id, error), 409
    except Refused as error:
        form.refuse(error)
        return _form_page(form, deal_id), 422
    settle.after_change()
    notes.say("Saved.")
    return redirect(url_for("deals.page", deal_id=deal_id), 303)


@blueprint.post("/<int:deal_id>/move")
def move(deal_id: int) -> Page:
    """Put the deal into another stage; undo moves it back."""
    stage_id = request.form.get("stage", type=int) or 0
    try:
        with door.transaction() as session:
            before = deals.by_id(session, deal_id).stage_id
            reason = request.form.get("lost_reason", "")[:500].strip() or None
            deals.move(session, deal_id, stage_id, lost_reason=reason, actor_id=door.me().id, now=door.now())
            name = pipelines.stage(session, stage_id).name
    except (Refused, NotFound) as error:
        notes.warn(str(error))
        return redirect(url_for("deals.page", deal_id=deal_id), 303)
    settle.after_change()
    notes.say(f"Moved to {name}.", undo=url_for("deals.move_back", deal_id=deal_id, stage=before))
    return redirect(url_for("deals.page", deal_id=deal_id), 303)


@blueprint.post("/<int:deal_id>/move-back")
def move_back(deal_id: int) -> Page:
    """The undo of a move; the history keeps both."""
    with door.transaction() as session:
        deals.move(session, deal_id, request.args.get("stage", 0, type=int), actor_id=door.me().id, now=door.now())
    settle.after_change()
    notes.say("Moved back.")
    return redirect(url_for("deals.page", deal_id=deal_id), 303)


@blueprint.post("/<int:deal_id>/delete")
def delete(deal_id: int) -> Page:
    """Put away, with a way back."""
    with door.transaction() as session:
        title = deals.by_id(session, deal_id).title
        deals.delete(session, deal_id, actor_id=door.me().id, now=door.now())
    settle.after_change()
    notes.say(f"{title} is deleted.", undo=url_for("deals.restore", deal_id=deal_id))
    return redirect(url_for("deals.listing"), 303)


@blueprint.post("/<int:deal_id>/restore")
def restore(deal_id: int) -> Page:
    """Bring a deleted deal back."""
    try:
        with door.transaction() as session:
            deals.restore(session, deal_id, actor_id=door.me().id, now=door.now())
    except CrmError as error:
        notes.warn(str(error))
        return redirect(url_for("deals.listing"), 303)
    settle.after_change()
    notes.say("Back again.")
    return redirect(url_for("deals.page", deal_id=deal_id), 303)


def _fields(session: Session, form: Deal) -> dict[str, Any]:
    value = form.value.data
    return {
        "title": form.title.data, "company_id": pick.company_or_new(session, form.company.data),
        "value": Decimal(value) if value is not None else None, "currency": _currency(session, form.currency.data),
        "expected_close": form.expected_close.data, "owner_id": form.owner.data, "number": form.number.data or None,
        "product": form.product.data or None, "source": form.source.data or None,
    }  # fmt: skip


def _currency(session: Session, typed: str | None) -> str:
    return pick.currency(session, typed or "")


def _people(session: Session, wanted: list[str]) -> list[int]:
    """Ids of the contacts with these addresses. Raises Refused for an address nobody has."""
    found = []
    for raw in wanted:
        person = contacts.by_address(session, raw) if "@" in raw else None
        if person is None:
            raise Refused(f"There is no contact with the address {raw[:80]}; add them first.", "people")
        found.append(person.id)
    return found


def _set_people(session: Session, deal_id: int, wanted: list[int]) -> None:
    have = [person.id for person, _ in deals.people(session, deal_id)]
    for contact_id in wanted:
        if contact_id not in have:
            deals.add_contact(session, deal_id, contact_id, actor_id=door.me().id, now=door.now())
    for contact_id in have:
        if contact_id not in wanted:
            deals.remove_contact(session, deal_id, contact_id, actor_id=door.me().id, now=door.now())


def _address(session: Session, contact_id: int) -> str:
    return next((row.raw for row in contacts.addresses(session, contact_id)), "")


def _conflict(form: Deal, deal_id: int, error: Conflict) -> str:
    """What was typed, with the present values named beside; saving again overwrites knowingly."""
    with door.reading() as session:
        present = deals.by_id(session, deal_id)
        form.version.data = present.version
    differs = [
        f"{form[name].label.text}: now {getattr(present, name)}"
        for name in ("title", "value", "currency", "expected_close", "number", "product")
        if str(getattr(present, name) or "") != str(form[name].data or "")
    ]
    form.form_errors.append(f"{error} {'; '.join(differs)}. Save again to keep what you typed.")
    return _form_page(form, deal_id)


def _stages(session: Session) -> list[tuple[str, str]]:
    return [(str(s.id), s.name) for p in pipelines.all_(session) for s in pipelines.stages(session, p.id)]


def _form() -> Deal:
    form = Deal()
    _fill(form)
    return form


def _fill(form: Deal) -> list[str]:
    with door.reading() as session:
        form.owner.choices = options(pick.owners(session))
        form.stage.choices = options([("", "the first stage"), *_stages(session)])
        return pick.company_names(session)


def _form_page(form: Deal, deal_id: int | None) -> str:
    names = _fill(form)
    return render_template("deals/form.html", form=form, deal_id=deal_id, companies=names)
