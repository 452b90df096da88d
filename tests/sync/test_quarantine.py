"""Poison: what cannot be read, what the database refuses, what meets a bug, what kills its worker. Named, kept,
tried again; never in the way of the others.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from connectors.types import Failed, RawMessage
from crm.models import Ledger, Stream
from sync import apply as applying
from sync import lease
from sync import pull as pulling
from tests.rig.cli import ROOT
from tests.rig.office import Office, mail


def test_an_unreadable_item_is_named_and_the_others_are_stored(office: Office) -> None:
    box = office.mailbox()
    bad = office.deliver(box, b"")
    good = office.deliver(box, mail())
    [report] = office.sync()
    assert report.state == "level"
    assert office.states() == {bad: "quarantined:unparseable", good: "stored"}
    assert _row(office, bad).error


def test_a_quarantined_item_is_tried_again_later_and_stored_once_it_can_be_read(office: Office) -> None:
    box = office.mailbox()
    bad = office.deliver(box, b"")
    office.sync()
    folder = office.boxes[box]._folders["INBOX"]
    folder.items[1] = _with_content(folder.items[1], mail())
    office.clock.advance(minutes=5)
    office.sync()
    assert office.states()[bad].startswith("quarantined")
    office.clock.advance(minutes=6)
    office.sync()
    assert office.states()[bad] == "stored"


def test_after_three_tries_a_poison_item_is_left_until_a_person_asks(office: Office) -> None:
    box = office.mailbox()
    bad = office.deliver(box, b"")
    office.sync()
    for expected in (2, 3, 4):
        office.clock.advance(days=2)
        office.sync()
        assert _row(office, bad).attempts == expected
    office.clock.advance(days=30)
    office.sync()
    assert _row(office, bad).attempts == 4
    assert _row(office, bad).retry_at is None


def test_new_flags_of_a_quarantined_item_are_no_attempt(office: Office) -> None:
    box = office.mailbox()
    bad = office.deliver(box, b"")
    office.sync()
    said = _row(office, bad).error
    office.boxes[box].flag("INBOX", bad, {"seen"})
    office.sync()
    assert (_row(office, bad).attempts, _row(office, bad).error) == (1, said)


def test_an_item_that_the_database_refuses_is_found_and_the_rest_of_its_batch_is_kept(office: Office) -> None:
    box = office.mailbox()
    office.contact("jane@acme.example")
    ids = [office.deliver(box, mail(subject=f"Offer {n}")) for n in range(20)]
    poison = office.deliver(box, mail(subject="poison"))
    with _refused("poison", IntegrityError("INSERT", {}, Exception("too odd"))):
        [report] = office.sync()
    assert report.state == "level"
    assert office.states() == {**dict.fromkeys(ids, "stored"), poison: "quarantined:refused"}
    assert len(office.log()) == 20


def test_a_batch_that_met_another_worker_at_the_same_rows_is_written_again_whole(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    """The other worker's mail is there by then; item by item would take as many transactions as mails."""
    box = office.mailbox()
    ids = [office.deliver(box, mail(subject=f"Offer {n}")) for n in range(20)]
    with _refused("Offer", IntegrityError("INSERT", {}, Exception("duplicate key")), times=1):
        office.sync()
    assert office.states() == dict.fromkeys(ids, "stored")
    assert "item by item" not in caplog.text


