"""Servers and mails that mean harm or are merely broken: one sentence, bounded memory, nothing else affected."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from connectors.errors import ConnectorError, NeedsPerson, TryLater
from connectors.imap.items import read_item
from connectors.protocol import Usage
from connectors.types import RawMessage, Upsert
from tests.connectors.contract import mail, name
from tests.connectors.test_imap_conditions import INBOX, connect, raised, read, some
from tests.rig.scripted_imap import CLOSE, CONDSTORE, DRIP, FLOOD, LINES, STALL, Held, ScriptedImap


def upserts(seen: Any) -> dict[str, Upsert]:
    """The last upsert of each remote id."""
    return {c.remote_id: c for b in seen.batches for c in b.changes if isinstance(c, Upsert)}


class TestHostileServers:
    @pytest.mark.parametrize(
        "on",
        [
            {"EXAMINE": b"* OK " + FLOOD},
            {"EXAMINE": LINES},
            {"UID SEARCH": LINES},
            {"UID FETCH": b"* 1 FETCH (UID 1 BODY[] {99999999999}\r\n" + FLOOD},
            {"UID SEARCH": b"* SEARCH " + FLOOD},
            {"UID FETCH": b"* 1 FETCH (UID 1 FLAGS (" + FLOOD},
            {"LIST": b'* LIST () "/" {4000000000}\r\n' + FLOOD},
        ],
    )
    def test_an_answer_without_end_is_cut_off_with_bounded_memory(self, on: dict[str, bytes]) -> None:
        usage = Usage()
        tracemalloc.start()
        with ScriptedImap(CONDSTORE, some(), on=on) as server:
            error = _any_error(server, usage)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert isinstance(error, TryLater) and str(error).endswith(".")
        assert usage.bytes_in < 40_000_000 and peak < 60_000_000

    @pytest.mark.parametrize("greeting", [FLOOD, LINES, b"* OK " + FLOOD, b"* OK {99999999999}\r\n" + FLOOD])
    def test_a_greeting_without_end_is_cut_off(self, greeting: bytes) -> None:
        usage = Usage()
        with ScriptedImap(greeting=greeting) as server:
            error = raised(server, usage=usage)
        assert isinstance(error, (TryLater, NeedsPerson)) and usage.bytes_in < 3_000_000

    @pytest.mark.parametrize("said", [b"hello there\r\n", b"\x00\xff\xfe\r\n", b"* \r\n", b"ZZ9 OK done\r\n"])
    def test_garbage_is_tried_later_with_one_sentence(self, said: bytes) -> None:
        with ScriptedImap(mails=some(), on={"UID SEARCH": said}) as server:
            error = raised(server)
        assert isinstance(error, TryLater) and error.code == "connection_garbage"

    def test_a_search_answer_that_makes_no_sense_is_tried_later(self) -> None:
        with ScriptedImap(CONDSTORE, some(), on={"UID SEARCH": b'* ESEARCH (TAG "a") ALL 0:0\r\n{tag} OK\r\n'}) as s:
            assert isinstance(raised(s), TryLater)

    @pytest.mark.parametrize("where", ["EXAMINE", "UID SEARCH", "UID FETCH"])
    def test_silence_ends_with_the_time_out(self, where: str) -> None:
        with ScriptedImap(mails=some(), on={where: STALL}) as server:
            error = raised(server, timeout=0.2)
        assert isinstance(error, TryLater) and error.code == "connection_timeout"

    @pytest.mark.parametrize("where", ["EXAMINE", "UID FETCH"])
    def test_dripping_steadily_does_not_hold_a_worker_for_ever(self, where: str) -> None:
        with ScriptedImap(mails=some(), on={where: DRIP}) as server:
            error = raised(server, timeout=0.05)
        assert isinstance(error, TryLater) and error.code == "connection_timeout"

    def test_a_connection_cut_inside_a_literal_is_tried_later(self) -> None:
        cut = b"* 1 FETCH (UID 1 FLAGS () BODY[] {5000}\r\nabc" + CLOSE
        with ScriptedImap(mails=some(), on={"UID FETCH": [None, cut]}) as server:
            error = raised(server)
        assert isinstance(error, TryLater) and error.code == "connection_eof"

    def test_a_literal_longer_than_promised_does_not_go_unnoticed(self) -> None:
        lying = b"* 1 FETCH (UID 1 BODY[] {10}\r\n" + mail(1) + b")\r\n{tag} OK\r\n"
        with ScriptedImap(mails=some(1), on={"UID FETCH": [None, lying]}) as server:
            assert isinstance(raised(server), TryLater)

    def test_one_unreadable_list_line_does_not_hide_the_other_folders(self) -> None:
        folders = ('() "/" INBOX', '((( "/" broken', '() "/" "Caf&AOk-"', '() "/" "A&B"', '() "/" "2024"')
        with ScriptedImap(folders=folders) as server:
            streams = [stream.name for stream in connect(server).streams()]
        assert streams == ["INBOX", "Café", "A&B", "2024"]


class TestOddMails:
    def test_a_mail_of_100_megabytes_is_read_lean(self) -> None:
        huge = _Huge(100_000_000)
        usage = Usage()
        with ScriptedImap(mails={1: huge}) as server:
            seen = read(server, usage=usage)
        raw = upserts(seen)["7:1"].raw
        assert isinstance(raw, RawMessage) and raw.parts[0].truncated and len(raw.parts[0].body) == 256 * 1024
        assert usage.bytes_in < 1_000_000

    def test_a_structure_that_cannot_be_read_gives_the_mails_beginning(self) -> None:
        deep = "(" * 3000 + '"text" "plain"' + ")" * 3000
        held = Held(mail(1, size=60_000), structure=deep)
        with ScriptedImap(mails={1: held, 2: Held(mail(2))}) as server:
            seen = read(server)
        assert seen.present() == {name(1), name(2)} and seen.failed == []

    def test_2000_parts_are_planned_and_bounded(self) -> None:
        leaf = (
            '("application" "pdf" ("name" "a.pdf") NIL NIL "base64" 78000 NIL ("attachment" ("filename" "a.pdf")) NIL)'
        )
        many = '(("text" "plain" ("charset" "utf-8") NIL NIL "7bit" 5 1)' + leaf * 2000 + ' "mixed")'
        with ScriptedImap(mails={1: Held(mail(1, size=60_000), structure=many)}) as server:
            raw = upserts(read(server))["7:1"].raw
        assert isinstance(raw, RawMessage) and len(raw.attachments) == 500 and len(raw.parts) == 1
        assert raw.attachments[0].size == 57_000 and raw.attachments[0].part == "2"

    def test_8_bit_headers_pass_unchanged(self) -> None:
        data = mail(1).replace(b"Subject: Mail 1", "Subject: Größe".encode("latin-1"))
        with ScriptedImap(mails={1: Held(data)}) as server:
            raw = upserts(read(server))["7:1"].raw
        assert isinstance(raw, RawMessage) and raw.source == data

    def test_keywords_that_look_like_attributes_change_nothing(self) -> None:
        with ScriptedImap(mails={1: Held(mail(1), flags="UID 99 RFC822.SIZE $Label1")}) as server:
            seen = read(server)
        assert seen.flags == {"7:1": frozenset({"UID", "99", "RFC822.SIZE", "$Label1"})}


class TestItems:
    def test_what_the_fast_reader_does_not_know_goes_to_imapclient(self) -> None:
        text = b'* 1 FETCH (UID 5 FLAGS (\\Seen) X-OTHER ("a" (b NIL)) RFC822.SIZE 12 MODSEQ (9))'
        item = read_item(text, ())
        assert item is not None and (item.uid, item.flags, item.size, item.modseq) == (5, b"\\Seen", 12, 9)

    def test_both_readers_agree(self) -> None:
        head = b'* 3 FETCH (UID 7 FLAGS (\\Seen $x) INTERNALDATE "04-Mar-2026 09:12:00 +0000" RFC822.SIZE 5'
        quick = read_item(head + b" BODY[] {5})", (b"a\r\nb\n",))
        slow = read_item(head + b" X-OTHER NIL BODY[] {5})", (b"a\r\nb\n",))
        assert quick == slow and quick is not None and quick.bodies == {b"BODY[]": b"a\r\nb\n"}

    @pytest.mark.parametrize(
        "text",
        [
            b"* 1 FETCH (UID 5 FLAGS (",
            b"* 1 FETCH (UID 5 ENVELOPE ((((",
            b"* 1 FETCH ()",
            b"* 1 FETCH (UID 5 BODY[] {5})",
        ],
    )
    def test_garbled_responses_never_raise(self, text: bytes) -> None:
        item = read_item(text, ())
        assert item is None or item.garbled


class _Huge(Held):
    """A mail that says it is huge; only asked-for beginnings are ever made."""

    def __init__(self, size: int) -> None:
        super().__init__(_Data(mail(1, size=400_000), size))


class _Data(bytes):
    size: int

    def __new__(cls, data: bytes, size: int) -> _Data:
        made = super().__new__(cls, data)
        made.size = size
        return made

    def __len__(self) -> int:
        return self.size


def _any_error(server: ScriptedImap, usage: Usage) -> ConnectorError:
    """List the folders, then read INBOX: the error of whichever fails."""
    connector = connect(server, usage=usage)
    with pytest.raises(ConnectorError) as caught:
        list(connector.streams())
        list(connector.changes(INBOX, None))
    connector.close()
    return caught.value
