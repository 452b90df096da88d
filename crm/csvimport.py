"""Imports a CSV file of contacts, companies, deals or tasks: preview, run, undo. The preview is the run itself,
rolled back.

Every bad row is an error with its line and the others go on. What a run created and changed is journalled with it, so
that ``undo`` takes back exactly that, and names what it leaves because somebody changed it since. The rules of each
kind are in ``crm.csvpeople`` and ``crm.csvdeals``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path

from sqlalchemy.orm import Session

from crm import audit, outbox
from crm.csvdeals import Deals, Tasks
from crm.csvjournal import Undone, seal, take_back
from crm.csvpeople import CompaniesFile, Contacts
from crm.csvread import BadFile, Row, Table
from crm.csvrows import CUSTOM, NOTES_MAX, Context, Importer, Note
from crm.csvvalues import BadCell
from crm.errors import NotFound, Refused
from crm.models import ImportBatch

__all__ = ["KINDS", "BadFile", "ImportResult", "Note", "Undone", "preview", "read_mapping", "run", "undo"]

KINDS: dict[str, Callable[[Context], Importer]] = {
    "contacts": Contacts, "companies": CompaniesFile, "deals": Deals, "tasks": Tasks,
}  # fmt: skip
CHUNK = 500


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What a run did, or a preview would do. ``counts`` has rows, created, updated, unchanged, failed. ``batch_id``
    is None for a preview. ``errors`` and ``warnings`` are cut at a thousand each; ``counts`` are not."""

    kind: str
    dry_run: bool
    batch_id: int | None
    counts: dict[str, int]
    columns: dict[str, str]
    errors: list[Note] = field(default_factory=list)
    warnings: list[Note] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        """The result as one JSON object."""
        return asdict(self)


def preview(
    session: Session,
    kind: str,
    source: Path | str | bytes,
    *,
    mapping: Mapping[str, str] | None = None,
    actor_id: int | None,
    now: datetime,
) -> ImportResult:
    """What ``run`` would do, by doing it and rolling back to where the session was."""
    return run(session, kind, source, mapping=mapping, actor_id=actor_id, now=now, dry_run=True)


def run(
    session: Session,
    kind: str,
    source: Path | str | bytes,
    *,
    mapping: Mapping[str, str] | None = None,
    filename: str = "",
    actor_id: int | None,
    now: datetime,
    dry_run: bool = False,
) -> ImportResult:
    """Import ``source``: a path, or the content as text or bytes. ``mapping`` says for header names which column they
    are, or ``custom.NAME`` for a custom field, or "" to leave them out. Raises BadFile when nothing of the file can
    be used."""
    if kind not in KINDS:
        raise BadFile(f"{kind!r} is not one of {', '.join(KINDS)}.")
    table = Table(source)
    inner = session.begin_nested()
    try:
        context = Context(session, now, actor_id)
        importer = KINDS[kind](context)
        columns = _columns(table, importer, mapping or {})
        counts, errors = _read(context, importer, table, columns)
        batch_id = None
        if not dry_run:
            name = filename or (source.name if isinstance(source, Path) else "")
            batch_id = _keep(context, kind, name, counts)
    except BaseException:
        inner.rollback()
        raise
    if dry_run:
        inner.rollback()
    else:
        inner.commit()
    return ImportResult(kind, dry_run, batch_id, counts, columns, errors, context.warnings)


def undo(session: Session, batch_id: int, *, actor_id: int | None, now: datetime) -> Undone:
    """Take an import back: rows it created go, fields it changed get their old values, unless somebody changed them
    since; those are named. Raises NotFound for an unknown batch and Refused for one undone already."""
    batch = session.get(ImportBatch, batch_id)
    if batch is None:
        raise NotFound(f"There is no import {batch_id}.")
    if batch.undone_at is not None:
        raise Refused(f"Import {batch_id} has been undone already.")
    done = take_back(session, batch, now=now)
    batch.undone_at = now
    session.flush()
    detail = {"removed": done.removed, "restored": done.restored, "kept": len(done.kept)}
    audit.record(session, actor_id=actor_id, action="import.undo", subject_id=batch_id, detail=detail, now=now)
    return done


def read_mapping(text: str) -> dict[str, str]:
    """A mapping from the text of a JSON file. Raises BadFile."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise BadFile(f"The mapping is not JSON: {error}.") from error
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise BadFile('The mapping must be an object such as {"E-Mail": "email", "Segment": "custom.segment"}.')
    return found


def _columns(table: Table, importer: Importer, mapping: Mapping[str, str]) -> dict[str, str]:
    """Which header is which column; headers that are none are left out."""
    chosen = {header.lower(): target.strip() for header, target in mapping.items()}
    if unknown := set(chosen) - {h.lower() for h in table.headers}:
        raise BadFile(f"The mapping names {min(unknown)!r}, which is no header of the file.")
    found: dict[str, str] = {}
    for header in filter(None, table.headers):
        plain = header.lower().replace(" ", "_").replace("-", "_")
        target = chosen.get(header.lower(), plain if plain in importer.columns else "")
        if not target:
            continue
        if target not in importer.columns and not (target.startswith(CUSTOM) and target != CUSTOM):
            raise BadFile(f"{target!r} is neither a column ({', '.join(importer.columns)}) nor custom.NAME.")
        if target in found.values():
            raise BadFile(f"Two headers are mapped to {target!r}.")
        found[header] = target
    if lacking := importer.missing(list(found.values())):
        raise BadFile(f"The file needs {lacking}; its header has {', '.join(table.headers)[:300]}.")
    return found


def _read(
    context: Context, importer: Importer, table: Table, columns: Mapping[str, str]
) -> tuple[dict[str, int], list[Note]]:
    counts = dict.fromkeys(("rows", "created", "updated", "unchanged", "failed"), 0)
    errors: list[Note] = []
    left = [h for h in table.headers if h and h not in columns]
    if left:
        context.warn(1, f"columns left out: {', '.join(left)[:300]} (map them to custom.NAME to keep them)")
    rows = table.rows()
    while chunk := list(islice(rows, CHUNK)):
        for row, outcome, error in _take(importer, chunk, columns):
            counts["rows"] += 1
            counts[outcome] += 1
            if error and len(errors) < NOTES_MAX:
                errors.append(Note(row.line, f"row {row.line} {error}"))
        context.settle()
    return counts, errors


def _take(importer: Importer, chunk: list[Row], columns: Mapping[str, str]) -> Iterator[tuple[Row, str, str]]:
    """Each row with its outcome, and its error if it failed."""
    named = [{columns[h]: v for h, v in row.values.items() if h in columns} for row in chunk]
    importer.prepare([values for row, values in zip(chunk, named, strict=True) if not row.error])
    for row, values in zip(chunk, named, strict=True):
        if row.error:
            yield row, "failed", row.error
            continue
        try:
            yield row, importer.take(row.line, values), ""
        except (BadCell, Refused) as error:
            yield row, "failed", str(error)


def _keep(context: Context, kind: str, filename: str, counts: dict[str, int]) -> int:
    """Store the batch with its journal, and tell matching what was touched."""
    session, now = context.session, context.now
    batch = ImportBatch(kind=kind, filename=filename[:200], actor_id=context.actor_id, created_at=now, counts=counts)
    session.add(batch)
    session.flush()
    batch.journal = seal(context, batch.id)
    detail = {"kind": kind, **counts}
    audit.record(
        session, actor_id=context.actor_id, action="import.run", subject_id=batch.id, detail=detail, now=now
    )  # fmt: skip
    outbox.identity_changed(session, now=now, **context.touched)
    session.flush()
    return batch.id
