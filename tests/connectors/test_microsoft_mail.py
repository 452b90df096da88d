"""Mail through Graph on the model server: content, windows, moves, expiry, and what each costs in requests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from connectors.calendar import parse_calendar
from connectors.errors import BadItem, CursorExpired
from connectors.microsoft import mail as product
from connectors.microsoft.mail_items import Reader
from connectors.microsoft.moves import Moves
from connectors.mime import classify, parse_message
from connectors.types import Removed, StreamRole, Upsert
from tests.connectors.contract import NOON, mail, name
from tests.connectors.microsoft_account import Account, Copy, accounts
from tests.emulators.microsoft.answers import Fault, Reply

PERSON = {"emailAddress": {"name": "Doe, Jane \"JD\"", "address": "jane@acme.example"}}


# streams


def test_folders_are_named_by_path_and_have_roles_by_well_known_name_not_by_display_name(account: Account) -> None:
    account.box.folder("inbox").name = "Posteingang"
    deals = account.box.create_folder("Deals", "inbox")
    account.box.create_folder("2026", deals.id)
    account.box.create_folder("Old", "deleteditems")
    found = {stream.name: stream for stream in account.open().streams()}
    assert found["Posteingang"].role is StreamRole.INBOX
    assert found["Posteingang/Deals/2026"].default_on
    assert found["Sent Items"].role is StreamRole.SENT
    off = {one for one, stream in found.items() if not stream.default_on}
    assert {"Drafts", "Junk Email", "Deleted Items", "Deleted Items/Old", "Outbox", "Conversation History"} == off
    assert found["Deleted Items/Old"].role is StreamRole.TRASH
    assert "Top of Information Store" not in found


def test_folders_are_listed_level_by_level_where_the_server_has_no_folder_delta(account: Account) -> None:
    account.box.create_folder("Deals", "inbox")
    names = {stream.name for stream in account.open().streams()}
    account.fault("mailFolders/delta", 400, "BadRequest", times=9)
    assert {stream.name for stream in account.open().streams()} == names


def test_roles_are_asked_for_again_only_when_the_folders_have_changed(account: Account) -> None:
    account.box.folder("archive").well_known = ""
    first = {one.name: one.role for one in account.open().streams()}
    before = account.server.statistics.requests
    assert {one.name: one.role for one in account.open().streams()} == first
    assert account.server.statistics.requests - before == 2, "the folders and the calendars"
    account.box.create_folder("Later").well_known = "archive"
    found = {one.name: one.role for one in account.open().streams()}
    assert (found["Archive"], found["Later"], found["Inbox"]) == (
        StreamRole.OTHER,
        StreamRole.ARCHIVE,
        StreamRole.INBOX,
    )


def test_hidden_folders_are_no_streams(account: Account) -> None:
    account.box.create_folder("Hidden").hidden = True
    assert "Hidden" not in {stream.name for stream in account.open().streams()}


# content


def test_a_mail_comes_with_its_transport_headers_its_body_and_its_attachments_metadata(account: Account) -> None:
    source = (
        b"From: =?utf-8?q?J=C3=B6rg?= <j@acme.example>\r\nTo: rep@ourco.example\r\nSubject: Offer\r\n"
        b"Message-ID: <one@acme.example>\r\nIn-Reply-To: <zero@acme.example>\r\nAuto-Submitted: no\r\n"
        b"Date: Wed, 04 Mar 2026 10:12:00 +0100\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Hello</p>\r\n"
        b"--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=offer.pdf\r\n\r\n"
        b"PDF\r\n--b--\r\n"
    )
    one = account.box.deliver("inbox", source)
    copy = Copy(account, account.folder()).sync()
    raw = copy.mail(one.id)
    head = raw.header.decode()
    assert "In-Reply-To: <zero@acme.example>\r\n" in head and "Message-ID: <one@acme.example>" in head
    assert "Date: Wed, 04 Mar 2026 10:12:00 +0100" in head
    assert "multipart" not in head, "the body that comes is not multipart any more"
    [part] = raw.parts
    assert part.headers.startswith(b"Content-Type: text/html; charset=utf-8") and b"<p>Hello</p>" in part.body
    [pdf] = raw.attachments
    assert (pdf.name, pdf.type, pdf.size) == ("offer.pdf", "application/pdf", 3)
    assert account.open().download(copy.stream, one.id, pdf.part, 100) == b"PDF"
    assert account.server.statistics.by_name["messages/attachments"] == 0, "metadata comes with the page"


def test_an_attachment_larger_than_allowed_is_refused(account: Account) -> None:
    body = b"x" * 2000
    one = account.box.deliver("inbox", _with_attachment(body))
    raw = Copy(account, account.folder()).sync().mail(one.id)
    with pytest.raises(BadItem) as caught:
        account.open().download(account.folder(), one.id, raw.attachments[0].part, 100)
    assert caught.value.code == "too_big"


def test_sent_mail_without_transport_headers_is_built_from_the_structured_fields(account: Account) -> None:
    one = account.box.add(
        "sentitems",
        {
            "subject": "Angebot\r\nBcc: evil@x.example",
            "toRecipients": [PERSON],
            "bccRecipients": [{"emailAddress": {"name": "", "address": "drop@ourco.example"}}],
            "internetMessageId": "<sent@ourco.example>",
            "sentDateTime": "2026-03-04T09:12:00.1234567Z",
            "body": {"contentType": "text", "content": "Guten Tag"},
        },
    )
    raw = Copy(account, account.folder("Sent Items")).sync().mail(one.id)
    lines = raw.header.decode().split("\r\n")
    assert 'To: "Doe, Jane \\"JD\\"" <jane@acme.example>' in lines
    assert "Bcc: drop@ourco.example" in lines
    assert "Subject: Angebot Bcc: evil@x.example" in lines, "no value can begin a header of its own"
    assert "Date: Wed, 04 Mar 2026 09:12:00 +0000" in lines and "Message-ID: <sent@ourco.example>" in lines
    assert raw.parts[0].headers.startswith(b"Content-Type: text/plain") and raw.parts[0].body == b"Guten Tag"


def test_flags_labels_thread_and_times_come_along(account: Account) -> None:
    one = account.box.add(
        "inbox",
        {"isRead": True, "flag": {"flagStatus": "flagged"}, "categories": ["Red"], "conversationId": "AAQkTHREAD",
         "receivedDateTime": "2026-03-01T08:00:00Z"},
    )  # fmt: skip
    found = Copy(account, account.folder()).sync().held[one.id]
    assert found.flags == {"\\Seen", "\\Flagged"}
    assert (found.labels, found.thread_id, found.content_id) == (("Red",), "AAQkTHREAD", one.id)
    assert found.received_at is not None and found.received_at.isoformat() == "2026-03-01T08:00:00+00:00"


def test_drafts_come_without_content(account: Account) -> None:
    one = account.box.add("drafts", {"isDraft": True, "subject": "secret plan"})
    found = Copy(account, account.folder("Drafts")).sync().held[one.id]
    assert (found.skip, found.raw) == ("draft", None)


@pytest.mark.parametrize(
    ("kind", "type_name", "shown"),
    [
        ("meetingRequest", "eventMessageRequest", "request"),
        ("meetingCancelled", "eventMessage", "cancelled"),
        ("meetingAccepted", "eventMessageResponse", "accepted"),
        ("meetingTenativelyAccepted", "eventMessageResponse", "tentative"),
        ("meetingDeclined", "eventMessageResponse", "declined"),
    ],
)
@pytest.mark.parametrize("casts", [True, False])
def test_meeting_mail_is_marked_with_what_it_is(
    account: Account, kind: str, type_name: str, shown: str, casts: bool
) -> None:
    one = account.box.add("inbox", {"@odata.type": f"#microsoft.graph.{type_name}", "meetingMessageType": kind})
    if not casts:
        account.memory[product.FORM] = 1
    raw = Copy(account, account.folder()).sync().mail(one.id)
    assert f"X-CRM-Sync-Meeting: {shown}\r\n" in raw.header.decode()
    envelope = parse_message(raw)
    assert classify(envelope) & {"invitation", "rsvp"} == {
        "invitation" if shown in ("request", "cancelled") else "rsvp"
    }
    assert not parse_calendar(envelope.calendars[0]).events, "the mark invents no meeting"


def test_a_sender_cannot_forge_the_meeting_mark(account: Account) -> None:
    one = account.box.deliver("inbox", b"X-CRM-Sync-Meeting: request\r\n" + mail(1))
    assert b"X-CRM-Sync-Meeting" not in Copy(account, account.folder()).sync().mail(one.id).header


def test_a_server_that_takes_no_expand_is_asked_for_attachments_in_batches(account: Account) -> None:
    for _ in range(25):
        account.box.deliver("inbox", _with_attachment(b"x"))
    account.fault(r"messages/delta", 400, "BadRequest", times=2)
    copy = Copy(account, account.folder()).sync()
    assert all(len(copy.mail(one).attachments) == 1 for one in copy.ids)
    assert account.usage.by_name["$batch attachments"] == 2
    assert account.memory[product.FORM] == 2, "and it is remembered"


def test_ids_that_differ_in_case_only_are_different_messages(account: Account) -> None:
    one = account.box.deliver("inbox", mail(1))
    twin = account.box.messages.pop(one.id)
    folder = account.box.folder("inbox")
    folder.messages = {"AAkALgAbC=", "AAkALgABC="}
    for key in folder.messages:
        account.box.messages[key] = type(twin)(key, folder.id, dict(twin.properties))
    assert Copy(account, account.folder()).sync().ids == {"AAkALgAbC=", "AAkALgABC="}


# incremental


def test_flags_that_change_come_without_content_even_when_only_they_are_named(account: Account) -> None:
    one = account.box.deliver("inbox", mail(1))
    copy = Copy(account, account.folder()).sync()
    for partial in (False, True):
        account.server.manners.partial_updates = partial
        account.box.update(one.id, isRead=partial)
        copy.sync()
        assert copy.batches[-1].changes == (copy.held[one.id],)
        assert copy.held[one.id].raw is None
        assert copy.held[one.id].flags == ({"\\Seen"} if partial else set())


def test_an_item_that_names_one_changed_property_only_does_not_lose_the_others(account: Account) -> None:
    one = account.box.add("inbox", {"flag": {"flagStatus": "flagged"}, "categories": ["Red"]})
    copy = Copy(account, account.folder()).sync()
    account.server.manners.partial_updates = True
    account.box.update(one.id, isRead=True)
    account.server.faults.add(Fault("messages/delta", _only_read(account, one.id)))
    copy.sync()
    assert copy.held[one.id].flags == {"\\Seen", "\\Flagged"} and copy.held[one.id].labels == ("Red",)


def test_a_partial_item_we_never_had_is_fetched_whole(account: Account) -> None:
    one = account.box.deliver("inbox", mail(1))
    copy = Copy(account, account.folder()).sync()
    account.ledger.clear()
    account.server.manners.partial_updates = True
    account.box.update(one.id, isRead=True)
    copy.content.clear()
    copy.sync()
    assert name(1) in copy.mail(one.id).header.decode()


def test_lesson_3_a_moved_mail_leaves_one_folder_only(account: Account) -> None:
    one = account.box.deliver("inbox", mail(1))
    inbox, archive = Copy(account, account.folder()).sync(), Copy(account, account.folder("Archive")).sync()
    account.box.move(one.id, "archive")
    archive.sync()
    inbox.sync()
    assert inbox.removed == [(one.id, "moved")] and inbox.ids == set()
    assert archive.ids == {one.id}
    archive.sync()
    assert archive.ids == {one.id} and archive.removed == []


@pytest.mark.parametrize("order", [("Inbox", "Archive"), ("Archive", "Inbox")])
def test_a_to_b_to_a_comes_back_though_graph_never_says_so(account: Account, order: tuple[str, str]) -> None:
    one = account.box.deliver("inbox", mail(1))
    copies = {folder: Copy(account, account.folder(folder)).sync() for folder in order}
    account.box.move(one.id, "archive")
    for folder in order:
        copies[folder].sync()
    assert copies["Inbox"].ids == set() and copies["Archive"].ids == {one.id}
    account.box.move(one.id, "inbox")
    for _ in range(2):
        for folder in order:
            copies[folder].sync()
    assert copies["Inbox"].ids == {one.id} and copies["Archive"].ids == set()
    before = account.server.statistics.requests
    for folder in order:
        copies[folder].sync()
    assert account.server.statistics.requests - before == 2, "and then all is level again"


def test_a_to_b_to_a_between_two_passes_is_no_removal(account: Account) -> None:
    one = account.box.deliver("inbox", mail(1))
    inbox = Copy(account, account.folder()).sync()
    account.box.move(one.id, "archive")
    account.box.move(one.id, "inbox")
    inbox.sync()
    assert inbox.ids == {one.id} and inbox.removed == []


def test_a_deleted_mail_is_removed_as_deleted(account: Account) -> None:
    one = account.box.deliver("inbox", mail(1))
    copy = Copy(account, account.folder()).sync()
    account.box.delete(one.id)
    assert copy.sync().removed == [(one.id, "deleted")]


def test_replication_lag_delays_mail_and_loses_none(account: Account) -> None:
    account.server.manners.lag = 30
    copy = Copy(account, account.folder()).sync()
    one = account.box.deliver("inbox", mail(1))
    assert copy.sync().ids == set()
    account.clock.time += timedelta(seconds=31)
    assert copy.sync().ids == {one.id}


def test_an_older_version_of_a_message_does_not_undo_a_newer_one(account: Account) -> None:
    context = account.context()
    reader = Reader(account.open()._graph, context, account.folder().id, Moves(context), None)
    newer = {"id": "m", "lastModifiedDateTime": "2026-03-04T10:00:00Z", "isRead": True}
    older = {"id": "m", "lastModifiedDateTime": "2026-03-04T09:00:00Z", "isRead": False}
    assert reader.latest([newer, older]) == ({"m": newer}, [])
    assert reader.latest([older]) == ({}, [])


def test_after_an_expired_cursor_everything_is_there_again_without_paying_for_content_twice(account: Account) -> None:
    ids = [account.box.deliver("inbox", mail(number)).id for number in range(30)]
    copy = Copy(account, account.folder()).sync()
    account.server.tokens.expire()
    account.box.delete(ids[0])
    late = account.box.deliver("inbox", mail(99))
    with pytest.raises(CursorExpired):
        copy.sync()
    copy.content.clear()
    copy.again()
    assert copy.ids == {*ids[1:], late.id}
    assert set(copy.content) == {late.id}


def test_ids_count_a_folder_cheaply(account: Account) -> None:
    wanted = {account.box.deliver("inbox", mail(number)).id for number in range(300)}
    connector = account.open()
    before = account.usage.requests
    listed = [one for chunk in connector.ids(account.folder()) for one in chunk]
    assert set(listed) == wanted and len(listed) == 300
    assert account.usage.requests - before == 1


def test_a_cursor_that_is_not_ours_expires(account: Account) -> None:
    copy = Copy(account, account.folder())
    for nonsense in ("", "{", '{"at": "moon"}', '{"unknown": 1}', "[]"):
        copy.cursor = nonsense or "?"
        with pytest.raises(CursorExpired):
            copy.sync()


# windows


def test_more_than_5000_messages_of_a_window_all_come_though_delta_stops_there(account: Account) -> None:
    start = NOON - timedelta(days=20)
    for number in range(5_150):
        _bare(account, number, start + timedelta(minutes=number))
    for number in range(40):
        _bare(account, 9_000 + number, NOON - timedelta(days=400, minutes=number))
    copy = Copy(account, account.folder()).sync(oldest=NOON - timedelta(days=30))
    assert len(copy.held) == 5_190 and len(copy.content) == 5_150
    assert sum(one.skip == "too_old" for one in copy.held.values()) == 40
    assert copy.batches[-1].final and sum(batch.final for batch in copy.batches) == 1
    fill = account.usage.by_name["messages fill"]
    assert (account.usage.by_name["messages delta"], fill) == (50, 2)


def test_a_window_with_the_same_second_at_its_edge_loses_none(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product, "CAP", 100)
    monkeypatch.setattr("tests.emulators.microsoft.delta.CAP", 100)
    for number in range(130):
        _bare(account, number, NOON - timedelta(days=1))
    copy = Copy(account, account.folder()).sync(oldest=NOON - timedelta(days=30))
    assert len(copy.content) == 130


def test_a_window_is_resumed_at_every_cursor(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product, "CAP", 250)
    monkeypatch.setattr("tests.emulators.microsoft.delta.CAP", 250)
    for number in range(420):
        _bare(account, number, NOON - timedelta(minutes=number))
    for number in range(20):
        _bare(account, 900 + number, NOON - timedelta(days=100))
    window = {"oldest": NOON - timedelta(days=30)}
    copy = Copy(account, account.folder())
    while not any(batch.final for batch in copy.batches):
        connector = account.open()
        for batch in connector.changes(copy.stream, copy.cursor, **window):
            copy.apply(batch)
            if batch.cursor:
                break
        connector.close()
    assert len(copy.content) == 420 and len(copy.held) == 440


def test_mail_older_than_the_window_that_is_moved_in_later_is_named_without_content(account: Account) -> None:
    old = account.box.deliver("archive", mail(1), NOON - timedelta(days=400))
    copy = Copy(account, account.folder()).sync()
    account.box.move(old.id, "inbox")
    copy.sync(oldest=NOON - timedelta(days=30))
    assert (copy.held[old.id].skip, copy.held[old.id].raw) == ("too_old", None)


# cost


def test_20000_mails_in_12_folders_cost_within_3_percent_of_the_fewest_requests(account: Account) -> None:
    sizes = [6000, 4000, 3000, 2000, 1500, 1200, 900, 600, 400, 250, 100, 50]
    folders = ["inbox", "sentitems", "archive", *(account.box.create_folder(f"F{n}").id for n in range(9))]
    for folder, size in zip(folders, sizes, strict=True):
        for number in range(size):
            _bare(account, number, NOON - timedelta(minutes=number), folder)
    filled = {account.box.folder(one).id for one in folders}
    connector = account.open()
    streams = [one for one in connector.streams() if one.id in filled]
    copies = [Copy(account, stream).sync(connector) for stream in streams]
    assert sum(len(copy.held) for copy in copies) == 20_000
    fewest = sum(-(-size // product.PAGE) for size in sizes)
    assert account.server.statistics.requests <= fewest * 1.03
    assert account.server.statistics.max_in_flight[account.address] <= 4
    assert account.server.statistics.throttled == 0
    assert account.server.statistics.without_immutable == []
    assert account.server.problems == []
    before = account.server.statistics.requests
    for copy in copies:
        copy.sync(connector)
    assert account.server.statistics.requests - before == 12, "a no-op is one request per folder"


def test_usage_and_the_bucket_count_every_request_exactly(account: Account) -> None:
    for number in range(130):
        account.box.deliver("inbox", mail(number))
    connector = account.open()
    list(connector.streams())
    Copy(account, account.folder()).sync(connector)
    signing_in = account.usage.by_name["token"] + account.usage.by_name["openid-configuration"]
    assert account.usage.requests - signing_in == account.server.statistics.requests
    assert {key for key, _ in account.acquired} == {f"microsoft:mailbox:{account.address}"}
    assert sum(units for _, units in account.acquired) == account.usage.units
    assert account.usage.units == sum(account.server.statistics.by_name.values())


def test_verifying_removals_costs_one_request_for_twenty(account: Account) -> None:
    ids = [account.box.deliver("inbox", mail(number)).id for number in range(40)]
    copy = Copy(account, account.folder()).sync()
    for one in ids:
        account.box.move(one, "archive")
    before = account.server.statistics.requests
    copy.sync()
    assert account.server.statistics.requests - before == 1 + 2


def test_no_request_changes_anything_at_the_source(account: Account) -> None:
    one = account.box.deliver("inbox", _with_attachment(b"x"))
    copy = Copy(account, account.folder()).sync()
    account.box.move(one.id, "archive")
    copy.sync()
    methods = {line.split()[0] + (" $batch" if "$batch" in line else "") for line in account.server.statistics.lines}
    assert methods <= {"GET", "POST $batch"}
    assert all(isinstance(change, (Upsert, Removed)) for batch in copy.batches for change in batch.changes)


def _only_read(account: Account, one: str) -> Reply:
    link = f"{account.server.origin}/v1.0/me/mailFolders/{account.folder().id}/messages/delta?$deltatoken=next"
    return Reply(200, {"@odata.deltaLink": link, "value": [{"id": one, "isRead": True}]})


def _bare(account: Account, number: int, received: object, folder: str = "inbox") -> None:
    stamp = received.strftime("%Y-%m-%dT%H:%M:%SZ")  # type: ignore[attr-defined]
    account.box.add(folder, {"subject": f"Mail {number}", "receivedDateTime": stamp, "sentDateTime": stamp})


def _with_attachment(body: bytes) -> bytes:
    return (
        b"From: a@acme.example\r\nTo: rep@ourco.example\r\nSubject: file\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
        b"--b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=f.bin\r\n\r\n"
        + body
        + b"\r\n--b--\r\n"
    )


@pytest.fixture
def account() -> Iterator[Account]:
    yield from accounts()
