"""Deals: list, record, form, and moving along the stages with history."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm import board, contacts, currencies, deal_bulk, deals, pipelines, stages, users, workspace
from crm.errors import Conflict, Refused
from web import custom, door, filters, keyset, notes, pick, saving, settle
from web.custom import Custom
from web.forms.parts import options
from web.forms.records import Deal, lines_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

blueprint = Blueprint("deals", __name__, url_prefix="/deals")
Page = str | Response | tuple[str, int]
PAGE = 50
COMPARED = ("title", "value", "currency", "expected_close", "number", "product")
KEPT = ("q", "owner", "stage", "pipeline", "status", "period", "show")


@blueprint.get("")
def listing() -> Page:
    """Newest first, open ones unless asked otherwise; with boxes for changing many at once."""
    chosen, show = _chosen(), request.args.get("show", "")
    with door.reading() as session:
        if show in board.SHOWS:
            chosen = replace(chosen, ids=_needing(session, chosen, show))
        rows = deals.page(session, door.viewer(), chosen, after=keyset.numbered(), limit=PAGE + 1)
        total = deals.count(session, door.viewer(), chosen)
        everybody = [(u.id, u.name) for u in users.all_(session)]
        everything, reasons = stages.everything(session), workspace.get(session, "lost_reasons")
    more = keyset.mark(rows[PAGE - 1].id) if len(rows) > PAGE else None
    kept = {name: value for name, value in request.args.items() if name in KEPT and value}
    return render_template(
        "deals/listing.html", rows=rows[:PAGE], total=total, next=more, chosen=chosen, owners=everybody, show=show,
        pipelines=everything, reasons=reasons, kept=kept, back=request.full_path.rstrip("?"),
    )  # fmt: skip


def _chosen() -> deals.Filter:
    """The filters of the address; what can't be read is no filter."""
    args = request.args
    return deals.Filter(
        text=args.get("q", "")[:200], owner_id=args.get("owner", type=int), stage_id=args.get("stage", type=int),
        pipeline_id=args.get("pipeline", type=int), status=args.get("status", "open")[:10],
        period=args.get("period", ""), today=filters.today(),
    )  # fmt: skip


def _needing(session: Session, chosen: deals.Filter, show: str) -> tuple[int, ...]:
    """The open deals that a chip of the board means."""
    wanted = board.Chosen(chosen.pipeline_id, chosen.owner_id, chosen.period, show)
    return board.read(session, door.viewer(), wanted, now=door.now(), zone=filters.zone(), shown=0).ids


@blueprint.get("/new")
def new_page() -> Page:
    """The empty form; a company, a person, a pipeline or a stage may come along."""
    with door.reading() as session:
        first = _stages(session, request.args.get("pipeline", type=int))
    data = {
        "owner": door.me().id, "company": request.args.get("company", "")[:200],
        "people": request.args.get("person", "")[:320],
        "stage": request.args.get("stage", type=int) or (int(first[0][0]) if first else None),
    }  # fmt: skip
    return _form_page(Deal(formdata=None, data=data), None)


@blueprint.post("/new")
def new() -> Page:
    """Add a deal."""
    form = _form()
    with door.reading() as session:
        values, asked = custom.typed(session, "deal")
    if not form.validate() or asked.errors:
        return _form_page(form, None, asked), 422
    try:
        with door.transaction() as session:
            people = _people(session, lines_of(form.people.data))
            fields = _fields(session, form)
            made = deals.create(
                session, **fields, contact_ids=people, stage_id=form.stage.data, custom=values, now=door.now(),
                actor_id=door.me().id,
            )  # fmt: skip
    except Refused as error:
        form.refuse(error)
        return _form_page(form, None, asked), 422
    settle.after_change()
    undo = url_for("deals.delete", deal_id=made.id)
    notes.say(f"{made.title} is a deal now.{_lacks(made.value, made.expected_close)}", undo=undo)
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
        data["value"] = "" if found.value is None else currencies.plain(found.value)
        data |= {
            "company": pick.company_name(session, found.company_id), "owner": found.owner_id, "stage": found.stage_id,
            "people": "\n".join(deals.written(session, deal_id).values()),
        }  # fmt: skip
        asked = custom.of(session, "deal", found.custom)
    return _form_page(Deal(formdata=None, data=data), deal_id, asked)


@blueprint.post("/<int:deal_id>/edit")
def edit(deal_id: int) -> Page:
    """Save; when somebody else was faster, show what they changed and keep what was typed."""
    form = _form()
    with door.reading() as session:
        values, asked = custom.typed(session, "deal", deals.by_id(session, deal_id).custom)
    if not form.validate() or asked.errors:
        return _form_page(form, deal_id, asked), 422
    try:
        with door.transaction() as session:
            by: dict[str, Any] = {"actor_id": door.me().id, "now": door.now()}
            changes = {**_fields(session, form), "custom": values}
            step = deal_bulk.edit(session, deal_id, changes, version=form.version.data, **by)
            undo = url_for("deals.edit_back", deal_id=deal_id, step_id=step.id) if step.items else None
            _set_people(session, deal_id, _people(session, lines_of(form.people.data), deal_id))
    except Conflict as error:
        return _conflict(form, deal_id, error, asked), 409
    except Refused as error:
        form.refuse(error)
        return _form_page(form, deal_id, asked), 422
    settle.after_change()
    notes.say("Saved.", undo=undo)
    return redirect(url_for("deals.page", deal_id=deal_id), 303)


