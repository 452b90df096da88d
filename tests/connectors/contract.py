"""The contract suite every mail connector passes: subclass ``ConnectorContract`` and give it a ``driver`` fixture.

A driver is the remote side as a test sees it: it delivers, moves, deletes and flags mails at the source, behind the
connector's back, and opens connectors on it. Messages are named by their Message-ID, so that nothing here depends on
how a connector forms remote ids. A driver that cannot do a thing (an archive has no flags) leaves it out of ``can``,
and the tests that need it say so and skip.

    class TestArchive(ConnectorContract):
        @pytest.fixture
        def driver(self, tmp_path): return ArchiveDriver(tmp_path)
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import pytest

from connectors.errors import ConnectorError
from connectors.protocol import Connector, Context, Counts, Fetches, Usage
from connectors.types import Batch, Cursor, Failed, RawMessage, Removed, Stream, Upsert

_MESSAGE_ID = re.compile(rb"^Message-ID:[ \t]*(<[^>\r\n]+>)", re.IGNORECASE | re.MULTILINE)
NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


class MailDriver(Protocol):
    """The source, from the outside. ``can`` holds any of "flags", "remove", "move", "old" (received dates can be set),
    "incremental" (a second run finds what was delivered since). ``main`` and ``other`` are folder names that exist and
    are empty at the start; mails are delivered in the order of the calls, the last one being the newest."""

    can: Collection[str]
    main: str
    other: str

    def open(self) -> Connector:
        """A new connector on the source; the test closes it."""

    def deliver(self, folder: str, data: bytes, *, received: datetime | None = None) -> None:
        """Put one mail (RFC 5322 bytes) into the folder."""

    def deliver_many(self, folder: str, mails: Collection[bytes]) -> None:
        """The same for many, in order, as fast as the source can."""

    def flag(self, folder: str, message_id: str, flag: str) -> None:
        """Set one flag (e.g. ``\\\\Flagged``) on a mail."""

    def delete(self, folder: str, message_id: str) -> None:
        """Remove a mail from the folder, for good."""

    def move(self, folder: str, message_id: str, target: str) -> None:
        """Move a mail to another folder."""

    def advance(self, seconds: float) -> None:
        """Move the clock that connectors are given."""


class Clock:
    """A clock for ``Context.now`` that only moves when told; ``sleep`` moves it too and never waits."""

    def __init__(self, start: datetime = NOON) -> None:
        self.time = start
        self.slept: list[float] = []

    def now(self) -> datetime:
        """The current time, UTC."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Pretend to wait."""
        self.slept.append(seconds)
        self.time += timedelta(seconds=seconds)


def make_context(
    config: dict[str, Any],
    secret: str = "",
    *,
    clock: Clock | None = None,
    memory: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
    usage: Usage | None = None,
) -> Context:
    """A ``Context`` for tests: memory is a plain dict that ``remember`` writes to, buckets never wait."""
    held = memory if memory is not None else {}
    clock = clock or Clock()
    return Context(
        now=clock.now,
        sleep=clock.sleep,
        config=config,
        secret=lambda: secret,
        save_secret=lambda _new: True,
        acquire=lambda _bucket, _units: None,
        memory=held,
        remember=held.__setitem__,
        settings=settings or {},
        usage=usage or Usage(),
    )


