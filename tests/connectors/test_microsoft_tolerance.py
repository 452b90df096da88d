"""What the connector puts up with: servers that leave things out, odd settings, odd shapes, many workers at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.errors import BadItem, CursorExpired, TryLater
from connectors.microsoft import graph
from connectors.microsoft.identity import authority, read_secret
from connectors.types import StreamKind, StreamRole
from tests.connectors.contract import mail
from tests.connectors.microsoft_account import HOUR, Account, Copy, accounts, at
from tests.emulators.microsoft.answers import Fault, Reply


@pytest.mark.parametrize(
    ("base", "tenant", "url"),
    [
        (None, None, "https://login.microsoftonline.com/common"),
        (None, "contoso.example", "https://login.microsoftonline.com/contoso.example"),
        ("https://sts.example:8443", None, "https://sts.example:8443/common"),
        ("https://sts.example/", "t1", "https://sts.example/t1"),
        ("https://sts.example/t1", "t1", "https://sts.example/t1"),
        ("https://sts.example/t1.example", None, "https://sts.example/t1.example"),
        ("https://sts.example/t1.example", "organizations", "https://sts.example/t1.example"),
        ("https://sts.example/common", "organizations", "https://sts.example/common"),
        ("https://sts.example/prefix", "organizations", "https://sts.example/prefix/organizations"),
        ("https://sts.example", "organizations", "https://sts.example/organizations"),
        ("https://sts.example/common", "t1", "https://sts.example/t1"),
    ],
)
def test_the_authority_has_its_tenant_once(base: str | None, tenant: str | None, url: str) -> None:
    assert authority({"microsoft_authority": base, "microsoft_tenant": tenant}) == url


def test_an_endpoint_given_with_its_version_is_understood(account: Account) -> None:
    account.settings["graph_endpoint"] += "/v1.0/"
    Copy(account, account.folder()).sync()


def test_short_lived_tokens_are_used_for_most_of_their_life(account: Account) -> None:
    account.server.identity.lifetime = 60
    connector = account.open()
    for _ in range(5):
        Copy(account, account.folder()).sync(connector)
    assert account.server.identity.token_requests == 1
    account.clock.time += at(1) - at(1) + HOUR
    Copy(account, account.folder()).sync(connector)
    assert account.server.identity.token_requests == 2


def test_a_token_answer_without_a_new_refresh_token_keeps_the_old_one(account: Account) -> None:
    held = read_secret(account.secret)["refresh_token"]
    plain = Reply(200, {"token_type": "Bearer", "access_token": account.server.identity.issue(account.address)})
    account.server.faults.add(Fault("oauth2/v2.0/token", plain))
    Copy(account, account.folder()).sync()
    assert read_secret(account.secret)["refresh_token"] == held


def test_a_server_without_batches_is_asked_one_by_one(account: Account) -> None:
    account.fault("POST /.batch", 404, "NotFound", times=99)
    ids = [account.box.deliver("inbox", mail(number)).id for number in range(3)]
    connector = account.open()
    found = {stream.name: stream for stream in connector.streams()}
    assert found["Inbox"].role is StreamRole.INBOX and not found["Junk Email"].default_on
    copy = Copy(account, account.folder()).sync(connector)
    for one in ids:
        account.box.move(one, "archive")
    copy.sync(connector)
    assert [reason for _, reason in copy.removed] == ["moved"] * 3
    assert sum("batch" in line for line in account.server.statistics.lines) == 1


def test_a_server_that_ignores_expand_is_asked_for_attachments_apart(account: Account) -> None:
    account.box.deliver("inbox", mail(1))
    one = account.box.add("inbox", {"subject": "x"})
    one.attachments = [{"@odata.type": "#microsoft.graph.itemAttachment", "id": "a", "name": "Fwd", "size": 9,
                        "contentType": None, "isInline": False}]  # fmt: skip
    shown = {**account.box.render(one, immutable=True), "hasAttachments": True}
    link = f"{account.server.origin}/v1.0/me/mailFolders/x/messages/delta?$deltatoken=1"
    account.server.faults.add(Fault("messages/delta", Reply(200, {"value": [shown], "@odata.deltaLink": link})))
    copy = Copy(account, account.folder()).sync()
    [attached] = copy.mail(one.id).attachments
    assert (attached.name, attached.type) == ("Fwd", "message/rfc822")


def test_a_page_larger_than_asked_for_is_cut_into_batches_of_250(account: Account) -> None:
    value = [account.box.render(account.box.add("inbox", {}), immutable=True) for _ in range(620)]
    link = f"{account.server.origin}/v1.0/me/mailFolders/x/messages/delta?$deltatoken=1"
    account.server.faults.add(Fault("messages/delta", Reply(200, {"value": value, "@odata.deltaLink": link})))
    copy = Copy(account, account.folder()).sync()
    assert len(copy.held) == 620
    assert [(len(batch.changes), batch.cursor is not None, batch.final) for batch in copy.batches] == [
        (250, False, False),
        (250, False, False),
        (120, True, True),
    ]


@pytest.mark.parametrize(
    "odd",
    [
        {"categories": 5},
        {"toRecipients": "nobody", "from": 3, "flag": "x", "body": ["y"]},
        {"internetMessageHeaders": [{"name": "X\r\nY", "value": None}, 7, {"name": "Good", "value": "a\r\nEvil: b"}]},
        {"subject": "\ud800 lone surrogate", "receivedDateTime": "yesterday", "sentDateTime": 12},
        {"attachments": [{"size": "big"}, 5]},
    ],
)
def test_an_item_of_an_odd_shape_stops_no_other(account: Account, odd: dict[str, Any]) -> None:
    good = account.box.render(account.box.add("inbox", {"subject": "fine"}), immutable=True)
    link = f"{account.server.origin}/v1.0/me/mailFolders/x/messages/delta?$deltatoken=1"
    page = Reply(200, {"value": [{**good, "id": "odd", **odd}, good, {"no": "id"}, 3], "@odata.deltaLink": link})
    account.server.faults.add(Fault("messages/delta", page))
    copy = Copy(account, account.folder()).sync()
    assert good["id"] in copy.held
    assert "odd" in copy.held or [failed.remote_id for failed in copy.failed] == ["odd"]
    if "odd" in copy.content:
        assert b"\r\nEvil:" not in copy.mail("odd").header


@pytest.mark.parametrize("path", ["messages/delta", "calendarView/delta"])
def test_a_next_link_that_leads_nowhere_new_ends(account: Account, path: str) -> None:
    stream = account.folder() if path.startswith("messages") else account.calendar()
    link = f"{account.server.origin}/v1.0/me/x/{path}?$skiptoken=1"
    account.server.faults.add(Fault(path, Reply(200, {"value": [], "@odata.nextLink": link}), times=50))
    with pytest.raises(CursorExpired):
        Copy(account, stream).sync()


@pytest.mark.parametrize("path", ["messages/delta", "calendarView/delta"])
def test_a_round_that_ends_without_any_link_expires(account: Account, path: str) -> None:
    stream = account.folder() if path.startswith("messages") else account.calendar()
    account.server.faults.add(Fault(path, Reply(200, {"value": []})))
    with pytest.raises(CursorExpired):
        Copy(account, stream).sync()


def test_calendars_without_a_default_mark_are_on_when_they_are_ours(account: Account) -> None:
    for one in account.agenda.calendars.values():
        del one["isDefaultCalendar"]
    account.agenda.create_calendar("Boss", owner="boss@ourco.example")
    found = {one.name: one.default_on for one in account.open().streams() if one.kind is StreamKind.CALENDAR}
    assert found == {"Calendar": True, "Boss": False}


def test_a_server_without_well_known_names_is_judged_by_the_english_display_names(account: Account) -> None:
    account.fault("GET /me/mailFolders/[a-z]+$", 400, "ErrorInvalidIdMalformed", times=99, inside=True)
    found = {one.name: one for one in account.open().streams()}
    assert (found["Junk Email"].role, found["Sent Items"].role) == (StreamRole.JUNK, StreamRole.SENT)
    assert not found["Deleted Items"].default_on and not found["Outbox"].default_on


def test_a_root_that_is_listed_is_no_stream_and_no_part_of_a_path(account: Account) -> None:
    held = [
        {"id": "root", "displayName": "Wurzel", "parentFolderId": "root"},
        {"id": "in", "displayName": "Eingang", "parentFolderId": "root"},
    ]
    account.server.faults.add(Fault("mailFolders/delta", Reply(200, {"value": held})))
    names = [one.name for one in account.open().streams() if one.kind is StreamKind.MAIL]
    assert names == ["Eingang"]


def test_an_attachment_that_is_a_link_to_the_cloud_has_no_bytes_here(account: Account) -> None:
    account.fault("GET /me/messages/.*value", 405, "MethodNotAllowed")
    with pytest.raises(BadItem) as caught:
        account.open().download(account.folder(), "AAkALgx=", "part", 10)
    assert caught.value.code == "no_content"


def test_many_workers_on_one_mailbox_have_at_most_four_requests_in_flight(account: Account) -> None:
    account.server.manners.latency = 0.02
    for number in range(120):
        account.box.deliver("inbox", mail(number))
    account.open().close()
    workers = [threading.Thread(target=Copy(account, account.folder()).sync) for _ in range(10)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert 2 <= account.server.statistics.max_in_flight[account.address] <= 4
    assert account.server.statistics.throttled == 0


def test_a_mailbox_busy_with_our_own_requests_is_tried_later(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph, "SLOT_SECONDS", 0.01)
    connector = account.open()
    slots = graph.slots_of(account.address)
    slots.take(4)
    try:
        with pytest.raises(TryLater):
            Copy(account, account.folder()).sync(connector)
    finally:
        slots.give(4)


@pytest.fixture
def account() -> Iterator[Account]:
    yield from accounts()
