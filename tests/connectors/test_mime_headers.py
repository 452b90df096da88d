"""Header fields: words, charsets, addresses, dates, ids. Names and texts are our own, in many scripts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.mailparse.addresses import mailboxes
from connectors.mailparse.charsets import decode
from connectors.mailparse.dates import parse as parse_date
from connectors.mailparse.ids import message_id, message_ids
from connectors.mailparse.words import decoded
from connectors.types import Mailbox
from tests.connectors.mail_samples import parsed


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("=?UTF-8?B?5bGx55Sw5aSq6YOO?=", "山田太郎"),
        ("=?iso-2022-jp?b?GyRCOzNFRBsoQg==?=", "山田"),
        ("=?koi8-r?B?8NLJ18XU?=", "Привет"),
        ("=?windows-1255?B?+eXt7Q==?=", "שוםם"),
        ("=?gb2312?B?1dTBwQ==?=", "赵亮"),
        ("=?gb2312?B?6F+G7A==?=", "鑏嗢"),
        ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        ("=?utf-8?b?5bGx?= =?utf-8?b?55Sw?=\t=?utf-8?q?_x?=", "山田 x"),
        ("=?utf-8?b?5bE=?= =?utf-8?b?sQ==?=", "山"),
        ("Re: =?utf-8?q?=C3=84nderung?= today", "Re: Änderung today"),
        ("=?utf-8*de?q?=C3=84?=", "Ä"),
        ("=?utf-8?q?has spaces in it?=", "has spaces in it"),
        ("=?utf-8?b?R3LDvMOfZQ?=", "Grüße"),
        ("=?utf-8?q?never closed", "=?utf-8?q?never closed"),
        ("=?x-nonsense?q?plain?=", "plain"),
        ("=?us-ascii?q?caf=E9?=", "café"),
        ("=?iso-8859-1?q?caf=C3=A9?=", "café"),
        ('"=?utf-8?q?quoted?="', '"quoted"'),
        ("=?utf-8?q??=", ""),
    ],
)
def test_encoded_words_are_read_also_when_broken(written: str, read: str) -> None:
    assert decoded(written) == read


@pytest.mark.parametrize(
    ("data", "declared", "text", "honest"),
    [
        ("Grüße".encode(), "utf-8", "Grüße", True),
        ("Grüße aus Köln".encode("cp1252"), "utf-8", "Grüße aus Köln", False),
        ("Grüße".encode(), "iso-8859-1", "Grüße", False),
        ("100 €".encode("cp1252"), "iso-8859-1", "100 €", True),
        ("“quoted”".encode("cp1252"), "us-ascii", "“quoted”", True),
        ("鎔基".encode("gbk"), "gb2312", "鎔基", True),
        ("Привет".encode("koi8-r"), "KOI8-R", "Привет", True),
        (
            "Привет, как дела? Сообщите нам о решении.".encode("cp1251"),
            "",
            "Привет, как дела? Сообщите нам о решении.",
            True,
        ),
        ("日本語のメール".encode("cp932"), "Shift_JIS", "日本語のメール", True),
        ("日本語".encode("iso2022_jp"), "iso-2022-jp", "日本語", True),
        ("안녕하세요".encode("cp949"), "ks_c_5601-1987", "안녕하세요", True),
        ("Zażółć".encode("iso8859_2"), "ISO-8859-2", "Zażółć", True),
        ("Grüße".encode(), "x-unknown", "Grüße", True),
        ("Grüße".encode(), '"utf-8"; format=flowed', "Grüße", True),
        ("hi".encode("utf-16"), "utf-16", "hi", True),
        (b"plain", "hex", "plain", True),
        (b"\x81\x8d", "windows-1252", "\x81\x8d", True),
        (b"", "utf-8", "", True),
    ],
)
def test_charsets_that_lie_are_found_out(data: bytes, declared: str, text: str, honest: bool) -> None:
    assert decode(data, declared) == (text, honest)


def test_one_bad_byte_in_utf8_costs_one_character_only() -> None:
    text, honest = decode("Über die Brücke ".encode() * 20 + b"\xff", "utf-8")
    assert text == "Über die Brücke " * 20 + "\ufffd"
    assert not honest


@pytest.mark.parametrize(
    ("written", "boxes"),
    [
        ("jane@acme.example", [("jane@acme.example", "")]),
        ("Jane Doe <jane@acme.example>", [("jane@acme.example", "Jane Doe")]),
        ('"Doe, Jane" <jane@acme.example>', [("jane@acme.example", "Doe, Jane")]),
        ("Doe, Jane <jane@acme.example>, bob@b.example", [("jane@acme.example", "Doe, Jane"), ("bob@b.example", "")]),
        (
            "=?utf-8?q?Doe=2C_J=C3=A4ne?= <jane@acme.example>, b@b.example",
            [("jane@acme.example", "Doe, Jäne"), ("b@b.example", "")],
        ),
        ("a@a.example, b@b.example , c@c.example", [("a@a.example", ""), ("b@b.example", ""), ("c@c.example", "")]),
        ("a@a.example; B <b@b.example>", [("a@a.example", ""), ("b@b.example", "B")]),
        ("Team: a@a.example, B <b@b.example>;", [("a@a.example", ""), ("b@b.example", "B")]),
        ("undisclosed-recipients:;", []),
        ("Team: a@a.example;, c@c.example", [("a@a.example", ""), ("c@c.example", "")]),
        ("jane@acme.example (Jane Doe)", [("jane@acme.example", "Jane Doe")]),
        ("Jane (the, boss) <jane@acme.example>", [("jane@acme.example", "Jane (the, boss)")]),
        ('"Jane \\"JD\\" Doe" <jane@acme.example>', [("jane@acme.example", 'Jane "JD" Doe')]),
        ("'jane@acme.example' <jane@acme.example>", [("jane@acme.example", "")]),
        ("<mailto:jane@acme.example>", [("jane@acme.example", "")]),
        ("< jane @ acme.example >", [("jane@acme.example", "")]),
        ("<@relay.example,@b.example:jane@acme.example>", [("jane@acme.example", "")]),
        ('"odd name"@acme.example', [('"odd name"@acme.example', "")]),
        ("Мария Иванова <maria@пример.example>", [("maria@пример.example", "Мария Иванова")]),
        ("山田太郎 <taro@例え.example>", [("taro@例え.example", "山田太郎")]),
        ("=?utf-8?q?Jane_=3Cjane=40acme=2Eexample=3E?=", [("jane@acme.example", "Jane")]),
        ("Jane <jane@acme.example", [("jane@acme.example", "Jane")]),
        ("Jane Doe", []),
        ("MAILER-DAEMON", [("MAILER-DAEMON", "")]),
        ("Jane </O=CORP/OU=EU/CN=JDOE>", [("/O=CORP/OU=EU/CN=JDOE", "Jane")]),
        (",, ;", []),
        ("<>", []),
    ],
)
def test_mailbox_lists_are_split_as_people_meant_them(written: str, boxes: list[tuple[str, str]]) -> None:
    assert [(box.address, box.name) for box in mailboxes(written)] == boxes


def test_a_list_of_fifty_thousand_addresses_is_cut() -> None:
    assert len(mailboxes(", ".join(f"<a{n}@x.example>" for n in range(50_000)))) == 2_000


@pytest.mark.parametrize(
    "value",
    [
        "(" * 50_000,
        '"' * 50_001,
        "<" * 50_000,
        "a@" * 50_000,
        "a:" * 50_000,
        "\\" * 50_001,
        "=?utf-8?q?" * 5_000,
        ", " * 50_000,
        'a "' * 20_000,
        "a@b," * 30_000 + "x",
    ],
)
@pytest.mark.timeout(10)
def test_hostile_address_headers_are_read_in_bounded_time(value: str) -> None:
    assert len(mailboxes(value)) <= 2_000


@pytest.mark.parametrize(
    ("written", "utc", "offset"),
    [
        ("Mon, 5 Feb 2024 10:00:00 +0100", datetime(2024, 2, 5, 9, tzinfo=UTC), 60),
        ("5 Feb 2024 10:00 -0330", datetime(2024, 2, 5, 13, 30, tzinfo=UTC), -210),
        ("Mon,  5 Feb 2024 10:00:00 +0545 (NPT)", datetime(2024, 2, 5, 4, 15, tzinfo=UTC), 345),
        ("Mon, 5 Feb 2024 10:00:00 GMT", datetime(2024, 2, 5, 10, tzinfo=UTC), 0),
        ("Mon, 5 Feb 2024 10:00:00 EST", datetime(2024, 2, 5, 15, tzinfo=UTC), -300),
        ("Mon, 5 Feb 2024 10:00:00 -0000", datetime(2024, 2, 5, 10, tzinfo=UTC), None),
        ("Mon, 5 Feb 2024 10:00:00 +9900", datetime(2024, 2, 5, 10, tzinfo=UTC), None),
        ("Mon, 5 Feb 2024 10:00:00 XYZ", datetime(2024, 2, 5, 10, tzinfo=UTC), None),
        ("Mon, 5 Feb 2024 10:00:00", datetime(2024, 2, 5, 10, tzinfo=UTC), None),
        ("Monday, 5-Feb-99 10:00:00 GMT", datetime(1999, 2, 5, 10, tzinfo=UTC), 0),
        ("5 Feb 24 10:00 +0000", datetime(2024, 2, 5, 10, tzinfo=UTC), 0),
        ("5 Feb 124 10:00 +0000", datetime(2024, 2, 5, 10, tzinfo=UTC), 0),
        ("Mon, 5 February 2024 10:00:60 +0100", datetime(2024, 2, 5, 9, 0, 59, tzinfo=UTC), 60),
        ("Mon, 5 Feb 2024 10.00.00 +01:00", datetime(2024, 2, 5, 9, tzinfo=UTC), 60),
        ("Mon Feb  5 10:00:00 2024", datetime(2024, 2, 5, 10, tzinfo=UTC), None),
        ("2024-02-05T10:00:00+01:00", datetime(2024, 2, 5, 9, tzinfo=UTC), 60),
        ("2024-02-05 10:00:00", datetime(2024, 2, 5, 10, tzinfo=UTC), None),
        ("5 Feb 2024 01:30:00 PM +0000", datetime(2024, 2, 5, 13, 30, tzinfo=UTC), 0),
        ("Thu, 30 Feb 2024 10:00:00 +0000", None, None),
        ("yesterday", None, None),
        ("", None, None),
        ("Thu, 1 Jan 1970 00:00:00 +0000", None, None),
    ],
)
def test_dates_keep_the_instant_and_the_senders_offset(
    written: str, utc: datetime | None, offset: int | None
) -> None:
    assert parse_date(written) == (utc, offset)


def test_a_date_from_the_future_is_no_date_once_the_arrival_is_known() -> None:
    arrived = datetime(2024, 2, 5, tzinfo=UTC)
    assert parse_date("Mon, 5 Feb 2029 10:00:00 +0000", arrived) == (None, None)
    assert parse_date("Tue, 6 Feb 2024 10:00:00 +0000", arrived)[0] is not None


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("<a@b>", "<a@b>"),
        (" < a@b > ", "<a@b>"),
        ("a@b", "<a@b>"),
        ("<a@b> <c@d>", "<a@b>"),
        ("<a@b", "<a@b>"),
        ("<<a@b>>", "<a@b>"),
        ("<no-at-sign.123>", "<no-at-sign.123>"),
        ("<>", ""),
        ("", ""),
        ("   ", ""),
        ("<@>", ""),
        ("<" + "x" * 1000 + "@b>", ""),
    ],
)
def test_message_ids_become_one_form(written: str, read: str) -> None:
    assert message_id(written) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("<a@b> <c@d>\t<a@b>", ("<a@b>", "<c@d>")),
        ('Your message of "Mon, 5 Feb" <a@b>', ("<a@b>",)),
        ("Your message of Monday", ()),
        ("a@b c@d", ("<a@b>", "<c@d>")),
        ("<a@b>,<c@d>", ("<a@b>", "<c@d>")),
    ],
)
def test_reply_headers_give_ids_and_drop_the_chatter(written: str, read: tuple[str, ...]) -> None:
    assert message_ids(written) == read


def test_endless_references_keep_the_root_and_the_nearest() -> None:
    found = message_ids(" ".join(f"<{n}@x>" for n in range(500)))
    assert len(found) == 100
    assert found[0] == "<0@x>"
    assert found[-1] == "<499@x>"


def test_everything_in_a_full_header_arrives() -> None:
    envelope = parsed(
        "From: Jane Doe <jane@acme.example>, Max <max@acme.example>",
        "Sender: pa@acme.example",
        "Reply-To: sales@acme.example",
        "To: a@x.example",
        "To: b@x.example",
        "CC: c@x.example",
        "bcc : d@x.example",
        "Subject: =?utf-8?q?Angebot_f=C3=BCr?=\r\n =?utf-8?q?_M=C3=BCller?=",
        "Date: Mon, 5 Feb 2024 10:00:00 +0100",
        "Message-ID: <1@acme.example>",
        "In-Reply-To: <0@x.example>",
        "References: <r@x.example>\r\n\t<0@x.example>",
        "Resent-From: r@x.example",
        "Resent-To: s@x.example",
        "X-Original-From: Real <real@x.example>",
    )
    assert envelope.from_ == (Mailbox("jane@acme.example", "Jane Doe"), Mailbox("max@acme.example", "Max"))
    assert envelope.sender == Mailbox("pa@acme.example")
    assert envelope.reply_to == (Mailbox("sales@acme.example"),)
    assert [box.address for box in envelope.to + envelope.cc + envelope.bcc] == [f"{c}@x.example" for c in "abcd"]
    assert envelope.subject == "Angebot für Müller"
    assert (envelope.date, envelope.offset) == (datetime(2024, 2, 5, 9, tzinfo=UTC), 60)
    assert envelope.message_id == "<1@acme.example>"
    assert envelope.in_reply_to == ("<0@x.example>",)
    assert envelope.references == ("<r@x.example>", "<0@x.example>")
    assert envelope.resent_from == (Mailbox("r@x.example"),)
    assert envelope.resent_to == (Mailbox("s@x.example"),)
    assert envelope.original_from == Mailbox("real@x.example", "Real")


def test_raw_utf8_and_raw_western_headers_are_read() -> None:
    assert parsed("Subject: Größe 山田").subject == "Größe 山田"
    assert parsed("Subject: Größe".encode("cp1252")).subject == "Größe"
    assert parsed("From: Jürgen <j@x.example>".encode("latin-1")).from_ == (Mailbox("j@x.example", "Jürgen"),)


def test_a_missing_date_is_named_and_left_to_the_arrival_time() -> None:
    envelope = parsed()
    assert envelope.date is None
    assert "date" in envelope.defects


def test_the_first_of_repeated_message_ids_counts() -> None:
    assert parsed("Message-ID:", "Message-ID: <1@x>", "Message-ID: <2@x>").message_id == "<1@x>"


def test_a_header_of_a_million_fields_is_cut_not_read() -> None:
    envelope = parsed(*[f"X-Field-{n}: {n}" for n in range(5_000)], "Subject: late")
    assert "header-count" in envelope.defects
    assert envelope.from_[0].address == "jane@acme.example"


def test_a_control_character_in_a_subject_does_not_survive() -> None:
    assert parsed("Subject: =?utf-8?q?a=00b=0D=0ABcc=3A_x?=").subject == "a b Bcc: x"
