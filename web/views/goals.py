"""Entering goals: a month, and an amount for each person. For managers and admins."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm import currencies, goals, users, workspace
from crm.errors import Refused
from web import auth, door, notes

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

blueprint = Blueprint("goals", __name__, url_prefix="/goals")
Page = str | Response | tuple[str, int]
MONTHS_BACK, MONTHS_AHEAD = 2, 9


@blueprint.get("")
@auth.needs("manager", "admin")
def page() -> Page:
    """One field per person."""
    return _form(_month(), {}, {})


@blueprint.post("")
@auth.needs("manager", "admin")
def save() -> Page:
    """Put all goals of a month; nothing is saved while one can't be read."""
    month, typed = _month(), {k: v.strip()[:40] for k, v in request.form.items() if k.startswith("u")}
    errors: dict[str, str] = {}
    try:
        with door.transaction() as session:
            for user in users.all_(session):
                _put(session, user.id, month, typed.get(f"u{user.id}", ""), errors)
            if errors:
                raise Refused("Some amounts can't be read.")
    except Refused:
        return _form(month, typed, errors), 422
    notes.say(f"Goals of {month:%B %Y} are saved.")
    return redirect(url_for("goals.page", month=month.isoformat()), 303)


def _put(session: Session, user_id: int, month: date, text: str, errors: dict[str, str]) -> None:
    try:
        goals.put(session, door.viewer(), user_id, month, currencies.amount(text, "amount"), now=door.now())
    except Refused as error:
        errors[f"u{user_id}"] = str(error)


def _form(month: date, typed: dict[str, str], errors: dict[str, str]) -> str:
    with door.reading() as session:
        people = users.all_(session)
        held = goals.of(session, door.viewer(), [month])
        currency = str(workspace.get(session, "currency"))
    values = {f"u{u.id}": f"{held[u.id, month]:f}" for u in people if (u.id, month) in held} | typed
    return render_template(
        "reports/goals.html", people=people, month=month, months=_offered(), values=values, errors=errors,
        currency=currency,
    )  # fmt: skip


def _month() -> date:
    """The month in the address or form, this one when it can't be read."""
    try:
        return date.fromisoformat(request.values.get("month", "")).replace(day=1)
    except ValueError:
        return door.now().date().replace(day=1)


def _offered() -> list[date]:
    now = door.now().date()
    first = now.year * 12 + now.month - 1
    return [date(n // 12, n % 12 + 1, 1) for n in range(first - MONTHS_BACK, first + MONTHS_AHEAD + 1)]
