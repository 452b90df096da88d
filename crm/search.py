"""Full-text search over the log, within what the viewer may see: subject and people for some, the text for others.

SQLite: FTS5 with ``detail=column``, which knows no phrases, so queries are cut into single words the way its
tokenizer cuts (sqlite.org/fts5.html, "unicode61"). PostgreSQL: tsvector with the ``simple`` configuration and prefix
queries (postgresql.org/docs "textsearch-controls"). Never interprets what a person typed as query syntax.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from unicodedata import combining, normalize

import regex
from sqlalchemy import ColumnElement, and_, column, func, literal_column, or_, select, table, text
from sqlalchemy.orm import Session

from crm.models import Communication
from crm.privacy import Viewer, content_visible, subject_visible, visible

WORDS_MAX = 12
TEXT_MAX = 100_000
WORD_MAX = 100
RARE = 2_000
_WORD = regex.compile(r"[\p{L}\p{N}\p{M}\p{Co}]+")
_FTS = table("communication_fts", column("rowid"), column("communication_fts"), column("head"), column("body"))


_SQLITE_PUT = "INSERT INTO communication_fts(rowid, subject, people, text) VALUES (:id, :subject, :people, :text)"
_POSTGRES_PUT = """
    INSERT INTO communication_fts(rowid, head, body)
    VALUES (:id, setweight(to_tsvector('simple', :subject), 'A') || setweight(to_tsvector('simple', :people), 'B'),
            to_tsvector('simple', :text))
    ON CONFLICT (rowid) DO UPDATE SET head = excluded.head, body = excluded.body"""


def index(session: Session, rows: Iterable[tuple[int, str, str, str]], *, fresh: bool = False) -> None:
    """Put items into the index, or replace them: (communication id, subject, people, text). ``fresh`` says that none
    of them is in it yet. Text beyond 100,000 characters is not searched."""
    sqlite = _is_sqlite(session)
    shaped = _tokenizable if sqlite else _cut
    values = [
        {"id": i, "subject": shaped(subject), "people": shaped(people), "text": shaped(body[:TEXT_MAX])}
        for i, subject, people, body in rows
    ]
    if not values:
        return
    if sqlite:
        if not fresh:
            session.execute(text("DELETE FROM communication_fts WHERE rowid = :id"), values)
        session.execute(text(_SQLITE_PUT), values)
    else:
        session.execute(text(_POSTGRES_PUT), values)


def forget(session: Session, ids: Iterable[int]) -> None:
    """Take items out of the index."""
    values = [{"id": i} for i in ids]
    if values:
        session.execute(text("DELETE FROM communication_fts WHERE rowid = :id"), values)


def find(session: Session, viewer: Viewer, query: str, limit: int = 50) -> list[int]:
    """Ids of items that hold every word of ``query`` (the last word may be unfinished), newest first. Empty for no
    words."""
    condition = matches(session, viewer, query)
    if condition is None:
        return []
    found = (
        select(Communication.id)
        .where(condition, visible(viewer))
        .order_by(Communication.occurred_at.desc(), Communication.id.desc())
        .limit(limit)
    )
    return list(session.scalars(found))


def matches(session: Session, viewer: Viewer, query: str) -> ColumnElement[bool] | None:
    """Condition on ``Communication``: it holds the words in a part the viewer may read. None when there is no word
    in the query.

    People are searched where the item exists for the viewer, the subject where they may read it, the text where they
    may read all. Rare words are looked up first; for common ones the newest items are walked, so that a page never
    judges every match."""
    words = words_of(query)
    if not words:
        return None
    parts = _sqlite(words) if _is_sqlite(session) else _postgres(words)
    found = list(session.scalars(select(_FTS.c.rowid).where(parts.anywhere).limit(RARE + 1)))
    key: ColumnElement[Any] = Communication.id.expression
    if len(found) > RARE:
        key = Communication.id + literal_column("0")  # keeps SQLite from judging every match before it sorts
    rows = select(_FTS.c.rowid).correlate(None)
    people, head = key.in_(rows.where(parts.people)), key.in_(rows.where(parts.head))
    anywhere = key.in_(found) if len(found) <= RARE else key.in_(rows.where(parts.anywhere))
    return and_(anywhere, or_(people, and_(head, subject_visible(viewer)), content_visible(viewer)))


def words_of(query: str) -> list[str]:
    """The words of what a person typed, at most 12, the way both engines cut text."""
    return [w.lower()[:WORD_MAX] for w in _WORD.findall(_plain(query[:1_000]))][:WORDS_MAX]


def _cut(value: str) -> str:
    """The words of a text: PostgreSQL's own parser would keep addresses and hosts whole."""
    return " ".join(w[:WORD_MAX] for w in _WORD.findall(_plain(value)))


def _tokenizable(value: str) -> str:
    """SQLite's tokenizer cuts words and folds accents itself; only compatibility forms (full width, ligatures) and
    NUL are ours to settle."""
    return value.replace("\0", " ") if value.isascii() else normalize("NFKC", value.replace("\0", " "))


@dataclass(frozen=True, slots=True)
class _Parts:
    """Conditions on the index: the words are among the people; in subject or people; anywhere."""

    people: ColumnElement[bool]
    head: ColumnElement[bool]
    anywhere: ColumnElement[bool]


def _sqlite(words: list[str]) -> _Parts:
    terms = " AND ".join([*(f'"{w}"' for w in words[:-1]), f'"{words[-1]}"*'])
    match = _FTS.c.communication_fts.op("MATCH")
    return _Parts(match(f"people : ({terms})"), match(f"{{subject people}} : ({terms})"), match(terms))


def _postgres(words: list[str]) -> _Parts:
    """Weight A is the subject, B the people; the text is a vector of its own."""
    plain = [f"'{w}'" for w in words[:-1]] + [f"'{words[-1]}':*"]
    people = [f"'{w}':B" for w in words[:-1]] + [f"'{words[-1]}':*B"]
    head, body = _FTS.c.head, _FTS.c.body
    anywhere = and_(*(or_(_holds(head, word), _holds(body, word)) for word in plain))  # each word by its own index
    return _Parts(_holds(head, " & ".join(people)), _holds(head, " & ".join(plain)), anywhere)


def _holds(vector: ColumnElement[Any], terms: str) -> ColumnElement[bool]:
    return vector.op("@@")(func.to_tsquery("simple", terms))


def _plain(value: str) -> str:
    """Without NUL (which PostgreSQL refuses) and with accents taken off, so that both engines find "Muller" for
    "Müller"."""
    cut = value.replace("\0", " ")
    return cut if cut.isascii() else "".join(c for c in normalize("NFKD", cut) if not combining(c))


def _is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"
