"""The command line as a child process, with a data folder of its own: what people and their scripts run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Cli:
    """``crm-sync`` with its settings in the environment."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def database(self) -> Path:
        """The embedded database's file."""
        return self.folder / "data" / "crm.db" if (self.folder / "data" / "crm.db").exists() else self._found()

    def _found(self) -> Path:
        return next(iter(sorted((self.folder / "data").glob("*.db"))), self.folder / "data" / "none.db")

    def env(self) -> dict[str, str]:
        """The environment of a command: ours without any setting, and the test's."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("CRM_SYNC_")}
        own = {"CRM_SYNC_DATA_DIR": str(self.folder / "data"), "CRM_SYNC_ALLOW_PRIVATE_HOSTS": "1"}
        return {**kept, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", **own, **self.environ}

    def start(self, *args: str) -> subprocess.Popen[bytes]:
        """Start a command in a process group of its own, output thrown away."""
        return subprocess.Popen(
            [sys.executable, "-m", "sync", *args], cwd=self.folder, env=self.env(), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def run(self, *args: str, stdin: str = "", ok: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; fails the test when it exits with a code not in ``ok``."""
        done = subprocess.run(
            [sys.executable, "-m", "sync", *args], cwd=self.folder, env=self.env(), input=stdin, text=True,
            encoding="utf-8", capture_output=True, timeout=900,
        )  # fmt: skip
        assert done.returncode in ok, f"{args} exited {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done

    def json(self, *args: str, stdin: str = "", ok: tuple[int, ...] = (0,)) -> Any:
        """Run with ``--json``: stdout must be one JSON object and nothing else."""
        return json.loads(self.run(*args, "--json", stdin=stdin, ok=ok).stdout)

    def lines(self, *args: str) -> list[dict[str, Any]]:
        """Run an export; its lines."""
        return [json.loads(line) for line in self.run(*args).stdout.splitlines()]
