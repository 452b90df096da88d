"""Each row of providers.md 3.3 (Microsoft Graph), as a test named after it, over the model server."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import timedelta

import pytest

from connectors.errors import BadItem, CursorExpired, NeedsPerson, OperatorFault, StreamGone, TryLater
from connectors.microsoft.graph import slots_of
from connectors.microsoft.subscriptions import Hint, Subscriptions, read_notifications, validation_answer
from connectors.types import Failed, Removed, Stream, StreamKind
from tests.connectors.contract import mail
from tests.connectors.microsoft_account import Account, Copy, accounts
from tests.emulators.microsoft.answers import Fault, Reply


def test_401_invalid_authentication_token_is_refreshed_once_and_replayed(account: Account) -> None:
    account.box.deliver("inbox", mail(1))
    connector = account.open()
    account.server.identity.revoke()
    copy = Copy(account, account.folder()).sync(connector)
    assert len(copy.held) == 1
    assert account.server.identity.token_requests == 2


def test_401_again_after_the_refresh_needs_a_person(account: Account) -> None:
    account.fault("messages/delta", 401, "InvalidAuthenticationToken", times=2)
    with pytest.raises(NeedsPerson):
        Copy(account, account.folder()).sync()
    assert account.server.identity.token_requests == 2


@pytest.mark.parametrize("status", [401, 403])
def test_401_or_403_with_a_claims_challenge_needs_a_person_and_keeps_the_claims(account: Account, status: int) -> None:
    asked = '{"access_token":{"nbf":{"essential":true,"value":"1600000000"}}}'
    challenge = f'Bearer error="insufficient_claims", claims="{base64.b64encode(asked.encode()).decode()}"'
    account.fault("messages/delta", status, "InvalidAuthenticationToken", headers={"WWW_Authenticate": challenge})
    with pytest.raises(NeedsPerson) as caught:
        Copy(account, account.folder()).sync()
    assert caught.value.code == "claims_challenge"
    assert account.memory["microsoft_claims"] == asked


def test_403_access_denied_on_the_mailbox_needs_a_person(account: Account) -> None:
    account.fault("GET /me/(mailFolders|calendars)", 403, "ErrorAccessDenied", times=99)
    with pytest.raises(NeedsPerson):
        list(account.open().streams())


def test_403_access_denied_on_calendars_only_leaves_the_mail(account: Account) -> None:
    account.fault("GET /me/calendars", 403, "ErrorAccessDenied", times=99)
    kinds = {stream.kind for stream in account.open().streams()}
    assert kinds == {StreamKind.MAIL}


def test_403_access_denied_on_one_folder_concerns_that_folder_only(account: Account) -> None:
    account.box.deliver("archive", mail(1))
    account.fault(f"{account.folder().id}/messages", 403, "ErrorAccessDenied")
    with pytest.raises(StreamGone) as caught:
        Copy(account, account.folder()).sync()
    assert not caught.value.permanent
    assert len(Copy(account, account.folder("Archive")).sync().held) == 1


@pytest.mark.parametrize("code", ["MailboxNotEnabledForRESTAPI", "MailboxNotSupportedForRESTAPI"])
def test_404_mailbox_not_enabled_for_rest_needs_a_person(account: Account, code: str) -> None:
    account.fault("mailFolders/delta", 404, code)
    with pytest.raises(NeedsPerson) as caught:
        list(account.open().streams())
    assert "licence" in str(caught.value)


def test_404_item_not_found_means_that_the_item_is_gone(account: Account) -> None:
    kept, gone = account.box.deliver("inbox", mail(1)), account.box.deliver("inbox", mail(2))
    account.box.delete(gone.id)
    [batch] = account.open().fetch(account.folder(), [kept.id, gone.id])
    assert Removed(gone.id, "deleted") in batch.changes
    assert len(batch.changes) == 2


def test_400_invalid_id_malformed_quarantines_the_item_and_the_others_go_on(account: Account) -> None:
    kept = account.box.deliver("inbox", mail(1))
    [batch] = account.open().fetch(account.folder(), [kept.id, kept.id.lower()])
    [failed] = [change for change in batch.changes if isinstance(change, Failed)]
    assert failed.remote_id == kept.id.lower()
    assert failed.code == "errorinvalididmalformed"
    assert len(batch.changes) == 2


def test_400_execute_search_stale_data_restarts_that_page(account: Account) -> None:
    account.box.deliver("inbox", mail(1))
    account.fault("messages/delta", 400, "ErrorExecuteSearchStaleData")
    assert len(Copy(account, account.folder()).sync().held) == 1


@pytest.mark.parametrize(
    ("status", "code", "inner"),
    [
        (410, "Gone", ""),
        (400, "syncStateNotFound", ""),
        (404, "SyncStateNotFound", ""),
        (409, "ResyncRequired", ""),
        (400, "invalidRequest", "InvalidSyncStateData"),
        (400, "SyncStateInvalid", ""),
    ],
)
def test_410_gone_or_sync_state_not_found_expires_the_cursor(
    account: Account, status: int, code: str, inner: str
) -> None:
    copy = Copy(account, account.folder()).sync()
    account.fault("messages/delta", status, code, inner=inner)
    with pytest.raises(CursorExpired):
        copy.sync()


def test_an_expired_next_link_expires_the_cursor_as_well(account: Account) -> None:
    for number in range(250):
        account.box.deliver("inbox", mail(number))
    copy = Copy(account, account.folder())
    copy.apply(next(account.open().changes(copy.stream, None)))
    account.server.tokens.expire(400)
    with pytest.raises(CursorExpired):
        copy.sync()
    assert len(copy.again().held) == 250


def test_an_expired_calendar_link_expires_the_cursor(account: Account) -> None:
    copy = Copy(account, account.calendar()).sync()
    account.server.tokens.expire(410)
    with pytest.raises(CursorExpired):
        copy.sync()


def test_423_locked_is_tried_later(account: Account) -> None:
    account.fault("messages/delta", 423, "locked", times=2)
    Copy(account, account.folder()).sync()
    assert len(account.clock.slept) == 2
    account.fault("messages/delta", 423, "locked", times=99)
    with pytest.raises(TryLater):
        Copy(account, account.folder()).sync()


@pytest.mark.parametrize("code", ["ApplicationThrottled", "MailboxConcurrency", "activityLimitReached"])
def test_429_waits_as_long_as_retry_after_says_and_no_shorter(account: Account, code: str) -> None:
    account.fault("messages/delta", 429, code, headers={"Retry_After": "17"})
    Copy(account, account.folder()).sync()
    [slept] = account.clock.slept
    assert 17 <= slept < 20


def test_429_with_a_long_retry_after_gives_the_account_back_and_asks_nothing_meanwhile(account: Account) -> None:
    account.fault("messages/delta", 429, "ApplicationThrottled", headers={"Retry_After": "120"})
    connector = account.open()
    with pytest.raises(TryLater) as caught:
        Copy(account, account.folder()).sync(connector)
    assert (caught.value.retry_after, caught.value.throttled) == (120.0, True)
    before = account.server.statistics.requests
    with pytest.raises(TryLater) as held:
        Copy(account, account.folder("Archive")).sync(connector)
    assert held.value.throttled and account.server.statistics.requests == before
    account.clock.time += timedelta(seconds=121)
    Copy(account, account.folder("Archive")).sync(connector)


def test_429_inside_a_batch_asks_only_those_items_again(account: Account) -> None:
    wanted = [account.box.deliver("inbox", mail(number)).id for number in range(5)]
    slow = {"Retry_After": "7"}
    account.fault(f"GET /me/messages/{wanted[3]}", 429, "ApplicationThrottled", inside=True, headers=slow)
    [batch] = account.open().fetch(account.folder(), wanted)
    assert len(batch.changes) == 5 and not any(isinstance(change, Failed) for change in batch.changes)
    assert account.server.statistics.by_name["messages"] == 4 + 1
    assert account.clock.slept and account.clock.slept[0] >= 7


def test_429_inside_a_batch_with_a_long_wait_gives_the_account_back_and_makes_batches_smaller(account: Account) -> None:
    wanted = [account.box.deliver("inbox", mail(number)).id for number in range(12)]
    slow = {"Retry_After": "90"}
    account.fault("GET /me/messages/", 429, "ApplicationThrottled", inside=True, skip=3, headers=slow)
    connector = account.open()
    with pytest.raises(TryLater) as caught:
        list(connector.fetch(account.folder(), wanted))
    assert (caught.value.retry_after, caught.value.throttled) == (90.0, True)
    before = account.server.statistics.requests
    with pytest.raises(TryLater):
        Copy(account, account.folder()).sync(connector)
    assert account.server.statistics.requests == before
    account.clock.time += timedelta(seconds=91)
    [batch] = connector.fetch(account.folder(), wanted)
    assert len(batch.changes) == 12
    assert account.server.statistics.requests - before == 3


def test_the_semaphore_of_four_holds_across_connectors_of_one_mailbox(account: Account) -> None:
    slots = slots_of(account.address)
    slots.take(4)
    account.open()  # signing in asks the identity platform only
    assert slots_of(account.address.upper().casefold()) is slots
    slots.give(4)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 509])
def test_5xx_and_509_are_tried_again_with_growing_waits(account: Account, status: int) -> None:
    account.fault("messages/delta", status, "serviceNotAvailable", times=2)
    Copy(account, account.folder()).sync()
    first, second = account.clock.slept
    assert second > first >= 2
    account.fault("messages/delta", status, "generalException", times=99)
    with pytest.raises(TryLater) as caught:
        Copy(account, account.folder()).sync()
    assert not caught.value.throttled


def test_503_with_retry_after_waits_as_told(account: Account) -> None:
    account.fault("messages/delta", 503, "serviceNotAvailable", headers={"Retry_After": "9"})
    Copy(account, account.folder()).sync()
    assert account.clock.slept[0] >= 9


def test_507_quota_limit_reached_concerns_the_item(account: Account) -> None:
    one = account.box.deliver("inbox", mail(1))
    account.fault("GET /me/messages", 507, "quotaLimitReached")
    [batch] = account.open().fetch(account.folder(), [one.id])
    assert [type(change) for change in batch.changes] == [Failed]


def test_extension_error_on_subscribe_means_that_the_mailbox_is_polled(account: Account) -> None:
    account.fault("POST /subscriptions", 400, "ExtensionError")
    with pytest.raises(StreamGone) as caught:
        Subscriptions(account.context()).create(
            "mail", notification_url="https://crm.example/h", lifecycle_url="https://crm.example/h", client_state="s"
        )
    assert caught.value.code == "extensionerror"


def test_validation_token_post_is_echoed_decoded() -> None:
    assert validation_answer("Validation: Testing ü & more") == "Validation: Testing ü & more"
    with pytest.raises(ValueError):
        validation_answer("x" * 10_000)


def test_a_notification_with_the_wrong_client_state_is_dropped_and_counted() -> None:
    body = json.dumps({"value": [_notice("s1", "wrong"), _notice("s2", "right"), _notice("nobody", "right")]}).encode()
    reading = read_notifications(body, {"s1": "right", "s2": "right"}.get)
    assert set(reading.hints) == {"s2"}
    assert reading.dropped == 2


@pytest.mark.parametrize(
    ("happened", "hint"),
    [
        ("reauthorizationRequired", Hint.REAUTHORIZE),
        ("subscriptionRemoved", Hint.RECREATE),
        ("missed", Hint.MISSED),
        ("somethingNew", Hint.UNKNOWN),
    ],
)
def test_lifecycle_reauthorization_removed_missed_and_unknown(happened: str, hint: Hint) -> None:
    body = json.dumps({"value": [{**_notice("s1", "right"), "lifecycleEvent": happened}]}).encode()
    assert read_notifications(body, {"s1": "right"}.get).hints == {"s1": frozenset({hint})}


def test_duplicate_late_or_out_of_order_notifications_are_coalesced() -> None:
    body = json.dumps({"value": [_notice("s1", "right")] * 50}).encode()
    reading = read_notifications(body, {"s1": "right"}.get)
    assert reading.hints == {"s1": frozenset({Hint.CHANGED})} and reading.dropped == 0


def test_the_notification_endpoint_can_answer_first_because_reading_asks_nothing_of_anyone() -> None:
    assert read_notifications(b"not json", {}.get).hints == {}
    assert read_notifications(b'{"value": 3}', {}.get).hints == {}
    assert read_notifications(b'{"value": [' + b"1," * 600_000 + b"1]}", {}.get).dropped == 0


def test_removed_for_an_item_that_can_still_be_read_is_a_move(account: Account) -> None:
    one = account.box.deliver("inbox", mail(1))
    copy = Copy(account, account.folder()).sync()
    account.box.move(one.id, "archive")
    copy.sync()
    assert copy.removed == [(one.id, "moved")]


def test_an_empty_page_with_a_next_link_is_followed_and_an_item_that_comes_twice_is_one(account: Account) -> None:
    account.server.manners.empty_pages = account.server.manners.duplicates = account.server.manners.shuffled = True
    for number in range(250):
        account.box.deliver("inbox", mail(number))
    copy = Copy(account, account.folder()).sync()
    assert len(copy.held) == 250
    assert {copy.mail(one).header.count(b"Message-ID") for one in copy.held} == {1}


def test_a_next_link_to_a_foreign_host_is_refused_and_gets_no_token(account: Account) -> None:
    for number in range(150):
        account.box.deliver("inbox", mail(number))
    account.server.link_origin = "https://graph.microsoft.com.attacker.example"
    with pytest.raises(OperatorFault) as caught:
        Copy(account, account.folder()).sync()
    assert caught.value.code == "foreign_link"


def test_an_answer_cut_in_the_middle_is_asked_for_again(account: Account) -> None:
    account.box.deliver("inbox", mail(1))
    cut = Reply(200, {"value": [], "@odata.deltaLink": "https://127.0.0.1/x"}, cut=True)
    account.server.faults.add(Fault("messages/delta", cut))
    assert len(Copy(account, account.folder()).sync().held) == 1


def test_a_stream_that_no_longer_exists_is_gone_for_good(account: Account) -> None:
    gone = Stream(id=account.folder().id[:-9] + "99999AAA=", name="Gone")
    with pytest.raises(StreamGone) as caught:
        Copy(account, gone).sync()
    assert caught.value.permanent


def test_a_download_of_a_missing_attachment_is_a_bad_item(account: Account) -> None:
    one = account.box.deliver("inbox", mail(1))
    with pytest.raises(BadItem):
        account.open().download(account.folder(), one.id, "AAMkATTnothing", 1000)


def test_messages_of_errors_never_quote_the_server(account: Account) -> None:
    account.fault("messages/delta", 418, "the subject of a mail", times=9)
    with pytest.raises(OperatorFault) as caught:
        Copy(account, account.folder()).sync()
    assert "subject" not in str(caught.value) + caught.value.code


def _notice(subscription: str, state: str) -> dict[str, object]:
    return {"subscriptionId": subscription, "clientState": state, "changeType": "created", "resource": "x"}


@pytest.fixture
def account() -> Iterator[Account]:
    yield from accounts()
