"""Rematch of a whole log on PostgreSQL by two worker processes, and a contact with 500 past mails added:
``python -m tests.bench.rematch``. ``--items 1000000`` for the full size; a rate at the default size says how long that
would take only as far as the cost of a thread does not depend on the size of the log, so the output names both.

Synthetic rows written straight into a private cluster; one mail in five is a stranger's. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, select, text

from crm import contacts, users
from crm.models import (
    Account,
    Address,
    Communication,
    CommunicationBody,
    Company,
    CompanyDomain,
    Contact,
    Link,
    Participant,
    Sighting,
    Thread,
)
from crm.settings import load
from sync import outbox, rematch
from sync.service import Service
from tests.rig.postgres import Cluster

AT = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
PER_THREAD = 3
PAST = 500
ROWS = 5_000
STRANGER = "newcomer@elsewhere.example"


def service_on(url: str) -> Service:
    """A service on this database; its folder is thrown away with the process."""
    folder = tempfile.mkdtemp(prefix="crmbench")
    told = {"CRM_SYNC_DATA_DIR": folder, "CRM_SYNC_DATABASE_URL": url, "CRM_SYNC_SECRET_KEY": "k" * 43}
    return Service.build(load(told, env_file=None))


def fill(service: Service, items: int, people: int) -> None:
    """Records and mails, the last ``PAST`` of them from somebody nobody knows."""
    service.db.migrate()
    with service.db.transaction() as session:
        owner = users.create(
            session, email="rep@ourco.example", name="Rep", role="rep", password=None, now=AT, actor_id=None
        ).id
        account = Account(owner_id=owner, provider="imap", address="rep@ourco.example", created_at=AT)
        session.add(account)
        session.flush()
        for model, rows in _records(people):
            _write(session, model, rows)
        for model in (Thread, Communication, CommunicationBody, Participant, Sighting):
            _write(session, model, _rows(model, items, people, owner, account.id))
        for table in ("company", "contact", "thread", "communication"):
            last = f"(SELECT max(id) FROM {table})"
            session.execute(text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {last})"))
    with service.db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


def _write(session: Any, model: Any, rows: Iterator[dict[str, Any]]) -> None:
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == ROWS:
            session.execute(insert(model), batch)
            batch = []
    if batch:
        session.execute(insert(model), batch)


def _records(people: int) -> Iterator[tuple[Any, Iterator[dict[str, Any]]]]:
    firms = people // 10 + 1
    yield Company, ({"id": n, "name": f"Firm {n}", "created_at": AT} for n in range(1, firms + 1))
    yield CompanyDomain, ({"company_id": n, "domain": f"firm{n}.example"} for n in range(1, firms + 1))
    everybody = range(1, people + 1)
    yield Contact, (
        {"id": n, "name": f"Person Number{n}", "company_id": n % firms + 1, "created_at": AT} for n in everybody
    )
    known = ((n, _who(n, people)) for n in everybody)
    yield Address, ({"contact_id": n, "raw": a, "canonical": a, "family": a} for n, a in known)


def _who(number: int, people: int) -> str:
    """The address of a person; beyond ``people`` they are strangers on hosts of their own."""
    if number <= people:
        return f"person{number}@firm{number % (people // 10 + 1) + 1}.example"
    return f"stranger{number}@host{number}.example"


def _rows(model: Any, items: int, people: int, owner: int, account: int) -> Iterator[dict[str, Any]]:
    for n in range(1, items + PAST + 1):
        thread = (n - 1) // PER_THREAD + 1 if n <= items else items + n
        sender = _who(thread % (people * 5 // 4) + 1, people) if n <= items else STRANGER
        if model is Thread and (n > items or n % PER_THREAD == 1):
            yield {"id": thread, "subject": f"Offer {thread}", "created_at": AT}
        elif model is Communication:
            at = AT + timedelta(minutes=n)
            yield {"id": n, "key": f"m:<{n}@bench.example>", "kind": "email", "message_id": f"<{n}@bench.example>",
                   "thread_id": thread, "occurred_at": at, "subject": f"Offer {thread}", "created_at": at,
                   "updated_at": at}  # fmt: skip
        elif model is CommunicationBody:
            yield {"communication_id": n, "text": f"Please see the offer {thread}.\n" * 5}
        elif model is Participant:
            yield _party(n, "from", sender, 0)
            yield _party(n, "to", "rep@ourco.example", 1)
        elif model is Sighting:
            yield {"communication_id": n, "account_id": account, "owner_id": owner, "first_seen_at": AT}


def _party(item: int, role: str, address: str, position: int) -> dict[str, Any]:
    domain = address.partition("@")[2]
    return {"communication_id": item, "role": role, "raw": address, "canonical": address, "family": address,
            "domain": domain, "position": position}  # fmt: skip


def work(url: str, part: int, parts: int, start: Any, told: Any) -> None:
    """One worker's share: every ``parts``-th thread. Waits at ``start`` for the others; tells its CPU seconds."""
    service = service_on(url)
    with service.db.transaction() as session:
        scope = rematch.everything(session)
    start.wait()
    begun = time.process_time()
    rematch.run(service, rematch.Scope({t for t in scope.threads if t % parts == part}, set()))
    told.put(time.process_time() - begun)
    service.db.dispose()


