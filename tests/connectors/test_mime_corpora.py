"""The mail corpora: each file gives an envelope or a named ``BadItem``; stalwart's expected parses are compared.

Where we disagree with stalwart's JSON, the file is listed with the reason; any other disagreement fails.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.errors import BadItem
from connectors.mime import classify, parse_message
from connectors.types import Envelope, RawMessage
from tests.connectors.mail_samples import CORPORA, needs_corpora

FOLDERS = [
    "business-mailbox",
    "cpython-test-email",
    "email-reply-parser-crisp",
    "email-reply-parser-github",
    "email-reply-parser-willdurand",
    "email-reply-parser-zapier",
    "flanker",
    "ruby-mail",
    "stalwart-mail-parser",
    "talon",
    "zbateson",
]
NOT_MAIL = {"cpython-test-email": 1, "flanker": 8}
"""Files of mail folders that hold no mail (lists of addresses, a lone text): they must be named as such."""
STALWART = CORPORA / "stalwart-mail-parser" / "resources" / "eml"
RAW_8BIT = "raw western bytes: we guess the charset, it writes U+FFFD"
KNOWN: dict[tuple[str, str], str] = {
    **{(f"legacy/{n:03}.eml", "names"): RAW_8BIT for n in (10, 17, 20, 22, 27, 52)},
    **{(f"legacy/{n:03}.eml", "subject"): RAW_8BIT for n in (10, 20, 22, 27, 52)},
    **{(f"legacy/{n:03}.eml", "attachments"): RAW_8BIT for n in (16, 23, 26)},
    **{(f"legacy/{n:03}.eml", "text"): RAW_8BIT for n in (33, 52)},
    ("legacy/035.eml", "attachments"): "a backslash in a Windows path is kept, it drops it",
    ("legacy/039.eml", "attachments"): "a backslash in a Windows path is kept, it drops it",
    ("thirdparty/015.eml", "attachments"): "it lists the two attached mails' names in nested messages instead",
    ("thirdparty/000.eml", "text"): "binary and odd parts: it splits words at other bytes",
    ("thirdparty/001.eml", "text"): "it keeps a base64 part whose encoding header is odd as text in another cut",
    ("thirdparty/002.eml", "text"): "garbage that claims to be base64: undecodable either way",
    ("thirdparty/005.eml", "text"): "a boundary in the middle of a line is text to us",
    ("rfc/000.eml", "text"): "text/enriched is a body to us, an attachment to it",
    **{
        (f"malformed/{n:03}.eml", "text"): "nested boundaries that begin like their parents"
        for n in (1, 5, 8, 9, 11, 16)
    },
    ("malformed/019.eml", "text"): "boundary in other letter case: we keep the text, it drops it",
    ("malformed/020.eml", "text"): "part header without a blank line: we read the parts, it shows the source",
    ("malformed/021.eml", "text"): "part header without a blank line: we read the parts, it shows the source",
}


@needs_corpora
@pytest.mark.timeout(10)  # for a whole folder: stricter than ten seconds a file
@pytest.mark.parametrize("folder", FOLDERS)
def test_every_corpus_file_gives_an_envelope_or_is_named(folder: str) -> None:
    files = [
        path
        for path in sorted((CORPORA / folder).rglob("*"))
        if path.is_file() and path.suffix not in (".json", ".md")
    ]
    refused = 0
    for path in files:
        try:
            envelope = parse_message(RawMessage(source=path.read_bytes()))
        except BadItem as error:
            assert error.code == "unparseable"
            refused += 1
        else:
            classify(envelope)
            assert len(envelope.fingerprint) == 64
    assert files
    if folder in NOT_MAIL or not folder.startswith(("email-reply", "talon")):
        assert refused == NOT_MAIL.get(folder, 0)


@needs_corpora
@pytest.mark.timeout(60)
def test_no_corpus_file_takes_ten_seconds_on_either_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.mime.fast", lambda source, multipart: None)
    for folder in ("cpython-test-email", "flanker", "ruby-mail", "stalwart-mail-parser", "zbateson"):
        for path in sorted((CORPORA / folder).rglob("*")):
            if path.is_file() and path.suffix not in (".json", ".md"):
                try:
                    parse_message(RawMessage(source=path.read_bytes()))
                except BadItem as error:
                    assert error.code == "unparseable"


@needs_corpora
def test_the_business_mailbox_is_read_whole() -> None:
    files = [path for path in (CORPORA / "business-mailbox").rglob("*") if path.is_file() and path.suffix != ".md"]
    envelopes = [parse_message(RawMessage(source=path.read_bytes())) for path in files]
    assert len(envelopes) == 2_081
    assert all(envelope.date and envelope.from_ and envelope.message_id for envelope in envelopes)
    assert sum(1 for envelope in envelopes if envelope.text or envelope.quoted) > 2_000


@needs_corpora
def test_we_agree_with_stalwarts_expected_parses_but_for_the_named_files() -> None:
    disagreements: dict[tuple[str, str], tuple[Any, Any]] = {}
    files = sorted(STALWART.glob("*/*.eml"))
    for path in files:
        expected = expected_of(json.loads(path.with_suffix(".json").read_text()))
        found = found_of(parse_message(RawMessage(source=path.read_bytes())), expected)
        for what in expected:
            if expected[what] != found[what]:
                disagreements[f"{path.parent.name}/{path.name}", what] = (expected[what], found[what])
    fields = len(files) * 10
    print(
        f"\nstalwart: {len(files)} files, {fields} fields, agreement {1 - len(disagreements) / fields:.4f}, "
        f"{len(disagreements)} known disagreements"
    )
    assert len(files) == 107
    assert {key: value for key, value in disagreements.items() if key not in KNOWN} == {}
    assert [key for key in KNOWN if key not in disagreements] == []


def expected_of(parsed: dict[str, Any]) -> dict[str, Any]:
    """The comparable facts of one expected parse."""
    top = parsed["parts"][0]
    texts = [parsed["parts"][n]["body"].get("Text") for n in parsed["text_body"]]
    boxes = {
        name: [box for value in values(top, name) for box in mailboxes(value) if box[0]]
        for name in ("from", "to", "cc", "reply_to")
    }
    subject, ids = values(top, "subject"), values(top, "message_id")
    return {
        **{name: [box[0] for box in found] for name, found in boxes.items()},
        "names": [flat(box[1]) for found in boxes.values() for box in found],
        "subject": flat(subject[0].get("Text")) if subject else "",
        "message_id": f"<{ids[0].get('Text') or ids[0].get('TextList', [''])[0]}>" if ids else "",
        "date": date_of(values(top, "date")),
        "text": None if not texts or None in texts else sorted(word for text in texts for word in text.split()),
        "attachments": sorted(name for n in parsed["attachments"] if (name := name_of(parsed["parts"][n]))),
    }


def found_of(envelope: Envelope, expected: dict[str, Any]) -> dict[str, Any]:
    """The same facts of our envelope."""
    boxes = {"from": envelope.from_, "to": envelope.to, "cc": envelope.cc, "reply_to": envelope.reply_to}
    words = sorted(f"{envelope.text} {envelope.quoted} {envelope.signature}".split())
    given = {attachment.name for attachment in envelope.attachments if attachment.type != "message/rfc822"}
    inner = {attachment.name for attachment in envelope.attachments if attachment.type == "message/rfc822"}
    return {
        **{name: [box.address for box in found] for name, found in boxes.items()},
        "names": [box.name for found in boxes.values() for box in found],
        "subject": envelope.subject,
        "message_id": envelope.message_id,
        "date": envelope.date,
        "text": None if expected["text"] is None else words,
        "attachments": sorted(
            attachment.name
            for attachment in envelope.attachments
            if attachment.name
            and (
                attachment.name in given
                or (attachment.name in inner and not attachment.name.endswith(".eml"))
                or attachment.name in expected["attachments"]
            )
        ),
    }


def values(part: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [
        header["value"] for header in part["headers"] if header["name"] == name and isinstance(header["value"], dict)
    ]


def mailboxes(value: dict[str, Any]) -> list[tuple[str | None, str | None]]:
    found = value.get("Address") or {}
    boxes = found.get("List")
    if boxes is None:
        boxes = [box for group in found.get("Group", []) for box in group["addresses"]]
    return [(box["address"], box["name"]) for box in boxes]


def date_of(found: list[dict[str, Any]]) -> datetime | None:
    if not found or "DateTime" not in found[0]:
        return None
    at = found[0]["DateTime"]
    offset = timedelta(hours=at["tz_hour"], minutes=at["tz_minute"]) * (-1 if at["tz_before_gmt"] else 1)
    try:
        local = datetime(at["year"], at["month"], at["day"], at["hour"], at["minute"], at["second"], tzinfo=UTC)
    except ValueError:
        return None
    return local - offset


def name_of(part: dict[str, Any]) -> str:
    for header in ("content_disposition", "content_type"):
        for value in values(part, header):
            for attribute in (value.get("ContentType") or {}).get("attributes") or []:
                if attribute["name"] in ("filename", "name"):
                    return flat(attribute["value"])
    return ""


def flat(text: str | None) -> str:
    return " ".join((text or "").split())
