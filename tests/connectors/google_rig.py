"""What the Google tests share: a model server, one person on it, and connectors opened the way a worker opens them."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.protocol import Context, Usage
from connectors.providers.google import PROVIDER
from connectors.types import Batch, Cursor, Removed, Stream, Upsert
from tests.emulators.google import Server, World
from tests.emulators.google.mailbox import Mailbox
from tests.emulators.google.world import Fault, Person

ADDRESS = "rep@ourco.example"
START = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)


class Rig:
    """``clock`` drives the server and the connectors alike; ``sleep`` moves it and never waits."""

    def __init__(self, *, tls: tuple[str, str] | None = None) -> None:
        self.time = START
        self.slept: list[float] = []
        self.world = World(lambda: self.time.timestamp())
        self.server = Server(self.world, tls=tls)
        self.person: Person = self.world.add_user(ADDRESS)
        self.secret = json.dumps(self.world.token_json(ADDRESS))
        self.saved: list[str] = []
        self.memory: dict[str, Any] = {}
        self.known: Callable[[str, Collection[str]], Collection[str]] = lambda stream, ids: ()
        self.acquire: Callable[[str, int], None] = lambda key, units: None
        self.save: Callable[[str], bool] = self._save
        self.settings: dict[str, Any] = self.server.settings()
        self.config: dict[str, Any] = {"address": ADDRESS}

    def __enter__(self) -> Rig:
        self.server.__enter__()
        return self

    def __exit__(self, *problem: object) -> None:
        self.server.__exit__(*problem)
        assert self.world.model_faults == []

    @property
    def box(self) -> Mailbox:
        return self.person.mailbox

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += timedelta(seconds=seconds)

    def _save(self, text: str) -> bool:
        self.secret = text
        self.saved.append(text)
        return True

    def context(self) -> Context:
        return Context(
            now=lambda: self.time, sleep=self.sleep, config=self.config, secret=lambda: self.secret,
            save_secret=lambda text: self.save(text), acquire=lambda key, units: self.acquire(key, units),
            memory=self.memory, remember=self.memory.__setitem__, settings=self.settings, usage=Usage(),
            known=lambda stream, ids: self.known(stream, ids),
        )  # fmt: skip

    def open(self) -> Any:
        return PROVIDER.open(self.context())

    def deliver(self, number: int, *, labels: Collection[str] = ("INBOX", "UNREAD"), raw: bytes = b"") -> str:
        """A small mail named ``<m{number}@acme.example>``; the number orders the dates too. Returns the Gmail id."""
        return self.box.deliver(raw or mail(number), list(labels), millis=millis(number)).id

    def fault(self, method: str, **given: Any) -> None:
        self.world.faults.append(Fault(method, **given))

    def spent(self) -> int:
        return self.world.quota.spent[ADDRESS]

    def reset(self) -> None:
        """Forget what was spent and counted so far."""
        self.world.quota.spent.clear()
        self.world.counts.clear()
        self.world.seen.clear()


def mail(number: int, text: str = "Hello") -> bytes:
    return (
        f"From: Jane Doe <jane@acme.example>\r\nTo: {ADDRESS}\r\nSubject: Mail {number}\r\n"
        f"Message-ID: <m{number}@acme.example>\r\nDate: Wed, 04 Mar 2026 09:12:00 +0000\r\n\r\n{text} {number}\r\n"
    ).encode()


def millis(number: int) -> int:
    """The received date of mail ``number``: one minute after the one before."""
    return int(datetime(2026, 3, 1, tzinfo=UTC).timestamp() * 1000) + number * 60_000


class Held:
    """A consumer that keys by remote id, as the pipeline does: content, labels and reasons of what is there."""

    def __init__(self) -> None:
        self.content: dict[str, Any] = {}
        self.labels: dict[str, tuple[str, ...]] = {}
        self.skipped: dict[str, str] = {}
        self.failed: dict[str, str] = {}
        self.removed: list[str] = []
        self.cursor: Cursor | None = None
        self.batches: list[Batch] = []

    def apply(self, batch: Batch) -> None:
        self.batches.append(batch)
        for change in batch.changes:
            if isinstance(change, Upsert):
                self._upsert(change)
            elif isinstance(change, Removed):
                self.removed.append(change.remote_id)
                for held in (self.content, self.labels, self.skipped):
                    held.pop(change.remote_id, None)
            else:
                self.failed[change.remote_id] = change.code
        if batch.cursor is not None:
            self.cursor = batch.cursor

    def _upsert(self, change: Upsert) -> None:
        self.skipped.pop(change.remote_id, None)
        if change.skip:
            assert change.raw is None
            self.skipped[change.remote_id] = change.skip
            self.content.pop(change.remote_id, None)
            return
        self.labels[change.remote_id] = change.labels
        if change.raw is not None:
            self.content[change.remote_id] = change.raw

    def known(self, stream: str, ids: Collection[str]) -> set[str]:
        return set(ids) & set(self.content)


def drain(connector: Any, stream: Stream, held: Held | None = None, **window: Any) -> Held:
    """Run ``changes`` from where ``held`` stands until level."""
    held = held or Held()
    for batch in connector.changes(stream, held.cursor, **window):
        held.apply(batch)
    return held


def streams(connector: Any) -> dict[str, Stream]:
    return {stream.id: stream for stream in connector.streams()}


def rig() -> Iterator[Rig]:
    """For a fixture: ``yield from rig()``."""
    with Rig() as made:
        yield made
