"""``crm-sync init | sync | up | web | worker | scheduler | rematch``: what runs the service."""

from __future__ import annotations

import signal
import sys
import threading
from datetime import datetime
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import select

from crm.models import Account
from sync import outbox, passes, rematch
from sync.apply import Counts
from sync.cli.root import FAILED, QUARANTINED, Day, command, service, show
from sync.passes import AccountReport, Options
from sync.pull import Progress as Pulling
from sync.service import Service, bulk_memory


@click.command()
@command
def init(as_json: bool) -> None:
    """Create or migrate the database; idempotent."""
    crm = service()
    crm.db.migrate()
    with crm.db.transaction() as session:
        from crm import pipelines

        pipelines.ensure_default(session)
    show({"database": crm.db.engine.dialect.name, "current": True}, ["The database is ready."], as_json=as_json)


@click.command()
@click.option("--account", "account_id", type=int, help="Only this account.")
@click.option("--drain", is_flag=True, help="Go on until every stream is level.")
@click.option("--only", type=click.Choice(["mail", "calendar"]))
@command
def sync(account_id: int | None, drain: bool, only: str | None, as_json: bool) -> None:
    """One pass now, in this process, without the queue."""
    crm = service()
    stop_on_signals(crm)
    _known_account(crm, account_id)
    bulk_memory()
    outbox.drain(crm)
    with _Bars(as_json) as bars:
        chosen = [account_id] if account_id is not None else []
        reports = passes.run(crm, chosen, drain=drain, options=Options(only=only, watch=bars.watch))
    outbox.drain(crm)
    show(
        passes.as_dict(reports),
        [line for r in reports for line in _lines(r)] or ["No account to sync."],
        as_json=as_json,
    )
    if any(r.state not in ("level", "behind") or (drain and r.state == "behind") for r in reports):
        sys.exit(FAILED)
    if any(s.counts.quarantined for r in reports for s in r.streams.values()):
        sys.exit(QUARANTINED)


def _known_account(crm: Service, account_id: int | None) -> None:
    if account_id is None:
        return
    with crm.db.reading() as session:
        if session.scalar(select(Account.id).where(Account.id == account_id, Account.removed_at.is_(None))) is None:
            raise click.UsageError(f"there is no account {account_id}; `crm-sync account list` shows them")


def _lines(report: AccountReport) -> list[str]:
    head = f"{report.account}: {report.state}" + (f" - {report.error}" if report.error else "")
    lines = [head]
    for s in report.streams.values():
        c: Counts = s.counts
        skipped = ", ".join(f"{n} {reason}" for reason, n in sorted(c.skipped.items()))
        lines.append(
            f"  {s.name:<30} listed {c.listed}, stored {c.stored}, updated {c.updated}, removed {c.removed}"
            + (f", skipped {skipped}" if skipped else "")
            + (f", quarantined {c.quarantined}" if c.quarantined else "")
            + f", {s.requests} requests, {s.seconds:.1f} s"
            + (f" - {s.error}" if s.error else "")
        )
    return lines


class _Bars:
    """One progress bar a stream, on a terminal; nothing elsewhere."""

    def __init__(self, as_json: bool) -> None:
        quiet = as_json or not sys.stderr.isatty()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.bars = Progress(*columns, console=Console(stderr=True), disable=quiet)
        self.tasks: dict[int, Any] = {}

    def __enter__(self) -> _Bars:
        self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def watch(self, _account_id: int, told: Pulling) -> None:
        """Called after each batch."""
        task = self.tasks.get(told.stream_id)
        if task is None:
            task = self.tasks[told.stream_id] = self.bars.add_task(told.name, total=told.total)
        self.bars.update(task, completed=told.counts.listed, total=max(told.total or 0, told.counts.listed))


@click.command("rematch")
@click.option("--since", type=Day())
@click.option("--dry-run", is_flag=True, help="Print the difference, change nothing.")
@command
def rematch_(since: datetime | None, dry_run: bool, as_json: bool) -> None:
    """Re-evaluate the log."""
    crm = service()
    stop_on_signals(crm)
    with crm.db.transaction() as session:
        scope = rematch.everything(session, since)
    change, rest = rematch.run(crm, scope, dry_run=dry_run)
    data = {
        "dry_run": dry_run,
        "items": change.items,
        "attached": change.attached,
        "moved": change.moved,
        "detached": change.detached,
        "left": len(rest.threads) + len(rest.series),
    }
    verb = "Would attach" if dry_run else "Attached"
    show(
        data,
        [f"{verb} {change.attached}, moved {change.moved}, detached {change.detached} of {change.items} items."],
        as_json=as_json,
    )


def stop_on_signals(crm: Service) -> None:
    """SIGTERM and SIGINT end long work at the next safe point."""
    if threading.current_thread() is not threading.main_thread():
        return
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: crm.stopping.set())


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64))
@command
def up(host: str, port: int, workers: int, as_json: bool) -> None:
    """Web, scheduler and workers in one process tree; embedded parts included."""
    from sync import tree

    tree.run(service(), host=host, port=port, workers=workers, as_json=as_json)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
@click.option("--threads", default=8, show_default=True, type=click.IntRange(1, 64))
@command
def web(host: str, port: int, threads: int, as_json: bool) -> None:
    """The web part alone."""
    from sync import tree

    tree.serve(service(), host=host, port=port, threads=threads)


@click.command()
@command
def worker(as_json: bool) -> None:
    """One worker."""
    from sync import tree

    tree.work(service())


@click.command()
@command
def scheduler(as_json: bool) -> None:
    """The scheduler: enqueues what is due. Run one."""
    from sync import tree

    tree.schedule(service())


def register(main: click.Group) -> None:
    """Hang the commands under ``main``."""
    for found in (init, sync, rematch_, up, web, worker, scheduler):
        main.add_command(found)
