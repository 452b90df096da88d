"""Bodies: parts, alternatives, HTML to text, flowed text, attachments, calendars, reports, winmail.dat, lean path."""

from __future__ import annotations

import base64
import struct

import pytest

from connectors.errors import BadItem
from connectors.mailparse.flowed import unflow
from connectors.mailparse.htmltext import text_of
from connectors.mime import parse_message
from connectors.types import Attachment, RawMessage, RawPart
from tests.connectors.mail_samples import mail, multipart, nested, parsed, part

ICS = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("7bit", b"Gr=C3=BC=C3=9Fe"),
        ("quoted-printable", b"Gr=C3=BC=C3=9Fe"),
        ("base64", base64.b64encode("Grüße".encode())),
        ("base64 ", base64.b64encode("Grüße".encode())),
        ("BASE64; odd", base64.b64encode("Grüße".encode())),
        ("base64", base64.b64encode("Grüße".encode()).rstrip(b"=")),
        ("base64", b"!" + base64.b64encode("Grüße".encode()) + b"\r\n\r\n-- list footer"),
    ],
)
def test_transfer_encodings_are_undone_also_when_sloppy(encoding: str, body: bytes) -> None:
    envelope = parsed(f"Content-Transfer-Encoding: {encoding}", "Content-Type: text/plain; charset=utf-8", body=body)
    assert envelope.text.startswith("Gr=C3=BC=C3=9Fe" if encoding == "7bit" else "Grüße")


def test_a_declared_charset_that_lies_is_a_defect_and_the_text_is_right() -> None:
    envelope = parsed("Content-Type: text/plain; charset=utf-8", body="Köln, Größe".encode("cp1252"))
    assert envelope.text == "Köln, Größe"
    assert "charset" in envelope.defects


def test_an_alternative_gives_its_plain_text_and_its_html() -> None:
    field, body = multipart("alternative", part("text/plain", "plain words"), part("text/html", "<p>html words</p>"))
    envelope = parsed(field, body=body)
    assert envelope.text == "plain words"
    assert "<p>html words</p>" in envelope.html


def test_an_alternative_with_empty_plain_text_gives_the_html_as_text() -> None:
    field, body = multipart("alternative", part("text/plain", " \r\n"), part("text/html", "<p>only <b>here</b></p>"))
    assert parsed(field, body=body).text == "only here"


def test_an_html_only_mail_is_not_empty() -> None:
    assert (
        parsed("Content-Type: text/html", body="<html><body><p>Guten&nbsp;Tag</p></body></html>").text == "Guten Tag"
    )


def test_related_and_mixed_keep_inline_images_as_metadata() -> None:
    html = part("text/html", '<p>see <img src="cid:logo1"></p>')
    image = part(
        "image/png",
        base64.b64encode(b"x" * 570),
        "Content-ID: <logo1>",
        "Content-Disposition: inline",
        "Content-Transfer-Encoding: base64",
    )
    pdf = part(
        'application/pdf; name="offer.pdf"',
        "JVBERi0=",
        "Content-Transfer-Encoding: base64",
        "Content-Disposition: attachment",
    )
    field, body = multipart(
        "mixed", nested("related", nested("alternative", part("text/plain", "see"), html), image), pdf
    )
    envelope = parsed(field, body=body)
    assert envelope.text == "see"
    assert [(a.name, a.type, a.part, a.content_id) for a in envelope.attachments] == [
        ("", "image/png", "1.2", "logo1"),
        ("offer.pdf", "application/pdf", "2", ""),
    ]
    assert abs(envelope.attachments[0].size - 570) < 30


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        (("Content-Disposition: attachment; filename*=utf-8''Gr%C3%B6%C3%9Fe.pdf",), "Größe.pdf"),
        (("Content-Disposition: attachment; filename*0*=utf-8''Gr%C3%B6; filename*1=\"sse.pdf\"",), "Grösse.pdf"),
        (('Content-Disposition: attachment; filename="=?utf-8?q?Gr=C3=B6=C3=9Fe=2Epdf?="',), "Größe.pdf"),
        (('Content-Disposition: attachment; filename="山田.pdf"',), "山田.pdf"),
        (("Content-Disposition: attachment; filename=plain name.pdf",), "plain name.pdf"),
        (('Content-Disposition: attachment; filename="a\\"b.pdf"',), 'a"b.pdf'),
    ],
)
def test_attachment_names_in_all_their_spellings(fields: tuple[str, ...], name: str) -> None:
    field, body = multipart("mixed", part("text/plain", "x"), part("application/pdf", "y", *fields))
    assert [a.name for a in parsed(field, body=body).attachments] == [name]


