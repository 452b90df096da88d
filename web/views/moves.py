"""What is done to deals from the board and the list: moving, the value in its place, bulk edits; each with its undo."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from flask import redirect, request, url_for
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.wrappers import Response

from crm import currencies, deal_bulk, deals, pipelines
from crm.errors import Conflict, Refused
from web import back, door, notes, settle, words
from web.forms.parts import whole
from web.views import pipeline
from web.views.deals import blueprint
from web.views.pipeline import Trouble

Page = str | Response | tuple[str, int]


@blueprint.post("/<int:deal_id>/move")
def move(deal_id: int) -> Page:
    """Put the deal into another stage; undo moves it back."""
    stage_id, version = request.form.get("stage", type=int) or 0, request.form.get("version", type=int)
    try:
        with door.transaction() as session:
            found = deals.by_id(session, deal_id)
            before, stage = _undo_of(found), pipelines.stage(session, stage_id)
            reasons = _reasons(request.form.get("reason") or request.form.get("lost_reason") or "", stage.kind)
            by: dict[str, Any] = {"actor_id": door.me().id, "now": door.now()}
            by["across"] = request.form.get("across") == "1"
            moved = deals.move(session, deal_id, stage_id, version=version, **reasons, **by)
            title, name, changed = moved.title, stage.name, stage_id != before["stage"]
            after = moved.version
    except Conflict:
        notes.warn(_meanwhile(deal_id))
        return _back(deal_id)
    except Refused as error:
        notes.warn(str(error))
        return _back(deal_id)
    if changed:
        settle.after_change()
        undo = url_for("deals.move_back", deal_id=deal_id, version=after, back=_where(deal_id), **before)
        notes.say(f"{title} moved to {name}.", undo=undo)
    return _back(deal_id)


@blueprint.post("/<int:deal_id>/move-back")
def move_back(deal_id: int) -> Page:
    """The undo of a move: the stage, the reason and the closing moment of before; the history keeps both. A deal that
    somebody changed since stays."""
    kept = request.args
    try:
        with door.transaction() as session:
            stage = pipelines.stage(session, kept.get("stage", type=int) or 0)
            before = deals.by_id(session, deal_id)
            deals.move(
                session, deal_id, stage.id, version=kept.get("version", type=int),
                closed_at=_moment(kept.get("closed")), **_reasons(kept.get("reason", ""), stage.kind),
                across=True, actor_id=door.me().id, now=door.now(),
            )  # fmt: skip
            title = before.title
    except (Conflict, Refused):
        notes.warn(f"{_meanwhile(deal_id)} It was not moved back.")
        return _back(deal_id)
    settle.after_change()
    notes.say(f"{title} moved back to {stage.name}.")
    return _back(deal_id)


@blueprint.post("/<int:deal_id>/value")
def value(deal_id: int) -> Page:
    """The value typed on the card. What can't be taken is shown on the board, at its field; so is what somebody else
    saved meanwhile."""
    typed = request.form.get("value", "")[:60]
    try:
        amount = currencies.amount(typed)
        with door.transaction() as session:
            found = deals.by_id(session, deal_id)
            before = found.value
            version = request.form.get("version", type=int)
            by: dict[str, Any] = {"actor_id": door.me().id, "now": door.now()}
            saved = deals.update(session, deal_id, {"value": amount}, version=version, **by)
            after, title, code = saved.version, saved.title, saved.currency
    except Conflict:
        return _again(Trouble(deal_id, typed, _meanwhile(deal_id) + " Save again to keep yours.")), 409
    except Refused as error:
        return _again(Trouble(deal_id, typed, str(error))), 422
    if amount != before:
        settle.after_change()
        old = "" if before is None else str(before)
        undo = url_for("deals.value_back", deal_id=deal_id, value=old, version=after, back=_where(deal_id))
        notes.say(f"{title} is worth {words.money(amount, code)} now.", undo=undo)
    return _back(deal_id)


@blueprint.post("/<int:deal_id>/value-back")
def value_back(deal_id: int) -> Page:
    """The undo of a value."""
    try:
        with door.transaction() as session:
            old, version = currencies.amount(request.args.get("value", "")), request.args.get("version", type=int)
            by: dict[str, Any] = {"actor_id": door.me().id, "now": door.now()}
            deals.update(session, deal_id, {"value": old}, version=version, **by)
    except (Conflict, Refused):
        notes.warn(f"{_meanwhile(deal_id)} The value was not put back.")
        return _back(deal_id)
    settle.after_change()
    notes.say("The value is as before.")
    return _back(deal_id)


@blueprint.post("/<int:deal_id>/reason")
def reason(deal_id: int) -> Page:
    """Why a closed deal was won or lost, said or said better afterwards."""
    said = " ".join(request.values.get("reason", "").split())[: deals.REASON_MAX] or None
    with door.transaction() as session:
        found = deals.by_id(session, deal_id)
        if found.status not in ("won", "lost"):
            raise Refused("An open deal has no reason yet.")
        field = f"{found.status}_reason"
        before = getattr(found, field)
        deals.update(session, deal_id, {field: said}, actor_id=door.me().id, now=door.now())
    if said != before:
        notes.say("The reason is saved.", undo=url_for("deals.reason", deal_id=deal_id, reason=before or ""))
    return redirect(url_for("deals.page", deal_id=deal_id), 303)


@blueprint.post("/bulk")
def bulk() -> Page:
    """Stage, owner or closing date of the selected deals, in one step with one undo."""
    form, ids = request.form, [i for i in request.form.getlist("deal", type=int) if i]
    where = back.inside(form.get("back"), url_for("deals.listing"))
    try:
        with door.transaction() as session:
            change = _bulk_change(form)
            done = deal_bulk.change(session, ids, change, actor_id=door.me().id, now=door.now())
            says, step = done.says, done.id
    except Refused as error:
        notes.warn(str(error))
        return redirect(where, 303)
    settle.after_change()
    notes.say(says, undo=url_for("deals.bulk_back", step_id=step, back=where) if done.items else None)
    return redirect(where, 303)


@blueprint.post("/bulk/<int:step_id>/back")
def bulk_back(step_id: int) -> Page:
    """The one undo of a bulk edit, by whoever made it; what somebody changed since stays and is said."""
    where = back.inside(request.args.get("back"), url_for("deals.listing"))
    try:
        with door.transaction() as session:
            says = deal_bulk.undo(session, step_id, actor_id=door.me().id, now=door.now())
    except Refused as error:
        notes.warn(str(error))
        return redirect(where, 303)
    settle.after_change()
    notes.say(says)
    return redirect(where, 303)


def _bulk_change(form: ImmutableMultiDict[str, str]) -> deal_bulk.Change:
    """The fields of the bulk form; an empty one changes nothing. Raises Refused."""
    close = form.get("expected_close", "").strip()
    try:
        day = date.fromisoformat(close) if close else None
    except ValueError:
        raise Refused(f"{close[:20]!r} is not a date; write it like 2026-03-31.", "expected_close") from None
    owner = form.get("owner", "")
    try:
        stage_id, owner_id = whole(form.get("stage")), None if owner in ("", "nobody") else whole(owner)
    except ValueError:
        raise Refused("Choose a stage and an owner from the lists.") from None
    return deal_bulk.Change(
        stage_id=stage_id, set_owner=bool(owner), owner_id=owner_id, expected_close=day,
        reason=form.get("reason", "")[:500],
    )  # fmt: skip


def _undo_of(deal: Any) -> dict[str, Any]:
    """What an undo needs to know of a deal as it is."""
    found = {"stage": deal.stage_id, "reason": deal.lost_reason or deal.won_reason}
    return found | {"closed": deal.closed_at.isoformat() if deal.closed_at else None}


def _reasons(text: str, kind: str) -> dict[str, Any]:
    return {"lost_reason": text if kind == "lost" else None, "won_reason": text if kind == "won" else None}


def _moment(text: str | None) -> datetime | None:
    """The closing moment an undo carries; None for a damaged one, which means now."""
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None and found <= door.now() else None


def _meanwhile(deal_id: int) -> str:
    """What a deal is like now that somebody else changed it."""
    with door.reading() as session:
        deal = deals.by_id(session, deal_id)
        stage = pipelines.stage(session, deal.stage_id).name
        return f"Somebody changed {deal.title} meanwhile: {words.money(deal.value, deal.currency)}, in {stage}."


def _again(trouble: Trouble) -> str:
    """The board the form was on, with the trouble at its field."""
    query = urlsplit(back.inside(request.form.get("back"), "/")).query
    return pipeline.render(pipeline.chosen_of(ImmutableMultiDict(parse_qsl(query))), trouble)


def _where(deal_id: int) -> str:
    return back.inside(request.values.get("back"), url_for("deals.page", deal_id=deal_id))


def _back(deal_id: int) -> Response:
    return redirect(_where(deal_id), 303)
