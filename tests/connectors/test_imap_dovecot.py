"""What a real server shows: TLS, OAuth, limits, costs in commands, IDLE, faults, and the private members wire uses."""

from __future__ import annotations

import http.server
import itertools
import json
import threading
import time
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import imapclient
import pytest

from connectors.errors import BadItem, ConnectorError, NeedsPerson, TryLater
from connectors.imap.answers import Refused
from connectors.imap.cursor import Position, decode
from connectors.imap.uids import UidSet
from connectors.imap.wire import Wire
from connectors.protocol import Connector, Counts, Downloads, Fetches, Usage, Watches
from connectors.providers.imap import PROVIDER
from connectors.types import RawMessage, Stream, StreamRole, Upsert
from tests.connectors.contract import drain, mail, make_context, name, stream_of
from tests.rig import dovecot
from tests.rig.faultproxy import FaultProxy, Faults
from tests.rig.scripted_imap import QRESYNC, Command, Held, ScriptedImap

pytestmark = pytest.mark.needs_dovecot
INBOX = Stream("INBOX", "INBOX")
_users = itertools.count()


def connect(server: dovecot.Dovecot, username: str, *, usage: Usage | None = None, **more: Any) -> Any:
    """A connector on one user's mailbox."""
    secret = more.pop("secret", dovecot.PASSWORD)
    settings = more.pop("settings", None)
    context = make_context(server.config(username, **more), secret, usage=usage, settings=settings)
    return PROVIDER.open(context)


def refused(server: dovecot.Dovecot, **more: Any) -> ConnectorError:
    """The error of connecting."""
    with pytest.raises(ConnectorError) as caught:
        connect(server, "u", **more)
    return caught.value


class TestCost:
    def test_a_level_folder_costs_no_command_beside_the_listing(self, server: dovecot.Dovecot, user: str) -> None:
        server.deliver(user, [mail(n) for n in range(20)])
        first = connect(server, user)
        cursor = drain(first, "INBOX").cursor
        first.close()
        usage = Usage()
        connector = connect(server, user, usage=usage)
        list(connector.streams())
        before = dict(usage.by_name)
        assert list(connector.changes(INBOX, cursor)) == []
        assert usage.by_name == before and before["LIST"] == 1 and "STATUS" not in before

    def test_a_told_state_is_used_once_so_that_new_mail_is_found(self, server: dovecot.Dovecot, user: str) -> None:
        server.deliver(user, [mail(1)])
        connector = connect(server, user)
        cursor = drain(connector, "INBOX").cursor
        list(connector.streams())
        assert list(connector.changes(INBOX, cursor)) == []
        server.deliver(user, [mail(2)])
        changes = [change for batch in connector.changes(INBOX, cursor) for change in batch.changes]
        assert len(changes) == 1, "new mail once, and not a second time as changed flags"

    def test_a_resumed_listing_does_not_begin_anew(self, server: dovecot.Dovecot, user: str) -> None:
        server.deliver(user, [mail(n) for n in range(700)])
        connector = connect(server, user)
        batches = connector.changes(INBOX, None)
        held = [next(batches), next(batches)]
        rest = drain(connector, "INBOX", held[-1].cursor)
        assert len(rest.order) == 400 and rest.order[0] == name(399)

    @pytest.mark.parametrize("disable", [[], ["QRESYNC"], ["QRESYNC", "CONDSTORE", "LIST-STATUS", "ESEARCH"]])
    def test_a_level_folder_costs_at_most_two_commands(
        self, server: dovecot.Dovecot, user: str, disable: list[str]
    ) -> None:
        server.deliver(user, [mail(n) for n in range(20)])
        usage = Usage()
        connector = connect(server, user, usage=usage, disable=disable)
        cursor = drain(connector, "INBOX").cursor
        before = usage.requests
        assert [b.changes for b in connector.changes(INBOX, cursor) if b.changes] == []
        assert usage.requests - before <= 2

    def test_ten_changes_in_100_000_cost_at_most_four_commands(self) -> None:
        mails = {uid: Held(b"") for uid in range(1, 99_996)}
        for uid in range(100_001, 100_005):
            mails[uid] = Held(mail(uid), modseq=9)
        for uid in (5, 6, 7):
            mails[uid] = Held(b"", "\\Seen", modseq=8)
        position = Position(
            7, 100_001, 5, 1, True, UidSet([(1, 100_000)]), (100_001, 100_000, 5), "qresync"
        )  # fmt: skip
        usage = Usage()
        with ScriptedImap(QRESYNC, mails, modseq=9, uidnext=100_005, on={"EXAMINE": _resynced}) as scripted:
            connector = PROVIDER.open(make_context(scripted.config(timeout=10), "pw", usage=usage))
            before = usage.requests
            batches = list(connector.changes(INBOX, position.encode()))
        kinds = [type(change).__name__ for batch in batches for change in batch.changes]
        assert (kinds.count("Upsert"), kinds.count("Removed")) == (7, 5)
        assert usage.requests - before <= 4

    def test_large_mails_leave_their_attachments_on_the_server(self, server: dovecot.Dovecot, user: str) -> None:
        server.deliver(user, [with_attachment(n, 300_000) for n in range(10)])
        usage = Usage()
        connector = connect(server, user, usage=usage)
        seen = drain(connector, "INBOX")
        raw = next(iter(raws(seen).values()))
        assert usage.bytes_in < 100_000, "the attachments are 3 MB"
        assert raw.parts[0].body.startswith(b"See the offer") and not raw.parts[0].truncated
        assert b"text/plain" in raw.parts[0].headers and b"Subject:" in raw.header
        assert [(a.name, a.type, a.part) for a in raw.attachments] == [("Angebot März.pdf", "application/pdf", "2")]
        assert abs(raw.attachments[0].size - 300_000) < 1000


