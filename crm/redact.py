"""Takes a person's identity out of what stays: names and addresses in texts and JSON become ``[erased]``. Decides
nothing about what is to go; that is ``crm.erase``. Texts are changed by whole addresses, numbers and full names only,
in any case.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import regex
from sqlalchemy import String, cast, func, or_, select
from sqlalchemy.orm import Session

from crm import search
from crm.log_rows import participants
from crm.models import (
    Audit,
    Communication,
    CommunicationBody,
    Decision,
    EventVersion,
    ImportBatch,
    Link,
    Notification,
    Outbox,
    OutgoingMail,
    Participant,
    Suggestion,
    Task,
)

ERASED = "[erased]"
CHUNK = 200
JSON_COLUMNS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (Outbox, ("payload",)), (Audit, ("detail",)), (Decision, ("payload", "inverse")), (ImportBatch, ("journal",)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is to go: canonical and raw addresses, full names, phone numbers. ``pattern`` finds any of them."""

    addresses: frozenset[str]
    names: frozenset[str]
    numbers: frozenset[str]

    @property
    def terms(self) -> list[str]:
        """Everything to be replaced, the longest first. A name of one word is no term: it would hit others."""
        full = {name for name in self.names if len(name.split()) > 1}
        return sorted(self.addresses | full | self.numbers, key=len, reverse=True)

    def pattern(self) -> Any:
        """The terms as one regular expression."""
        words = "|".join(regex.escape(term) for term in self.terms if len(term) > 3)
        return regex.compile(rf"(?<![\w.+-])(?:{words})(?![\w-])" if words else r"(?!)", regex.IGNORECASE)


def items(session: Session, ids: Sequence[int], who: Identity) -> int:
    """Anonymise items: participants, subject, text, evidence and search entry. Returns how many."""
    pattern = who.pattern()
    for at in range(0, len(ids), CHUNK):
        _chunk(session, list(ids[at : at + CHUNK]), who, pattern)
    return len(ids)


def _chunk(session: Session, ids: list[int], who: Identity, pattern: Any) -> None:
    people = participants(session, ids)
    for party in (p for rows in people.values() for p in rows):
        if party.canonical in who.addresses or (not party.canonical and party.name in who.names):
            party.raw = party.canonical = party.domain = ""
            party.name = ERASED
    rows = {c.id: c for c in session.scalars(select(Communication).where(Communication.id.in_(ids)))}
    bodies = session.scalars(select(CommunicationBody).where(CommunicationBody.communication_id.in_(ids))).all()
    for row in rows.values():
        row.subject, row.snippet = text(row.subject, pattern), text(row.snippet, pattern)
    for body in bodies:
        body.text, body.quoted = text(body.text, pattern), text(body.quoted, pattern)
        body.signature, body.html = text(body.signature, pattern), text(body.html, pattern)
        body.headers = value(body.headers, pattern)
    tables: tuple[Any, ...] = (Link, Suggestion)
    for table in tables:
        for found in session.scalars(select(table).where(table.communication_id.in_(ids))):
            found.evidence = value(found.evidence, pattern)
    session.flush()
    search.index(session, [_document(rows[b.communication_id], people.get(b.communication_id, []), b) for b in bodies])


def _document(row: Communication, people: Iterable[Participant], body: CommunicationBody) -> tuple[int, str, str, str]:
    names = " ".join(f"{p.name} {p.canonical}" for p in people if p.name != ERASED)
    return row.id, row.subject, names, body.text


def elsewhere(session: Session, who: Identity) -> int:
    """Take the identity out of journals, decisions, notifications, tasks and calendar versions. Returns how many
    rows changed."""
    pattern, changed = who.pattern(), 0
    for table, names in JSON_COLUMNS:
        for row in _holding(session, table, names, who):
            for name in names:
                setattr(row, name, value(getattr(row, name), pattern))
            changed += 1
    for table, names in ((Decision, ("subject", "says")), (Notification, ("text",)), (Task, ("title", "notes")),
                         (OutgoingMail, ("subject", "body")), (EventVersion, ("payload", "sender"))):  # fmt: skip
        for row in _holding(session, table, names, who):
            for name in names:
                setattr(row, name, value(getattr(row, name), pattern))
            changed += 1
    session.flush()
    return changed


def _holding(session: Session, table: Any, names: Sequence[str], who: Identity) -> list[Any]:
    """Rows with a term in one of the columns."""
    wanted = _spellings(who.terms)
    if not wanted:
        return []
    texts = [func.lower(cast(getattr(table, name), String)) for name in names]  # on PostgreSQL lowers all letters
    condition = or_(*(column.contains(term, autoescape=True) for column in texts for term in wanted))
    return list(session.scalars(select(table).where(condition)))


def _spellings(terms: Iterable[str]) -> list[str]:
    """The terms as a database may hold them: SQLite lowers ASCII letters only, and JSON there escapes all others."""
    cased = {form for term in terms for form in (term, term.lower(), term.upper(), term.title())}
    written = cased | {json.dumps(form)[1:-1] for form in cased}
    return sorted({"".join(c.lower() if c.isascii() else c for c in form) for form in written})


def value(found: Any, pattern: Any) -> Any:
    """JSON with the terms replaced in every string, keys included."""
    if isinstance(found, str):
        return text(found, pattern)
    if isinstance(found, dict):
        return {text(str(key), pattern): value(inner, pattern) for key, inner in found.items()}
    return [value(inner, pattern) for inner in found] if isinstance(found, list) else found


def text(found: str, pattern: Any) -> str:
    """A text with the terms replaced."""
    return str(pattern.sub(ERASED, found))
