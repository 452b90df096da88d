"""A private PostgreSQL cluster for tests: its own data folder and unix socket, no TCP port, gone with the test process.

Never touches a system cluster. As root the server runs as user ``postgres`` (it refuses root); ``setpriv --pdeathsig``
makes it die with its parent. Facts: postgresql.org/docs "initdb", "runtime-config"; util-linux setpriv(1).
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from glob import glob
from pathlib import Path

import psycopg

OPTIONS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_connections": "60",
    "autovacuum": "off",
    "log_min_messages": "fatal",
}
START_SECONDS = 30.0


class Missing(Exception):
    """PostgreSQL cannot run here; ``str()`` names what is missing."""


class Cluster:
    """A running server. ``url(name)`` addresses a database of it."""

    def __init__(self, **settings: str) -> None:
        """``settings`` override ``OPTIONS``, which are those of a short life: nothing is kept, nothing is tidied."""
        self.bin = _binaries()
        self.folder = Path(tempfile.mkdtemp(prefix="crmpg", dir="/tmp"))
        self._prefix = _prefix(self.folder)
        subprocess.run(
            [*self._prefix, str(self.bin / "initdb"), "-D", str(self.folder / "data"), "-U", "postgres", "-A", "trust",
             "--no-sync", "--no-instructions", "-E", "UTF8", "--locale=C.UTF-8"],
            check=True, capture_output=True, cwd="/",
        )  # fmt: skip
        options = [part for name, value in (OPTIONS | settings).items() for part in ("-c", f"{name}={value}")]
        self._process = subprocess.Popen(
            [*self._prefix, str(self.bin / "postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder),
             *options],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
        )  # fmt: skip
        self._wait()

    def url(self, name: str) -> str:
        """The SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://postgres@/{name}?host={self.folder}"

    def create(self, name: str, *, template: str = "template1") -> str:
        """Make a database, as a copy of ``template``; returns its URL."""
        self._run(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        return self.url(name)

    def drop(self, name: str) -> None:
        """Remove a database, cutting whoever is connected."""
        self._run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def stop(self) -> None:
        """End the server and remove its folder."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, statement: str) -> None:
        with psycopg.connect(host=str(self.folder), user="postgres", dbname="postgres", autocommit=True) as connection:
            connection.execute(statement.encode())

    def _wait(self) -> None:
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                self._run("SELECT 1")
                return
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > until:
                    self.stop()
                    raise Missing(f"PostgreSQL did not start: {error}") from error
                time.sleep(0.05)


def _binaries() -> Path:
    found = sorted(glob("/usr/lib/postgresql/*/bin/initdb"), key=lambda p: int(p.split("/")[4]))
    path = found[-1] if found else shutil.which("initdb")
    if not path:
        raise Missing("PostgreSQL is not installed (apt: postgresql)")
    return Path(path).resolve().parent


def _prefix(folder: Path) -> list[str]:
    """What runs a command as somebody PostgreSQL accepts; gives that user the folder."""
    setpriv = shutil.which("setpriv")
    if not setpriv:
        raise Missing("setpriv is not installed (apt: util-linux)")
    if os.geteuid() != 0:
        return [setpriv, "--pdeathsig", "SIGQUIT"]
    try:
        user = pwd.getpwnam("postgres")
    except KeyError as error:
        raise Missing("there is no user postgres for the server to run as") from error
    os.chown(folder, user.pw_uid, user.pw_gid)
    folder.chmod(0o755)
    return [setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--pdeathsig", "SIGQUIT"]
