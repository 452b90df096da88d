"""Names a worker process so that another one on the same machine can tell whether it still lives. Reads /proc; a worker
that cannot be judged (another host, another container, another system) counts as alive, and its lease runs out by time.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path


def me() -> str:
    """This process: host, process namespace, pid, and the instant it was started (so that a reused pid is another)."""
    return f"{socket.gethostname()}:{_namespace()}:{os.getpid()}:{_started(os.getpid())}"


def is_alive(owner: str) -> bool:
    """Whether the process that ``me()`` named so may still be working."""
    parts = owner.rsplit(":", 3)
    if len(parts) != 4 or parts[:2] != [socket.gethostname(), _namespace()]:
        return True
    pid, started = parts[2:]
    return not (pid.isdigit() and started.isdigit()) or _started(int(pid)) == started


def _namespace() -> str:
    """Containers that share a host's name do not share its process numbers."""
    try:
        return os.readlink("/proc/self/ns/pid").rpartition("[")[2].rstrip("]")
    except OSError:
        return "-"


def _started(pid: int) -> str:
    """Start time in clock ticks since boot (proc(5), field 22 of stat); "" for a process that is not there. A zombie
    is not."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in ("Z", "X") else fields[19]
