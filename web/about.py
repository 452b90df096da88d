"""Which contact, company and deal a task is about, as people type it: a name, or a contact's address. What was there
before and is typed unchanged stays the same record, though others may be called so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask import request

from crm import companies, contacts, deals
from crm.errors import NotFound, Refused
from web import door

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

NOUNS = ("contact", "company", "deal")
LOOKED_AT = 50
Ids = Mapping[str, int | None]


def named(session: Session, ids: Ids) -> dict[str, str]:
    """What the records are called, by noun; "" for none, or one that is gone."""
    return {noun: _name(session, noun, ids.get(noun)) for noun in NOUNS}


def chosen(session: Session, current: Ids) -> dict[str, Any]:
    """The records as posted, as ``crm.tasks`` wants them; ``current`` holds for what was not asked. Raises Refused at
    the field for a name that nobody or several have."""
    found: dict[str, Any] = {}
    for noun in NOUNS:
        kept = current.get(noun)
        typed = " ".join(request.form.get(noun, "").split())[:300]
        if noun not in request.form or (kept and typed and typed == _name(session, noun, kept)):
            found[f"{noun}_id"] = kept
        else:
            found[f"{noun}_id"] = _looked_up(session, noun, typed) if typed else None
    return found


def of_address() -> dict[str, int | None]:
    """The records that came along as ``on=contact:3``, in the form or the address."""
    found: dict[str, int | None] = {}
    for text in (request.form.getlist("on") or request.args.getlist("on"))[:3]:
        kind, _, number = text.partition(":")
        if kind in NOUNS and number.isdecimal():
            found[kind] = int(number)
    return found


def _looked_up(session: Session, noun: str, typed: str) -> int:
    if noun == "contact" and "@" in typed and (found := contacts.by_address(session, typed)) is not None:
        return found.id
    ids = {row_id for row_id, name in _called(session, noun, typed) if name.casefold() == typed.casefold()}
    if not ids:
        raise Refused(f"There is no {noun} of that name.", noun)
    if len(ids) > 1:
        more = "; type the e-mail address" if noun == "contact" else ""
        raise Refused(f"Several are called so{more}.", noun)
    return ids.pop()


def _called(session: Session, noun: str, typed: str) -> list[tuple[int, str]]:
    viewer = door.viewer()
    if noun == "contact":
        people = contacts.page(session, viewer, contacts.Filter(text=typed), limit=LOOKED_AT)
        return [(row.id, row.name) for row in people]
    if noun == "company":
        firms = companies.page(session, viewer, companies.Filter(text=typed), limit=LOOKED_AT)
        return [(row.id, row.name) for row in firms]
    return [(row.id, row.title) for row in deals.page(session, viewer, deals.Filter(text=typed), limit=LOOKED_AT)]


def _name(session: Session, noun: str, record_id: int | None) -> str:
    if not record_id:
        return ""
    by_id: Any = {"contact": contacts.by_id, "company": companies.by_id, "deal": deals.by_id}[noun]
    try:
        row = by_id(session, record_id)
    except NotFound:
        return ""
    return " ".join(str(row.title if noun == "deal" else row.name).split())
