"""The CalDAV connector on real servers (Radicale and Xandikos), and every condition they can be brought to."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from connectors import caldav_client
from connectors.calendar import parse_calendar
from connectors.errors import ConnectorError, CursorExpired, NeedsPerson, StreamGone, TryLater
from connectors.files.batches import packed
from connectors.protocol import Usage
from connectors.providers import caldav
from connectors.providers.caldav import PROVIDER, CalDavConnector
from connectors.types import Batch, Cursor, RawCalendar, Removed, Stream, StreamKind, Upsert
from tests.connectors.contract import make_context
from tests.rig.caldav_servers import PASSWORD, USER, Answer, CalDavServer, radicale_server, xandikos_server


def test_calendars_are_found_from_the_bare_address_and_task_lists_left_out(radicale: CalDavServer) -> None:
    radicale.make_calendar("work", title="Client visits")
    radicale.make_calendar("todo", components=["VTODO"])
    streams = connect(radicale).streams()
    assert [(stream.name, stream.kind) for stream in streams] == [("Client visits", StreamKind.CALENDAR)]


def test_the_url_of_a_calendar_itself_is_enough(server: CalDavServer) -> None:
    calendar = server.make_calendar("work")
    server.put(calendar, "e.ics", ics("e"))
    connector = connect(server, url=server.url.rstrip("/") + calendar)
    stream = next(stream for stream in connector.streams() if stream.id.rstrip("/") == calendar.rstrip("/"))
    assert state(connector.changes(stream, None)) == {"e.ics": "e"}


def test_the_calendar_of_a_mail_account_is_opened_by_its_caldav_url(server: CalDavServer) -> None:
    server.make_calendar("work")
    config = {"host": "imap.ourco.example", "username": USER, "caldav_url": server.url}
    assert PROVIDER.open(make_context(config, secret=PASSWORD)).streams()


def test_the_first_listing_is_whole_and_ends(server: CalDavServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caldav, "BATCH", 5)
    calendar = server.make_calendar("work")
    names = [f"e{n}.ics" for n in range(7)] + ["a b@c.ics"]
    for name in names:
        server.put(calendar, name, ics(name))
    batches = list(connect(server).changes(stream_at(calendar), None))
    assert {change.remote_id for batch in batches for change in batch.changes} == set(names)
    assert all(batch.listing for batch in batches) and [batch.final for batch in batches] == [False, True]
    assert [batch.cursor is not None for batch in batches] == [False, True]


def test_a_level_calendar_costs_one_request(server: CalDavServer) -> None:
    calendar = server.make_calendar("work")
    server.put(calendar, "e.ics", ics("e"))
    connector = connect(server)
    cursor = last(connector.changes(stream_at(calendar), None))
    server.seen.clear()
    assert list(connector.changes(stream_at(calendar), cursor)) == []
    assert len(server.seen) == 1


def test_new_changed_and_deleted_events_are_found(server: CalDavServer) -> None:
    calendar = server.make_calendar("work")
    for name in ("kept", "changed", "deleted"):
        server.put(calendar, f"{name}.ics", ics(name))
    connector = connect(server)
    cursor = last(connector.changes(stream_at(calendar), None))
    server.put(calendar, "changed.ics", ics("changed", "Another hour"))
    server.put(calendar, "new.ics", ics("new"))
    server.delete(calendar, "deleted.ics")
    changes = [change for batch in connector.changes(stream_at(calendar), cursor) for change in batch.changes]
    assert {c.remote_id for c in changes if isinstance(c, Upsert)} == {"changed.ics", "new.ics"}
    assert [c.remote_id for c in changes if isinstance(c, Removed)] == ["deleted.ics"]


def test_an_expired_token_expires_the_cursor(radicale: CalDavServer) -> None:
    calendar = radicale.make_calendar("work")
    radicale.put(calendar, "e.ics", ics("e"))
    connector = connect(radicale)
    cursor = last(connector.changes(stream_at(calendar), None))
    radicale.put(calendar, "later.ics", ics("later"))
    radicale.forget_tokens()
    with pytest.raises(CursorExpired):
        list(connector.changes(stream_at(calendar), cursor))


def test_a_token_the_server_never_gave_expires_the_cursor(server: CalDavServer) -> None:
    calendar = server.make_calendar("work")
    server.put(calendar, "e.ics", ics("e"))
    with pytest.raises(CursorExpired):
        list(connect(server).changes(stream_at(calendar), packed({"token": "http://example.com/ns/sync/17"})))


def test_without_sync_collection_etags_tell_what_changed(server: CalDavServer) -> None:
    calendar = server.make_calendar("work")
    server.put(calendar, "kept.ics", ics("kept"))
    server.put(calendar, "deleted.ics", ics("deleted"))
    server.intercept = refuse_sync
    memory: dict[str, Any] = {}
    connector = connect(server, memory=memory)
    cursor = last(connector.changes(stream_at(calendar), None))
    server.put(calendar, "new.ics", ics("new"))
    server.delete(calendar, "deleted.ics")
    batches = list(connector.changes(stream_at(calendar), cursor))
    found = [(type(change), change.remote_id) for batch in batches for change in batch.changes]
    assert found == [(Upsert, "new.ics"), (Removed, "deleted.ics")]
    server.seen.clear()
    assert list(connect(server, memory=memory).changes(stream_at(calendar), batches[-1].cursor)) == []
    assert "REPORT" not in {method for method, _ in server.seen}, "what the server cannot do is remembered"


def test_events_are_fetched_by_id_and_what_is_gone_is_removed(server: CalDavServer) -> None:
    calendar = server.make_calendar("work")
    server.put(calendar, "e.ics", ics("e"))
    batches = list(connect(server).fetch(stream_at(calendar), ["e.ics", "gone.ics"]))
    found = [(type(change), change.remote_id) for batch in batches for change in batch.changes]
    assert found == [(Upsert, "e.ics"), (Removed, "gone.ics")] and batches[0].cursor is None


def test_ids_name_what_the_calendar_holds(server: CalDavServer) -> None:
    calendar = server.make_calendar("work")
    server.put(calendar, "a b@c.ics", ics("a"))
    assert list(connect(server).ids(stream_at(calendar))) == [["a b@c.ics"]]


def test_a_deleted_calendar_is_gone_and_the_others_go_on(server: CalDavServer) -> None:
    gone, kept = server.make_calendar("gone"), server.make_calendar("kept")
    server.put(kept, "e.ics", ics("e"))
    connector = connect(server)
    cursor = last(connector.changes(stream_at(gone), None))
    server.delete(gone)
    for since in (None, cursor):
        with pytest.raises(StreamGone) as raised:
            list(connector.changes(stream_at(gone), since))
        assert raised.value.permanent
    assert state(connector.changes(stream_at(kept), None)) == {"e.ics": "e"}


def test_a_wrong_password_needs_a_person(radicale: CalDavServer) -> None:
    with pytest.raises(NeedsPerson, match="password"):
        connect(radicale, secret="wrong")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (("503 Busy", [("Retry-After", "7")], b""), TryLater),
        (("429 Too Many Requests", [("Retry-After", "7")], b""), TryLater),
        (("500 Oops", [], b""), TryLater),
        (("502 Bad Gateway", [], b""), TryLater),
        (("507 Insufficient Storage", [], b""), TryLater),
        (("401 Unauthorized", [("WWW-Authenticate", 'Basic realm="x"')], b""), NeedsPerson),
        (("403 Forbidden", [], b""), StreamGone),
        (("404 Not Found", [], b""), StreamGone),
        (("410 Gone", [], b""), StreamGone),
        (("207 Multi-Status", [("Content-Type", "text/xml")], b"<not xml"), TryLater),
    ],
)
def test_each_failure_has_its_reaction(radicale: CalDavServer, answer: Answer, expected: type[ConnectorError]) -> None:
    calendar = radicale.make_calendar("work")
    connector = connect(radicale)
    radicale.intercept = lambda _method, _path, _body: answer
    with pytest.raises(expected) as raised:
        list(connector.changes(stream_at(calendar), None))
    if isinstance(raised.value, TryLater) and answer[1] and answer[1][0][0] == "Retry-After":
        assert raised.value.retry_after == 7 and raised.value.throttled


def test_a_failure_between_batches_leaves_no_cursor_behind(
    radicale: CalDavServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caldav, "BATCH", 3)
    calendar = radicale.make_calendar("work")
    for number in range(5):
        radicale.put(calendar, f"e{number}.ics", ics(f"e{number}"))
    connector = connect(radicale)
    batches = connector.changes(stream_at(calendar), None)
    assert next(batches).cursor is None
    radicale.intercept = lambda _method, _path, _body: ("500 Oops", [], b"")
    with pytest.raises(TryLater):
        next(batches)


@pytest.mark.parametrize(
    "answer",
    [
        ("200 OK", [("Content-Type", "text/html")], b"<html><body>Welcome</body></html>"),
        ("404 Not Found", [], b"nothing here"),
        ("405 Method Not Allowed", [], b""),
    ],
)
def test_what_is_no_calendar_server_needs_a_person(radicale: CalDavServer, answer: Answer) -> None:
    radicale.intercept = lambda _method, _path, _body: answer
    with pytest.raises(NeedsPerson):
        connect(radicale)


def test_an_unreachable_server_is_tried_later() -> None:
    with pytest.raises(TryLater):
        PROVIDER.open(make_context({"url": "http://127.0.0.1:9/", "username": USER, "timeout": 2}, secret=PASSWORD))


def test_no_password_goes_over_an_open_line() -> None:
    with pytest.raises(NeedsPerson, match="https"):
        PROVIDER.open(make_context({"url": "http://192.0.2.1/", "username": USER, "timeout": 2}, secret=PASSWORD))


def test_a_redirect_to_an_open_line_is_not_followed(radicale: CalDavServer) -> None:
    radicale.intercept = lambda _method, _path, _body: ("301 Moved", [("Location", "http://192.0.2.1/")], b"")
    with pytest.raises(NeedsPerson, match="https"):
        connect(radicale)


def test_a_public_server_cannot_lead_into_our_own_network() -> None:
    session = caldav_client.BoundedSession(Usage(), origin="8.8.8.8", plain=True)
    with pytest.raises(caldav_client.Refused, match="inside our own network"):
        session.request("PROPFIND", "http://10.0.0.1/", timeout=1)


def test_an_endless_answer_is_cut_off(radicale: CalDavServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caldav_client, "MAX_ANSWER", 10_000)
    radicale.intercept = lambda _method, _path, _body: ("207 Multi-Status", [], b"x" * 20_000)
    with pytest.raises(NeedsPerson, match="too large"):
        connect(radicale)


def test_a_certificate_of_an_unknown_authority_is_refused_and_trusted_when_configured(tmp_path: Path) -> None:
    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(bundle)
    with radicale_server(tmp_path, tls) as server:
        server.make_calendar("work")
        with pytest.raises(NeedsPerson, match="certificate"):
            connect(server)
        assert connect(server, settings={"ca_bundle": str(bundle)}).streams()


def test_nothing_but_reading_is_ever_asked(server: CalDavServer) -> None:
    """Lesson 23: a sync that writes has re-sent invitations to customers."""
    calendar = server.make_calendar("work")
    server.put(calendar, "e.ics", ics("e"))
    server.seen.clear()
    connector = connect(server)
    cursor = last(connector.changes(connector.streams()[0], None))
    list(connector.changes(connector.streams()[0], cursor))
    list(connector.ids(stream_at(calendar)))
    assert {method for method, _ in server.seen} <= {"PROPFIND", "REPORT", "OPTIONS"}


def refuse_sync(method: str, _path: str, body: bytes) -> Answer | None:
    """A server without the sync-collection report (RFC 3253 section 3.6)."""
    if method == "REPORT" and b"sync-collection" in body:
        error = b'<?xml version="1.0"?><D:error xmlns:D="DAV:"><D:supported-report/></D:error>'
        return "403 Forbidden", [("Content-Type", "text/xml")], error
    return None


def ics(uid: str, summary: str = "Review") -> bytes:
    """An event as a file."""
    lines: tuple[str, ...] = ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", "BEGIN:VEVENT", f"UID:{uid}")
    lines += ("DTSTAMP:20260101T000000Z", "DTSTART:20260304T090000Z", "DTEND:20260304T100000Z", f"SUMMARY:{summary}")
    return "\r\n".join((*lines, "END:VEVENT", "END:VCALENDAR", "")).encode()


def connect(
    server: CalDavServer,
    *,
    url: str = "",
    secret: str = PASSWORD,
    memory: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
) -> CalDavConnector:
    """A connector on the server."""
    config = {"url": url or server.url, "username": USER, "timeout": 20}
    return PROVIDER.open(make_context(config, secret=secret, memory=memory, settings=settings))


def stream_at(calendar: str) -> Stream:
    """The stream of a calendar's path."""
    return Stream(calendar, calendar, StreamKind.CALENDAR)


def last(batches: Iterator[Batch]) -> Cursor | None:
    """Drain; the last cursor."""
    return [batch.cursor for batch in batches][-1]


def state(batches: Iterator[Batch]) -> dict[str, str]:
    """remote id -> uid, of a listing."""
    found = {}
    for batch in batches:
        for change in batch.changes:
            assert isinstance(change, Upsert) and isinstance(change.raw, RawCalendar)
            found[change.remote_id] = parse_calendar(change.raw.ics).events[0].uid
    return found


_MAKERS: dict[str, Callable[..., Any]] = {"radicale": radicale_server, "xandikos": xandikos_server}


@pytest.fixture(params=sorted(_MAKERS))
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CalDavServer]:
    with _MAKERS[request.param](tmp_path) as running:
        yield running


@pytest.fixture
def radicale(tmp_path: Path) -> Iterator[CalDavServer]:
    with radicale_server(tmp_path) as running:
        yield running
