"""From parsed mails and events to Items, and threads over them."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest

from connectors.mime import classify, parse_message
from connectors.types import Attendee, CalendarEvent, RawMessage
from matching.types import Item, Mark
from sync.items import item_from_envelope, item_from_event, list_host
from sync.threads import ThreadIndex

AT = datetime(2026, 3, 3, 9, tzinfo=UTC)


def test_every_position_of_a_mail_becomes_a_party_with_its_role() -> None:
    item = read(
        "From: Jane <Jane@Acme.example>", "Sender: pa@acme.example", "Reply-To: j2@acme.example",
        "To: rep@ourco.example", "Cc: c@x.example", "Bcc: b@x.example", "X-Original-From: o@x.example",
        "Resent-From: r@x.example", "Resent-To: t@x.example",
    )  # fmt: skip
    roles = {party.role: party.address for party in item.parties}
    assert roles["from"] == "jane@acme.example"
    assert set(roles) == {"from", "sender", "reply_to", "to", "cc", "bcc", "original_from", "resent_from", "resent_to"}


def test_references_and_the_list_are_carried() -> None:
    item = read(
        "From: a@x.example", "In-Reply-To: <p@x>", "References: <q@x> <p@x>", "List-Id: Team <team.lists.ourco.example>"
    )
    assert set(item.parents) == {"<p@x>", "<q@x>"}
    assert item.list_host == "lists.ourco.example"
    assert Mark.BULK in item.marks


@pytest.mark.parametrize(
    ("fields", "personal"),
    [
        (["List-Id: <t.lists.example>"], True),
        (["List-Id: <t.lists.example>", "List-Post: <mailto:t@lists.example>", "List-Unsubscribe: <x>"], True),
        (["List-Unsubscribe: <x>", "In-Reply-To: <p@x>"], True),
        (["List-Unsubscribe: <x>"], False),
        (["List-Id: <t.lists.example>", "Precedence: bulk"], False),
        (["List-Id: <t.lists.example>", "List-Unsubscribe: <x>", "List-Unsubscribe-Post: y"], False),
    ],
)
def test_list_mail_is_personal_or_a_campaign(fields: list[str], personal: bool) -> None:
    assert (Mark.PERSONAL in read("From: a@x.example", *fields).marks) is personal


def test_a_machines_address_alone_does_not_hide_a_web_form() -> None:
    form = read("From: no-reply@ourco.example", "Reply-To: jane@acme.example")
    machine = read("From: no-reply@ourco.example", "Reply-To: jane@acme.example", "Auto-Submitted: auto-generated")
    assert Mark.AUTOMATIC not in form.marks
    assert Mark.AUTOMATIC in machine.marks


def test_sensitivity_becomes_a_mark() -> None:
    assert Mark.PRIVATE in read("From: a@x.example", "Sensitivity: Personal").marks
    assert Mark.CONFIDENTIAL in read("From: a@x.example", "Sensitivity: Company-Confidential").marks


def test_a_list_id_gives_its_host() -> None:
    assert list_host({"list-id": '"Sales" <sales.lists.ourco.example>'}) == "lists.ourco.example"
    assert list_host({"list-id": "sales.ourco.example"}) == "ourco.example"
    assert list_host({}) == ""


def test_an_event_keeps_guests_by_name_and_marks_rooms() -> None:
    event = CalendarEvent(
        "u", AT, AT, organizer=Attendee("Rep@ourco.example"), classification="private",
        attendees=(Attendee("", "Jane Doe"), Attendee("room@x.example", "Room", kind="room")),
    )  # fmt: skip
    item = item_from_event(event, id=1, thread="t", mailboxes=(), occurred_at=AT)
    assert [(p.role, p.address, p.name, p.is_person) for p in item.parties] == [
        ("organizer", "rep@ourco.example", "", True),
        ("attendee", "", "Jane Doe", True),
        ("attendee", "room@x.example", "Room", False),
    ]  # fmt: skip
    assert Mark.PRIVATE in item.marks


def test_threads_join_by_references_in_any_order_of_arrival() -> None:
    mails = [("<a>", ()), ("<b>", ("<a>",)), ("<c>", ("<x>",)), ("<d>", ("<x>", "<b>")), ("<e>", ())]
    for order in itertools.permutations(mails):
        index = ThreadIndex()
        for own, references in order:
            index.add(own, references)
        assert {index.thread(i) for i in ("<a>", "<b>", "<c>", "<d>")} == {"<a>"}
        assert index.thread("<e>") == "<e>"


def test_a_mail_without_an_id_joins_nothing() -> None:
    index = ThreadIndex()
    index.add("", ())
    index.add("", ("<a>",))
    assert index.thread("") == ""


def read(*fields: str) -> Item:
    head = ["Message-ID: <m@x>", "Date: Tue, 03 Mar 2026 09:00:00 +0000", *fields, "", "Hello", ""]
    envelope = parse_message(RawMessage(source="\r\n".join(head).encode()))
    return item_from_envelope(
        envelope, classify(envelope), id=1, thread="t", mailboxes=["REP@ourco.example"], occurred_at=AT
    )