def test_a_text_file_attached_is_no_body() -> None:
    notes = part("text/plain", "not mine", 'Content-Disposition: attachment; filename="notes.txt"')
    field, body = multipart("mixed", part("text/plain", "mine"), notes)
    envelope = parsed(field, body=body)
    assert envelope.text == "mine"
    assert [a.name for a in envelope.attachments] == ["notes.txt"]


def test_text_below_an_attachment_belongs_to_the_body() -> None:
    pdf = part("application/pdf", "y", "Content-Disposition: attachment")
    field, body = multipart("mixed", part("text/plain", "above"), pdf, part("text/plain", "below"))
    assert parsed(field, body=body).text == "above\n\nbelow"


def test_calendars_are_kept_once_whether_inline_or_attached() -> None:
    invitation = part("text/calendar; method=REQUEST", ICS)
    file = part(
        "application/octet-stream; name=invite.ics",
        base64.b64encode(ICS.encode()),
        "Content-Transfer-Encoding: base64",
        "Content-Disposition: attachment",
    )
    field, body = multipart("mixed", nested("alternative", part("text/plain", "You are invited"), invitation), file)
    envelope = parsed(field, body=body)
    assert envelope.calendars[0].strip() == ICS.encode().strip()
    assert envelope.text == "You are invited"
    assert [a.name for a in envelope.attachments] == ["invite.ics"]


def test_a_calendar_part_that_is_none_is_named_as_a_defect() -> None:
    envelope = parsed("Content-Type: text/calendar", body="<html>sorry</html>")
    assert envelope.calendars == ()
    assert "calendar" in envelope.defects


def test_a_delivery_report_is_a_report_and_its_original_no_forward() -> None:
    original = b"Content-Type: message/rfc822\r\n\r\n" + mail("From: us@own.example", "Subject: Offer")
    status = part("message/delivery-status", "Final-Recipient: rfc822; gone@x.example\r\nAction: failed\r\n")
    field, body = multipart("report", part("text/plain", "Undelivered"), status, original)
    envelope = parsed(field, body=body)
    assert envelope.is_report
    assert envelope.text == "Undelivered"
    assert envelope.forwarded == ()


def test_an_attached_mail_is_an_attachment_and_its_sender_a_forwarded_original() -> None:
    inner = mail(
        "From: =?utf-8?q?M=C3=BCller=2C_Eva?= <eva@kunde.example>", "Subject: Anfrage", body="Können Sie liefern?"
    )
    field, body = multipart("mixed", part("text/plain", "see below"), b"Content-Type: message/rfc822\r\n\r\n" + inner)
    envelope = parsed(field, body=body)
    assert envelope.text == "see below"
    assert [(box.address, box.name) for box in envelope.forwarded] == [("eva@kunde.example", "Müller, Eva")]
    assert [(a.name, a.type) for a in envelope.attachments] == [("Anfrage.eml", "message/rfc822")]


def test_winmail_dat_gives_its_attachments_and_a_body_where_there_is_no_other() -> None:
    field, body = multipart(
        "mixed",
        part("application/ms-tnef; name=winmail.dat", base64.b64encode(tnef()), "Content-Transfer-Encoding: base64"),
    )
    envelope = parsed(field, body=body)
    assert envelope.text == "Body inside"
    assert [a.name for a in envelope.attachments] == ["plan.doc"]


