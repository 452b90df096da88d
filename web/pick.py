"""What several record pages share: owners to choose from, and a company by the name that was typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from babel.numbers import list_currencies

from crm import companies, users, workspace
from crm.errors import NotFound, Refused
from crm.privacy import Viewer
from web import door

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

NAMES = 500


def owners(session: Session) -> list[tuple[str, str]]:
    """Everybody active, and nobody."""
    return [("", "nobody"), *((str(u.id), u.name) for u in users.all_(session))]


def company_named(session: Session, name: str, viewer: Viewer | None = None) -> int | None:
    """The company of that name, if there is one; names are compared as ``companies.name_key`` does."""
    wanted = companies.name_key(name)
    if not wanted:
        return None
    rows = companies.page(session, viewer or door.viewer(), companies.Filter(text=wanted[:60]), limit=50)
    return next((row.id for row in rows if companies.name_key(row.name) == wanted), None)


def company_or_new(session: Session, name: str | None, viewer: Viewer | None = None) -> int | None:
    """The company of that name, made when there is none; None for an empty name."""
    if not (name or "").strip():
        return None
    found = company_named(session, name or "", viewer)
    if found is not None:
        return found
    return companies.create(
        session, name=name or "", source="typed", now=door.now(), actor_id=(viewer or door.viewer()).user_id
    ).id


def company_names(session: Session) -> list[str]:
    """Names offered while typing."""
    return [row.name for row in companies.page(session, door.viewer(), limit=NAMES)]


def company_name(session: Session, company_id: int | None) -> str:
    """What a company is called; "" for none or a deleted one."""
    if company_id is None:
        return ""
    try:
        return companies.by_id(session, company_id).name
    except NotFound:
        return ""


def currency(session: Session, typed: str) -> str:
    """An ISO 4217 code as typed, else the workspace's. Raises Refused for a code there is not."""
    code = typed.strip().upper() or str(workspace.get(session, "currency"))
    if code not in list_currencies():
        raise Refused(f"{typed[:10]!r} is not a currency code such as GBP.", "currency")
    return code
