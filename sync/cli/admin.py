"""``crm-sync settings`` and ``crm-sync doctor``: the workspace's settings, and whether all is well with the set-up."""

from __future__ import annotations

import sys
from typing import Any

import click

from crm import workspace
from sync import doctor as checks
from sync import outbox
from sync.cli.root import FAILED, command, service, show


@click.group("settings")
def settings() -> None:
    """Workspace settings; changes are validated, audited, and applied to the past where they mean that."""


@settings.command("list")
@command
def list_(as_json: bool) -> None:
    """All settings with their values."""
    crm = service()
    with crm.db.reading() as session:
        values = workspace.all_(session)
    show({"settings": values}, [f"{name:<22} {_shown(value)}" for name, value in values.items()], as_json=as_json)


@settings.command("get")
@click.argument("name")
@command
def get(name: str, as_json: bool) -> None:
    """One setting."""
    crm = service()
    with crm.db.reading() as session:
        value = workspace.get(session, name)
    show({"name": name, "value": value}, [_shown(value)], as_json=as_json)


@settings.command("set")
@click.argument("name")
@click.argument("values", nargs=-1)
@command
def set_(name: str, values: tuple[str, ...], as_json: bool) -> None:
    """Set one; no value empties a list or goes back to the default."""
    crm = service()
    with crm.db.transaction() as session:
        many = isinstance(workspace.get(session, name), list)
        given: Any = list(values) if many else values[0] if len(values) == 1 else list(values) or None
        stored = workspace.put(session, name, given, actor_id=None, now=crm.now())
    outbox.drain(crm)
    show({"name": name, "value": stored}, [f"{name} = {_shown(stored)}"], as_json=as_json)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "(none)"
    return "(none)" if value is None else str(value)


@click.command()
@command
def doctor(as_json: bool) -> None:
    """Check settings, database, queue, clocks, keys and reachability; one line each with the mend."""
    found = checks.run()
    data = {"checks": [{"name": c.name, "ok": c.ok, "says": c.says, "mend": c.mend} for c in found]}
    lines = [f"{'ok ' if c.ok else 'BAD'}  {c.name:<12} {c.says}" + (f" -> {c.mend}" if c.mend else "") for c in found]
    show(data, lines, as_json=as_json)
    if not all(c.ok for c in found):
        sys.exit(FAILED)


def register(main: click.Group) -> None:
    """Hang the commands under ``main``."""
    main.add_command(settings)
    main.add_command(doctor)