@blueprint.post("/<int:deal_id>/delete")
def delete(deal_id: int) -> Page:
    """Put away, with a way back."""

    def take(session: Session) -> str:
        title = deals.by_id(session, deal_id).title
        deals.delete(session, deal_id, actor_id=door.me().id, now=door.now())
        return f"{title} is deleted."

    undo = url_for("deals.restore", deal_id=deal_id)
    return saving.put_away(take, undo=undo, onward=url_for("deals.listing"))


@blueprint.post("/<int:deal_id>/restore")
def restore(deal_id: int) -> Page:
    """Bring a deleted deal back."""
    return saving.brought_back(
        lambda session: deals.restore(session, deal_id, actor_id=door.me().id, now=door.now()),
        says="Back again.", onward=url_for("deals.page", deal_id=deal_id), otherwise=url_for("deals.listing"),
    )  # fmt: skip


@blueprint.post("/<int:deal_id>/edit/<int:step_id>/back")
def edit_back(deal_id: int, step_id: int) -> Page:
    """The undo of an edit, by whoever made it: fields that somebody changed since stay."""

    def bring(session: Session) -> None:
        deal_bulk.undo_fields(session, step_id, actor_id=door.me().id, now=door.now())

    here = url_for("deals.page", deal_id=deal_id)
    return saving.brought_back(bring, says="The deal is as before.", onward=here, otherwise=here)


def _fields(session: Session, form: Deal) -> dict[str, Any]:
    """The fields as typed. Raises Refused."""
    return {
        "title": form.title.data, "value": currencies.amount(form.value.data or ""),
        "currency": pick.currency(session, form.currency.data or ""),
        "company_id": pick.company_or_new(session, form.company.data),
        "expected_close": form.expected_close.data, "owner_id": form.owner.data, "number": form.number.data or None,
        "product": form.product.data or None, "source": form.source.data or None,
    }  # fmt: skip


def _lacks(value: object, close: object) -> str:
    """What a forecast misses, as a sentence."""
    lacks = [name for name, held in (("value", value), ("closing date", close)) if held is None]
    return f" It has no {' and no '.join(lacks)} yet: forecasts leave it out." if lacks else ""


def _people(session: Session, wanted: list[str], deal_id: int | None = None) -> list[int]:
    """Ids of the contacts with these addresses; those on the deal already may be named as they are shown. Raises
    Refused for an address nobody has."""
    here = {text: contact_id for contact_id, text in deals.written(session, deal_id).items()} if deal_id else {}
    found = []
    for raw in wanted:
        person = contacts.by_address(session, raw) if "@" in raw else None
        if person is None and raw not in here:
            raise Refused(f"There is no contact with the address {raw[:80]}; add them first.", "people")
        found.append(person.id if person else here[raw])
    return found


def _set_people(session: Session, deal_id: int, wanted: list[int]) -> None:
    have = [person.id for person, _ in deals.people(session, deal_id)]
    for contact_id in wanted:
        if contact_id not in have:
            deals.add_contact(session, deal_id, contact_id, actor_id=door.me().id, now=door.now())
    for contact_id in have:
        if contact_id not in wanted:
            deals.remove_contact(session, deal_id, contact_id, actor_id=door.me().id, now=door.now())


def _conflict(form: Deal, deal_id: int, error: Conflict, asked: Custom) -> str:
    """What was typed, with the present values named beside; saving again overwrites knowingly."""
    with door.reading() as session:
        present = deals.by_id(session, deal_id)
        form.version.data = present.version
        differs = _differences(session, form, present)
    form.form_errors.append(f"{error} {'; '.join(differs)}. Save again to keep what you typed.")
    return _form_page(form, deal_id, asked)


def _differences(session: Session, form: Deal, present: Any) -> list[str]:
    """Present values that are not the typed ones, and the stage, which a form does not hold."""
    now: dict[str, Any] = {name: getattr(present, name) for name in COMPARED}
    now["company"] = pick.company_name(session, present.company_id)
    now["owner"] = users.by_id(session, present.owner_id).name if present.owner_id else "nobody"
    typed: dict[str, Any] = {name: form[name].data for name in now}
    chosen = users.by_id(session, form.owner.data) if form.owner.data else None
    typed["owner"] = chosen.name if chosen else "nobody"
    found = [
        f"{form[name].label.text}: now {value if value not in (None, '') else 'empty'}"
        for name, value in now.items()
        if not _same(name, value, typed[name])
    ]
    return [*found, f"Stage: now {pipelines.stage(session, present.stage_id).name}"]


def _same(name: str, value: Any, typed: Any) -> bool:
    """Whether what was typed means the value."""
    if name != "value":
        return str(value or "") == str(typed or "")
    try:
        return bool(currencies.amount(typed or "") == value)
    except Refused:
        return False


def _stages(session: Session, pipeline_id: int | None = None) -> list[tuple[str, str]]:
    """Stages to choose from, with the pipeline's name where there are several."""
    everything = stages.everything(session)
    many = len(everything) > 1
    return [
        (str(stage.id), f"{pipeline.name}: {stage.name}" if many else stage.name)
        for pipeline, live, _ in everything
        for stage in live
        if pipeline_id is None or pipeline.id == pipeline_id
    ]


def _form() -> Deal:
    form = Deal()
    _fill(form)
    return form


def _fill(form: Deal) -> list[str]:
    with door.reading() as session:
        form.owner.choices = options(pick.owners(session))
        form.stage.choices = options([("", "the first stage"), *_stages(session)])
        return pick.company_names(session)


def _form_page(form: Deal, deal_id: int | None, asked: Custom | None = None) -> str:
    names = _fill(form)
    if asked is None:
        with door.reading() as session:
            asked = custom.of(session, "deal")
    return render_template("deals/form.html", form=form, deal_id=deal_id, companies=names, custom=asked)
