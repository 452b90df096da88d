"""``python -m sync.demo [--check] [--port N] [--data DIR]``: what ``make demo`` and ``make demo-check`` run."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import click

from crm.settings import load
from sync import tree
from sync.demo import build, check
from sync.demo.world import ADMIN, PASSWORD, TEAM
from sync.demo.world import build as build_world
from sync.service import Service


@click.command()
@click.option("--check", "checking", is_flag=True, help="Assert over HTTP that the log is right, and exit.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=None, type=int, help="Default 8000; with --check a free one.")
@click.option("--data", default=None, type=click.Path(path_type=Path), help="Default ./data/demo; made anew.")
def main(checking: bool, host: str, port: int | None, data: Path | None) -> None:
    """Build the demo, pull it, serve it."""
    folder = (data or Path("data") / ("demo-check" if checking else "demo")).resolve()
    if (folder / "demo").exists():
        shutil.rmtree(folder)
    os.environ["CRM_SYNC_DATA_DIR"] = str(folder)
    os.environ.setdefault("CRM_SYNC_ALLOW_PRIVATE_HOSTS", "1")
    service = Service.build(load())
    begun = time.monotonic()
    service.db.migrate()
    written = build.write(folder / "demo", build_world(), service.now())
    click.echo(f"{written.mails} mails and the calendars of {len(TEAM)} people are written; pulling them.", err=True)
    build.people(service, folder / "demo")
    reports = build.pull(service, folder / "demo")
    for report in reports:
        click.echo(f"  {report.account}: {report.state}, {sum(s.counts.stored for s in report.streams.values())} stored", err=True)
    click.echo(f"The log is filled, {time.monotonic() - begun:.0f} s after the start.", err=True)
    if checking:
        sys.exit(check.run(service, written, reports, host=host, port=port or 0))
    click.echo(f"\n  http://{host}:{port or 8000}\n  sign in as {TEAM[0].address} (rep), {TEAM[3].address} (manager) or {ADMIN.address} (admin)"
               f"\n  password {PASSWORD}\n")  # fmt: skip
    tree.run(service, host=host, port=port or 8000, workers=1)


if __name__ == "__main__":
    main()