def test_an_item_that_meets_a_bug_of_ours_is_quarantined_without_its_content_in_the_log(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    box = office.mailbox()
    good = office.deliver(box, mail())
    poison = office.deliver(box, mail(subject="poison secret"))
    with _refused("poison", RuntimeError("cannot handle poison secret")):
        office.sync()
    assert office.states() == {good: "stored", poison: "quarantined:internal"}
    assert "secret" not in caplog.text
    assert "RuntimeError" in caplog.text


def test_a_bug_that_meets_every_item_is_ours_and_quarantines_none(office: Office) -> None:
    box = office.mailbox()
    ids = [office.deliver(box, mail(subject=f"poison {n}")) for n in range(5)]
    with _refused("poison", RuntimeError("a bad release")):
        [report] = office.sync(drain=False)
    assert report.state == "failed"
    assert office.ledger() == []
    office.sync()
    assert office.states() == dict.fromkeys(ids, "stored")


def test_a_failure_that_the_connector_names_is_kept_by_name(office: Office) -> None:
    box = office.mailbox()
    office.deliver(box, mail())
    source = office.boxes[box]
    source.before_yield = None
    fetched = pulling.last_words
    try:
        pulling.last_words = lambda changes: [Failed("1:99", "The server gave no body.", "no_body"), *fetched(changes)]  # type: ignore[assignment]
        office.sync()
    finally:
        pulling.last_words = fetched
    assert office.states() == {"1:99": "quarantined:no_body", "1:1": "stored"}


def test_after_two_killed_workers_items_are_marked_before_each_is_worked_on(office: Office) -> None:
    """An item that kills its worker in parsing is found, whatever its place in its batch; the others get through."""
    box = office.mailbox()
    ids = [office.deliver(box, mail(subject=f"Offer {n}")) for n in range(8)]
    office.boxes[box].batch = 8
    killer, parse = ids[3], pulling.parse

    class Killed(BaseException):
        """What SIGKILL is to the code: nothing runs after it."""

    def deadly(upsert: Any) -> Any:
        if upsert.remote_id == killer:
            raise Killed
        return parse(upsert)

    kept = lease.give_back
    try:
        pulling.parse, deaths = deadly, 0
        while office.states().get(killer) != "quarantined:crash":
            lease.give_back = lambda *a: None
            try:
                office.sync(drain=False)
            except Killed:
                deaths += 1
                office.clock.advance(100)
            lease.give_back = kept
            assert deaths < 9
    finally:
        pulling.parse, lease.give_back = parse, kept
    office.clock.advance(100)
    office.sync()
    assert deaths == 5
    assert office.states() == {**dict.fromkeys(ids, "stored"), killer: "quarantined:crash"}
    assert {row["attempts"] for row in office.ledger() if row["remote_id"] != killer} == {1}


def test_a_worker_that_is_really_killed_leaves_a_lease_that_its_successor_takes_at_once(
    lite: Office, tmp_path: Path
) -> None:
    box = lite.mailbox()
    lite.deliver(box, mail())
    stream = lite.stream().id
    code = (
        "import os, signal, sys\nfrom sync.service import Service\nfrom crm.settings import load\n"
        "from sync import lease, workers\nfrom pathlib import Path\n"
        "s = Service.build(load(env_file=Path('none.env')))\n"
        f"with s.db.transaction() as session: assert lease.take(session, {stream}, workers.me(), s.now())\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    env = {"CRM_SYNC_DATABASE_URL": lite.service.db.url, "CRM_SYNC_DATA_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **env}, cwd=tmp_path)
    assert done.returncode == -signal.SIGKILL
    assert lite.rows(Stream)[0].lease_owner
    [report] = lite.sync()
    assert report.state == "level"
    assert list(lite.states().values()) == ["stored"]


def _row(office: Office, remote_id: str) -> Ledger:
    return next(row for row in office.rows(Ledger) if row.remote_id == remote_id)


def _with_content(item: Any, raw: bytes) -> Any:
    from dataclasses import replace

    return replace(item, raw=RawMessage(source=raw))


@contextmanager
def _refused(subject: str, error: Exception, times: int = 1_000_000) -> Iterator[None]:
    """As if writing a mail of that subject failed, so many times."""
    real, left = applying.insert_mails, iter(range(times))

    def insert(session: Any, account: Any, inserts: Any, now: Any) -> Any:
        if any(subject in i.arrival.envelope.subject for i in inserts) and next(left, None) is not None:
            raise error
        return real(session, account, inserts, now)

    applying.insert_mails = insert
    try:
        yield
    finally:
        applying.insert_mails = real
