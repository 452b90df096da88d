"""``make bench``: the time of every page, decisions a second and a rematch of the log, then the same mailbox, in one run,
by mbsync and by us; prints tables and writes bench/out/pages.json, matching.json and bench.json.

Ratios within one run are what counts: machines are noisy, and figures of two runs must not be compared. ``--mails``,
``--only`` and ``--quick`` cut it down while working."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench import matching, pages, peer, rematch
from tests.bench.mailbox import FOLDERS, mails
from tests.rig import dovecot
from tests.rig.faultproxy import FaultProxy, Faults
from tests.rig.postgres import Cluster

OUT = Path("bench/out")
LINES = {
    "loopback": None,
    "50 ms": Faults(latency=0.025),
    "50 ms, 100 Mbit/s": Faults(latency=0.025, bandwidth=12_500_000),
}


@contextmanager
def line(port: int, faults: Faults | None) -> Iterator[int]:
    """The server's port, or that of a proxy in front of it."""
    if faults is None:
        yield port
        return
    with FaultProxy(port, faults) as proxy:
        yield proxy.port


def fill(server: dovecot.Dovecot, count: int) -> tuple[int, int]:
    """Deliver the mailbox; returns mails and bytes."""
    boxes: dict[str, list[bytes]] = {folder: [] for folder in FOLDERS}
    total = size = 0
    for folder, data in mails(count):
        boxes[folder].append(data)
        total, size = total + 1, size + len(data)
        if len(boxes[folder]) >= 500:
            server.deliver("bench", boxes[folder], folder)
            boxes[folder] = []
    for folder, rest in boxes.items():
        server.deliver("bench", rest, folder)
    return total, size


def ours(port: int, url: str | None, workers: int) -> dict[str, Any]:
    """One run in fresh processes and a fresh database."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            "CRM_SYNC_DATA_DIR": folder,
            "CRM_SYNC_ALLOW_PRIVATE_HOSTS": "1",
            "CRM_SYNC_SECRET_KEY": "bench-secret-key-bench",
        }
        if url:
            environment["CRM_SYNC_DATABASE_URL"] = url
        told = Path(folder) / "told.json"
        told.write_text(
            json.dumps({"port": port, "password": dovecot.PASSWORD, "workers": workers, "environment": environment})
        )
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.ours", str(told)],
            capture_output=True,
            text=True,
            env=os.environ | environment,
        )
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        return dict(json.loads(done.stdout))


def measure(count: int, only: str, quick: bool) -> dict[str, Any]:
    """All cells of the table."""
    rows: list[dict[str, Any]] = []
    server, cluster = dovecot.start(), Cluster()
    try:
        total, size = fill(server, count)
        print(f"{total:,} mails, {size / 1e6:.0f} MB, in {len(FOLDERS)} folders", file=sys.stderr)
        for name, faults in LINES.items():
            if only and only != name:
                continue
            with line(server.port, faults) as port, tempfile.TemporaryDirectory() as folder:
                cells = [
                    ("mbsync", lambda: peer.mirror(Path(folder) / "a", port, dovecot.PASSWORD, fsync=True)),
                    ("mbsync, no fsync", lambda: peer.mirror(Path(folder) / "b", port, dovecot.PASSWORD, fsync=False)),
                ]
                for store in ("SQLite",) if quick else ("SQLite", "PostgreSQL"):
                    for workers in (1, 2):
                        cells.append(
                            (
                                f"ours, {store}, {workers} worker{'s' if workers > 1 else ''}",
                                lambda s=store, w=workers: ours(
                                    port, cluster.create(f"b{len(rows)}") if s == "PostgreSQL" else None, w
                                ),
                            )
                        )
                for what, run in cells:
                    row = {"line": name, "what": what} | run()
                    row["rate"] = row["stored"] / row["seconds"]
                    rows.append(row)
                    print(
                        f"{name:<20} {what:<28} {row['rate']:8.0f} msg/s {row['seconds']:7.1f} s {row['peak_mb']:6.0f} MB",
                        file=sys.stderr,
                    )
    finally:
        server.stop()
        cluster.stop()
    return {"mails": total, "bytes": size, "rows": rows}


def table(result: dict[str, Any]) -> str:
    """Markdown: rates and ratios to mbsync of the same line."""
    lines = [
        "| line | what | msg/s | x mbsync | x mbsync, no fsync | first 50 | peak MB | MB in | commands | no-op s (commands) |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    base: dict[tuple[str, str], float] = {(r["line"], r["what"]): r["rate"] for r in result["rows"]}
    for r in result["rows"]:
        first = f"{r['first_50']:.2f} s" if "first_50" in r else ""
        moved = f"{r['bytes'] / 1e6:.0f}" if "bytes" in r else f"{result['bytes'] / 1e6:.0f}"
        noop = f"{r['noop_seconds']:.1f}" + (f" ({r['noop_requests']})" if "noop_requests" in r else "")
        lines.append(
            f"| {r['line']} | {r['what']} | {r['rate']:.0f} | {r['rate'] / base[r['line'], 'mbsync']:.2f} "
            f"| {r['rate'] / base[r['line'], 'mbsync, no fsync']:.2f} | {first} | {r['peak_mb']:.0f} | {moved} | {r.get('requests', '')} | {noop} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=20_000)
    parser.add_argument("--only", default="", choices=["", *LINES])
    parser.add_argument("--quick", action="store_true", help="SQLite only")
    parser.add_argument("--items", type=int, default=100_000, help="how many items the rematch is measured on")
    parser.add_argument("--matching", action="store_true", help="decisions and rematch only")
    parser.add_argument("--pages", action="store_true", help="page times only")
    chosen = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    if not chosen.matching:
        rows = pages.measure(7)
        best = pages.best_customers()
        (OUT / "pages.json").write_text(json.dumps({"pages": rows, "best_customers": best}, indent=1))
        print(pages.table(rows))
        print(f"best customers: {best}")
    if chosen.pages:
        return
    found = {"decisions": matching.measure(100_000, 20_000, 3), "rematch": rematch.measure(chosen.items, 20_000, 2)}
    (OUT / "matching.json").write_text(json.dumps(found, indent=1))
    for what, figures in found.items():
        print(f"{what}: " + ", ".join(f"{name} {value}" for name, value in figures.items()))
    if chosen.matching:
        return
    result = measure(chosen.mails, chosen.only, chosen.quick)
    (OUT / "bench.json").write_text(json.dumps(result, indent=1))
    print(table(result))


if __name__ == "__main__":
    main()
