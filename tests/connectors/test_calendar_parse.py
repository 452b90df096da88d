"""Reading calendars: what exporters make of RFC 5545, and what is broken."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from connectors.calendar import ParsedCalendar, meeting_identity, parse_calendar
from connectors.errors import BadItem
from connectors.ical import lines
from connectors.types import Busy, CalendarEvent

NINE = datetime(2026, 7, 1, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("tzid", "expected"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        ("W. Europe Standard Time", "Europe/Berlin"),
        ("/freeassociation.sourceforge.net/Europe/Berlin", "Europe/Berlin"),
        ("/mozilla.org/20070129_1/America/New_York", "America/New_York"),
        ('"(UTC-05:00) Eastern Time (US & Canada)"', "America/New_York"),
        ('"Kuala Lumpur, Singapore"', "Asia/Kuala_Lumpur"),
        ("tzone://Microsoft/Utc", "UTC"),
        ("UTC+05:45", "UTC+05:45"),
    ],
)
def test_a_time_zone_is_known_by_its_many_names(tzid: str, expected: str) -> None:
    quoted = f'"{tzid}"' if "," in tzid or ":" in tzid else tzid
    event = one(f"DTSTART;TZID={quoted.replace(chr(34) * 2, chr(34))}:20260701T090000")
    assert event.zone == expected and event.start.utcoffset() is not None  # type: ignore[union-attr]


def test_rules_of_the_files_own_zone_are_followed_and_named_like_their_iana_equal() -> None:
    event = one("DTSTART;TZID=Customized Time Zone:20260701T090000", before=VENDOR_ZONE)
    assert event.zone == "America/New_York" and event.start == datetime(2026, 7, 1, 13, tzinfo=UTC)


@pytest.mark.parametrize(("day", "hours"), [("20160518", -3), ("20161012", -2), ("20170110", -2)])
def test_where_no_zone_equals_a_files_rules_at_a_time_the_rules_hold(day: str, hours: int) -> None:
    """Brazil began summer time on the third Sunday of October 2016; the file's rules say the second Saturday."""
    start = one(f"DTSTART;TZID=Brazil by vendor:{day}T120000", before=BRAZIL).start
    assert isinstance(start, datetime) and start.utcoffset() == timedelta(hours=hours)


def test_a_zone_of_one_file_does_not_reach_the_next() -> None:
    one("DTSTART;TZID=Customized Time Zone:20260701T090000", before=VENDOR_ZONE)
    unknown = one("DTSTART;TZID=Customized Time Zone:20260701T090000")
    assert isinstance(unknown.start, datetime) and unknown.start.tzinfo is None


def test_floating_times_are_in_the_calendars_zone_when_it_has_one() -> None:
    event = one("DTSTART:20260701T090000", before="X-WR-TIMEZONE:Europe/Berlin")
    assert event.start == datetime(2026, 7, 1, 7, tzinfo=UTC) and event.zone == "Europe/Berlin"
    assert one("DTSTART:20260701T090000").start == datetime(2026, 7, 1, 9)


def test_an_all_day_event_stays_a_date_though_a_zone_is_written_to_it() -> None:
    event = one("DTSTART;VALUE=DATE;TZID=Europe/Berlin:20260701")
    assert (event.start, event.end) == (date(2026, 7, 1), date(2026, 7, 2))


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        ("DTEND:20260701T100000Z", timedelta(hours=1)),
        ("DURATION:PT45M", timedelta(minutes=45)),
        ("DURATION:-PT45M", timedelta(0)),
        ("DTEND:20260630T100000Z", timedelta(0)),
        ("DTEND:nonsense", timedelta(0)),
        ("", timedelta(0)),
    ],
)
def test_the_end_is_told_by_dtend_or_duration_and_never_lies_before_the_start(ending: str, expected: timedelta) -> None:
    event = one(f"DTSTART:20260701T090000Z\n{ending}")
    assert event.end - event.start == expected  # type: ignore[operator]


