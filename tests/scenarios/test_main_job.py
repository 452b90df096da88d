"""The main job end to end: a real Dovecot full of real-world mails, the command line, the audit, the exports, and
SIGKILL.

``CRM_SYNC_TEST_MAILS`` (default 800) and ``CRM_SYNC_TEST_KILLS`` (default 8) size the run; 5000 and 50 are the full
one.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.connectors.mail_samples import CORPORA, needs_corpora
from tests.rig import dovecot
from tests.rig.cli import Cli

MAILS = int(os.environ.get("CRM_SYNC_TEST_MAILS", "800"))
KILLS = int(os.environ.get("CRM_SYNC_TEST_KILLS", "50" if MAILS >= 5000 else "8"))
LARGEST = 300_000
PLACES = {"INBOX": 6, "Sent": 2, "Customers": 1, "Junk": 1}
"""Folders and their shares; Junk is off when nobody chose."""
USER = "rep@ourco.example"

pytestmark = [needs_corpora, pytest.mark.needs_dovecot, pytest.mark.slow, pytest.mark.xdist_group("main_job")]


@pytest.mark.timeout(1800)
def test_the_log_of_a_real_mailbox_is_complete_and_stays_equal_through_kills_at_random(
    server: dovecot.Dovecot, tmp_path: Path
) -> None:
    placed = fill(server)
    plain = Cli(tmp_path / "plain")
    connect(plain, server)
    told = plain.json("sync", "--drain", ok=(0, 3))
    assert [a["state"] for a in told["accounts"]] == ["level"]

    audit = plain.json("audit")
    assert (audit["coverage"], audit["missing"]) == (1.0, 0)
    ledger, log = plain.lines("ledger", "export"), plain.lines("log", "export")
    assert {(r["stream"], r["remote_id"].rpartition(":")[2]) for r in ledger} == remote_ids(server)
    assert Counter(r["stream"] for r in ledger) == Counter(placed)
    assert {(r["state"], r["reason"]) for r in ledger if r["stream"] == "Junk"} == {("skipped", "folder_off")}
    assert not [r for r in ledger if r["state"] in ("pending", "removed")]

    print(Counter((r["state"], r["reason"]) for r in ledger))
    before = dump(plain)
    plain.json("sync", "--drain", ok=(0, 3))
    assert dump(plain) == before

    killed = Cli(tmp_path / "killed")
    connect(killed, server)
    deaths = kill_at_random(killed, sum(placed.values()))
    killed.json("sync", "--drain", ok=(0, 3))
    print(f"{sum(placed.values())} mails, {deaths} kills while at work, {len(log)} items in the log")
    assert deaths >= KILLS // 2
    assert differing(killed.lines("ledger", "export"), ledger) == []
    assert differing(killed.lines("log", "export"), log) == []


def differing(found: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> list[Any]:
    """The first few differences of two exports, line by line."""
    pairs = [
        {name: (a.get(name), b.get(name)) for name in {*a, *b} if a.get(name) != b.get(name)}
        for a, b in zip(found, wanted, strict=False)
        if a != b
    ]
    return [*pairs[:3], *([(len(found), len(wanted))] if len(found) != len(wanted) else [])]


def connect(cli: Cli, server: dovecot.Dovecot) -> None:
    """Database, user, account."""
    cli.folder.mkdir()
    cli.run("init")
    cli.run("user", "add", USER, "--name", "Rep", "--role", "admin")
    said = cli.json(
        "account", "add", "imap", "--owner", USER, "--address", USER, "--host", "127.0.0.1", "--port", str(server.port),
        "--security", "none", "--password-stdin", stdin=dovecot.PASSWORD + "\n",
    )  # fmt: skip
    assert set(PLACES) <= set(said["streams"])


def corpus() -> list[bytes]:
    """``MAILS`` corpus mails, the same ones each time; more than there are come again, under ids of their own."""
    files = [
        p for p in sorted(CORPORA.rglob("*"))
        if p.is_file() and p.suffix not in (".json", ".md", ".html") and 0 < p.stat().st_size < LARGEST
    ]  # fmt: skip
    random.Random(7).shuffle(files)
    found = [path.read_bytes() for path in files[:MAILS]]
    for n in range(MAILS - len(found)):
        found.append(b"Message-ID: <again-%d@corpus.example>\r\nX-Was-" % n + found[n % len(files)].lstrip())
    return found


def fill(server: dovecot.Dovecot) -> dict[str, int]:
    """Spread the mails over the folders; how many went where."""
    mails, placed, weight = corpus(), {}, sum(PLACES.values())
    start = 0
    for place, share in PLACES.items():
        end = len(mails) if place == list(PLACES)[-1] else start + len(mails) * share // weight
        server.deliver(USER, mails[start:end], place)
        placed[place] = end - start
        start = end
    return placed


def remote_ids(server: dovecot.Dovecot) -> set[tuple[str, str]]:
    """(folder, UID) of everything, as an ordinary client sees it."""
    found: set[tuple[str, str]] = set()
    with server.admin(USER) as client:
        for _flags, _sep, name in client.list_folders():
            client.select_folder(name, readonly=True)
            found.update((name, str(uid)) for uid in client.search("ALL"))
    return found


def dump(cli: Cli) -> dict[str, list[Any]]:
    """All rows of the tables that a sync may write, but for the streams' own book-keeping."""
    with contextlib.closing(sqlite3.connect(f"file:{cli.database}?mode=ro", uri=True)) as database:
        tables = ("communication", "communication_body", "ledger", "link", "participant", "sighting", "thread",
                  "message_ref", "suggestion", "question")  # fmt: skip
        return {t: database.execute(f"SELECT * FROM {t} ORDER BY 1, 2").fetchall() for t in tables}


def rows(cli: Cli) -> int:
    """How many remote items the ledger has."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{cli.database}?mode=ro", uri=True, timeout=5)) as database:
            return int(database.execute("SELECT count(*) FROM ledger").fetchone()[0])
    except sqlite3.Error:
        return 0


def kill_at_random(cli: Cli, total: int) -> int:
    """SIGKILL a draining sync ``KILLS`` times, each a random number of committed items and a random moment further on.
    Returns how many died before they were done."""
    chance, deaths = random.Random(11), 0
    for _ in range(KILLS):
        process = cli.start("sync", "--drain")
        goal = rows(cli) + chance.randrange(0, max(2, 2 * total // KILLS))
        end = time.monotonic() + 20
        while process.poll() is None and time.monotonic() < end and rows(cli) < min(goal, total):
            time.sleep(0.005)
        time.sleep(chance.random() * 0.25)
        if process.poll() is None:
            deaths += 1
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)
    return deaths


@pytest.fixture
def server() -> Iterator[dovecot.Dovecot]:
    """A Dovecot of this test's own."""
    made = dovecot.start()
    yield made
    made.stop()