def timed(url: str, workers: int) -> tuple[float, float]:
    """Seconds of wall time from the moment all workers are ready until the last is done with the whole log, and the CPU
    seconds of the workers together; raises when one failed."""
    context = multiprocessing.get_context("spawn")
    start, told = context.Barrier(workers + 1, timeout=300), context.Queue()
    running = [context.Process(target=work, args=(url, n, workers, start, told)) for n in range(workers)]
    for process in running:
        process.start()
    start.wait()
    started = time.perf_counter()
    cpu = sum(told.get() for _ in running)
    seconds = time.perf_counter() - started
    for process in running:
        process.join()
    if any(process.exitcode for process in running):
        raise RuntimeError("a worker failed")
    return seconds, cpu


def newcomer(service: Service) -> tuple[float, int]:
    """Seconds from saving a contact until its past mails are on its page, and how many there are."""
    started = time.perf_counter()
    with service.db.transaction() as session:
        made = contacts.create(session, name="New Comer", emails=[STRANGER], now=AT, actor_id=None).id
    outbox.drain(service)
    with service.db.reading() as session:
        query = select(func.count()).where(Link.target_kind == "contact", Link.target_id == made)
        found = session.scalar(query) or 0
    return time.perf_counter() - started, found


def measure(items: int, people: int, workers: int) -> dict[str, Any]:
    """All figures of one run."""
    # A million links grow in minutes: without autovacuum the planner would go on believing in an empty table.
    cluster = Cluster(autovacuum="on", autovacuum_naptime="15s", shared_buffers="256MB")
    try:
        url = cluster.create("rematch")
        service = service_on(url)
        fill(service, items, people)
        (first, cpu), (again, _) = timed(url, workers), timed(url, workers)
        seconds, found = newcomer(service)
        with service.db.reading() as session:
            links = session.scalar(select(func.count()).select_from(Link))
        service.db.dispose()
    finally:
        cluster.stop()
    return {
        "items": items + PAST, "contacts": people, "workers": workers, "load_average": round(os.getloadavg()[0], 1),
        "first_rematch_seconds": round(first, 1), "first_items_per_second": round(items / first),
        "workers_cpu_seconds": round(cpu, 1), "items_per_cpu_second": round(items / cpu), "links": links,
        "unchanged_rematch_seconds": round(again, 1), "unchanged_items_per_second": round(items / again),
        "million_minutes_extrapolated": round(1_000_000 / (items / first) / 60, 1),
        "newcomer_mails": found, "newcomer_seconds": round(seconds, 2),
    }  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.rematch", description=__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--contacts", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    print(json.dumps(measure(given.items, given.contacts, given.workers)))