class TestAttachments:
    def test_an_attachment_is_brought_on_demand_up_to_the_limit(self, server: dovecot.Dovecot, user: str) -> None:
        server.deliver(user, [with_attachment(1, 200_000)])
        connector = connect(server, user)
        assert isinstance(connector, Downloads)
        seen = drain(connector, "INBOX")
        (remote_id,) = seen.names
        assert connector.download(INBOX, remote_id, "2", 500_000) == payload(200_000)
        assert connector.download(INBOX, remote_id, "2", 1000) == payload(200_000)[:1000]

    @pytest.mark.parametrize("part", ["9", "2]", "HEADER", "1 UID", ""])
    def test_a_part_that_is_not_there_is_a_bad_item(self, server: dovecot.Dovecot, user: str, part: str) -> None:
        server.deliver(user, [with_attachment(1, 2000)])
        connector = connect(server, user)
        (remote_id,) = drain(connector, "INBOX").names
        with pytest.raises(BadItem):
            connector.download(INBOX, remote_id, part, 1000)


class TestFolders:
    def test_special_use_and_odd_names_are_told_right(self, server: dovecot.Dovecot, user: str) -> None:
        with server.admin(user) as client:
            for folder in ("Kunden & Co", "Größe", "2024", 'Say "hi"', "Archive"):
                client.create_folder(folder)
        streams = {stream.name: stream for stream in connect(server, user).streams()}
        assert {"INBOX", "Kunden & Co", "Größe", "2024", 'Say "hi"'} <= streams.keys()
        assert streams["Sent"].role is StreamRole.SENT and streams["Sent"].default_on
        assert streams["Archive"].role is StreamRole.ARCHIVE and streams["Archive"].default_on
        assert [streams[n].default_on for n in ("Drafts", "Junk", "Trash")] == [False] * 3
        assert streams["INBOX"].count == 0

    def test_odd_names_can_be_read_with_and_without_a_listing_before(self, server: dovecot.Dovecot, user: str) -> None:
        odd = ["Kunden & Co", "Größe", 'Say "hi"']
        for folder in odd:
            server.deliver(user, [mail(1)], folder)
        for folder in odd:
            connector = connect(server, user)
            (batch,) = connector.changes(Stream(folder, folder), None)
            assert len(batch.changes) == 1
            assert drain(connector, folder).present() == {name(1)}

    def test_localised_sent_folders_are_found_by_name(self) -> None:
        folders = (
            '() "." INBOX',
            '() "." "INBOX.Gesendete Elemente"',
            '() "." INBOX.Entw&APw-rfe',
            '() "." INBOX.Kunden',
        )
        with ScriptedImap(folders=folders) as scripted:
            streams = list(PROVIDER.open(make_context(scripted.config(), "pw")).streams())
        assert [(s.name, s.role.value, s.default_on) for s in streams] == [
            ("INBOX", "inbox", True),
            ("INBOX.Gesendete Elemente", "sent", True),
            ("INBOX.Entwürfe", "drafts", False),
            ("INBOX.Kunden", "other", True),
        ]

    def test_a_name_does_not_override_special_use(self) -> None:
        folders = ('() "/" INBOX', '(\\Sent) "/" Outbound', '() "/" Sent', '(\\Noselect) "/" Public')
        with ScriptedImap(folders=folders) as scripted:
            streams = list(PROVIDER.open(make_context(scripted.config(), "pw")).streams())
        assert [(s.name, s.role.value) for s in streams] == [
            ("INBOX", "inbox"),
            ("Outbound", "sent"),
            ("Sent", "other"),
        ]


