"""Every condition of the provider notes' IMAP table (section 3.5), each as a test over a scripted server."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connectors.errors import ConnectorError, CursorExpired, NeedsPerson, StreamGone, TryLater
from connectors.imap.cursor import Position, decode
from connectors.imap.uids import UidSet
from connectors.protocol import Usage
from connectors.providers.imap import PROVIDER
from connectors.types import Failed, Removed, Stream, Upsert
from tests.connectors.contract import Clock, Seen, mail, make_context, name
from tests.rig.scripted_imap import BASIC, CLOSE, CONDSTORE, QRESYNC, Command, Held, ScriptedImap

INBOX = Stream("INBOX", "INBOX")
REFUSED_LOGIN = b"{tag} NO [AUTHENTICATIONFAILED] nope\r\n"


def connect(server: ScriptedImap, secret: str = "pw", **more: Any) -> Any:
    """A connector on the scripted server; ``clock``, ``memory`` and ``usage`` go to its context."""
    given = {key: more.pop(key) for key in ("clock", "memory", "usage") if key in more}
    return PROVIDER.open(make_context(server.config(**more), secret, **given))


def read(server: ScriptedImap, since: str | None = None, **more: Any) -> Seen:
    """One pass over INBOX with a connector of its own."""
    connector = connect(server, **more)
    seen = Seen()
    try:
        for batch in connector.changes(INBOX, since):
            seen.apply(batch)
    finally:
        connector.close()
    return seen


def raised(server: ScriptedImap, since: str | None = None, **more: Any) -> ConnectorError:
    """The error of one pass."""
    with pytest.raises(ConnectorError) as caught:
        read(server, since, **more)
    return caught.value


def some(count: int = 3, **more: Any) -> dict[int, Held]:
    """Mails with UIDs from 1."""
    return {n: Held(mail(n), **more) for n in range(1, count + 1)}


def level(count: int = 3, *, uidvalidity: int = 7, modseq: int = 1, tier: str = "none", **more: Any) -> Position:
    """The position of a folder that was read to its end."""
    known = UidSet([(1, count)])
    return Position(
        uidvalidity, count + 1, modseq, 1, True, known, (count + 1, count, modseq), tier, **more
    )  # fmt: skip


class TestSigningIn:
    def test_a_rejected_password_at_first_needs_a_person(self) -> None:
        with ScriptedImap(on={"AUTHENTICATE": REFUSED_LOGIN}) as server:
            error = raised(server)
        assert isinstance(error, NeedsPerson) and "password" in str(error)

    def test_a_password_that_worked_before_is_tried_once_more_after_ten_minutes(self) -> None:
        clock, memory = Clock(), {"signed_in": True}
        with ScriptedImap(on={"AUTHENTICATE": REFUSED_LOGIN}) as server:
            first = raised(server, clock=clock, memory=memory)
            clock.sleep(60)
            early = raised(server, clock=clock, memory=memory)
            clock.sleep(600)
            late = raised(server, clock=clock, memory=memory)
        assert isinstance(first, TryLater) and first.retry_after == 600
        assert isinstance(early, TryLater) and early.retry_after == 540
        assert isinstance(late, NeedsPerson)

    def test_success_forgets_an_earlier_rejection(self) -> None:
        memory: dict[str, Any] = {"signed_in": True}
        with ScriptedImap(on={"AUTHENTICATE": [REFUSED_LOGIN]}) as server:
            raised(server, memory=memory)
            read(server, memory=memory)
        assert memory["auth_failed_at"] is None

    def test_a_rejected_token_is_refreshed_once_then_needs_a_person(self) -> None:
        tokens = iter(["stale", "fresh", "fresh"])
        with ScriptedImap(f"{BASIC} AUTH=XOAUTH2", on={"AUTHENTICATE": REFUSED_LOGIN}) as server:
            context = make_context(server.config(auth="xoauth2"))
            object.__setattr__(context, "secret", lambda: next(tokens))
            with pytest.raises(NeedsPerson) as caught:
                PROVIDER.open(context)
        assert caught.value.code == "token" and server.count("AUTHENTICATE") == 2
        assert context.memory["refresh_token"] is True

    def test_a_refreshed_token_that_works_signs_in(self) -> None:
        tokens = iter(["stale", "fresh"])
        with ScriptedImap(f"{BASIC} AUTH=XOAUTH2", on={"AUTHENTICATE": [REFUSED_LOGIN]}) as server:
            context = make_context(server.config(auth="xoauth2"))
            object.__setattr__(context, "secret", lambda: next(tokens))
            PROVIDER.open(context).close()
        assert context.memory["refresh_token"] is None

    @pytest.mark.parametrize(
        ("said", "code"),
        [
            (b"NO [AUTHORIZATIONFAILED] no", "not_authorized"),
            (b"NO [EXPIRED] old", "password_expired"),
            (b"NO [CONTACTADMIN] call", "contact_admin"),
            (b"NO [PRIVACYREQUIRED] tls", "privacy_required"),
            (b"NO [ALERT] Application-specific password required: https://support.example/x", "app_password_required"),
            (b"NO [ALERT] Your account is not enabled for IMAP use", "imap_disabled"),
            (b"NO IMAP access is disabled for your domain", "imap_disabled"),
            (b"BAD what", "login_rejected"),
        ],
    )
    def test_refusals_that_only_a_person_can_mend(self, said: bytes, code: str) -> None:
        with ScriptedImap(on={"AUTHENTICATE": b"{tag} " + said + b"\r\n"}) as server:
            error = raised(server)
        assert isinstance(error, NeedsPerson) and error.code == code and str(error).endswith(".")

    def test_a_web_login_is_asked_for_with_its_address(self) -> None:
        said = b"{tag} NO [WEBALERT https://accounts.example/signin] Web login required.\r\n"
        with ScriptedImap(on={"AUTHENTICATE": said}) as server:
            error = raised(server)
        assert isinstance(error, NeedsPerson) and "https://accounts.example/signin" in str(error)

    def test_too_many_connections_never_stops_the_account(self) -> None:
        said = b"{tag} NO [UNAVAILABLE] Maximum number of connections from user+IP exceeded\r\n"
        with ScriptedImap(on={"AUTHENTICATE": said}) as server:
            error = raised(server)
        assert isinstance(error, TryLater) and error.throttled and error.code == "too_many_connections"

    def test_too_many_simultaneous_connections_at_gmail_is_a_throttle(self) -> None:
        with ScriptedImap(
            on={"AUTHENTICATE": b"{tag} NO [ALERT] Too many simultaneous connections. (Failure)\r\n"}
        ) as s:
            error = raised(s)
        assert isinstance(error, TryLater) and error.throttled

    def test_an_unavailable_server_is_tried_later(self) -> None:
        with ScriptedImap(on={"AUTHENTICATE": b"{tag} NO [UNAVAILABLE] Temporary failure\r\n"}) as server:
            error = raised(server)
        assert isinstance(error, TryLater) and error.code == "unavailable"

    def test_a_greeting_that_says_bye_is_tried_later(self) -> None:
        with ScriptedImap(greeting=b"* BYE too many connections\r\n" + CLOSE) as server:
            assert isinstance(raised(server), TryLater)

    def test_a_server_without_rev1_needs_a_person(self) -> None:
        with ScriptedImap("IMAP4 AUTH=PLAIN") as server:
            error = raised(server)
        assert isinstance(error, NeedsPerson) and error.code == "not_imap4rev1"

    def test_a_server_that_is_no_imap_server_needs_a_person(self) -> None:
        with ScriptedImap(greeting=b"220 mail.example ESMTP\r\n") as server:
            error = raised(server)
        assert isinstance(error, NeedsPerson) and error.code == "not_imap"

    def test_starttls_that_is_not_offered_needs_a_person(self) -> None:
        with ScriptedImap() as server:
            error = raised(server, security="starttls")
        assert isinstance(error, NeedsPerson) and error.code == "no_starttls"
        assert server.count("AUTHENTICATE") == 0, "no password may go out unencrypted"

    def test_a_server_that_takes_no_plain_password_is_not_given_one(self) -> None:
        with ScriptedImap("IMAP4rev1 LOGINDISABLED") as server:
            error = raised(server)
        assert error.code == "privacy_required" and server.count("LOGIN") == 0

    def test_without_sasl_ir_the_password_waits_for_the_servers_go_ahead(self) -> None:
        with ScriptedImap("IMAP4rev1 AUTH=PLAIN", some(), on={"AUTHENTICATE": b"+ \r\n{tag} OK\r\n"}) as server:
            assert len(read(server).names) == 3
        assert server.commands[1] == "AUTHENTICATE PLAIN"

    def test_the_error_challenge_of_xoauth2_is_answered(self) -> None:
        told = b"+ eyJzdGF0dXMiOiI0MDAifQ==\r\n{tag} NO [AUTHENTICATIONFAILED] no\r\n"
        with ScriptedImap(f"{BASIC} AUTH=XOAUTH2", on={"AUTHENTICATE": told}) as server:
            error = raised(server, auth="xoauth2")
        assert isinstance(error, NeedsPerson) and error.code == "token"

    def test_go_aheads_without_end_are_cut_off(self) -> None:
        usage = Usage()
        with ScriptedImap("IMAP4rev1 AUTH=PLAIN", on={"AUTHENTICATE": b"+ \r\n" * 400_000}) as server:
            assert isinstance(raised(server, usage=usage), TryLater)
        assert usage.bytes_in < 2_000_000

    def test_plain_login_quotes_the_password(self) -> None:
        with ScriptedImap("IMAP4rev1") as server:
            read(server, secret='a "b\\ c')
        assert server.commands[1] == 'LOGIN "rep" "a \\"b\\\\ c"'

    def test_a_password_with_a_line_break_is_refused_before_it_is_sent(self) -> None:
        with ScriptedImap("IMAP4rev1") as server:
            error = raised(server, secret="a\r\nA1 DELETE INBOX")
        assert isinstance(error, NeedsPerson) and server.count("LOGIN") == 0

    def test_nobody_listening_needs_a_person_at_first_and_is_an_outage_later(self) -> None:
        with ScriptedImap() as server:
            config = server.config()
        with pytest.raises(NeedsPerson):
            PROVIDER.open(make_context(config, "pw"))
        with pytest.raises(TryLater):
            PROVIDER.open(make_context(config, "pw", memory={"signed_in": True}))

    def test_an_unknown_host_needs_a_person(self) -> None:
        with pytest.raises(ConnectorError) as caught:
            PROVIDER.open(make_context({"host": "no-such-host.invalid", "username": "u"}, "pw"))
        assert caught.value.code in ("unknown_host", "dns")


class TestThrottling:
    def test_the_bandwidth_limit_pauses_for_an_hour(self) -> None:
        said = b"{tag} NO [OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)\r\n"
        with ScriptedImap(on={"EXAMINE": said}) as server:
            error = raised(server)
        assert isinstance(error, TryLater) and error.throttled and error.retry_after == 3600

    def test_a_suggested_backoff_is_kept_up_to_five_minutes(self) -> None:
        said = b"{tag} BAD Request is throttled. Suggested Backoff Time: %d milliseconds\r\n"
        with ScriptedImap(on={"EXAMINE": [said % 92415, said % 900_000]}) as server:
            first, second = raised(server), raised(server)
        assert isinstance(first, TryLater) and first.retry_after == pytest.approx(92.415) and first.throttled
        assert isinstance(second, TryLater) and second.retry_after == 300

    def test_an_ok_that_says_throttled_slows_down_and_goes_on(self) -> None:
        def slow(command: Command) -> bytes:
            lines = b"\r\n".join(command.server.examined())
            return lines + b"\r\n{tag} OK [THROTTLED] slower\r\n"

        clock = Clock()
        with ScriptedImap(mails=some(), on={"EXAMINE": slow}) as server:
            seen = read(server, clock=clock)
        assert len(seen.names) == 3 and sum(clock.slept) > 0

    def test_authenticated_but_not_connected_needs_a_person_after_an_hour(self) -> None:
        clock, memory = Clock(), dict[str, Any]()
        with ScriptedImap(on={"EXAMINE": b"{tag} BAD User is authenticated but not connected.\r\n"}) as server:
            first = raised(server, clock=clock, memory=memory)
            clock.sleep(3700)
            late = raised(server, clock=clock, memory=memory)
        assert isinstance(first, TryLater) and isinstance(late, NeedsPerson)


class TestFolders:
    @pytest.mark.parametrize("code", ["INUSE", "SERVERBUG", "CORRUPTION", "LIMIT"])
    def test_a_busy_folder_is_tried_three_times_then_left_alone(self, code: str) -> None:
        with ScriptedImap(on={"EXAMINE": f"{{tag}} NO [{code}] x\r\n".encode()}) as server:
            error = raised(server)
        assert isinstance(error, StreamGone) and not error.permanent and server.count("EXAMINE") == 3

    def test_a_busy_folder_that_opens_on_the_second_try_is_read(self) -> None:
        with ScriptedImap(mails=some(), on={"EXAMINE": [b"{tag} NO [INUSE] x\r\n"]}) as server:
            assert len(read(server).names) == 3

    @pytest.mark.parametrize("code", ["CANNOT", "NOPERM", "NONEXISTENT", "TRYCREATE"])
    def test_a_folder_that_is_listed_but_refused_is_not_gone_for_good(self, code: str) -> None:
        with ScriptedImap(on={"EXAMINE": f"{{tag}} NO [{code}] x\r\n".encode()}) as server:
            error = raised(server)
        assert isinstance(error, StreamGone) and not error.permanent and server.count("LIST") == 1

    def test_a_folder_that_is_no_longer_listed_is_gone_for_good(self) -> None:
        with ScriptedImap(on={"EXAMINE": b"{tag} NO [NONEXISTENT] x\r\n"}, folders=()) as server:
            error = raised(server)
        assert isinstance(error, StreamGone) and error.permanent

    def test_bad_on_an_extension_lowers_the_tier_and_is_remembered(self) -> None:
        memory: dict[str, Any] = {}
        cursor = level(modseq=5, tier="qresync").encode()
        with ScriptedImap(QRESYNC, some(), modseq=5, on={"EXAMINE": [b"{tag} BAD no such thing\r\n"]}) as server:
            seen = read(server, cursor, memory=memory)
            again = read(server, cursor, memory=memory)
        assert memory["disabled"] == ["QRESYNC"] and not seen.names and not again.names
        assert [c for c in server.commands if c.startswith("EXAMINE")] == [
            'EXAMINE "INBOX" (QRESYNC (7 5))', 'EXAMINE "INBOX" (CONDSTORE)', 'EXAMINE "INBOX" (CONDSTORE)'
        ]  # fmt: skip
        assert [c for c in server.commands if c.startswith("ENABLE")] == ["ENABLE QRESYNC", "ENABLE CONDSTORE"]

    def test_bad_on_esearch_falls_back_to_search(self) -> None:
        memory: dict[str, Any] = {}
        with ScriptedImap(CONDSTORE, some(), on={"UID SEARCH RETURN": b"{tag} BAD\r\n"}) as server:
            seen = read(server, memory=memory)
        assert len(seen.names) == 3 and memory["disabled"] == ["ESEARCH"]

    def test_a_server_that_fails_search_all_is_asked_by_range(self) -> None:
        with ScriptedImap(mails=some(), on={"UID SEARCH ALL": b"{tag} NO cannot\r\n"}) as server:
            assert len(read(server).names) == 3

    def test_a_folder_without_modseq_is_read_in_the_lowest_tier(self) -> None:
        with ScriptedImap(CONDSTORE, some(), modseq=0) as server:
            first = read(server)
            server.mails[2].flags = "\\Seen"
            later = read(server, first.cursor)
        assert first.cursor is not None and decode(first.cursor).tier == "none"
        assert later.flags["7:2"] == {"\\Seen"}


class TestCursors:
    @pytest.mark.parametrize("now", [6, 8])
    def test_another_uidvalidity_in_either_direction_expires_the_cursor(self, now: int) -> None:
        with ScriptedImap(mails=some(), uidvalidity=now) as server:
            assert isinstance(raised(server, level().encode()), CursorExpired)

    def test_a_uidnext_below_the_known_uids_expires_the_cursor(self) -> None:
        with ScriptedImap(mails=some(2)) as server:
            error = raised(server, level(3).encode())
        assert isinstance(error, CursorExpired) and error.code == "uidnext"

    def test_a_cursor_that_cannot_be_read_expires(self) -> None:
        with ScriptedImap(mails=some()) as server:
            assert isinstance(raised(server, "{}"), CursorExpired)
            assert isinstance(raised(server, "nonsense"), CursorExpired)

    def test_a_highestmodseq_below_ours_reads_all_flags_and_takes_the_new_one(self) -> None:
        mails = some(3, flags="\\Seen")
        with ScriptedImap(CONDSTORE, mails, modseq=5) as server:
            seen = read(server, level(modseq=90, tier="condstore").encode())
        assert seen.flags == {f"7:{n}": frozenset({"\\Seen"}) for n in (1, 2, 3)}
        assert seen.cursor is not None and decode(seen.cursor).modseq == 5

    def test_the_watermark_follows_consumed_uids_not_what_the_server_announces(self) -> None:
        with ScriptedImap(CONDSTORE, some(3), uidnext=900, modseq=77) as server:
            seen = read(server)
            server.mails[10] = Held(mail(10), modseq=3)
            later = read(server, seen.cursor)
        assert seen.cursor is not None and decode(seen.cursor).next == 4
        assert later.present() == set(), "nothing is below 900 for a server that assigns from 900 on"

    def test_new_mail_with_a_low_modseq_is_found_all_the_same(self) -> None:
        with ScriptedImap(CONDSTORE, some(3), modseq=77) as server:
            seen = read(server)
            server.mails[4] = Held(mail(4), modseq=2)
            later = read(server, seen.cursor)
        assert later.present() == {name(4)}

    def test_a_folder_that_is_suddenly_empty_is_believed_on_the_second_look(self) -> None:
        clock = Clock()
        with ScriptedImap(CONDSTORE, {}, uidnext=4) as server:
            first = read(server, level(tier="condstore").encode(), clock=clock)
            clock.sleep(300)
            early = read(server, first.cursor, clock=clock)
            clock.sleep(301)
            late = read(server, first.cursor, clock=clock)
        assert first.removed == [] and early.removed == []
        assert sorted(late.removed) == ["7:1", "7:2", "7:3"]

    def test_a_folder_that_fills_again_was_never_empty(self) -> None:
        clock = Clock()
        with ScriptedImap(CONDSTORE, {}, uidnext=4) as server:
            first = read(server, level(tier="condstore").encode(), clock=clock)
            server.mails.update(some(3))
            clock.sleep(900)
            again = read(server, first.cursor, clock=clock)
        assert again.removed == [] and again.cursor is not None and decode(again.cursor).empty_since == ""

    def test_vanished_ranges_without_end_name_only_what_was_known(self) -> None:
        def vanished(command: Command) -> bytes:
            lines = [*command.server.examined(), b"* VANISHED (EARLIER) 2,500:*"]
            return b"\r\n".join(lines) + b"\r\n{tag} OK\r\n"

        mails = some(3)
        del mails[2]
        with ScriptedImap(QRESYNC, mails, modseq=9, on={"EXAMINE": vanished}) as server:
            seen = read(server, level(modseq=5, tier="qresync").encode())
        assert seen.removed == ["7:2"]

    def test_removals_that_vanished_did_not_tell_are_found_by_count(self) -> None:
        mails = some(3)
        del mails[2]
        with ScriptedImap(QRESYNC, mails, modseq=9, uidnext=4) as server:
            seen = read(server, level(modseq=5, tier="qresync").encode())
        assert seen.removed == ["7:2"]

    def test_the_last_message_that_a_star_range_names_is_not_new(self) -> None:
        with ScriptedImap(mails=some(3), uidnext=0, on={"EXAMINE": _without_uidnext}) as server:
            first = read(server)
            again = read(server, first.cursor)
        assert again.names == {} and again.removed == []


class TestFetching:
    def test_bye_in_a_fetch_loses_nothing(self) -> None:
        def cut(command: Command) -> bytes | None:
            if "BODY.PEEK[]" not in command.text:
                return None
            return command.server.fetched(command.text, lambda uid: uid > 2) + b"* BYE Autologout\r\n" + CLOSE

        with ScriptedImap(mails=some(5), on={"UID FETCH": [None, cut]}) as server:
            error = raised(server)
            seen = read(server)
        assert isinstance(error, TryLater) and len(seen.names) == 5

    def test_no_with_partial_data_takes_what_came_and_asks_again(self) -> None:
        def partial(command: Command) -> bytes | None:
            got = command.server.fetched(command.text, lambda uid: uid != 2)
            return got + b"{tag} NO [EXPUNGEISSUED] some are gone\r\n"

        with ScriptedImap(mails=some(3), on={"UID FETCH": [None, partial]}) as server:
            seen = read(server)
        assert seen.present() == {name(1), name(2), name(3)} and server.count("NOOP") == 1

    def test_an_answer_without_the_body_is_asked_for_singly_then_named(self) -> None:
        def bodiless(command: Command) -> bytes | None:
            if "BODY" not in command.text:
                return None
            got = command.server.fetched(command.text, lambda uid: uid != 2)
            return got + b"* 2 FETCH (UID 2 FLAGS ())\r\n{tag} OK\r\n"

        with ScriptedImap(mails=some(3), on={"UID FETCH": bodiless}) as server:
            seen = read(server)
        assert [failed.remote_id for failed in seen.failed] == ["7:2"]
        assert seen.present() == {name(1), name(3)}

    def test_a_message_that_is_gone_meanwhile_is_left_out(self) -> None:
        def gone(command: Command) -> bytes | None:
            return command.server.fetched(command.text, lambda uid: uid != 2) + b"{tag} OK\r\n"

        with ScriptedImap(mails=some(3), on={"UID FETCH": gone}) as server:
            seen = read(server)
        assert seen.present() == {name(1), name(3)} and seen.failed == []

    def test_unasked_fetch_without_uid_and_expunge_in_between_change_nothing(self) -> None:
        def noisy(command: Command) -> bytes:
            noise = b"* 1 FETCH (FLAGS (\\Deleted))\r\n* 3 EXPUNGE\r\n* 9 EXISTS\r\n"
            return noise + command.server.fetched(command.text) + noise + b"{tag} OK\r\n"

        with ScriptedImap(mails=some(3), on={"UID FETCH": noisy}) as server:
            seen = read(server)
        assert seen.present() == {name(1), name(2), name(3)}
        assert set(seen.flags.values()) == {frozenset()}

    def test_an_internaldate_with_a_single_digit_or_nonsense_is_read_or_left_open(self) -> None:
        mails = {1: Held(mail(1), date="4-Mar-2026 09:12:00 +0100"), 2: Held(mail(2), date="whenever")}
        with ScriptedImap(mails=mails) as server:
            seen = read(server)
        changes = {c.remote_id: c for b in seen.batches for c in b.changes if isinstance(c, Upsert)}
        assert str(changes["7:1"].received_at) == "2026-03-04 08:12:00+00:00"
        assert changes["7:2"].received_at is None

    def test_a_missing_modseq_does_no_harm(self) -> None:
        def without(command: Command) -> bytes:
            return command.server.fetched(command.text.replace("MODSEQ", "")) + b"{tag} OK\r\n"

        with ScriptedImap(CONDSTORE, some(3), on={"UID FETCH": without}) as server:
            assert len(read(server).names) == 3

    def test_drafts_are_named_and_not_fetched(self) -> None:
        mails = some(2) | {3: Held(mail(3), flags="\\Draft \\Seen")}
        with ScriptedImap(mails=mails) as server:
            seen = read(server)
        assert seen.skipped == {"7:3": "draft"} and name(3) not in seen.present()

    def test_stored_items_are_not_paid_for_twice(self) -> None:
        usage = Usage()
        with ScriptedImap(mails=some(3)) as server:
            context = make_context(server.config(), "pw", usage=usage)
            object.__setattr__(context, "known", lambda _stream, ids: [i for i in ids if i != "7:2"])
            batches = list(PROVIDER.open(context).changes(INBOX, None))
        fetched = [c for b in batches for c in b.changes if isinstance(c, Upsert) and c.raw is not None]
        assert [c.remote_id for c in fetched] == ["7:2"] and len(batches[0].changes) == 3

    def test_fetching_by_id_names_what_is_gone(self) -> None:
        with ScriptedImap(mails=some(3)) as server:
            connector = connect(server)
            (first, second) = connector.fetch(INBOX, ["7:2", "7:99", "6:1"])
        changes = [*first.changes, *second.changes]
        assert {c.remote_id for c in changes if isinstance(c, Removed)} == {"7:99", "6:1"}
        assert not any(isinstance(c, Failed) for c in changes)

    def test_usage_counts_every_command(self) -> None:
        usage = Usage()
        with ScriptedImap(QRESYNC, some(3)) as server:
            read(server, usage=usage)
        asked = [c for c in server.commands if c != "LOGOUT"]  # which nobody waits for
        counted = {k: v for k, v in usage.by_name.items() if k != "LOGOUT"}
        assert sum(counted.values()) == len(asked) and usage.connections == 1 and usage.bytes_in > 1000


class TestClock:
    def test_all_flags_are_read_again_once_an_hour_without_modseq(self) -> None:
        clock = Clock()
        with ScriptedImap(mails=some(1400)) as server:
            first = read(server, clock=clock)
            level_now = read(server, first.cursor, clock=clock)
            server.mails[3].flags = "\\Flagged"
            soon = read(server, level_now.cursor, clock=clock)
            clock.time += timedelta(hours=1, seconds=1)
            later = read(server, soon.cursor, clock=clock)
        assert "7:3" not in soon.flags and later.flags["7:3"] == {"\\Flagged"}


def _without_uidnext(command: Command) -> bytes:
    lines = [line for line in command.server.examined() if b"UIDNEXT" not in line]
    return b"\r\n".join(lines) + b"\r\n{tag} OK\r\n"