def test_an_hours_duration_stays_an_hour_over_the_change_of_clocks() -> None:
    event = one("DTSTART;TZID=Europe/Berlin:20260329T013000\nDURATION:PT1H")
    assert isinstance(event.end, datetime) and event.end.astimezone(UTC) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "address", "name", "kind"),
    [
        ('ATTENDEE;CN="Doe, Jane":MAILTO:Jane@Acme.example', "Jane@Acme.example", "Doe, Jane", "individual"),
        ("ATTENDEE;CN=Jane;EMAIL=jane@acme.example:/principals/17/", "jane@acme.example", "Jane", "individual"),
        ("ATTENDEE;CN=Guest:invalid:nomail", "", "Guest", "individual"),
        ("ATTENDEE;CN=Jane:/o=ExchangeLabs/ou=x/cn=jane", "/o=ExchangeLabs/ou=x/cn=jane", "Jane", "individual"),
        ('ATTENDEE:"CN=Jane Doe/O=Acme"', "", "Jane Doe", "individual"),
        ("ATTENDEE;CUTYPE=ROOM;CN=Room 1:mailto:r1@ourco.example", "r1@ourco.example", "Room 1", "room"),
        ("ATTENDEE:mailto:c_17@resource.calendar.google.com", "c_17@resource.calendar.google.com", "", "resource"),
        ("ATTENDEE;CN=jane@acme.example:mailto:jane@acme.example", "jane@acme.example", "", "individual"),
    ],
)
def test_guests_are_told_from_rooms_and_from_those_without_an_address(
    line: str, address: str, name: str, kind: str
) -> None:
    (guest,) = one(f"DTSTART:20260701T090000Z\n{line}").attendees
    assert (guest.address, guest.name, guest.kind) == (address, name, kind)


def test_answers_roles_and_who_acts_for_whom_are_kept() -> None:
    event = one(
        "DTSTART:20260701T090000Z\n"
        'ORGANIZER;CN=Boss;SENT-BY="mailto:assistant@ourco.example":mailto:boss@ourco.example\n'
        "ATTENDEE;PARTSTAT=ACCEPTED;ROLE=OPT-PARTICIPANT:mailto:jane@acme.example\n"
        "ATTENDEE;PARTSTAT=X-MAYBE:mailto:joe@acme.example"
    )
    assert event.organizer is not None and event.organizer.sent_by == "assistant@ourco.example"
    assert [(a.response, a.role) for a in event.attendees] == [("accepted", "optional"), ("needs-action", "required")]


@pytest.mark.parametrize(
    ("written", "expected"), [("PUBLIC", "public"), ("CONFIDENTIAL", "confidential"), ("X", "private")]
)
def test_a_class_nobody_knows_is_private(written: str, expected: str) -> None:
    assert one(f"DTSTART:20260701T090000Z\nCLASS:{written}").classification == expected


def test_outlooks_free_and_out_of_office_are_seen() -> None:
    assert one("DTSTART:20260701T090000Z\nX-MICROSOFT-CDO-BUSYSTATUS:FREE").transparency is Busy.FREE
    assert one("DTSTART:20260701T090000Z\nX-MICROSOFT-CDO-BUSYSTATUS:OOF").kind == "outOfOffice"


def test_outlooks_uid_of_an_instance_is_that_of_its_series() -> None:
    series = "040000008200E00074C5B7101A82E00800000000" + "AB" * 24
    instance = "040000008200E00074C5B7101A82E00807EA0701" + "AB" * 24
    events = [one(f"DTSTART:20260701T090000Z\nUID:{uid}", uid="") for uid in (series, instance)]
    assert meeting_identity(events[0]) == meeting_identity(events[1])


def test_a_foreign_uid_that_exchange_wrapped_is_one_meeting_with_the_original() -> None:
    inner = (b"vCal-Uid\x01\x00\x00\x00" + b"abc123@google.com\x00").hex().upper()
    wrapped = f"040000008200E00074C5B7101A82E00800000000{'00' * 16}1F000000{inner}"
    events = [one(f"DTSTART:20260701T090000Z\nUID:{uid}", uid="") for uid in (wrapped, "abc123@google.com")]
    assert events[0].uid == events[1].uid == "abc123@google.com"


def test_an_event_without_uid_has_the_same_made_up_one_each_time() -> None:
    first = one("DTSTART:20260701T090000Z\nSUMMARY:Lunch", uid="")
    again = one("DTSTART:20260701T090000Z\nSUMMARY:Lunch\nDTSTAMP:20270101T000000Z", uid="")
    other = one("DTSTART:20260702T090000Z\nSUMMARY:Lunch", uid="")
    assert first.uid == again.uid != other.uid


def test_exceptions_are_kept_with_zones_that_need_no_file() -> None:
    event = one(
        "DTSTART;TZID=Customized Time Zone:20260701T090000\nRRULE:FREQ=WEEKLY\n"
        "EXDATE;TZID=Customized Time Zone:20260708T090000,20260715T090000",
        before=VENDOR_ZONE,
    )
    assert event.recurrence == ("RRULE:FREQ=WEEKLY", "EXDATE:20260708T130000Z,20260715T130000Z")


