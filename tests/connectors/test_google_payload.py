"""Gmail's parsed messages become what the one mail parser takes: the same mail read either way says the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connectors.google import payload
from connectors.mime import parse_message
from connectors.types import Envelope, RawMessage
from tests.connectors.mail_samples import CORPORA, multipart, needs_corpora, nested, part
from tests.emulators.google import schemas
from tests.emulators.google.payloads import LARGE_TEXT, Tree, encode

HEAD = b"From: Jane <jane@acme.example>\r\nTo: rep@ourco.example\r\nSubject: S\r\nMessage-ID: <m@x>\r\n"


def test_of_an_alternative_the_plain_text_is_read_and_the_html_kept() -> None:
    envelope = through_gmail(*multipart("alternative", part("text/plain", "plain"), part("text/html", "<p>rich</p>")))
    assert envelope.text == "plain" and envelope.html == "<p>rich</p>"


def test_an_alternative_inside_a_mixed_mail_is_one_text_beside_others() -> None:
    inner = nested("alternative", part("text/plain", "plain"), part("text/html", "<p>rich</p>"))
    envelope = through_gmail(*multipart("mixed", inner, part("text/plain", "footer of the list")))
    assert envelope.text.split() == ["plain", "footer", "of", "the", "list"]


def test_attachments_are_metadata_under_a_handle_that_stays() -> None:
    pdf = part("application/pdf", "JVBERi0xLjQ=", "Content-Disposition: attachment; filename=offer.pdf",
               "Content-Transfer-Encoding: base64", "Content-ID: <c1@x>")  # fmt: skip
    tree = Tree(mail(*multipart("mixed", part("text/plain", "Hi"), pdf)))
    first, again = (payload.raw_message(tree.full(), {}).attachments for _ in range(2))
    assert first == again
    [found] = first
    assert (found.name, found.type, found.size, found.part) == ("offer.pdf", "application/pdf", 8, "1")
    assert found.content_id == "c1@x"


def test_a_text_too_large_to_come_along_is_named_as_missing() -> None:
    tree = Tree(mail("Content-Type: text/plain", b"x" * (LARGE_TEXT + 1)))
    found = tree.full()
    [leaf] = payload.missing(found)
    raw = payload.raw_message(found, {leaf.path: tree.attachments[leaf.attachment_id]})
    assert len(parse_message(raw).text) == LARGE_TEXT + 1


def test_attached_text_files_are_not_read() -> None:
    notes = part("text/plain", "secret notes", "Content-Disposition: attachment; filename=notes.txt")
    envelope = through_gmail(*multipart("mixed", part("text/plain", "Hi"), notes))
    assert envelope.text == "Hi" and [a.name for a in envelope.attachments] == ["notes.txt"]


def test_a_mail_whose_only_text_bears_a_name_is_read() -> None:
    envelope = through_gmail(*multipart("mixed", part('text/plain; name="body.txt"', "the body")))
    assert envelope.text == "the body"


def test_an_invitation_is_handed_over_and_listed() -> None:
    ics = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n"
    invite = part("application/ics; name=invite.ics", ics, "Content-Disposition: attachment; filename=invite.ics")
    envelope = through_gmail(*multipart("mixed", part("text/plain", "Hi"), invite))
    assert len(envelope.calendars) == 1 and [a.name for a in envelope.attachments] == ["invite.ics"]


def test_a_bounce_is_known_as_a_report() -> None:
    report = part("message/delivery-status", "Final-Recipient: rfc822; x@y\r\nAction: failed\r\n")
    assert through_gmail(*multipart("report", part("text/plain", "Sorry"), report)).is_report


def test_a_forwarded_mail_is_an_attachment_with_its_subject_for_a_name() -> None:
    inner = part("message/rfc822", "From: Ann <ann@lead.example>\r\nSubject: Inquiry\r\n\r\nText")
    raw = payload.raw_message(Tree(mail(*multipart("mixed", part("text/plain", "FYI"), inner))).full(), {})
    assert [a.name for a in raw.attachments] == ["Inquiry.eml"]
    assert b"ann@lead.example" in raw.parts[-1].body and b"message/rfc822" in raw.parts[-1].headers


@pytest.mark.parametrize("charset", ["iso-8859-1", "windows-1252", "utf-8", "koi8-r", "iso-2022-jp", "gb18030"])
def test_text_that_gmail_turned_into_utf8_is_not_decoded_twice(charset: str) -> None:
    text = {"koi8-r": "Привет", "iso-2022-jp": "こんにちは", "gb18030": "你好"}.get(charset, "Grüße")
    envelope = through_gmail(f"Content-Type: text/plain; charset={charset}", text.encode(charset))
    assert envelope.text == text


@pytest.mark.parametrize("charset", ["iso-8859-1", "koi8-r", "iso-2022-jp", "utf-16"])
def test_text_left_in_its_own_charset_is_read_as_well(charset: str) -> None:
    text = {"koi8-r": "Привет", "iso-2022-jp": "こんにちは"}.get(charset, "Grüße")
    found = {
        "mimeType": "text/plain", "headers": [{"name": "From", "value": "a@b.example"},
        {"name": "Content-Type", "value": f"text/plain; charset={charset}"}],
        "body": {"data": encode(text.encode(charset)), "size": 1},
    }  # fmt: skip
    assert parse_message(payload.raw_message(found, {})).text == text


def test_a_line_break_in_a_header_value_starts_no_header() -> None:
    given = [{"name": "Subject", "value": "a\r\nBcc: evil@x.example"}, {"name": "Bad: \r\nName", "value": "v"}]
    assert payload.header_block({"headers": given}) == b"Subject: a\r\n Bcc: evil@x.example\r\nBadName: v\r\n"


@pytest.mark.parametrize(
    "found",
    [{}, {"parts": "x", "headers": 3, "body": []}, {"body": {"data": "%%%"}}, {"headers": [None, {"value": "v"}]},
     {"parts": [None, {"parts": [{}]}]}, {"mimeType": "text/plain", "body": {"data": "YWI", "size": "many"}}],
)  # fmt: skip
def test_a_payload_of_any_shape_is_borne(found: dict[str, Any]) -> None:
    payload.raw_message(found, {})


def test_a_tree_that_is_too_deep_or_too_wide_is_cut() -> None:
    deep: dict[str, Any] = {"mimeType": "text/plain", "body": {"data": "YQ=="}}
    for _ in range(500):
        deep = {"mimeType": "multipart/mixed", "parts": [deep]}
    assert len(list(payload.leaves(deep))) == 1
    wide = {"mimeType": "multipart/mixed", "parts": [{"mimeType": "text/plain"}] * 5000}
    assert len(list(payload.leaves(wide))) < payload.MAX_PARTS


@pytest.mark.parametrize("data", [b"", b"a", b"ab", b"abc", b"\xff\xfe\xfd?>"])
def test_base64url_is_read_with_and_without_padding(data: bytes) -> None:
    assert payload.decode(encode(data)) == payload.decode(encode(data).rstrip("=")) == data


@needs_corpora
def test_real_mails_say_the_same_read_whole_or_through_gmail() -> None:
    same = different = 0
    for path in sorted(p for p in CORPORA.rglob("*") if p.suffix in (".eml", ".txt") and p.stat().st_size < 300_000):
        told = both(path)
        same += told is True
        different += told is False
    assert same > 250
    assert different / (same + different) < 0.05, "each broken mail may be read its own way, no more than that"


def both(path: Path) -> bool | None:
    """Whether the mail says the same either way; None for what is no mail."""
    raw = path.read_bytes()
    try:
        whole = parse_message(RawMessage(source=raw))
    except Exception:
        return None
    tree = Tree(raw)
    schemas.check("gmail", "MessagePart", tree.full())
    try:
        parsed = read(tree)
    except Exception:
        return False
    return facts(whole) == facts(parsed)


def facts(e: Envelope) -> tuple[object, ...]:
    words = " ".join(e.text.split())
    return e.message_id, e.subject, e.from_, e.to, e.cc, e.date, e.references, words, len(e.calendars)


def mail(field: str, body: bytes) -> bytes:
    return HEAD + field.encode() + b"\r\nMIME-Version: 1.0\r\n\r\n" + body


def through_gmail(field: str, body: bytes) -> Envelope:
    return read(Tree(mail(field, body)))


def read(tree: Tree) -> Envelope:
    """As the mailbox does: what did not come along is fetched apart."""
    found = tree.full()
    bodies = {leaf.path: tree.attachments[leaf.attachment_id] for leaf in payload.missing(found)}
    return parse_message(payload.raw_message(found, bodies))
