"""Whatever happens at the source and wherever the reader is cut off, in the end both sides hold the same.

Random but repeatable histories over a real Dovecot: deliveries, flags, deletions, moves, clock jumps, and passes that
are abandoned after any batch. The oracle is the server itself: UIDs and flags by another client.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.errors import CursorExpired
from connectors.providers.imap import PROVIDER
from connectors.types import Batch, Removed, Stream, Upsert
from tests.connectors.contract import Clock, mail, make_context
from tests.rig import dovecot

pytestmark = pytest.mark.needs_dovecot
FOLDERS = ("INBOX", "Customers")
TIERS = {
    "qresync": [],
    "condstore": ["QRESYNC"],
    "none": ["QRESYNC", "CONDSTORE", "ESEARCH", "LIST-STATUS"],
}


class Reader:
    """A consumer that applies batches and may stop anywhere; ``held`` is remote id -> flags, per folder."""

    def __init__(self, server: dovecot.Dovecot, user: str, disable: list[str]) -> None:
        self.server, self.user, self.disable = server, user, disable
        self.clock = Clock()
        self.held: dict[str, dict[str, frozenset[str]]] = {folder: {} for folder in FOLDERS}
        self.content: dict[str, set[str]] = {folder: set() for folder in FOLDERS}
        self.cursors: dict[str, str | None] = dict.fromkeys(FOLDERS)

    def run(self, folder: str, batches: int = 1_000_000, *, lose_last: bool = False) -> None:
        """One pass of at most so many batches; ``lose_last`` crashes before the last one is stored."""
        config = self.server.config(self.user, disable=self.disable)
        connector = PROVIDER.open(make_context(config, dovecot.PASSWORD, clock=self.clock))
        try:
            list(connector.streams())
            taken = itertools.islice(connector.changes(Stream(folder, folder), self.cursors[folder]), batches)
            for batch in list(taken)[: -1 if lose_last else None]:
                self._apply(folder, batch)
        except CursorExpired:
            self.cursors[folder], self.held[folder], self.content[folder] = None, {}, set()
        finally:
            connector.close()

    def _apply(self, folder: str, batch: Batch) -> None:
        for change in batch.changes:
            if isinstance(change, Upsert):
                self.held[folder][change.remote_id] = change.flags
                if change.raw is not None:
                    self.content[folder].add(change.remote_id)
            elif isinstance(change, Removed):
                assert self.held[folder].pop(change.remote_id, None) is not None, "removed twice"
                self.content[folder].discard(change.remote_id)
        self.cursors[folder] = batch.cursor or self.cursors[folder]


class History:
    """Random events at the source, through an ordinary client."""

    def __init__(self, server: dovecot.Dovecot, user: str, rng: random.Random) -> None:
        self.server, self.user, self.rng = server, user, rng
        self.number = itertools.count()

    def happen(self, client: Any) -> None:
        """One event in one folder. Never empties a folder for good: that is the guard's own test."""
        folder = self.rng.choice(FOLDERS)
        kind = self.rng.choice(["deliver", "deliver", "flag", "flag", "delete", "move", "append"])
        if kind == "deliver":
            self.deliver(folder, self.rng.choice([1, 2, 30]))
            return
        if kind == "append":
            client.append(folder, mail(next(self.number)), flags=(b"\\Seen",))
            return
        client.select_folder(folder)
        uids = client.search()
        if len(uids) < 5:
            return
        chosen = self.rng.sample(uids, self.rng.choice([1, 1, 3]))
        if kind == "flag":
            change = self.rng.choice([client.add_flags, client.remove_flags])
            change(chosen, self.rng.choice([b"\\Seen", b"\\Flagged", b"$Work"]))
        elif kind == "delete":
            client.delete_messages(chosen)
            client.uid_expunge(chosen)
        else:
            client.move(chosen, FOLDERS[1 - FOLDERS.index(folder)])

    def deliver(self, folder: str, count: int) -> None:
        """New mails."""
        self.server.deliver(self.user, [mail(next(self.number)) for _ in range(count)], folder)


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("seed", range(4))
def test_reader_and_source_converge(server: dovecot.Dovecot, tier: str, seed: int) -> None:
    rng = random.Random(f"{tier}{seed}")
    user = f"v{tier}{seed}"
    history, reader = History(server, user, rng), Reader(server, user, TIERS[tier])
    for folder in FOLDERS:
        history.deliver(folder, 320)
    with server.admin(user) as client:
        for _round in range(12):
            for _event in range(rng.randrange(6)):
                history.happen(client)
            reader.clock.sleep(rng.choice([1, 70, 900, 4000]))
            reader.run(rng.choice(FOLDERS), rng.choice([1, 2, 99]), lose_last=rng.random() < 0.4)
        for _settling in range(2):
            reader.clock.sleep(4000)
            for folder in FOLDERS:
                reader.run(folder)
        for folder in FOLDERS:
            assert reader.held[folder] == _truth(client, folder)
            assert reader.content[folder] == set(reader.held[folder]), "every mail came with its content once"


def test_an_emptied_folder_is_removed_after_two_looks_and_filled_again(server: dovecot.Dovecot) -> None:
    history, reader = History(server, "emptied", random.Random(1)), Reader(server, "emptied", [])
    history.deliver("INBOX", 5)
    reader.run("INBOX")
    with server.admin("emptied") as client:
        client.select_folder("INBOX")
        client.delete_messages(client.search())
        client.expunge()
        reader.run("INBOX")
        assert len(reader.held["INBOX"]) == 5, "one look is not enough"
        reader.clock.sleep(601)
        reader.run("INBOX")
        assert reader.held["INBOX"] == {}
        history.deliver("INBOX", 2)
        reader.clock.sleep(61)
        reader.run("INBOX")
        assert reader.held["INBOX"] == _truth(client, "INBOX") and len(reader.held["INBOX"]) == 2


@pytest.mark.parametrize("tier", TIERS)
def test_a_folder_that_was_made_anew_is_listed_again(server: dovecot.Dovecot, tier: str) -> None:
    user = f"anew{tier}"
    history, reader = History(server, user, random.Random(1)), Reader(server, user, TIERS[tier])
    history.deliver("Customers", 3)
    reader.run("Customers")
    with server.admin(user) as client:
        client.delete_folder("Customers")
        client.create_folder("Customers")
        client.append("Customers", mail(900))
        reader.run("Customers")
        assert reader.cursors["Customers"] is None, "the old cursor expired"
        reader.run("Customers")
        assert reader.held["Customers"] == _truth(client, "Customers")


def _truth(client: Any, folder: str) -> dict[str, frozenset[str]]:
    """What the server holds, by another client."""
    told = client.select_folder(folder, readonly=True)
    uids = client.search()
    flags = client.get_flags(uids) if uids else {}
    return {
        f"{told[b'UIDVALIDITY']}:{uid}": frozenset(flag.decode() for flag in flags[uid]) - {"\\Recent"} for uid in uids
    }


@pytest.fixture(scope="session")
def server() -> Iterator[dovecot.Dovecot]:
    running = dovecot.start()
    yield running
    running.stop()
