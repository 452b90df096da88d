"""The peer: mbsync (isync) mirrors the same mailbox to Maildir, as it comes and with fsync off. Measured like ours:
wall time, peak memory."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

CONFIG = """
FSync {fsync}
IMAPAccount bench
Host 127.0.0.1
Port {port}
User bench
Pass {password}
SSLType None
AuthMechs LOGIN

IMAPStore far
Account bench

MaildirStore near
Path {root}/
Inbox {root}/INBOX
SubFolders Verbatim

Channel bench
Far :far:
Near :near:
Patterns *
Create Near
Sync Pull
SyncState *
"""


def mirror(folder: Path, port: int, password: str, *, fsync: bool) -> dict[str, Any]:
    """One full mirror into a fresh folder, then one with nothing to do."""
    folder.mkdir(parents=True)
    config = folder / "mbsyncrc"
    config.write_text(CONFIG.format(fsync="yes" if fsync else "no", port=port, password=password, root=folder / "mail"))
    (folder / "mail").mkdir()
    seconds, peak = _timed(["mbsync", "-q", "-c", str(config), "-a"])
    again, _ = _timed(["mbsync", "-q", "-c", str(config), "-a"])
    stored = _count(folder)
    return {"seconds": seconds, "peak_mb": peak, "noop_seconds": again, "stored": stored}


def _timed(command: list[str]) -> tuple[float, float]:
    begun = time.monotonic()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"mbsync ended with {process.returncode}")
    return time.monotonic() - begun, usage.ru_maxrss / 1024


def _count(folder: Path) -> int:
    return sum(1 for path in (folder / "mail").rglob("*") if path.is_file() and path.parent.name in ("new", "cur"))
