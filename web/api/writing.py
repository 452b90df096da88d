"""The writing half of the API: contacts, tasks, calls and notes. Each answer to a post with an Idempotency-Key is
kept with what it did."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flask import request

from crm import contacts, notes, tasks, tokens
from web import door, pick, settle
from web.api import shape
from web.api.asking import Problem, body, take, user, viewer

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def create_contact() -> tuple[int, str]:
    """A contact; mail that waits for them is attached."""

    def make(session: Session, fields: dict[str, Any]) -> dict[str, Any]:
        company = take(fields, "company", str)
        made = contacts.create(
            session, name=take(fields, "name", str, default=""), emails=_strings(fields, "emails"),
            phones=_strings(fields, "phones"),
            title=take(fields, "title", str), lifecycle=take(fields, "lifecycle", str, default="lead"),
            company_id=pick.company_or_new(session, company, viewer()) if company else None,
            owner_id=take(fields, "owner_id", int, default=user().id), source="api", now=door.now(), actor_id=user().id,
        )  # fmt: skip
        return {"id": made.id, "name": made.name}

    return _once(make)


def create_task() -> tuple[int, str]:
    """A task. ``due_at`` with a zone is a moment, ``due`` a day."""

    def make(session: Session, fields: dict[str, Any]) -> dict[str, Any]:
        made = tasks.create(
            session, title=take(fields, "title", str, required=True), type=take(fields, "type", str, default="todo"),
            notes=take(fields, "notes", str, default=""), due_at=_due(fields), due_all_day="due_at" not in fields,
            owner_id=take(fields, "owner_id", int, default=user().id), contact_id=take(fields, "contact_id", int),
            company_id=take(fields, "company_id", int), deal_id=take(fields, "deal_id", int), now=door.now(),
            actor_id=user().id,
        )  # fmt: skip
        return {"id": made.id, "title": made.title}

    return _once(make)


def create_call() -> tuple[int, str]:
    """A call that was made."""
    return _once(lambda session, fields: _written(session, fields, "call"))


def create_note() -> tuple[int, str]:
    """A note on a contact, company or deal; with ``activity``, what they did elsewhere: a chat, a click on a website, a
    word on social media, with its ``link``."""
    return _once(lambda session, fields: _written(session, fields, "note"))


def _written(session: Session, fields: dict[str, Any], kind: str) -> dict[str, Any]:
    targets = [
        (noun, take(fields, f"{noun}_id", int)) for noun in ("contact", "deal", "company") if fields.get(f"{noun}_id")
    ]
    if not targets:
        raise Problem(422, "Bad body", "Name a contact_id, deal_id or company_id.", field="contact_id")
    made = notes.add(
        session, viewer(), kind=kind, text=take(fields, "text", str, default=""), target=targets[0],
        at=_moment(fields, "at"),
        minutes=take(fields, "minutes", int), outcome=take(fields, "outcome", str),
        activity=take(fields, "activity", str), link=take(fields, "link", str), now=door.now(),
    )  # fmt: skip
    return {"id": made.id, "kind": kind}


def _once(make: Callable[[Session, dict[str, Any]], dict[str, Any]]) -> tuple[int, str]:
    """Do it, or give the answer of the time before. Doing and remembering share a transaction."""
    key, raw = request.headers.get("Idempotency-Key", ""), request.path.encode() + b"\n" + request.get_data()
    fields = body()
    with door.transaction() as session:
        if key and (before := tokens.recall(session, user().id, key, raw, now=door.now())):
            return before
        answer = shape.text(make(session, fields))
        if key:
            tokens.keep(session, user().id, key, raw, 201, answer, now=door.now())
    settle.after_change()
    return 201, answer


def _strings(fields: dict[str, Any], name: str) -> list[str]:
    found = take(fields, name, list, default=[])
    if not all(isinstance(value, str) for value in found):
        raise Problem(422, "Bad body", f"{name} is a list of texts.", field=name)
    return list(found)


def _due(fields: dict[str, Any]) -> datetime | None:
    if "due_at" in fields:
        return _moment(fields, "due_at")
    day = take(fields, "due", str)
    return _parsed("due", f"{day}T00:00:00+00:00") if day else None


def _moment(fields: dict[str, Any], name: str) -> datetime | None:
    value = take(fields, name, str)
    return _parsed(name, value) if value else None


def _parsed(name: str, value: str) -> datetime:
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise Problem(422, "Bad body", f"{name} is a time with its zone, such as 2026-03-04T09:00:00Z.", field=name)
    return found
