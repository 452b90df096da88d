"""Backup and restore of the whole state: database and keys in one zip. SQLite by its online backup; PostgreSQL by its
own pg_dump and pg_restore. Never writes a file that is half done: it is renamed into place at the end."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
import zipfile
from pathlib import Path

from sqlalchemy import func, make_url, select

from crm.errors import Refused
from crm.models import Ledger
from sync.service import Service

ERASED_NOTE = "What is erased later is still in this file; delete it when its time is over."
MANIFEST, SQLITE, POSTGRES, KEYS = "manifest.json", "crm-sync.db", "crm-sync.dump", "secret.key"
TIMEOUT = 3600


def backup(service: Service, file: Path) -> int:
    """Write the state to ``file`` (mode 600). Returns its size in bytes."""
    with tempfile.TemporaryDirectory(dir=service.settings.data_dir) as folder:
        dump = Path(folder) / (SQLITE if service.db.is_sqlite else POSTGRES)
        (_dump_sqlite if service.db.is_sqlite else _dump_postgres)(service, dump)
        made = Path(folder) / "backup.zip"
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as out:
            out.write(dump, dump.name)
            out.writestr(KEYS, ",".join(service.settings.secret_keys))
            out.writestr(MANIFEST, json.dumps({"format": 1, "made_at": service.now().isoformat(), "holds": dump.name}))
        made.chmod(0o600)
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(made, partial := file.with_name(file.name + ".part"))
        partial.chmod(0o600)
        os.replace(partial, file)
    return file.stat().st_size


def restore(service: Service, file: Path, *, force: bool) -> None:
    """Replace the state. Refuses a database with data unless forced, and a file of the other engine. The keys come
    along, unless the environment gives others: those must be able to read the secrets."""
    try:
        archive = zipfile.ZipFile(file)
        holds = json.loads(archive.read(MANIFEST))["holds"]
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise Refused(f"{file} is not a backup of crm-sync.") from error
    if holds != (SQLITE if service.db.is_sqlite else POSTGRES):
        raise Refused(f"{file} was made from another kind of database; restore it into the same kind.")
    if not force and _has_data(service):
        raise Refused("The database holds data already; add --force to replace it.")
    with archive, tempfile.TemporaryDirectory(dir=service.settings.data_dir) as folder:
        dump = Path(folder) / holds
        with archive.open(holds) as source, dump.open("wb") as out:
            shutil.copyfileobj(source, out)
        (_load_sqlite if service.db.is_sqlite else _load_postgres)(service, dump)
        _keep_keys(service, archive.read(KEYS).decode())


def _has_data(service: Service) -> bool:
    if service.db.is_sqlite and not Path(service.db.engine.url.database or "").exists():
        return False
    if not service.db.is_current():
        return False
    with service.db.reading() as session:
        return bool(session.scalar(select(func.count()).select_from(Ledger)))


def _keep_keys(service: Service, keys: str) -> None:
    """The key file is replaced only where keys come from the file and not from the environment."""
    path = service.settings.data_dir / KEYS
    if path.exists() and path.read_text().strip() in service.settings.secret_keys:
        handle = os.open(path, os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as out:
            out.write(keys.partition(",")[0])


def _dump_sqlite(service: Service, dump: Path) -> None:
    source = sqlite3.connect(service.db.engine.url.database or "")
    target = sqlite3.connect(dump)
    with source, target:
        source.backup(target)
    source.close()
    target.close()


def _load_sqlite(service: Service, dump: Path) -> None:
    service.db.dispose()
    source = sqlite3.connect(dump)
    target = sqlite3.connect(service.db.engine.url.database or "")
    with source, target:
        source.backup(target)
    source.close()
    target.close()


def _dump_postgres(service: Service, dump: Path) -> None:
    _run(service, ["pg_dump", "--format=custom", "--no-owner", f"--file={dump}"])


def _load_postgres(service: Service, dump: Path) -> None:
    service.db.dispose()
    _run(
        service,
        ["pg_restore", "--clean", "--if-exists", "--no-owner", "--dbname", _plain_url(service), str(dump)],
        url=False,
    )


def _plain_url(service: Service) -> str:
    """The URL as libpq wants it, without the password, which goes by the environment."""
    url = make_url(service.settings.database_url)
    return url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)


def _run(service: Service, command: list[str], *, url: bool = True) -> None:
    password = make_url(service.settings.database_url).password
    environment = dict(os.environ) | ({"PGPASSWORD": str(password)} if password else {})
    try:
        done = subprocess.run(
            [*command, _plain_url(service)] if url else command,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except FileNotFoundError:
        raise Refused(f"{command[0]} is not installed here; it comes with PostgreSQL's client programs.") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise Refused(f"{command[0]} failed: {lines[-1] if lines else done.returncode}")