class TestSecurity:
    def test_tls_with_a_trusted_authority_signs_in(self, secure: dovecot.Dovecot) -> None:
        connector = connect(secure, "tls1", host="localhost", port=secure.tls_port, security="tls", tls_ca=secure.ca)
        assert stream_of(connector, "INBOX")

    def test_the_services_ca_bundle_is_trusted_as_well(self, secure: dovecot.Dovecot) -> None:
        settings = {"ca_bundle": secure.ca}
        connect(secure, "tls2", host="localhost", port=secure.tls_port, security="tls", settings=settings).close()

    def test_starttls_signs_in_and_reads(self, secure: dovecot.Dovecot) -> None:
        secure.deliver("tls3", [mail(1)])
        connector = connect(secure, "tls3", host="localhost", security="starttls", tls_ca=secure.ca)
        assert drain(connector, "INBOX").present() == {name(1)}

    def test_an_unknown_authority_needs_a_person(self, secure: dovecot.Dovecot) -> None:
        error = refused(secure, host="localhost", port=secure.tls_port, security="tls")
        assert isinstance(error, NeedsPerson) and error.code == "certificate" and "authority" in str(error)

    def test_a_certificate_for_another_name_needs_a_person(self, secure: dovecot.Dovecot) -> None:
        error = refused(secure, host="127.0.0.1", port=secure.tls_port, security="tls", tls_ca=secure.ca)
        assert isinstance(error, NeedsPerson) and error.code == "certificate" and "another" in str(error)

    def test_starttls_checks_the_certificate_too(self, secure: dovecot.Dovecot) -> None:
        error = refused(secure, host="localhost", security="starttls")
        assert isinstance(error, NeedsPerson) and error.code == "certificate"

    def test_tls_on_a_plain_port_needs_a_person(self, secure: dovecot.Dovecot) -> None:
        error = refused(secure, host="localhost", security="tls", tls_ca=secure.ca)
        assert isinstance(error, NeedsPerson) and error.code == "tls" and "STARTTLS" in str(error)

    def test_a_ca_file_that_is_missing_is_the_operators_fault(self, secure: dovecot.Dovecot) -> None:
        error = refused(secure, host="localhost", security="tls", tls_ca="/nonexistent/ca.pem")
        assert type(error).__name__ == "OperatorFault"

    def test_a_wrong_password_needs_a_person(self, server: dovecot.Dovecot) -> None:
        error = refused(server, secret="wrong")
        assert isinstance(error, NeedsPerson) and error.code == "authentication"

    def test_an_oauth_token_signs_in_and_a_bad_one_does_not(self, oauth: dovecot.Dovecot) -> None:
        oauth.deliver("rep", [mail(1)])
        connector = connect(oauth, "rep", auth="xoauth2", secret="good-token")
        assert drain(connector, "INBOX").present() == {name(1)}
        error = refused(oauth, auth="xoauth2", secret="bad-token")
        assert isinstance(error, NeedsPerson) and error.code == "token"

    def test_too_many_connections_are_a_throttle(self, narrow: dovecot.Dovecot) -> None:
        first = connect(narrow, "u")
        error = refused(narrow)
        first.close()
        assert isinstance(error, TryLater) and error.throttled and error.code == "too_many_connections"

    def test_a_server_that_hides_condstore_is_read_in_the_lowest_tier(self, bare: dovecot.Dovecot) -> None:
        bare.deliver("u", [mail(1)])
        connector = connect(bare, "u")
        cursor = drain(connector, "INBOX").cursor
        assert cursor is not None and decode(cursor).tier == "none"


class TestWatching:
    def test_new_mail_wakes_the_watcher(self, server: dovecot.Dovecot, user: str) -> None:
        server.deliver(user, [mail(1)])
        connector = connect(server, user)
        assert connector.wait(INBOX, 0.1) is False
        timer = threading.Timer(0.3, lambda: _append(server, user, mail(2)))
        timer.start()
        assert connector.wait(INBOX, 30) is True
        timer.join()
        connector.close()

    def test_a_changed_flag_wakes_the_watcher(self, server: dovecot.Dovecot, user: str) -> None:
        server.deliver(user, [mail(1)])
        connector = connect(server, user)
        drain(connector, "INBOX")

        def flag() -> None:
            with server.admin(user) as client:
                client.select_folder("INBOX")
                client.add_flags([1], [b"\\Seen"])

        timer = threading.Timer(0.3, flag)
        timer.start()
        assert connector.wait(INBOX, 30) is True
        timer.join()
        connector.close()

    def test_a_closed_connection_raises_instead_of_spinning(self) -> None:
        with ScriptedImap("IMAP4rev1 AUTH=PLAIN IDLE", on={"IDLE": b"+ idling\r\n<<close>>"}) as scripted:
            connector: Any = PROVIDER.open(make_context(scripted.config(), "pw"))
            with pytest.raises(TryLater):
                connector.wait(INBOX, 30)

    def test_without_idle_the_hint_is_to_ask(self) -> None:
        with ScriptedImap() as scripted:
            connector = PROVIDER.open(make_context(scripted.config(), "pw"))
            assert isinstance(connector, Watches)
            assert connector.wait(INBOX, 5) is True


