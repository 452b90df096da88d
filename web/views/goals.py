"""Entering amounts of a month: a goal for each person, a cost for each source of leads. For managers and admins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm import costs, currencies, goals, users, workspace
from crm.errors import NotFound, Refused
from web import auth, door, notes

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

blueprint = Blueprint("goals", __name__)
Page = str | Response | tuple[str, int]
MONTHS_BACK, MONTHS_AHEAD = 11, 9


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of amounts: what its fields are called (key and label), what they hold in a month, how one is put."""

    title: str
    report: str
    fields: Callable[[Session], list[tuple[str, str]]]
    held: Callable[[Session, date], dict[str, Decimal]]
    put: Callable[[Session, str, date, Decimal | None], None]


def _people(session: Session) -> list[tuple[str, str]]:
    return [(str(user.id), user.name) for user in users.all_(session)]


def _goals(session: Session, month: date) -> dict[str, Decimal]:
    return {str(user_id): amount for (user_id, _), amount in goals.of(session, door.viewer(), [month]).items()}


def _put_goal(session: Session, key: str, month: date, amount: Decimal | None) -> None:
    goals.put(session, door.viewer(), int(key), month, amount, now=door.now())


def _sources(session: Session) -> list[tuple[str, str]]:
    return [(source, source or "everything else") for source in costs.sources(session)]


def _costs(session: Session, month: date) -> dict[str, Decimal]:
    return costs.of(session, door.viewer(), [month])


def _put_cost(session: Session, key: str, month: date, amount: Decimal | None) -> None:
    costs.put(session, door.viewer(), month, key, amount, now=door.now())


KINDS = {
    "goals": Kind("Goals", "goals", _people, _goals, _put_goal),
    "costs": Kind("Costs", "economics", _sources, _costs, _put_cost),
}  # fmt: skip


@blueprint.get("/goals", defaults={"what": "goals"})
@blueprint.get("/costs", defaults={"what": "costs"})
@auth.needs("manager", "admin")
def page(what: str) -> Page:
    """One field per person, or per source."""
    return _form(what, _month(), {}, {})


@blueprint.post("/goals", defaults={"what": "goals"})
@blueprint.post("/costs", defaults={"what": "costs"})
@auth.needs("manager", "admin")
def save(what: str) -> Page:
    """Put all amounts of a month; nothing is saved while one can't be read. The undo posts what was there before."""
    month = _month()
    typed = {key: value.strip()[:40] for key, value in request.values.items() if key.startswith("a.")}
    errors: dict[str, str] = {}
    try:
        with door.transaction() as session:
            before = _save(session, KINDS[what], month, typed, errors)
            if errors:
                raise Refused("Some amounts can't be read.")
    except Refused:
        return _form(what, month, typed, errors), 422
    undo = url_for("goals.save", what=what, month=month.isoformat(), **before)  # type: ignore[arg-type]
    notes.say(f"{KINDS[what].title} of {month:%B %Y} are saved.", undo=undo)
    return redirect(url_for("goals.page", what=what, month=month.isoformat()), 303)


def _save(session: Session, kind: Kind, month: date, typed: dict[str, str], errors: dict[str, str]) -> dict[str, str]:
    """Put each field that was sent; returns the fields as they were, and fills ``errors``."""
    held, before = kind.held(session, month), dict[str, str]()
    for key, _ in kind.fields(session):
        if (name := f"a.{key}") not in typed:
            continue
        before[name] = f"{held[key]:f}" if key in held else ""
        try:
            kind.put(session, key, month, currencies.amount(typed[name], "amount"))
        except Refused as error:
            errors[name] = str(error)
    return before


def _form(what: str, month: date, typed: dict[str, str], errors: dict[str, str]) -> str:
    kind = KINDS[what]
    with door.reading() as session:
        fields = [(f"a.{key}", label) for key, label in kind.fields(session)]
        held = {f"a.{key}": f"{amount:f}" for key, amount in kind.held(session, month).items()}
        currency = str(workspace.get(session, "currency"))
    return render_template(
        "reports/amounts.html", what=what, kind=kind, fields=fields, month=month, months=_offered(),
        values=held | typed, errors=errors, currency=currency,
    )  # fmt: skip


def _month() -> date:
    """The month in the address or form, this one where none is told. Raises NotFound for what is none."""
    text = request.values.get("month", "")
    try:
        return (date.fromisoformat(text) if text else door.now().date()).replace(day=1)
    except ValueError:
        raise NotFound("There is no such month.") from None


def _offered() -> list[date]:
    now = door.now().date()
    first = now.year * 12 + now.month - 1
    return [date(n // 12, n % 12 + 1, 1) for n in range(first - MONTHS_BACK, first + MONTHS_AHEAD + 1)]
