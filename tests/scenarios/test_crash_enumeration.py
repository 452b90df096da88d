"""Every commit and every provider request is a place where the worker may die. Wherever it does, the next worker
ends at the same log and ledger as if nothing had happened. Then real deaths: SIGKILL of a work-horse, and a Redis
that forgets all.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from sync import jobs
from sync.embedded import EmbeddedRedis
from tests.rig.cli import ROOT
from tests.rig.crashes import Crash, Crasher
from tests.rig.office import NOON, Office, event, invitation, mail
from tests.scenarios.conftest import MakeOffice

STRIDE = int(os.environ.get("CRM_SYNC_TEST_CRASH_STRIDE", "11"))
"""Every eleventh point by default; 1 is the full enumeration."""


@pytest.mark.timeout(600)
def test_a_death_at_any_commit_or_request_changes_nothing_in_the_end(make_office: MakeOffice) -> None:
    reference = make_office()
    crasher = Crasher()
    _life(reference, crasher)
    wanted, points = _state(reference), crasher.points
    assert points > 40
    print(f"{points} points")
    for at in range(1, points + 1, STRIDE):
        office = make_office()
        _life(office, Crasher(at))
        assert _state(office) == wanted, f"died at point {at} of {points}"


@pytest.mark.needs_redis
def test_a_killed_work_horse_and_a_forgetful_redis_lose_no_work(office: Office, tmp_path: Path) -> None:
    """RQ's own worker process, its fork killed in the middle of an account; then FLUSHALL; the rows bring all back."""
    folder = tmp_path / "mails"
    folder.mkdir()
    for n in range(400):
        (folder / f"{n:04}.eml").write_bytes(mail(subject=f"Offer {n}", id=f"<k{n}@mail.example>"))
    account = _archive(office, folder)
    with EmbeddedRedis(tmp_path / "redis") as server:
        redis = Redis.from_url(server.url)
        env = {
            **os.environ, "CRM_SYNC_DATABASE_URL": office.service.db.url, "CRM_SYNC_DATA_DIR": str(tmp_path),
            "CRM_SYNC_SECRET_KEY": "k" * 43, "CRM_SYNC_REDIS_URL": server.url, "PYTHONPATH": str(ROOT),
        }  # fmt: skip
        assert jobs.enqueue(redis, jobs.LIVE, jobs.sync_account, account, key=f"sync-{account}")
        assert not jobs.enqueue(redis, jobs.LIVE, jobs.sync_account, account, key=f"sync-{account}")
        worker = subprocess.Popen(
            [sys.executable, "-m", "sync", "worker"], env=env, cwd=tmp_path, stderr=subprocess.DEVNULL
        )
        try:
            _kill_the_horse(office, worker.pid)
            stored = len(office.ledger())
            assert 0 < stored < 400
            assert jobs.enqueue(redis, jobs.LIVE, jobs.sync_account, account, key=f"sync-{account}"), (
                "the dead job blocks"
            )
            redis.flushall()
            assert jobs.enqueue(redis, jobs.LIVE, jobs.sync_account, account, key=f"sync-{account}")
            _until(lambda: len(office.ledger()) == 400 and office.account(account).stage == "level", 60)
        finally:
            worker.terminate()
            worker.wait(30)
    assert len(office.log()) == 400
    assert {row["state"] for row in office.ledger()} == {"stored"}


def _life(office: Office, crasher: Crasher) -> None:
    """A mailbox's busy day, synced twice; the worker may die once, and another one goes on."""
    box, other = office.mailbox(calendar=True), office.mailbox("ben", calendar=True)
    source = office.boxes[box]
    source.batch = 4
    office.contact("jane@acme.example")
    office.follow()
    ids = [office.deliver(box, mail(subject=f"Offer {n}", id=f"<c{n}@x.example>")) for n in range(9)]
    office.deliver(
        box,
        mail("rep@ourco.example", "jane@acme.example", id="<s1@x.example>", replies="<c0@x.example>"),
        stream="Sent",
    )
    office.deliver(box, mail(id="<junk@x.example>"), stream="Junk")
    office.deliver(box, b"", received_at=NOON - timedelta(hours=1))
    office.deliver(other, mail(subject="Offer 1", id="<c1@x.example>"))
    first = office.deliver(box, event("e1", NOON + timedelta(days=2)), stream="cal")
    series = office.deliver(box, event("e2", NOON, rrule="FREQ=WEEKLY;COUNT=4"), stream="cal")
    office.deliver(other, event("e1", NOON + timedelta(days=2)), stream="cal")
    office.deliver(box, invitation("e1", NOON + timedelta(days=2), "ben@ourco.example", "rep@ourco.example"))
    boxes = list(office.boxes.values())

    def sync() -> None:
        try:
            with crasher.watching(office.service.db.engine, boxes):
                office.sync()
        except Crash:
            crasher.at = 0
            office.clock.advance(100)
            office.service.db.engine.dispose()
            office.sync()

    sync()
    source.move("INBOX", ids[0], "Sent")
    source.delete("INBOX", ids[1])
    source.flag("INBOX", ids[2], {"seen"})
    source.delete("cal", first)
    from connectors.types import RawCalendar

    source.replace(
        "cal", series, RawCalendar(event("e2", NOON + timedelta(hours=2), rrule="FREQ=WEEKLY;COUNT=3", sequence=1))
    )
    source.reset_validity("Sent")
    office.deliver(box, mail(subject="New", id="<new@x.example>", replies="<c3@x.example>"))
    sync()
    office.sync()


def _state(office: Office) -> Any:
    """The exports, without what a repeated try may count differently: ids and threads by name."""
    log = [{k: v for k, v in line.items() if k not in ("id", "thread")} for line in office.log()]
    threads: dict[str, set[str]] = {}
    for line in office.log():
        if line["thread"]:
            threads.setdefault(line["thread"], set()).add(line["message_id"])
    ledger = sorted(
        (r["account"], r["stream"], r["remote_id"], r["message_id"] or "", r["state"], r["reason"] or "")
        for r in office.ledger()
    )
    return sorted(log, key=repr), sorted(map(sorted, threads.values())), ledger


def _archive(office: Office, folder: Path) -> int:
    from sync import accounts
    from sync.accounts import AccountSpec

    spec = AccountSpec("archive", "rep@ourco.example", "rep@ourco.example", {"paths": [str(folder)]})
    return accounts.add(office.service, spec, actor_id=None)


def _until(done: Any, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "nothing happened in time"
        time.sleep(0.05)


def _kill_the_horse(office: Office, worker: int) -> None:
    """SIGKILL the worker's fork as soon as it has committed something."""
    _until(lambda: office.ledger(), 60)
    children = Path(f"/proc/{worker}/task/{worker}/children")
    [horse] = [int(pid) for pid in children.read_text().split()]
    os.kill(horse, signal.SIGKILL)
    _until(lambda: str(horse) not in children.read_text().split(), 20)
