"""The connector's parts on their own: UID sets, positions, structures, folder names, and Gmail's extension."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from imapclient.response_parser import parse_fetch_response

from connectors.errors import CursorExpired, NeedsPerson, TryLater
from connectors.imap import folders
from connectors.imap.cursor import Position, decode
from connectors.imap.fetch import received_at
from connectors.imap.items import read_item
from connectors.imap.structure import plan
from connectors.imap.uids import MAX_UID, UidSet
from connectors.providers.imap import PROVIDER
from connectors.registry import names, provider
from connectors.types import Stream, StreamRole, Upsert
from tests.connectors.contract import mail, make_context, name
from tests.connectors.test_imap_conditions import INBOX, connect, raised, read, some
from tests.rig.scripted_imap import CONDSTORE, GMAIL, Command, Held, ScriptedImap

small_sets = st.sets(st.integers(1, 60))


class TestUidSets:
    @given(small_sets, small_sets)
    @settings(max_examples=150, deadline=None)
    def test_set_operations_agree_with_sets(self, left: set[int], right: set[int]) -> None:
        a, b = UidSet.of(left), UidSet.of(right)
        assert set(a | b) == left | right and set(a & b) == left & right and set(a - b) == left - right
        assert len(a) == len(left) and list(a.descending()) == sorted(left, reverse=True)
        assert all((uid in a) == (uid in left) for uid in range(62))

    @given(st.sets(st.integers(1, MAX_UID), max_size=400))
    @settings(max_examples=60, deadline=None)
    def test_text_and_cursor_forms_round_trip(self, uids: set[int]) -> None:
        held = UidSet.of(uids)
        assert UidSet.decode(held.encode()) == held and UidSet.parse(held.text()) == held

    def test_a_folder_with_every_second_mail_deleted_stays_small_in_a_cursor(self) -> None:
        held = UidSet.of(range(1, 200_001, 2))
        assert len(held.encode()) < 2000 and UidSet.decode(held.encode()) == held

    @pytest.mark.parametrize("text", ["0", "a", "5:x", "-1", "4294967296", "zz!!", "zAAAA", "1:2:3"])
    def test_nonsense_is_a_value_error(self, text: str) -> None:
        with pytest.raises(ValueError):
            UidSet.decode(text)

    def test_an_endless_range_is_never_expanded(self) -> None:
        assert len(UidSet.parse("12:*")) == MAX_UID - 11
        assert list(UidSet.parse("12:*") & UidSet([(10, 14)])) == [12, 13, 14]


class TestPositions:
    def test_a_position_survives_its_text(self) -> None:
        held = Position(
            7, 44, 9, 3, False, UidSet([(3, 40)]), (45, 38, 9), "none", "2026-03-04T12:00:00+00:00", {0: 5}, "x"
        )  # fmt: skip
        assert decode(held.encode()) == held

    @given(st.text(max_size=60))
    @settings(max_examples=30, deadline=None)
    def test_any_other_text_expires(self, text: str) -> None:
        with pytest.raises(CursorExpired):
            decode(text)


class TestStructures:
    def test_plain_html_and_calendar_are_told_apart(self) -> None:
        found = plan(
            structure(
                b'((("text" "plain" ("charset" "utf-8" "format" "flowed") NIL NIL "quoted-printable" 9 1 NIL NIL NIL)'
                b'("text" "html" ("charset" "utf-8") NIL NIL "base64" 99 2 NIL NIL NIL)'
                b'("text" "calendar" ("method" "REQUEST") NIL NIL "8bit" 50 3 NIL NIL NIL) "alternative" NIL NIL)'
                b'("application" "pdf" ("name" "=?utf-8?Q?Gr=C3=B6=C3=9Fe.pdf?=") "<c1>" NIL "base64" 780 NIL'
                b' ("attachment" ("filename*" "utf-8\'\'Gr%C3%B6%C3%9Fe.pdf")) NIL) "mixed")'
            )
        )
        assert [(leaf.part, leaf.type) for leaf in found.bodies] == [("1.1", "text/plain"), ("1.3", "text/calendar")]
        assert b'format="flowed"' in found.bodies[0].header() and b"quoted-printable" in found.bodies[0].header()
        assert b'method="REQUEST"' in found.bodies[1].header()
        (attachment,) = found.attachments
        assert (attachment.name, attachment.size, attachment.part, attachment.content_id) == (
            "Größe.pdf", 570, "2", "c1"
        )  # fmt: skip

    def test_html_serves_where_there_is_no_plain_text(self) -> None:
        found = plan(structure(b'("text" "html" ("charset" "latin-1") NIL NIL "7bit" 99 2 NIL NIL NIL)'))
        assert [(leaf.part, leaf.type) for leaf in found.bodies] == [("1", "text/html")] and found.attachments == ()

    def test_text_after_an_attachment_is_not_lost(self) -> None:
        plain, html = (b'("text" "%s" NIL NIL NIL "7bit" 9 1 NIL NIL NIL)' % kind for kind in (b"plain", b"html"))
        image = b'("image" "png" NIL NIL NIL "base64" 9 NIL ("inline" NIL) NIL)'
        found = plan(structure(b"((" + plain + html + b' "alternative")' + image + plain + html + b' "mixed")'))
        assert [leaf.part for leaf in found.bodies] == ["1.1", "3", "4"]
        assert [attachment.part for attachment in found.attachments] == ["2"]

    def test_a_text_file_that_is_attached_is_no_body(self) -> None:
        found = plan(
            structure(
                b'(("text" "plain" NIL NIL NIL "7bit" 9 1 NIL ("attachment" ("filename" "log.txt")) NIL)'
                b'("text" "plain" NIL NIL NIL "7bit" 5 1 NIL NIL NIL) "mixed")'
            )
        )
        assert [leaf.part for leaf in found.bodies] == ["2"] and found.attachments[0].name == "log.txt"

    def test_a_forwarded_message_gives_its_header(self) -> None:
        nested = b'("message" "rfc822" NIL NIL NIL "7bit" 500 (NIL "s" NIL NIL NIL NIL NIL NIL NIL NIL)'
        nested += b'("text" "plain" NIL NIL NIL "7bit" 5 1) 9 NIL NIL NIL)'
        found = plan(structure(b'(("text" "plain" NIL NIL NIL "7bit" 5 1 NIL NIL NIL)' + nested + b' "mixed")'))
        assert [leaf.part for leaf in found.forwarded] == ["2"]

    @pytest.mark.parametrize("node", [None, (), (b"text",), ([], b"mixed"), ((b"a",),), "text", ([None], b"x")])
    def test_nonsense_is_a_value_error_or_an_empty_plan(self, node: Any) -> None:
        try:
            assert plan(node).bodies == ()
        except ValueError:
            pass

    @given(st.binary(max_size=120))
    @example(b'NIL X-GM-MSGID "x" INTERNALDATE (a)')
    @example(b"NIL MODSEQ 5")
    @example(b"NIL RFC822.SIZE " + b"9" * 5000)
    @settings(max_examples=150, deadline=None)
    def test_no_response_makes_the_reader_raise(self, data: bytes) -> None:
        item = read_item(b"* 1 FETCH (UID 4 BODYSTRUCTURE " + data.replace(b"\n", b"") + b")", ())
        assert item is None or item.uid == 4


class TestDates:
    @pytest.mark.parametrize(
        ("text", "hour"),
        [("04-Mar-2026 10:12:00 +0100", 9), (" 4-Mar-2026 09:12:00 +0000", 9), ("4-mar-2026 9:12:00", 9)],
    )
    def test_internaldates_are_read(self, text: str, hour: int) -> None:
        assert received_at(text) == datetime(2026, 3, 4, hour, 12, tzinfo=UTC)

    @pytest.mark.parametrize("text", ["", "yesterday", "31-Feb-2026 00:00:00 +0000", "04-Xyz-2026 00:00:00 +0000"])
    def test_nonsense_has_no_date(self, text: str) -> None:
        assert received_at(text) is None


class TestNames:
    @pytest.mark.parametrize("raw", [b"INBOX", b"Caf&AOk-", b"A&-B", b"&ZeVnLIqe-"])
    def test_modified_utf7_round_trips(self, raw: bytes) -> None:
        assert folders.encoded(folders.decoded(raw)) == raw

    @pytest.mark.parametrize(
        ("raw", "shown"), [(b"A&B", "A&B"), ("Größe".encode(), "Größe"), (b"caf\xe9", "café"), (b"&&&-", "&&&-")]
    )
    def test_broken_names_are_shown_as_they_stand(self, raw: bytes, shown: str) -> None:
        assert folders.decoded(raw) == shown

    def test_a_broken_name_is_opened_by_its_own_bytes(self) -> None:
        with ScriptedImap(folders=('() "/" INBOX', '() "/" "A&B"')) as server:
            list(connect(server).changes(Stream("A&B", "A&B"), None))
        assert 'EXAMINE "A&B"' in server.commands

    def test_other_peoples_folders_are_off(self) -> None:
        told = b'* NAMESPACE (("" "/")) (("Other Users/" "/")) NIL\r\n{tag} OK\r\n'
        rows = ('() "/" INBOX', '() "/" "Other Users/ann"')
        with ScriptedImap("IMAP4rev1 AUTH=PLAIN NAMESPACE", folders=rows, on={"NAMESPACE": told}) as server:
            assert [s.default_on for s in connect(server).streams()] == [True, False]

    def test_every_role_has_localised_names(self) -> None:
        table = folders._names()
        for localised, role in (("gesendete elemente", "sent"), ("отправленные", "sent"), ("ゴミ箱", "trash")):
            assert table[localised] is StreamRole(role)


class TestGmail:
    def test_all_mail_is_read_instead_of_inbox_and_sent(self) -> None:
        rows = (
            '(\\HasNoChildren) "/" "INBOX"',
            '(\\HasNoChildren \\All) "/" "[Gmail]/All Mail"',
            '(\\HasNoChildren \\Sent) "/" "[Gmail]/Sent Mail"',
            '(\\HasNoChildren \\Junk) "/" "[Gmail]/Spam"',
            '(\\HasNoChildren) "/" "Customers"',
            '(\\HasChildren \\Noselect) "/" "[Gmail]"',
        )
        with ScriptedImap(GMAIL, folders=rows) as server:
            streams = list(connect(server).streams())
        assert [s.name for s in streams if s.default_on] == ["[Gmail]/All Mail"] and len(streams) == 5

    def test_ids_threads_and_labels_are_told(self) -> None:
        extra = (
            'X-GM-MSGID 1278455344230334865 X-GM-THRID 1266894439832287888 X-GM-LABELS ("\\\\Inbox" "My \\"x\\"" Bar)'
        )
        with ScriptedImap(GMAIL, {1: Held(mail(1), extra=extra)}) as server:
            (change,) = (c for b in read(server).batches for c in b.changes)
        assert isinstance(change, Upsert)
        assert (change.content_id, change.thread_id) == ("1278455344230334865", "1266894439832287888")
        assert change.labels == ("\\Inbox", 'My "x"', "Bar")

    def test_a_draft_by_label_is_named_and_not_fetched(self) -> None:
        with ScriptedImap(GMAIL, {1: Held(mail(1), extra='X-GM-LABELS ("\\\\Draft")')}) as server:
            assert read(server).skipped == {"7:1": "draft"}

    def test_the_tier_is_condstore(self) -> None:
        with ScriptedImap(GMAIL, some(), modseq=5) as server:
            first = read(server)
            server.mails[2].flags, server.mails[2].modseq, server.modseq = "\\Flagged", 6, 6
            later = read(server, first.cursor)
        assert later.flags == {"7:2": frozenset({"\\Flagged"})} and server.count("ENABLE CONDSTORE") == 2
        assert any("CHANGEDSINCE 5" in command for command in server.commands)


class TestPasses:
    def test_new_mail_does_not_wait_for_the_end_of_a_long_listing(self) -> None:
        def arriving(command: Command) -> bytes | None:
            if "BODY" in command.text or 9001 in command.server.mails:
                return None
            command.server.mails[9001] = Held(mail(9001))
            return command.server.fetched(command.text) + b"* 8001 EXISTS\r\n{tag} OK\r\n"

        mails = {n: Held(mail(n)) for n in range(1, 8001)}
        with ScriptedImap(CONDSTORE, mails, on={"UID FETCH": [None] * 8 + [arriving] * 9}) as server:
            seen = read(server, timeout=20)
        assert len(seen.names) == 8001
        assert seen.order.index(name(9001)) < 6500, "found in the middle of the listing"
        assert [b.final for b in seen.batches].count(True) == 1

    def test_silence_instead_of_a_search_answer_removes_nothing(self) -> None:
        with ScriptedImap(CONDSTORE, some(5)) as server:
            cursor = read(server).cursor
            del server.mails[3]
            server.on = {"UID SEARCH": b"{tag} OK done\r\n"}
            assert isinstance(raised(server, cursor), TryLater)
            server.on = {"UID SEARCH": b'* ESEARCH (TAG "a") UID\r\n{tag} OK done\r\n'}
            assert isinstance(raised(server, cursor), TryLater)

    def test_an_operation_in_between_ends_an_iteration_even_on_the_same_folder(self) -> None:
        with ScriptedImap(CONDSTORE, some(900)) as server:
            connector = connect(server)
            batches = connector.changes(INBOX, None)
            next(batches)
            list(connector.fetch(INBOX, ["7:1"]))
            with pytest.raises(RuntimeError, match="another operation"):
                list(batches)

    def test_a_watcher_connects_anew_after_it_lost_its_connection(self) -> None:
        told = [b"+ idling\r\n<<close>>", b"+ idling\r\n* 4 EXISTS\r\n"]
        with ScriptedImap("IMAP4rev1 AUTH=PLAIN IDLE", on={"IDLE": told}) as server:
            connector = connect(server)
            with pytest.raises(TryLater):
                connector.wait(INBOX, 5)
            with pytest.raises(TryLater):  # the scripted server never answers DONE
                connector.wait(INBOX, 0.1)
        assert server.connections == 3


def test_the_registry_finds_the_provider() -> None:
    assert "imap" in names() and provider("imap") is PROVIDER
    with pytest.raises(KeyError):
        provider("imap.wire")


@pytest.mark.parametrize(
    "config", [{}, {"host": "h", "security": "ssl"}, {"host": "h", "auth": "kerberos"}, {"host": "h", "port": "x"}]
)
def test_settings_that_cannot_work_need_a_person(config: dict[str, Any]) -> None:
    with pytest.raises(NeedsPerson):
        PROVIDER.open(make_context(config, "pw"))


def structure(text: bytes) -> Any:
    """BODYSTRUCTURE as imapclient reads it."""
    parsed = parse_fetch_response([b"1 (UID 1 BODYSTRUCTURE " + text + b")"])
    return parsed[1][b"BODYSTRUCTURE"]
