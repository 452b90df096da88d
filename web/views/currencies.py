"""Rates of currencies, entered by an admin: what one unit is worth in the workspace currency, from a day on."""

from __future__ import annotations

from datetime import date

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm import currencies
from crm.errors import Refused
from web import auth, door, filters, notes

blueprint = Blueprint("currencies", __name__, url_prefix="/pipeline/currencies")
Page = str | Response | tuple[str, int]


@blueprint.get("")
@auth.needs("admin")
def page() -> Page:
    """All rates, and which currencies of deals have none."""
    return _render({}, {})


@blueprint.post("")
@auth.needs("admin")
def put() -> Page:
    """Enter a rate."""
    typed = {name: request.form.get(name, "")[:60].strip() for name in ("currency", "rate", "valid_from")}
    try:
        code, rate, day = currencies.code(typed["currency"]), currencies.rate(typed["rate"]), _day(typed["valid_from"])
        with door.transaction() as session:
            held = {(row.currency, row.valid_from): row.rate for row in currencies.entered(session)}
            row = currencies.put(session, code, rate, valid_from=day, actor_id=door.me().id, now=door.now())
            undo = url_for("currencies.remove", rate_id=row.id)
            if before := held.get((code, day)):
                undo = url_for("currencies.put_back", currency=code, rate=f"{before:f}", valid_from=day.isoformat())
    except Refused as error:
        return _render({error.field or "rate": str(error)}, typed), 422
    notes.say(f"1 {code} is {rate:f} from {day:%d %b %Y} on.", undo=undo)
    return redirect(url_for("currencies.page"), 303)


@blueprint.post("/<int:rate_id>/remove")
@auth.needs("admin")
def remove(rate_id: int) -> Page:
    """Take a rate away; undo enters it again."""
    with door.transaction() as session:
        row = currencies.remove(session, rate_id, actor_id=door.me().id, now=door.now())
        code, rate, day = row.currency, f"{row.rate:f}", row.valid_from.isoformat()
    undo = url_for("currencies.put_back", currency=code, rate=rate, valid_from=day)
    notes.say(f"The rate of {code} is removed.", undo=undo)
    return redirect(url_for("currencies.page"), 303)


@blueprint.post("/back")
@auth.needs("admin")
def put_back() -> Page:
    """The undo of a removal."""
    kept = request.args
    with door.transaction() as session:
        currencies.put(
            session, kept.get("currency", ""), currencies.rate(kept.get("rate", "")),
            valid_from=_day(kept.get("valid_from", "")), actor_id=door.me().id, now=door.now(),
        )  # fmt: skip
    notes.say("The rate is back.")
    return redirect(url_for("currencies.page"), 303)


def _day(text: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise Refused("Choose the day it counts from.", "valid_from") from None
    if not 1990 <= found.year <= 2199:
        raise Refused("Choose a day between 1990 and 2199.", "valid_from")
    return found


def _render(errors: dict[str, str], typed: dict[str, str]) -> str:
    with door.reading() as session:
        base, rows = currencies.base(session), currencies.entered(session)
        missing = currencies.missing(session, on=filters.today())
    shown = {"valid_from": filters.today().isoformat()} | typed
    return render_template(
        "pipeline/currencies.html", base=base, rows=rows, missing=missing, codes=currencies.names(), errors=errors,
        plain=currencies.plain, typed=shown,
    )  # fmt: skip