def test_one_bad_event_does_not_cost_the_others() -> None:
    parsed = parse_calendar(calendar("UID:bad\nDTSTART:never", "UID:good\nDTSTART:20260701T090000Z"))
    assert [event.uid for event in parsed.events] == ["good"]
    assert [problem.remote_id for problem in parsed.problems] == ["bad"]


def test_a_cut_file_names_the_event_it_ends_in_and_keeps_the_others() -> None:
    whole = calendar("UID:a\nDTSTART:20260701T090000Z", "UID:b\nDTSTART:20260701T090000Z\nSUMMARY:Lunch")
    parsed = parse_calendar(whole[: whole.index(b"Lunch")])
    assert [event.uid for event in parsed.events] == ["a"]
    assert [(problem.code, problem.remote_id) for problem in parsed.problems] == [("cut", "b")]


@pytest.mark.parametrize("content", [b"", b"\0\1\2\3" * 100, b"<html>", b"/etc/passwd", b"BEGIN:"])
def test_what_is_no_calendar_is_a_bad_item(content: bytes) -> None:
    with pytest.raises(BadItem):
        if parse_calendar(content) == ParsedCalendar(()):
            raise BadItem("empty")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("ending", ["\r\n", "\n", "\r"])
def test_charsets_and_line_ends_of_all_kinds_are_read(encoding: str, ending: str) -> None:
    text = calendar("UID:a\nDTSTART:20260701T090000Z\nSUMMARY:Grüße").decode().replace("\r\n", ending)
    assert parse_calendar(text.encode(encoding)).events[0].summary == "Grüße"


def test_lines_folded_without_a_blank_and_before_the_colon_are_joined() -> None:
    ics = b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID\n :a\nDTSTART:20260701T090000Z\nDESCRIPTION:one\ntwo three\nEND:VEVENT\n"
    event = parse_calendar(ics).events[0]
    assert (event.uid, event.description) == ("a", "onetwo three")


def test_quoted_printable_of_vcalendar_1_is_read() -> None:
    event = one("DTSTART:20260701T090000Z\nSUMMARY;ENCODING=QUOTED-PRINTABLE;CHARSET=UTF-8:Gr=C3=BC=\n=C3=9Fe")
    assert event.summary == "Grüße"


def test_no_more_components_are_read_than_the_limit_and_the_rest_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_COMPONENTS", 5)
    parsed = parse_calendar(calendar(*(f"UID:{n}\nDTSTART:20260701T090000Z" for n in range(20))))
    assert len(parsed.events) == 4 and [problem.code for problem in parsed.problems] == ["too_large"]


def test_a_file_past_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_BYTES", 100)
    with pytest.raises(BadItem) as raised:
        parse_calendar(calendar("UID:a\nDTSTART:20260701T090000Z\nSUMMARY:" + "x" * 100))
    assert raised.value.code == "too_large"


def test_the_method_is_told_in_upper_case() -> None:
    parsed = parse_calendar(calendar("UID:a\nDTSTART:20260701T090000Z", before="METHOD:request"))
    assert parsed.method == parsed.events[0].method == "REQUEST"


def calendar(*events: str, before: str = "") -> bytes:
    """A calendar of VEVENT bodies, LF made CRLF."""
    bodies = "".join(f"BEGIN:VEVENT\n{event}\nEND:VEVENT\n" for event in events)
    return f"BEGIN:VCALENDAR\nVERSION:2.0\n{before}\n{bodies}END:VCALENDAR\n".replace("\n", "\r\n").encode()


def one(body: str, *, before: str = "", uid: str = "UID:u\n") -> CalendarEvent:
    """The one event of a calendar."""
    (event,) = parse_calendar(calendar(uid + body, before=before)).events
    return event


VENDOR_ZONE = """BEGIN:VTIMEZONE
TZID:Customized Time Zone
BEGIN:STANDARD
DTSTART:16010101T020000
TZOFFSETFROM:-0400
TZOFFSETTO:-0500
RRULE:FREQ=YEARLY;BYDAY=1SU;BYMONTH=11
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
TZOFFSETFROM:-0500
TZOFFSETTO:-0400
RRULE:FREQ=YEARLY;BYDAY=2SU;BYMONTH=3
END:DAYLIGHT
END:VTIMEZONE"""

BRAZIL = (
    VENDOR_ZONE.replace("Customized Time Zone", "Brazil by vendor")
    .replace("-0500", "-0300")
    .replace("-0400", "-0200")
    .replace("BYDAY=1SU;BYMONTH=11", "BYDAY=3SA;BYMONTH=2")
    .replace("BYDAY=2SU;BYMONTH=3", "BYDAY=2SA;BYMONTH=10")
)