def test_a_damaged_winmail_dat_stays_an_attachment() -> None:
    field, body = multipart(
        "mixed", part("text/plain", "hi"), part("application/ms-tnef; name=winmail.dat", b"\x78\x9f\x3e")
    )
    envelope = parsed(field, body=body)
    assert envelope.text == "hi"
    assert [a.name for a in envelope.attachments] == ["winmail.dat"]
    assert "tnef" in envelope.defects


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>One</p><p>Two</p>", "One\n\nTwo"),
        ("<div>One</div><div>Two</div>", "One\nTwo"),
        ("One<br>Two<br><br>Three", "One\nTwo\n\nThree"),
        ("<ul><li>a</li><li>b</li></ul>", "- a\n- b"),
        (
            "<p>see <a href='https://acme.example/offer'>our offer</a></p>",
            "see our offer <https://acme.example/offer>",
        ),
        ("<a href='https://acme.example/'>acme.example</a>", "acme.example"),
        ("<a href='mailto:a@b.example'>a@b.example</a>", "a@b.example"),
        (f"<a href='https://t.example/{'x' * 300}'>click</a>", "click"),
        ("<style>p{}</style><script>x()</script><title>t</title><p>body</p>", "body"),
        ("<div style='display:none'>preheader</div><span style='font-size:0px'>x</span><p>body</p>", "body"),
        ("<div hidden>no</div><p>body</p>", "body"),
        ("<blockquote><p>old</p></blockquote><p>new</p>", "> old\n\nnew"),
        ("<blockquote>a<blockquote>b</blockquote></blockquote>", "> a\n>\n> > b"),
        ("<pre>a\n  b</pre>", "a\n  b"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ("x<hr>y", "x\n" + "_" * 32 + "\ny"),
        ("a\u200b\u00adb&zwnj;", "ab"),
        ("<p>Größe &amp; 山田 &lt;3</p>", "Größe & 山田 <3"),
        ("<p>unclosed <b>tags<p>next", "unclosed tags\n\nnext"),
        ("<!-- comment -->text<!--[if mso]>no<![endif]-->", "text"),
        ("", ""),
    ],
)
def test_html_becomes_text_with_its_blocks(html: str, text: str) -> None:
    assert text_of(html) == text


@pytest.mark.timeout(20)
def test_html_nested_fifty_thousand_deep_is_read_without_recursion() -> None:
    assert "core" in text_of("<div>" * 50_000 + "core")


@pytest.mark.parametrize(
    ("flowed", "delsp", "text"),
    [
        ("one \ntwo\nthree", False, "one two\nthree"),
        ("one \ntwo", True, "onetwo"),
        ("> old \n> text\nnew", False, "> old text\nnew"),
        ("> old \nnew", False, "> old \nnew"),
        ("hi \n-- \nJane", False, "hi \n-- \nJane"),
        (" >not quoted", False, ">not quoted"),
        (">> deep \n>> deeper", False, ">> deep deeper"),
    ],
)
def test_flowed_text_is_joined_within_its_depth(flowed: str, delsp: bool, text: str) -> None:
    assert unflow(flowed, delsp=delsp) == text


def test_a_flowed_mail_is_read_as_paragraphs() -> None:
    envelope = parsed(
        "Content-Type: text/plain; charset=utf-8; format=flowed; delsp=no",
        body="This is one \r\nparagraph.\r\n\r\nSecond.\r\n",
    )
    assert envelope.text == "This is one paragraph.\n\nSecond."


def test_the_lean_path_gives_what_the_whole_source_gives() -> None:
    plain = part("text/plain; charset=utf-8", "Grüße\r\n\r\nOn 5 Feb 2024, Bob <b@b.example> wrote:\r\n> alt")
    calendar = part("text/calendar; method=REQUEST", ICS)
    pdf = part(
        "application/pdf",
        "JVBERi0=",
        "Content-Disposition: attachment; filename=o.pdf",
        "Content-Transfer-Encoding: base64",
    )
    field, body = multipart("mixed", plain, calendar, pdf)
    fields = ("Subject: Offer", "Message-ID: <1@x>", "Date: Mon, 5 Feb 2024 10:00:00 +0100", field)
    whole = parsed(*fields, body=body)
    lean = parse_message(
        RawMessage(
            header=mail(*fields, body=b""),
            parts=tuple(RawPart(*piece.split(b"\r\n\r\n", 1)) for piece in (plain, calendar)),
            attachments=whole.attachments,
        )
    )
    assert (lean.text, lean.quoted, lean.message_id, lean.fingerprint) == (
        whole.text,
        whole.quoted,
        whole.message_id,
        whole.fingerprint,
    )
    assert len(lean.calendars) == 1
    assert lean.attachments == whole.attachments


