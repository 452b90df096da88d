"""One measured run of ours, in a process of its own so that its memory is its own: fetch to durable commit, then a
pass with nothing to do.

``python -m tests.bench.ours SETUP.json``: sets up a database and account (not measured), runs the given number of
worker processes over the account, prints one JSON object."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import sys
import time
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

from crm import csvimport, pipelines, users
from crm.settings import load
from sync import accounts, outbox, passes
from sync.accounts import AccountSpec
from sync.passes import Options
from sync.service import Service, bulk_memory
from tests.bench.mailbox import ADDRESS

PEOPLE = 3000


def prepare(told: dict[str, Any]) -> int:
    """Tables, a user, a directory of 3,000 contacts, the account."""
    service = Service.build(load())
    service.db.migrate()
    now = service.now()
    rows = "".join(f"p{i}@c{i % 400}.example,Person {i},Company {i % 400},c{i % 400}.example\n" for i in range(PEOPLE))
    with service.db.transaction() as session:
        pipelines.ensure_default(session)
        users.create(
            session, email=ADDRESS, name="Rep", role="rep", password="correct horse battery", now=now, actor_id=None
        )
        csvimport.run(session, "contacts", "email,name,company,company_domain\n" + rows, actor_id=None, now=now)
    outbox.drain(service)
    config = {"host": "127.0.0.1", "port": told["port"], "username": "bench", "security": "none", "auth": "password"}
    return accounts.add(service, AccountSpec("imap", ADDRESS, ADDRESS, config, told["password"]), actor_id=None)


def worker(account_id: int, out: SimpleQueue[dict[str, Any]]) -> None:
    """Drain the account; tell counts, memory and when the first fifty mails were committed."""
    service = Service.build(load())
    bulk_memory()
    begun, first = time.monotonic(), 0.0

    def watch(_account: int, progress: Any) -> None:
        nonlocal first
        if not first and progress.counts.stored >= 50:
            first = time.monotonic() - begun

    cpu = time.process_time()
    report = passes.run(service, [account_id], drain=True, options=Options(watch=watch))[0]
    out.put(
        {
            "stored": sum(s.counts.stored for s in report.streams.values()),
            "requests": report.requests,
            "bytes": report.bytes_in,
            "first_50": first,
            "cpu": time.process_time() - cpu,
            "state": report.state,
            "error": report.error,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
    )


def drain(account_id: int, workers: int) -> tuple[float, list[dict[str, Any]]]:
    """Seconds from the start of the first worker to the end of the last, and what each told."""
    context = multiprocessing.get_context("spawn")
    out: SimpleQueue[dict[str, Any]] = context.SimpleQueue()
    processes = [context.Process(target=worker, args=(account_id, out)) for _ in range(workers)]
    begun = time.monotonic()
    for process in processes:
        process.start()
    told = [out.get() for _ in processes]
    for process in processes:
        process.join()
    return time.monotonic() - begun, told


def main() -> None:
    told = json.loads(Path(sys.argv[1]).read_text())
    os.environ.update(told["environment"])
    account_id = prepare(told)
    seconds, reports = drain(account_id, told["workers"])
    again, idle = drain(account_id, 1)
    print(
        json.dumps(
            {
                "seconds": seconds,
                "stored": sum(r["stored"] for r in reports),
                "requests": sum(r["requests"] for r in reports),
                "bytes": sum(r["bytes"] for r in reports),
                "first_50": min(r["first_50"] for r in reports if r["first_50"]),
                "cpu": sum(r["cpu"] for r in reports),
                "peak_mb": max(r["peak_mb"] for r in reports),
                "states": [r["state"] for r in reports],
                "errors": [r["error"] for r in reports if r["error"]],
                "noop_seconds": again,
                "noop_requests": idle[0]["requests"],
                "noop_stored": idle[0]["stored"],
            }
        )
    )


if __name__ == "__main__":
    main()
