"""Broken bytes: whatever comes, the answer is an envelope or a ``BadItem``, in bounded time."""

from __future__ import annotations

import base64

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from connectors.errors import BadItem
from connectors.mime import classify, parse_message
from connectors.types import RawMessage, RawPart
from tests.connectors.mail_samples import CORPORA, mail, multipart, needs_corpora, nested, part

PIECES = [
    b"From: ",
    b"To: ",
    b"Subject: ",
    b"Date: ",
    b"Content-Type: ",
    b"multipart/mixed; boundary=",
    b"message/rfc822",
    b"text/html",
    b"text/calendar",
    b"\r\n",
    b"\n",
    b"\r",
    b"\n\n",
    b"--x",
    b"--x--",
    b"=?utf-8?b?",
    b"?=",
    b"=?",
    b"<",
    b">",
    b"@",
    b",",
    b";",
    b'"',
    b"(",
    b")",
    b"\\",
    b":",
    b"\x00",
    b"\xff",
    b"=",
    b"=E2",
    b"charset=",
    b"utf-8",
    b"utf-16",
    b"idna",
    b"rot13",
    b"base64",
    b"quoted-printable",
    b"Content-Transfer-Encoding: ",
    b"filename*=",
    b"''%",
    b"0",
    b"99999999999",
    b"Mon, ",
    b"+9999",
    b"x",
    b" ",
    b"\t",
    b"format=flowed; delsp=yes",
    b"> ",
    b"wrote:",
    b"BEGIN:VCALENDAR",
    b"winmail.dat",
    b"application/ms-tnef",
    b"\x78\x9f\x3e\x22",
]
SLOW = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(st.lists(st.sampled_from(PIECES), max_size=60).map(b"".join))
@example(b"From: \n\xff")
@example(b"From: x\nContent-Type: text/plain; charset=idna\n\n\xff.\xff")
@SLOW
def test_any_chain_of_mail_tokens_is_read_or_refused(source: bytes) -> None:
    read_or_refused(RawMessage(source=source))
    read_or_refused(RawMessage(source=b"From: a@b\n" + source))
    head, _, tail = source.partition(b"\n\n")
    read_or_refused(RawMessage(header=b"From: a@b\n" + head, parts=(RawPart(head, tail), RawPart(b"", source))))


@given(st.data())
@SLOW
def test_a_rich_mail_with_bytes_changed_anywhere_is_read_or_refused(data: st.DataObject) -> None:
    source = bytearray(RICH)
    for _ in range(data.draw(st.integers(1, 12))):
        at = data.draw(st.integers(0, len(source) - 1))
        kind = data.draw(st.integers(0, 2))
        if kind == 0:
            source[at] = data.draw(st.integers(0, 255))
        elif kind == 1:
            del source[at : at + data.draw(st.integers(1, 200))]
        else:
            source[at:at] = data.draw(st.sampled_from(PIECES))
        if not source:
            break
    read_or_refused(RawMessage(source=bytes(source)))


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_noise_is_read_or_refused(source: bytes) -> None:
    read_or_refused(RawMessage(source=source))
    read_or_refused(RawMessage(source=b"From: a@b\nContent-Type: " + source))
    read_or_refused(RawMessage(source=b"From: a@b\nContent-Type: application/ms-tnef\n\n\x78\x9f\x3e\x22" + source))


@needs_corpora
def test_corpus_mails_cut_at_any_tenth_are_read_or_refused() -> None:
    for path in sorted((CORPORA / "stalwart-mail-parser").rglob("*.eml"))[::3]:
        source = path.read_bytes()
        for tenth in range(1, 10):
            read_or_refused(RawMessage(source=source[: len(source) * tenth // 10]))


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "source",
    [
        b"From: a@b\nSubject: " + b"=?utf-8?q?a?= " * 100_000,
        b"From: a@b\nSubject: " + b"=?" * 500_000,
        b"From: a@b\nReferences: " + b"<" * 1_000_000,
        b"From: a@b\nReferences: " + b"a@" * 500_000,
        b"From: a@b\nX: 1\n" + b" folded\n" * 100_000,
        b"From: a@b\n" + b"A:\n" * 300_000,
        b"From: a@b\n" + b"x" * 5_000_000,
        b"From: a@b\nDate: " + b"1 " * 200_000,
        b"From: a@b\nContent-Type: text/plain; " + b"a=b; " * 100_000 + b"\n\nx",
        b"From: a@b\nContent-Type: multipart/mixed; boundary=x\n\n" + b"--x\n\nhi\n" * 300_000,
        b"From: a@b\nContent-Type: multipart/mixed; boundary=x\n\n"
        + b"--x\nContent-Type: message/rfc822\n\n" * 50_000,
        b"From: a@b\nContent-Type: multipart/mixed; boundary=x\n\n" + b"--x" * 1_000_000,
        b"From: a@b\n\n" + b"<" * 3_000_000,
        b"From: a@b\nContent-Type: text/html\n\n" + b"<" * 3_000_000,
        b"From: a@b\nContent-Type: text/html\n\n" + b"<a style='" * 200_000,
        b"\n" * 3_000_000 + b"From: a@b\n\nx",
        b"\xef\xbb\xbf" * 1_000_000,
        b"From: a@b\nContent-Type: text/plain; charset=utf-8\n\n" + b"\xe9 " * 2_000_000,
        b"From: a@b\nContent-Type: text/plain; charset=utf-7\n\n" + b"+" * 2_000_000,
        b"From: a@b\nContent-Type: text/plain; format=flowed\n\n" + b"a \n" * 500_000,
    ],
)
def test_hostile_mails_are_read_or_refused_in_bounded_time(source: bytes) -> None:
    read_or_refused(RawMessage(source=source))


def read_or_refused(raw: RawMessage) -> None:
    try:
        envelope = parse_message(raw)
    except BadItem as error:
        assert str(error)
    else:
        classify(envelope)
        assert len(envelope.text) <= 1_000_000
        f"{envelope!r}".encode("utf-8", "surrogatepass")


def rich() -> bytes:
    ics = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nEND:VCALENDAR"
    text = part(
        "text/plain; charset=utf-8; format=flowed", "Grüße \r\n\r\nOn 5 Feb 2024, B <b@b.example> wrote:\r\n> hi\r\n"
    )
    html = part("text/html; charset=iso-8859-1", "<p style='color:red'>x<a href='http://x'>y</a></p>")
    image = part("image/png", base64.encodebytes(b"png" * 40), "Content-ID: <1>", "Content-Transfer-Encoding: base64")
    inner = b"Content-Type: message/rfc822\r\n\r\n" + mail("Subject: =?utf-8?q?in=C3=A4?=", "To: c@c.example")
    field, body = multipart("mixed", nested("alternative", text, html, part("text/calendar", ics)), image, inner)
    return mail(
        "To: =?utf-8?b?5bGx?= <a@a.example>, G: b@b.example;",
        "Subject: =?utf-8?q?=C3=A4?= b",
        "Message-ID: <1@x>",
        "Date: Mon, 5 Feb 2024 10:00:00 +0100",
        "References: <0@x> <1@x>",
        "MIME-Version: 1.0",
        field,
        body=body,
    )


RICH = rich()