def test_the_lean_path_reads_a_single_part_by_the_top_header() -> None:
    envelope = parse_message(
        RawMessage(
            header=mail("Content-Type: text/html; charset=utf-8", "Content-Transfer-Encoding: base64", body=b""),
            parts=(RawPart(b"", base64.b64encode("<p>Größe</p>".encode()), truncated=True),),
        )
    )
    assert envelope.text == "Größe"
    assert envelope.truncated


def test_the_lean_path_takes_a_cut_base64_part_as_far_as_it_goes() -> None:
    encoded = base64.encodebytes("Grüße aus Köln. ".encode() * 50)[:333]
    envelope = parse_message(
        RawMessage(
            header=mail(body=b""),
            parts=(
                RawPart(
                    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64",
                    encoded,
                    truncated=True,
                ),
            ),
        )
    )
    assert envelope.text.startswith("Grüße aus Köln. Grüße")
    assert envelope.truncated


def test_the_lean_path_without_any_part_keeps_the_header() -> None:
    metadata = (Attachment("o.pdf", "application/pdf", 10, "2"),)
    envelope = parse_message(RawMessage(header=mail("Subject: x"), attachments=metadata))
    assert (envelope.subject, envelope.text, envelope.attachments) == ("x", "", metadata)


def test_two_thousand_parts_and_more_are_cut_and_named() -> None:
    field, body = multipart("mixed", *[part("text/plain", f"p{n}") for n in range(5_000)])
    envelope = parsed(field, body=body)
    assert envelope.text.startswith("p0\n\np1")
    assert envelope.truncated
    assert "parts" in envelope.defects


@pytest.mark.timeout(30)
@pytest.mark.parametrize("levels", [50, 70, 2_000, 20_000])
def test_multiparts_nested_without_end_give_the_header(levels: int) -> None:
    body = b"".join(
        b'--b%d\r\nContent-Type: multipart/mixed; boundary="b%d"\r\n\r\n' % (n, n + 1) for n in range(levels)
    )
    envelope = parsed('Content-Type: multipart/mixed; boundary="b0"', "Subject: deep", body=body)
    assert envelope.subject == "deep"


@pytest.mark.timeout(60)
def test_a_hundred_megabytes_of_attachment_cost_no_decoding() -> None:
    big = part(
        "application/zip",
        b"QUFB" * 19 * 1_315_000,
        "Content-Transfer-Encoding: base64",
        "Content-Disposition: attachment; filename=big.zip",
    )
    field, body = multipart("mixed", part("text/plain", "see attached"), big)
    envelope = parsed(field, body=body)
    assert envelope.text == "see attached"
    assert envelope.attachments[0].name == "big.zip"
    assert envelope.attachments[0].size > 70_000_000


@pytest.mark.timeout(60)
def test_a_hundred_megabytes_of_text_are_cut_to_one() -> None:
    envelope = parsed("Subject: big", body=b"line of text\r\n" * 7_500_000)
    assert envelope.truncated
    assert len(envelope.text) + len(envelope.quoted) <= 1_000_000


def test_what_is_no_mail_is_a_bad_item_with_its_name() -> None:
    for source in (b"", b"\x00\x01\x02", b"PK\x03\x04 zip", b"just words", b"\n\n\n"):
        with pytest.raises(BadItem) as caught:
            parse_message(RawMessage(source=source))
        assert caught.value.code == "unparseable"


def test_an_mbox_line_and_a_byte_order_mark_before_the_header_do_no_harm() -> None:
    for lead in (b"From jane Mon Feb  5 10:00:00 2024\r\n", b"\xef\xbb\xbf", b"\r\n\r\n", b">From x\n"):
        assert parse_message(RawMessage(source=lead + mail("Subject: x"))).subject == "x"


def tnef() -> bytes:
    """A winmail.dat with a plain body and one attachment called plan.doc (MS-OXTNEF 2.1)."""

    def attribute(level: int, name: int, data: bytes) -> bytes:
        return struct.pack("<BII", level, name, len(data)) + data + struct.pack("<H", sum(data) & 0xFFFF)

    return (
        struct.pack("<IH", 0x223E9F78, 1)
        + attribute(1, 0x0002800C, b"Body inside\x00")
        + attribute(2, 0x00069002, b"\x01\x00" + b"\xff" * 12)
        + attribute(2, 0x00018010, b"plan.doc\x00")
        + attribute(2, 0x0006800F, b"data")
    )
