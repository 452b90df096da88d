"""``crm-sync backup | restore | erase | export-person``: the data as a whole, and one person's part of it."""

from __future__ import annotations

import json
from pathlib import Path

import click

from sync import backup as backups
from sync.cli.root import command, service, show


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@command
def backup(file: Path, as_json: bool) -> None:
    """Write the whole state to FILE; safe while the service runs."""
    crm = service()
    size = backups.backup(crm, file)
    show({"file": str(file), "bytes": size}, [f"Wrote {file}, {size:,} bytes. {backups.ERASED_NOTE}"], as_json=as_json)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace a database that holds data.")
@command
def restore(file: Path, force: bool, as_json: bool) -> None:
    """Bring back the state that FILE holds."""
    crm = service()
    backups.restore(crm, file, force=force)
    show({"file": str(file), "restored": True}, [f"Restored from {file}."], as_json=as_json)


@click.command()
@click.argument("contact")
@command
def erase(contact: str, as_json: bool) -> None:
    """Erase a person (address or contact id); prints a certificate of counts."""
    from crm import erase as erasure

    crm = service()
    with crm.db.transaction() as session:
        contact_id = erasure.find(session, contact)
        certificate = erasure.erase(session, contact_id, vault=crm.vault, actor_id=None, now=crm.now())
    data = certificate.as_dict()
    show(data, [json.dumps(data, indent=2, default=str, ensure_ascii=False)], as_json=as_json)


@click.command("export-person")
@click.argument("contact")
@command
def export_person(contact: str, as_json: bool) -> None:
    """Everything known of a person, as JSON."""
    from crm import erase as erasure

    crm = service()
    with crm.db.reading() as session:
        data = erasure.export_person(session, erasure.find(session, contact))
    show(data, [json.dumps(data, indent=2, default=str, ensure_ascii=False)], as_json=as_json)


def register(main: click.Group) -> None:
    """Hang the commands under ``main``."""
    for found in (backup, restore, erase, export_person):
        main.add_command(found)
