"""Every row of the table of Gmail conditions (providers.md 3.1): what Google answers, and what we make of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from connectors.errors import CursorExpired, NeedsPerson, OperatorFault, TryLater
from connectors.google.gmail import STREAM
from connectors.types import Failed, Removed
from tests.connectors.google_rig import Held, Rig, drain


def test_an_invalid_id_quarantines_that_item_and_never_the_account(rig: Rig) -> None:
    rig.deliver(1)
    connector = rig.open()
    good = next(iter(rig.box.mails))
    [batch] = connector.fetch(STREAM, ["no such id!", good])
    assert Failed("no such id!", batch.changes[0].error, "invalid_argument") in batch.changes
    assert good in {change.remote_id for change in batch.changes}


def test_mail_service_not_enabled_stops_the_account_and_says_so(rig: Rig) -> None:
    rig.person.has_gmail = False
    with pytest.raises(NeedsPerson, match="no Gmail") as caught:
        drain(rig.open(), STREAM)
    assert caught.value.code == "no_gmail"


def test_too_many_inner_requests_in_a_batch_is_our_fault_and_names_it(rig: Rig) -> None:
    for number in range(3):
        rig.deliver(number)
    rig.world.batch_limit = 2
    with pytest.raises(OperatorFault) as caught:
        drain(rig.open(), STREAM)
    assert caught.value.code == "batch_size"


def test_batches_never_hold_more_than_fifty(rig: Rig) -> None:
    for number in range(130):
        rig.deliver(number)
    rig.world.batch_limit = 50
    assert len(drain(rig.open(), STREAM).content) == 130


def test_invalid_credentials_are_renewed_once_and_the_call_is_replayed(rig: Rig) -> None:
    rig.deliver(1)
    connector = rig.open()
    held = drain(connector, STREAM)
    rig.world.access_tokens.clear()
    rig.deliver(2)
    drain(connector, STREAM, held)
    assert len(held.content) == 2
    assert rig.world.counts["token"] == 2


def test_invalid_credentials_inside_a_batch_are_renewed_once(rig: Rig) -> None:
    for number in range(4):
        rig.deliver(number)
    rig.fault("messages.get", status=401, reason="authError", times=2)
    held = drain(rig.open(), STREAM)
    assert len(held.content) == 4
    assert rig.world.counts["token"] == 2


def test_invalid_credentials_twice_ask_the_person_to_connect_again(rig: Rig) -> None:
    rig.fault("getProfile", status=401, reason="authError", times=2)
    with pytest.raises(NeedsPerson) as caught:
        drain(rig.open(), STREAM)
    assert caught.value.code == "revoked"


@pytest.mark.parametrize(
    ("status", "reason"),
    [(403, "rateLimitExceeded"), (403, "userRateLimitExceeded"), (429, "rateLimitExceeded"), (429, "tooManyRequests")],
)
def test_a_rate_limit_is_waited_out_with_growing_pauses(rig: Rig, status: int, reason: str) -> None:
    rig.deliver(1)
    rig.fault("messages.list", status=status, reason=reason, times=3)
    assert len(drain(rig.open(), STREAM).content) == 1
    first, second, third = rig.slept
    assert 1 <= first < 1.3 and 2 <= second < 2.6 and 4 <= third < 5.1


def test_a_rate_limit_that_stays_slows_the_account_and_keeps_the_cursor(rig: Rig) -> None:
    rig.deliver(1)
    connector = rig.open()
    held = drain(connector, STREAM)
    before = held.cursor
    rig.fault("history.list", status=429, reason="userRateLimitExceeded", times=99)
    with pytest.raises(TryLater) as caught:
        drain(connector, STREAM, held)
    assert caught.value.throttled
    assert held.cursor == before
    assert sum(rig.slept) < 64


def test_retry_after_is_honoured(rig: Rig) -> None:
    rig.fault("messages.list", status=429, reason="userRateLimitExceeded", retry_after=17)
    drain(rig.open(), STREAM)
    assert max(rig.slept) == 17


def test_a_retry_after_beyond_a_minute_goes_back_to_the_schedule(rig: Rig) -> None:
    rig.fault("messages.list", status=429, reason="userRateLimitExceeded", retry_after=600)
    with pytest.raises(TryLater) as caught:
        drain(rig.open(), STREAM)
    assert caught.value.retry_after == 600
    assert rig.slept == []


@pytest.mark.parametrize("reason", ["dailyLimitExceeded", "quotaExceeded"])
def test_a_spent_project_quota_pauses_for_long_without_a_retry(rig: Rig, reason: str) -> None:
    rig.fault("messages.list", status=403, reason=reason, times=9)
    with pytest.raises(TryLater) as caught:
        drain(rig.open(), STREAM)
    assert caught.value.throttled and caught.value.code == "quota_exceeded"
    assert caught.value.retry_after == 3600
    assert rig.world.counts["messages.list"] == 1


def test_domain_policy_asks_the_person_and_is_not_retried(rig: Rig) -> None:
    rig.fault("getProfile", status=403, reason="domainPolicy", times=9)
    with pytest.raises(NeedsPerson, match="administrator") as caught:
        drain(rig.open(), STREAM)
    assert caught.value.code == "policy"
    assert rig.world.counts["getProfile"] == 1


@pytest.mark.parametrize(
    ("reason", "details"), [("insufficientPermissions", False), ("ACCESS_TOKEN_SCOPE_INSUFFICIENT", True)]
)
def test_insufficient_scopes_ask_for_consent_again(rig: Rig, reason: str, details: bool) -> None:
    rig.fault("getProfile", status=403, reason=reason, details=details)
    with pytest.raises(NeedsPerson, match="tick every box") as caught:
        drain(rig.open(), STREAM)
    assert caught.value.code == "scopes"


@pytest.mark.parametrize(("reason", "details"), [("accessNotConfigured", False), ("SERVICE_DISABLED", True)])
def test_an_api_that_is_off_is_the_operators_fault_not_the_accounts(rig: Rig, reason: str, details: bool) -> None:
    rig.fault("getProfile", status=403, reason=reason, details=details)
    with pytest.raises(OperatorFault) as caught:
        drain(rig.open(), STREAM)
    assert caught.value.code == "api_off"


def test_an_expired_history_start_wants_a_new_listing_and_infers_no_deletion(rig: Rig) -> None:
    rig.deliver(1)
    connector = rig.open()
    held = drain(connector, STREAM)
    rig.box.expire_history()
    with pytest.raises(CursorExpired):
        drain(connector, STREAM, held)
    assert held.removed == []


def test_the_listing_after_an_expired_history_pays_only_for_unknown_mails(rig: Rig) -> None:
    for number in range(30):
        rig.deliver(number, labels=["INBOX", rig.box.label("Deals")])
    held = drain(rig.open(), STREAM)
    rig.known = held.known
    first = next(iter(rig.box.mails))
    rig.box.relabel(first, [rig.box.label("Won")], ["INBOX"])
    new = rig.deliver(99)
    rig.box.expire_history()
    rig.reset()
    again = Held()
    drain(rig.open(), STREAM, again)
    assert list(again.content) == [new]
    assert rig.world.counts["messages.get"] == 1
    assert again.labels[first] == ("Deals", "Won")
    assert len(again.labels) == 31


def test_a_mail_gone_before_it_was_fetched_is_no_error(rig: Rig) -> None:
    gone = rig.deliver(1)
    rig.deliver(2)
    rig.fault("messages.get", status=404, reason="notFound", target=gone)
    held = drain(rig.open(), STREAM)
    assert held.removed == [gone]
    assert len(held.content) == 1 and held.failed == {}


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_backend_error_is_tried_again(rig: Rig, status: int) -> None:
    rig.deliver(1)
    rig.fault("messages.list", status=status, times=2)
    assert len(drain(rig.open(), STREAM).content) == 1


def test_a_backend_error_that_stays_goes_back_to_the_schedule_after_five_retries(rig: Rig) -> None:
    rig.fault("messages.list", status=503, times=99)
    with pytest.raises(TryLater) as caught:
        drain(rig.open(), STREAM)
    assert not caught.value.throttled
    assert rig.world.counts["messages.list"] == 6


def test_a_proxys_html_in_place_of_an_answer_is_tried_again(rig: Rig) -> None:
    rig.deliver(1)
    rig.fault("messages.list", kind="html", times=2)
    assert len(drain(rig.open(), STREAM).content) == 1


def test_an_empty_history_page_with_a_successor_is_followed(rig: Rig) -> None:
    connector = rig.open()
    held = drain(connector, STREAM)
    rig.deliver(1)
    rig.box.empty_pages = 2
    drain(connector, STREAM, held)
    assert len(held.content) == 1


def test_a_mail_added_and_deleted_in_one_reading_is_never_fetched(rig: Rig) -> None:
    connector = rig.open()
    held = drain(connector, STREAM)
    gone = rig.deliver(1)
    rig.box.delete(gone)
    rig.reset()
    drain(connector, STREAM, held)
    assert held.content == {} and rig.world.counts["messages.get"] == 0


def test_a_mail_listed_at_first_and_deleted_before_the_history_was_read_does_not_stay(rig: Rig) -> None:
    connector = rig.open()
    batches = connector.changes(STREAM, None)
    gone = rig.deliver(1)
    held = Held()
    held.apply(next(batches))  # the history id was read before this mail came; the first page shows it or not
    for batch in batches:
        held.apply(batch)
    rig.box.delete(gone)
    drain(connector, STREAM, held)
    assert held.content == {}


def test_a_hint_with_nothing_new_is_a_no_op(rig: Rig) -> None:
    rig.deliver(1)
    connector = rig.open()
    held = drain(connector, STREAM)
    assert list(connector.changes(STREAM, held.cursor)) == []


def test_a_silent_push_loses_nothing_because_polling_finds_all(rig: Rig) -> None:
    connector = rig.open()
    held = drain(connector, STREAM)
    rig.box.watch = None
    rig.deliver(1)
    drain(connector, STREAM, held)
    assert len(held.content) == 1


@pytest.mark.parametrize("kind", ["truncate", "reset"])
@pytest.mark.parametrize("method", ["messages.list", "history.list", "batch"])
def test_an_answer_that_breaks_off_is_never_taken_for_the_whole(rig: Rig, kind: str, method: str) -> None:
    connector = rig.open()
    held = drain(connector, STREAM)
    for number in range(20):
        rig.deliver(number)
    if method == "messages.list":
        held = Held()
    rig.fault(method, kind=kind)
    drain(connector, STREAM, held)
    assert len(held.content) == 20


def test_an_inner_answer_that_breaks_off_is_asked_for_again(rig: Rig) -> None:
    for number in range(10):
        rig.deliver(number)
    rig.fault("messages.get", kind="truncate", times=3)
    assert len(drain(rig.open(), STREAM).content) == 10
    assert rig.world.counts["messages.get"] == 13


def test_an_inner_429_repeats_only_what_failed_and_halves_the_batch(rig: Rig) -> None:
    for number in range(150):
        rig.deliver(number)
    connector = rig.open()
    rig.fault("messages.get", status=429, reason="userRateLimitExceeded", times=4, skip=60)
    held = drain(connector, STREAM)
    assert len(held.content) == 150
    assert rig.world.counts["messages.get"] == 154
    assert connector.mailbox.batches.size == 25


def test_one_mail_that_never_comes_is_quarantined_and_the_others_are_not(rig: Rig) -> None:
    ids = [rig.deliver(number) for number in range(5)]
    rig.fault("messages.get", status=500, target=ids[2], times=99)
    held = drain(rig.open(), STREAM)
    assert held.failed == {ids[2]: "backend"}
    assert len(held.content) == 4


def test_when_no_mail_comes_at_all_the_cursor_stays(rig: Rig) -> None:
    for number in range(5):
        rig.deliver(number)
    rig.fault("messages.get", status=500, times=999)
    held = Held()
    with pytest.raises(TryLater):
        drain(rig.open(), STREAM, held)
    assert held.cursor is None


def test_an_expired_page_token_restarts_the_pages_without_paying_twice(rig: Rig) -> None:
    for number in range(600):
        rig.deliver(number)
    held = Held()
    connector = rig.open()
    for batch in connector.changes(STREAM, None):
        held.apply(batch)
        if len(held.content) == 550:
            rig.box.expire_pages()
    assert len(held.content) == 600
    assert rig.world.counts["messages.get"] == 600


def test_an_expired_page_token_after_a_restart_loses_nothing(rig: Rig) -> None:
    for number in range(600):
        rig.deliver(number)
    held = Held()
    for batch in rig.open().changes(STREAM, None):
        held.apply(batch)
        if len(held.content) > 500:
            break
    rig.box.expire_pages()
    rig.known = held.known
    drain(rig.open(), STREAM, held)
    assert len(held.content) == 600
    assert held.batches[-1].final


def test_history_without_labels_is_asked_for_by_mail(rig: Rig) -> None:
    rig.box.tell_labels = False
    connector = rig.open()
    known = rig.deliver(1)
    held = drain(connector, STREAM)
    spam = rig.deliver(2, labels=["SPAM"])
    rig.box.relabel(known, [rig.box.label("Deals")], ["UNREAD"])
    drain(connector, STREAM, held)
    assert held.labels[known] == ("Deals", "INBOX")
    assert held.skipped == {spam: "spam"}


def test_a_replica_that_lags_behind_delivers_later(rig: Rig) -> None:
    connector = rig.open()
    held = drain(connector, STREAM)
    rig.deliver(1)
    rig.deliver(2)
    rig.box.lag = 1
    drain(connector, STREAM, held)
    assert len(held.content) == 1
    rig.box.lag = 0
    drain(connector, STREAM, held)
    assert len(held.content) == 2


def test_a_stored_position_of_another_make_means_a_new_listing(rig: Rig) -> None:
    for cursor in ("12345", "{}", '{"v":9,"history":"1"}', "[]"):
        with pytest.raises(CursorExpired):
            list(rig.open().changes(STREAM, cursor))


def test_removed_and_kept_are_told_apart_by_the_kind_of_change(rig: Rig) -> None:
    ids = [rig.deliver(number) for number in range(4)]
    connector = rig.open()
    held = drain(connector, STREAM)
    rig.box.relabel(ids[0], ["TRASH"], ["INBOX"])
    rig.box.relabel(ids[1], ["SPAM"], ["INBOX"])
    rig.box.delete(ids[2])
    changes: list[Any] = [change for batch in connector.changes(STREAM, held.cursor) for change in batch.changes]
    assert {(c.remote_id, c.skip) for c in changes if not isinstance(c, Removed)} == {
        (ids[0], "trash"), (ids[1], "spam"),
    }  # fmt: skip
    assert [c.remote_id for c in changes if isinstance(c, Removed)] == [ids[2]]


def test_a_mail_taken_out_of_the_trash_comes_back_with_its_content(rig: Rig) -> None:
    back = rig.deliver(1, labels=["TRASH"])
    connector = rig.open()
    held = drain(connector, STREAM)
    assert held.skipped == {back: "trash"}
    rig.box.relabel(back, ["INBOX"], ["TRASH"])
    drain(connector, STREAM, held)
    assert list(held.content) == [back] and held.skipped == {}


@pytest.fixture
def rig() -> Iterator[Rig]:
    with Rig() as made:
        yield made
