"""@mentions in calls and notes: ``@Priya``, ``@Priya Raman`` or ``@priya.raman`` (as in her address) picks a teammate
who is still here; each is told once, with a link and without a word of the text.

Nobody is told of a note they may not open: mentions in a private one tell nobody."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import regex
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm import notices
from crm.errors import Refused
from crm.models import Communication, User
from crm.privacy import Tier, Viewer, tiers

MOST = 20
_AT = regex.compile(r"(?<![\p{L}\p{N}_.@])@([\p{L}\p{N}_][^\n@]{0,80})")


def named(text: str, people: Sequence[User]) -> list[User]:
    """Who of ``people`` the text mentions, in order, each once. The longest name wins. Raises Refused for a first name
    that several have. Pure."""
    found: dict[int, User] = {}
    for match in _AT.finditer(text):
        person = _one(match.group(1).casefold(), people)
        if person is not None:
            found[person.id] = person
    return list(found.values())[:MOST]


def check(session: Session, text: str) -> None:
    """Raises Refused when somebody can't be told apart."""
    if "@" in text:
        named(text, _active(session))


def tell(session: Session, author: Viewer, item: Communication, text: str, *, about: str, now: datetime) -> list[str]:
    """Tell those mentioned that may open the item; the author is not told. Returns their names. ``about`` names the
    record."""
    if "@" not in text:
        return []
    people = _active(session)
    by = next((p.name for p in people if p.id == author.user_id), "A teammate")
    told = []
    for person in named(text, people):
        reader = Viewer(person.id, person.role)
        if person.id == author.user_id or tiers(session, reader, [item.id])[item.id] == Tier.PRIVATE:
            continue
        notices.tell(
            session, person.id, key=f"mention:{item.id}", kind="mention", href=f"/log/{item.id}", now=now,
            text=f"{by} mentioned you in a {item.kind}" + (f" on {about}." if about else "."),
        )  # fmt: skip
        told.append(person.name)
    return told


def _active(session: Session) -> list[User]:
    return list(session.scalars(select(User).where(User.active).order_by(User.id)))


def _one(rest: str, people: Sequence[User]) -> User | None:
    """Who the text after an @ begins with: a full name, else the one with that first name or name in the address."""
    full = [p for p in people if _begins(rest, p.name)]
    if full:
        return max(full, key=lambda p: len(p.name))
    short = [p for p in people if any(_begins(rest, name) for name in (*p.name.split()[:1], p.email.partition("@")[0]))]
    if len(short) > 1:
        names = " or ".join(f"@{p.name}" for p in short)
        raise Refused(f"Several people are called so: write {names}.", "text")
    return short[0] if short else None


def _begins(rest: str, name: str) -> bool:
    """The text begins with the name and then something else than a letter."""
    wanted = name.casefold()
    return bool(wanted) and rest.startswith(wanted) and not rest[len(wanted) : len(wanted) + 1].isalnum()