class TestFaults:
    @pytest.mark.parametrize("after", [150, 900, 3000, 20_000, 60_000, 120_000])
    def test_a_cut_line_loses_nothing(self, server: dovecot.Dovecot, user: str, after: int) -> None:
        server.deliver(user, [mail(n, size=2000) for n in range(120)])
        with FaultProxy(server.port, Faults(cut_after=after, times=1)) as proxy:
            assert _until_done(server, user, proxy.port) == {name(n) for n in range(120)}

    def test_a_reset_inside_a_literal_is_tried_later(self, server: dovecot.Dovecot, user: str) -> None:
        server.deliver(user, [mail(n, size=40_000) for n in range(3)])
        with FaultProxy(server.port, Faults(reset_after=60_000, times=1)) as proxy:
            assert _until_done(server, user, proxy.port) == {name(n) for n in range(3)}

    def test_a_stall_inside_a_literal_ends_with_the_time_out(self, server: dovecot.Dovecot, user: str) -> None:
        server.deliver(user, [mail(1, size=40_000)])
        with FaultProxy(server.port, Faults(stall_after=20_000, times=1)) as proxy:
            connector = connect(server, user, port=proxy.port, timeout=0.3)
            with pytest.raises(TryLater) as caught:
                list(connector.changes(INBOX, None))
        assert caught.value.code == "connection_timeout"

    def test_round_trips_are_hidden_by_sending_ahead(self, server: dovecot.Dovecot, user: str) -> None:
        server.deliver(user, [mail(n) for n in range(1500)])
        usage = Usage()
        connector = connect(server, user, usage=usage)
        wire = connector._session.wire
        most = 0
        for _batch in connector.changes(INBOX, None):
            most = max(most, len(wire._waiting))
        assert most >= 6, "commands of later batches are under way while one is handed over"


class TestWire:
    """The private members of imapclient and imaplib that connectors.imap.wire relies on."""

    def test_the_members_it_uses_are_there(self, server: dovecot.Dovecot, user: str) -> None:
        wire = Wire("127.0.0.1", server.port, tls=None, timeout=5, usage=Usage())
        imap = wire.client._imap
        assert imap.debug == 0 and imap.state == "NONAUTH"
        for member in ("send", "shutdown", "file", "sock", "raw"):
            assert hasattr(imap, member)
        wire.adopt_capabilities(wire.authenticate("PLAIN", f"\0{user}\0{dovecot.PASSWORD}".encode()))
        assert {"IMAP4REV1", "QRESYNC", "ESEARCH"} <= wire.capabilities()
        wire.close()
        assert wire.closed

    def test_pipelined_commands_are_answered_in_order(self, server: dovecot.Dovecot, user: str) -> None:
        wire = Wire("127.0.0.1", server.port, tls=None, timeout=5, usage=Usage())
        wire.authenticate("PLAIN", f"\0{user}\0{dovecot.PASSWORD}".encode())
        tags = [wire.send("NOOP"), wire.send("NONSENSE"), wire.send("EXAMINE", b'"INBOX"')]
        wire.finish(tags[0])
        with pytest.raises(Refused) as caught:
            wire.finish(tags[1])
        assert caught.value.status == "BAD" and "READ-ONLY" in wire.finish(tags[2]).text
        wire.close()

    def test_imapclients_own_fetch_still_refuses_open_ranges(self, server: dovecot.Dovecot, user: str) -> None:
        server.deliver(user, [mail(1)])
        with server.admin(user) as client:
            client.select_folder("INBOX", readonly=True)
            with pytest.raises(ValueError, match="invalid literal"):
                client.fetch("1:*", ["FLAGS"])
        assert imapclient.version_info[0] == 4, "when this fails, look at wire.py again"


