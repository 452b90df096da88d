"""``crm-sync user`` and ``crm-sync import``: people who sign in, and CSV files with people, companies, deals, tasks."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from crm import csvimport, users
from crm.errors import Refused
from sync import outbox
from sync.cli.root import FAILED, command, service, show, stdin_secret

MAX_FILE = 200_000_000
KINDS = ("contacts", "companies", "deals", "tasks")


@click.group("user")
def user() -> None:
    """People who sign in."""


@user.command("add")
@click.argument("email")
@click.option("--name", required=True)
@click.option("--role", type=click.Choice(["admin", "manager", "rep"]), default="rep", show_default=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@command
def add(email: str, name: str, role: str, password_stdin: bool, as_json: bool) -> None:
    """Add a user; without a password they cannot sign in yet."""
    crm = service()
    password = stdin_secret(password_stdin) or None
    with crm.db.transaction() as session:
        row = users.create(session, email=email, name=name, role=role, password=password, now=crm.now(), actor_id=None)
        data = {"user_id": row.id, "email": row.email, "name": row.name, "role": row.role}
    show(data, [f"Added {data['email']} ({role})."], as_json=as_json)


@user.command("list")
@command
def list_(as_json: bool) -> None:
    """All users."""
    crm = service()
    with crm.db.reading() as session:
        rows = [
            {"user_id": u.id, "email": u.email, "name": u.name, "role": u.role, "active": u.active}
            for u in users.all_(session, active_only=False)
        ]
    show({"users": rows}, [f"{r['email']:<40} {r['role']:<8} {r['name']}" for r in rows], as_json=as_json)


@click.command("import")
@click.argument("kind", type=click.Choice([*KINDS, "undo"]))
@click.argument("file")
@click.option("--dry-run", is_flag=True, help="Preview; nothing is written.")
@click.option("--mapping", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="JSON: column to field.")
@command
def import_(kind: str, file: str, dry_run: bool, mapping: Path | None, as_json: bool) -> None:
    """Import a CSV file, or take an import back: ``crm-sync import undo ID``."""
    crm = service()
    if kind == "undo":
        _undo(crm, file, as_json)
        return
    text = _text(Path(file))
    columns = _mapping(mapping)
    with crm.db.transaction() as session:
        result = csvimport.run(
            session,
            kind,
            text,
            mapping=columns,
            filename=Path(file).name,
            actor_id=None,
            now=crm.now(),
            dry_run=dry_run,
        )
        data = result.as_json()
    outbox.drain(crm)
    show(data, _lines(data, dry_run), as_json=as_json)
    if result.counts["rows"] and result.counts["failed"] == result.counts["rows"]:
        sys.exit(FAILED)


def _text(path: Path) -> bytes:
    if not path.is_file():
        raise Refused(f"There is no file {path}.")
    if path.stat().st_size > MAX_FILE:
        raise Refused(f"{path} is larger than {MAX_FILE // 1_000_000} MB; split it.")
    return path.read_bytes()


def _mapping(path: Path | None) -> dict[str, str] | None:
    if path is None:
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise Refused(f"{path} is not JSON.") from None
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise Refused(f'{path} must be one object like {{"E-mail": "email"}}.')
    return found


def _undo(crm: Any, batch: str, as_json: bool) -> None:
    if not batch.isdigit():
        raise click.UsageError("`crm-sync import undo` takes the number the import printed")
    with crm.db.transaction() as session:
        result = csvimport.undo(session, int(batch), actor_id=None, now=crm.now())
        data = asdict(result)
    outbox.drain(crm)
    show(data, [f"Import {batch} taken back."], as_json=as_json)


def _lines(data: dict[str, Any], dry_run: bool) -> list[str]:
    head = "Would import" if dry_run else f"Import {data['batch_id']}"
    counts = ", ".join(f"{n} {name}" for name, n in data["counts"].items())
    return [f"{head}: {counts}", *(f"warning: {w}" for w in data["warnings"]), *(f"error: {e}" for e in data["errors"])]


def register(main: click.Group) -> None:
    """Hang the commands under ``main``."""
    main.add_command(user)
    main.add_command(import_)
