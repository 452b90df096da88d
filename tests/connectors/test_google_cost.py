"""What syncing Gmail costs, counted at the server by the tariff for projects made since May 2026. Nothing is timed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from connectors.google import listing, tariff
from connectors.google.gmail import STREAM
from tests.connectors.google_rig import ADDRESS, Held, Rig, drain, millis, streams
from tests.emulators.google import quota

MAILS = 10_000


def test_ten_thousand_mails_cost_the_minimum_and_at_most_three_percent_more_with_no_429(rig: Rig) -> None:
    for number in range(MAILS):
        rig.box.deliver(b"Subject: x\r\n\r\nx", ["INBOX"], millis=millis(number))
    rig.world.quota.per_user = tariff.PER_USER_MINUTE
    bucket = Bucket(rig)
    rig.acquire = bucket.acquire
    connector = rig.open()
    count = 0
    for batch in connector.changes(STREAM, None):
        count += len(batch.changes)
    minimum = 1 + 1 + MAILS * 20 + MAILS // 500 * 5
    assert count == MAILS
    assert rig.spent() <= minimum * 1.03
    assert rig.spent() - minimum <= 50, "what is beyond the minimum does not grow with the mailbox"
    assert rig.world.quota.refused == 0
    assert connector.usage.units == rig.spent() == bucket.taken, "what is counted is what is spent"


def test_each_mail_is_fetched_exactly_once(rig: Rig) -> None:
    for number in range(700):
        rig.deliver(number)
    drain(rig.open(), STREAM)
    gets = [path for path in rig.world.seen if "/messages/" in path]
    assert len(gets) == len(set(gets)) == 700


def test_a_level_mailbox_costs_two_units(rig: Rig) -> None:
    for number in range(10):
        rig.deliver(number)
    held = drain(rig.open(), STREAM)
    streams(rig.open())  # the first pass makes sure whose token it is
    rig.reset()
    connector = rig.open()
    for stream in connector.streams():
        if stream.id == STREAM.id:
            assert list(connector.changes(stream, held.cursor)) == []
    assert rig.spent() == 2
    assert connector.usage.units == 2


def test_the_fifty_newest_come_before_anything_else_is_fetched(rig: Rig) -> None:
    ids = [rig.deliver(number) for number in range(400)]
    batches = rig.open().changes(STREAM, None)
    first = next(batches)
    assert [change.remote_id for change in first.changes] == list(reversed(ids))[:50]
    assert first.cursor is not None
    assert rig.world.counts["messages.get"] == 50
    assert rig.spent() <= 50 * 20 + 20


def test_drafts_spam_trash_and_chats_cost_no_get(rig: Rig) -> None:
    wanted = rig.deliver(1)
    hidden = {rig.deliver(n, labels=[label]): reason for n, (label, reason) in enumerate(
        [("DRAFT", "draft"), ("SPAM", "spam"), ("TRASH", "trash")], 2)}  # fmt: skip
    rig.deliver(9, labels=["CHAT"])
    held = drain(rig.open(), STREAM)
    assert list(held.content) == [wanted] and held.skipped == hidden
    assert rig.world.counts["messages.get"] == 1


def test_one_new_mail_costs_one_history_and_one_get(rig: Rig) -> None:
    connector = rig.open()
    held = drain(connector, STREAM)
    rig.deliver(1)
    rig.reset()
    drain(connector, STREAM, held)
    assert rig.spent() == 2 + 20


def test_a_label_change_costs_no_get(rig: Rig) -> None:
    one = rig.deliver(1)
    connector = rig.open()
    held = drain(connector, STREAM)
    rig.box.relabel(one, [rig.box.label("Deals")], ["UNREAD"])
    rig.reset()
    drain(connector, STREAM, held)
    assert held.labels[one] == ("Deals", "INBOX")
    assert rig.spent() == 2 + 1, "the history, and the names of labels because one is new"


def test_a_renamed_label_is_noticed_within_a_day_without_a_get(rig: Rig) -> None:
    deals = rig.box.label("Deals")
    one, other = rig.deliver(1, labels=["INBOX", deals]), rig.deliver(2)
    held = drain(rig.open(), STREAM)
    rig.box.labels[deals] = "Pipeline"
    rig.reset()
    drain(rig.open(), STREAM, held)
    assert rig.spent() == 2 and held.labels[one] == ("Deals", "INBOX")
    rig.time += timedelta(days=1, minutes=1)
    drain(rig.open(), STREAM, held)
    assert held.labels == {one: ("INBOX", "Pipeline"), other: ("INBOX", "UNREAD")}
    assert rig.world.counts["messages.get"] == 0
    rig.reset()
    drain(rig.open(), STREAM, held)
    assert rig.spent() == 2


def test_an_old_mail_that_is_imported_later_is_named_without_content(rig: Rig) -> None:
    oldest = datetime.fromtimestamp(millis(900) / 1000, UTC)
    held = drain(rig.open(), STREAM, oldest=oldest)
    old = rig.deliver(3)
    drain(rig.open(), STREAM, held, oldest=oldest)
    assert held.skipped == {old: "too_old"} and held.content == {}


def test_mails_before_the_window_cost_no_get(rig: Rig) -> None:
    old = [rig.deliver(number) for number in range(20)]
    new = [rig.deliver(number) for number in range(1000, 1005)]
    oldest = datetime.fromtimestamp(millis(900) / 1000, UTC)
    held = drain(rig.open(), STREAM, oldest=oldest)
    assert sorted(held.content) == sorted(new)
    assert held.skipped == dict.fromkeys(old, "too_old")
    assert rig.world.counts["messages.get"] == 5


def test_an_interrupted_listing_pays_for_no_mail_twice(rig: Rig) -> None:
    for number in range(800):
        rig.deliver(number)
    held = Held()
    for _ in range(20):  # a worker that dies after every third batch
        for number, batch in enumerate(rig.open().changes(STREAM, held.cursor)):
            held.apply(batch)
            if number == 2:
                break
        else:
            break
    assert len(held.content) == 800
    assert rig.world.counts["messages.get"] == 800


def test_new_mail_comes_before_the_old_in_a_long_listing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "LIVE_EVERY", 1)
    for number in range(1200):
        rig.deliver(number)
    batches = rig.open().changes(STREAM, None)
    held = Held()
    held.apply(next(batches))
    new = rig.deliver(5000)
    while new not in held.content:
        held.apply(next(batches))
    assert len(held.content) < 600
    for batch in batches:
        held.apply(batch)
    assert len(held.content) == 1201
    assert rig.world.counts["messages.get"] == 1201


def test_an_attachment_costs_a_get_and_the_bytes_and_is_bounded(rig: Rig) -> None:
    raw = (
        b"Subject: a\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/plain\r\n\r\nHi\r\n"
        b"--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=o.pdf\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQ=\r\n--b--\r\n"
    )
    remote_id = rig.deliver(1, raw=raw)
    connector = rig.open()
    [attachment] = drain(connector, STREAM).content[remote_id].attachments
    rig.reset()
    assert connector.download(STREAM, remote_id, attachment.part, 100) == b"%PDF-1.4"
    assert rig.spent() == 40
    with pytest.raises(Exception, match="larger"):
        connector.download(STREAM, remote_id, attachment.part, 3)


def test_the_connectors_tariff_is_the_published_one() -> None:
    assert {name: quota.TARIFF[name] for name in tariff.UNITS} == tariff.UNITS


class Bucket:
    """A shared bucket as a careful caller runs it: what it holds and what flows in a minute stay below the limit.

    It moves the clock where it must wait; the server counts a sliding minute on the same clock."""

    def __init__(self, rig: Rig, size: float = 1000) -> None:
        self.rig = rig
        self.size = size
        self.rate = (tariff.PER_USER_MINUTE - size) / 60
        self.tokens = size
        self.at = rig.time.timestamp()
        self.taken = 0

    def acquire(self, key: str, units: int) -> None:
        if key != f"google:user:{ADDRESS}":
            return
        self.taken += units
        now = self.rig.time.timestamp()
        self.tokens = min(self.size, self.tokens + (now - self.at) * self.rate) - units
        self.at = now
        if self.tokens < 0:
            self.rig.sleep(-self.tokens / self.rate)


@pytest.fixture
def rig() -> Iterator[Rig]:
    with Rig() as made:
        yield made