def mail(number: int, *, text: str = "Hello", subject: str = "", size: int = 0) -> bytes:
    """A small mail whose Message-ID is ``<m{number}@contract.example>``; ``size`` pads it to about so many bytes."""
    head = (
        f"From: Jane Doe <jane@acme.example>\r\nTo: rep@ourco.example\r\nSubject: {subject or f'Mail {number}'}\r\n"
        f"Message-ID: {name(number)}\r\nDate: Wed, 04 Mar 2026 09:12:00 +0000\r\nMIME-Version: 1.0\r\n"
        f"Content-Type: text/plain; charset=utf-8\r\n\r\n{text} {number}\r\n"
    ).encode()
    line = b"padding " * 9 + b"\r\n"
    return head + line * max(0, (size - len(head)) // len(line))


def name(number: int) -> str:
    """The Message-ID of ``mail(number)``."""
    return f"<m{number}@contract.example>"


def message_id(upsert: Upsert) -> str:
    """The Message-ID of an upsert with content; "" when it has none."""
    if not isinstance(upsert.raw, RawMessage):
        return ""
    found = _MESSAGE_ID.search(upsert.raw.source or upsert.raw.header)
    return found.group(1).decode("utf-8", "replace") if found else ""


def stream_of(connector: Any, folder: str) -> Stream:
    """The connector's stream called ``folder``."""
    found: dict[str, Stream] = {stream.name: stream for stream in connector.streams()}
    assert folder in found, f"no stream {folder!r} among {sorted(found)}"
    return found[folder]


class Seen:
    """What a consumer would hold after applying batches: content by remote id, flags, removals, the last cursor."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.order: list[str] = []
        self.flags: dict[str, frozenset[str]] = {}
        self.removed: list[str] = []
        self.failed: list[Failed] = []
        self.skipped: dict[str, str] = {}
        self.cursor: Cursor | None = None
        self.batches: list[Batch] = []

    def apply(self, batch: Batch) -> None:
        """Take in one batch as the plan and apply steps would."""
        assert len(batch.changes) <= 250, "a batch holds at most 250 changes"
        self.batches.append(batch)
        for change in batch.changes:
            if isinstance(change, Upsert):
                self._upsert(change)
            elif isinstance(change, Removed):
                self.removed.append(change.remote_id)
                self.names.pop(change.remote_id, None)
                self.skipped.pop(change.remote_id, None)
            else:
                self.failed.append(change)
        self.cursor = batch.cursor if batch.cursor is not None else self.cursor

    def _upsert(self, change: Upsert) -> None:
        self.flags[change.remote_id] = change.flags
        if change.skip:
            self.skipped[change.remote_id] = change.skip
        if change.raw is not None:
            self.names[change.remote_id] = message_id(change)
            self.order.append(self.names[change.remote_id])

    def remote_id(self, wanted: str) -> str:
        """The remote id of the mail with that Message-ID."""
        return next(key for key, held in self.names.items() if held == wanted)

    def present(self) -> set[str]:
        """Message-IDs held now."""
        return set(self.names.values())


def drain(connector: Any, folder: str, since: Cursor | None = None, into: Seen | None = None, **window: Any) -> Seen:
    """Run ``changes`` until level; returns what was seen."""
    seen = into or Seen()
    seen.cursor = since
    for batch in connector.changes(stream_of(connector, folder), since, **window):
        seen.apply(batch)
    return seen


class ConnectorContract:
    """What every mail connector promises. Subclasses give a ``driver`` fixture."""

    many = 620
    """How many mails the resuming tests deliver: enough for several batches."""

    def _need(self, driver: MailDriver, what: str) -> None:
        if what not in driver.can:
            pytest.skip(f"this source cannot do {what!r}")

    def test_the_first_listing_is_complete_and_newest_first(self, driver: MailDriver) -> None:
        driver.deliver_many(driver.main, [mail(n) for n in range(60)])
        with closing(driver.open()) as connector:
            seen = drain(connector, driver.main)
        assert seen.order == [name(n) for n in reversed(range(60))]
        assert all(batch.listing for batch in seen.batches)
        assert [batch.final for batch in seen.batches][-1:] == [True]
        assert sum(batch.final for batch in seen.batches) == 1
        assert seen.cursor is not None

    def test_an_empty_folder_is_listed_to_its_end_and_gives_a_cursor(self, driver: MailDriver) -> None:
        with closing(driver.open()) as connector:
            seen = drain(connector, driver.main)
        assert seen.present() == set() and seen.cursor is not None and seen.batches[-1].final

    def test_a_listing_resumes_from_every_cursor_without_loss(self, driver: MailDriver) -> None:
        driver.deliver_many(driver.main, [mail(n) for n in range(self.many)])
        everything = {name(n) for n in range(self.many)}
        with closing(driver.open()) as connector:
            whole = drain(connector, driver.main)
        assert whole.present() == everything and len(whole.batches) >= 3
        for stop in range(1, len(whole.batches)):
            seen = Seen()
            for batch in whole.batches[:stop]:
                seen.apply(batch)
            with closing(driver.open()) as connector:
                drain(connector, driver.main, seen.cursor, seen)
            assert seen.present() == everything, f"lost mails when resuming after batch {stop}"
            assert any(batch.final for batch in seen.batches), "a resumed listing must end as well"

    def test_a_batch_that_was_not_applied_comes_again(self, driver: MailDriver) -> None:
        driver.deliver_many(driver.main, [mail(n) for n in range(self.many)])
        with closing(driver.open()) as connector:
            stream = stream_of(connector, driver.main)
            first, lost, *_ = connector.changes(stream, None)
            seen = Seen()
            seen.apply(first)
        with closing(driver.open()) as connector:
            drain(connector, driver.main, first.cursor, seen)
        assert {message_id(c) for c in lost.changes if isinstance(c, Upsert)} <= seen.present()

    def test_mail_that_arrives_during_the_listing_is_found(self, driver: MailDriver) -> None:
        self._need(driver, "incremental")
        driver.deliver_many(driver.main, [mail(n) for n in range(self.many)])
        with closing(driver.open()) as connector:
            first = next(iter(connector.changes(stream_of(connector, driver.main), None)))
        seen = Seen()
        seen.apply(first)
        driver.deliver(driver.main, mail(9001))
        with closing(driver.open()) as connector:
            drain(connector, driver.main, seen.cursor, seen)
        assert seen.present() == {name(n) for n in (*range(self.many), 9001)}

    def test_a_level_stream_yields_no_changes(self, driver: MailDriver) -> None:
        driver.deliver_many(driver.main, [mail(n) for n in range(5)])
        with closing(driver.open()) as connector:
            first = drain(connector, driver.main)
            again = drain(connector, driver.main, first.cursor)
        with closing(driver.open()) as connector:
            later = drain(connector, driver.main, again.cursor)
        assert [b.changes for b in again.batches + later.batches if b.changes] == []

    def test_new_mail_is_found_after_the_first_listing(self, driver: MailDriver) -> None:
        self._need(driver, "incremental")
        driver.deliver(driver.main, mail(1))
        with closing(driver.open()) as connector:
            seen = drain(connector, driver.main)
            driver.deliver(driver.main, mail(2))
            later = drain(connector, driver.main, seen.cursor)
        assert later.present() == {name(2)}
        assert not any(batch.listing for batch in later.batches)

    def test_changed_flags_are_found_without_content(self, driver: MailDriver) -> None:
        self._need(driver, "flags")
        driver.deliver_many(driver.main, [mail(n) for n in range(5)])
        with closing(driver.open()) as connector:
            seen = drain(connector, driver.main)
            driver.flag(driver.main, name(3), "\\Flagged")
            driver.advance(3 * 3600)
            later = drain(connector, driver.main, seen.cursor)
        assert "\\Flagged" in later.flags[seen.remote_id(name(3))]
        assert later.present() == set(), "flags alone bring no content"

    def test_removed_mail_is_named_once_and_only_then(self, driver: MailDriver) -> None:
        self._need(driver, "remove")
        driver.deliver_many(driver.main, [mail(n) for n in range(5)])
        driver.deliver_many(driver.other, [mail(n) for n in range(10, 15)])
        with closing(driver.open()) as connector:
            seen, other = drain(connector, driver.main), drain(connector, driver.other)
            driver.delete(driver.main, name(2))
            driver.advance(3 * 3600)
            gone = drain(connector, driver.main, seen.cursor)
            again = drain(connector, driver.main, gone.cursor)
            untouched = drain(connector, driver.other, other.cursor)
        assert gone.removed == [seen.remote_id(name(2))]
        assert again.removed == [] and untouched.removed == []

    def test_a_moved_mail_leaves_one_stream_and_enters_the_other(self, driver: MailDriver) -> None:
        self._need(driver, "move")
        driver.deliver_many(driver.main, [mail(n) for n in range(3)])
        with closing(driver.open()) as connector:
            main, other = drain(connector, driver.main), drain(connector, driver.other)
            driver.move(driver.main, name(1), driver.other)
            driver.advance(3 * 3600)
            left = drain(connector, driver.main, main.cursor)
            entered = drain(connector, driver.other, other.cursor)
        assert left.removed == [main.remote_id(name(1))]
        assert entered.present() == {name(1)} and entered.removed == []

    def test_items_older_than_the_window_are_named_without_content(self, driver: MailDriver) -> None:
        self._need(driver, "old")
        driver.deliver(driver.main, mail(1), received=NOON - timedelta(days=400))
        driver.deliver(driver.main, mail(2), received=NOON - timedelta(days=2))
        with closing(driver.open()) as connector:
            seen = drain(connector, driver.main, oldest=NOON - timedelta(days=30))
        assert seen.present() == {name(2)}
        assert list(seen.skipped.values()) == ["too_old"]

    def test_ids_equal_what_the_listing_named(self, driver: MailDriver) -> None:
        driver.deliver_many(driver.main, [mail(n) for n in range(7)])
        with closing(driver.open()) as connector:
            if not isinstance(connector, Counts):
                pytest.skip("this connector does not count")
            seen = drain(connector, driver.main)
            listed = [key for chunk in connector.ids(stream_of(connector, driver.main)) for key in chunk]
        assert len(listed) == len(set(listed)) and set(listed) == set(seen.names)

    def test_single_items_can_be_fetched_again_by_id(self, driver: MailDriver) -> None:
        driver.deliver_many(driver.main, [mail(n) for n in range(7)])
        with closing(driver.open()) as connector:
            if not isinstance(connector, Fetches):
                pytest.skip("this connector does not fetch by id")
            seen = drain(connector, driver.main)
            wanted = [seen.remote_id(name(2)), seen.remote_id(name(5))]
            again = Seen()
            for batch in connector.fetch(stream_of(connector, driver.main), wanted):
                assert batch.cursor is None, "fetching by id must not move the cursor"
                again.apply(batch)
        assert again.names == {wanted[0]: name(2), wanted[1]: name(5)}

    def test_an_abandoned_listing_harms_nothing(self, driver: MailDriver) -> None:
        driver.deliver_many(driver.main, [mail(n) for n in range(self.many)])
        driver.deliver(driver.other, mail(7001))
        with closing(driver.open()) as connector:
            batches = connector.changes(stream_of(connector, driver.main), None)
            next(batches)
            getattr(batches, "close", lambda: None)()
            assert drain(connector, driver.other).present() == {name(7001)}
            assert drain(connector, driver.main).present() == {name(n) for n in range(self.many)}

    def test_a_stream_that_is_not_there_is_a_connector_error(self, driver: MailDriver) -> None:
        with closing(driver.open()) as connector, pytest.raises(ConnectorError):
            list(connector.changes(Stream(id="No such folder", name="No such folder"), None))

    def test_closing_twice_never_raises(self, driver: MailDriver) -> None:
        connector = driver.open()
        connector.close()
        connector.close()


class closing:
    """``with closing(driver.open()) as connector``."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector

    def __enter__(self) -> Any:
        return self._connector

    def __exit__(self, *_exc: object) -> None:
        self._connector.close()


def pages(items: Collection[bytes], size: int) -> Iterator[list[bytes]]:
    """Cut a collection into lists of at most ``size``."""
    held = list(items)
    for start in range(0, len(held), size):
        yield held[start : start + size]