class TestProtocols:
    def test_the_connector_has_every_capability_of_mail(self, server: dovecot.Dovecot, user: str) -> None:
        connector: Connector = connect(server, user)
        assert all(isinstance(connector, kind) for kind in (Counts, Fetches, Downloads, Watches))

    def test_nothing_is_marked_as_seen(self, server: dovecot.Dovecot, user: str) -> None:
        server.deliver(user, [mail(1), with_attachment(2, 100_000)])
        connector = connect(server, user)
        (remote_id, *_rest) = drain(connector, "INBOX").names
        list(connector.fetch(INBOX, [remote_id]))
        connector.download(INBOX, remote_id, "1", 100)
        with server.admin(user) as client:
            client.select_folder("INBOX")
            assert client.search(["SEEN"]) == []

    def test_a_second_operation_in_the_middle_of_an_iteration_is_told(self, server: dovecot.Dovecot, user: str) -> None:
        server.deliver(user, [mail(n) for n in range(400)])
        connector = connect(server, user)
        batches = connector.changes(INBOX, None)
        next(batches)
        list(connector.ids(Stream("Sent", "Sent")))
        with pytest.raises(RuntimeError, match="another operation"):
            list(batches)


def payload(size: int) -> bytes:
    """Bytes that are neither text nor all alike."""
    return bytes(n * 7 % 251 for n in range(size))


def with_attachment(number: int, size: int) -> bytes:
    """A mail with text and a PDF of ``size`` bytes."""
    message = EmailMessage()
    message["From"], message["Subject"], message["Message-ID"] = "jane@acme.example", "Offer", name(number)
    message.set_content("See the offer.\n")
    message.add_attachment(payload(size), maintype="application", subtype="pdf", filename="Angebot März.pdf")
    return message.as_bytes(policy=message.policy.clone(linesep="\r\n"))


def raws(seen: Any) -> dict[str, RawMessage]:
    """Content by remote id."""
    changes = [change for batch in seen.batches for change in batch.changes if isinstance(change, Upsert)]
    return {change.remote_id: change.raw for change in changes if isinstance(change.raw, RawMessage)}


def _resynced(command: Command) -> bytes:
    """EXAMINE with QRESYNC: five vanished, three with other flags, four new."""
    told = [*command.server.examined(), b"* VANISHED (EARLIER) 99996:100000"]
    told += [b"* %d FETCH (UID %d FLAGS (\\Seen) MODSEQ (8))" % (uid, uid) for uid in (5, 6, 7)]
    return b"\r\n".join(told) + b"\r\n{tag} OK [READ-ONLY] done\r\n"


def _append(server: dovecot.Dovecot, user: str, data: bytes) -> None:
    with server.admin(user) as client:
        client.append("INBOX", data)


def _until_done(server: dovecot.Dovecot, user: str, port: int) -> set[str]:
    """Go on from the last cursor after every TryLater, as the scheduler would; at most five times."""
    present: set[str] = set()
    cursor = None
    for _attempt in range(5):
        try:
            connector = connect(server, user, port=port, timeout=5)
            for batch in connector.changes(INBOX, cursor):
                cursor = batch.cursor or cursor
                ids = (b"Message-ID: " + name(n).encode() for n in range(200))
                found = [c.raw.source for c in batch.changes if isinstance(c, Upsert) and isinstance(c.raw, RawMessage)]
                present |= {i.split(b" ")[1].decode() for i in ids if any(i in source for source in found)}
        except TryLater:
            continue
        return present
    raise AssertionError("never done")


class _Introspection(http.server.BaseHTTPRequestHandler):
    """Says which tokens are good, as an OAuth server's introspection endpoint does (RFC 7662)."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        good = "good-token" in body
        answer = json.dumps({"active": "true", "username": "rep"} if good else {"active": "false"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:
        return


@pytest.fixture
def user() -> str:
    return f"u{next(_users)}x{time.monotonic_ns()}"


@pytest.fixture(scope="session")
def server() -> Iterator[dovecot.Dovecot]:
    running = dovecot.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def secure() -> Iterator[dovecot.Dovecot]:
    running = dovecot.start(tls=True)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def narrow() -> Iterator[dovecot.Dovecot]:
    running = dovecot.start(connections=1)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def bare() -> Iterator[dovecot.Dovecot]:
    running = dovecot.start(capability="IMAP4rev1 SASL-IR LITERAL+ IDLE UIDPLUS NAMESPACE")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def oauth() -> Iterator[dovecot.Dovecot]:
    endpoint = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Introspection)
    threading.Thread(target=endpoint.serve_forever, daemon=True).start()
    running = dovecot.start(oauth_url=f"http://127.0.0.1:{endpoint.server_port}/introspect")
    yield running
    running.stop()
    endpoint.shutdown()
