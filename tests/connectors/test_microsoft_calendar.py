"""Calendars through Graph on the model server: identity, series, the rolling window, what removals mean, cost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from connectors.errors import CursorExpired, StreamGone
from connectors.microsoft import event
from connectors.microsoft.zones import iana
from connectors.types import Busy, Stream, StreamKind
from tests.connectors.contract import NOON
from tests.connectors.microsoft_account import ADDRESS, HOUR, Account, Copy, accounts, at

JANE = {
    "type": "required",
    "status": {"response": "tentativelyAccepted", "time": "0001-01-01T00:00:00Z"},
    "emailAddress": {"name": "Jane Doe", "address": "jane@acme.example"},
}
ROOM = {
    "type": "resource",
    "status": {"response": "accepted"},
    "emailAddress": {"name": "Room 1", "address": "r@x.example"},
}


# events


def test_a_meeting_comes_with_its_people_times_and_identity(account: Account) -> None:
    one = account.agenda.add(
        at(5), at(5) + HOUR, subject="Kick-off", attendees=[JANE, ROOM], isOrganizer=False,
        organizer={"emailAddress": {"name": "Ann", "address": "ann@acme.example"}}, showAs="tentative",
        body={"contentType": "html", "content": "<p>Agenda</p>"}, location={"displayName": "Berlin"},
        isOnlineMeeting=True, onlineMeeting={"joinUrl": "https://teams.example/join/1"},
    )  # fmt: skip
    found = Copy(account, account.calendar()).sync().event(one.id)
    assert (found.uid, found.recurrence_id) == (one.properties["iCalUId"], None)
    assert (found.start, found.end, found.zone) == (at(5), at(5) + HOUR, "Europe/Berlin")
    assert (found.summary, found.description.strip(), found.location) == ("Kick-off", "Agenda", "Berlin")
    assert found.organizer is not None and found.organizer.address == "ann@acme.example"
    assert [(a.address, a.response, a.kind) for a in found.attendees] == [
        ("jane@acme.example", "tentative", "individual"),
        ("r@x.example", "accepted", "resource"),
    ]
    assert found.url == "https://teams.example/join/1", "Teams meetings, also where we are invited"


def test_an_all_day_event_has_dates_that_no_zone_shifts(account: Account) -> None:
    one = account.agenda.add(at(5, 0), at(6, 0), isAllDay=True, originalStartTimeZone="Pacific Standard Time")
    found = Copy(account, account.calendar()).sync().event(one.id)
    assert (found.start, found.end) == (date(2026, 3, 5), date(2026, 3, 6))


@pytest.mark.parametrize(
    ("sensitivity", "classification"),
    [("normal", "public"), ("personal", "private"), ("private", "private"), ("confidential", "confidential")],
)
def test_sensitivity_is_respected(account: Account, sensitivity: str, classification: str) -> None:
    one = account.agenda.add(at(5), at(5) + HOUR, sensitivity=sensitivity)
    assert Copy(account, account.calendar()).sync().event(one.id).classification == classification


@pytest.mark.parametrize(
    ("shows", "kind", "busy"),
    [
        ("oof", "outOfOffice", Busy.BUSY),
        ("workingElsewhere", "workingLocation", Busy.BUSY),
        ("free", "default", Busy.FREE),
        ("tentative", "default", Busy.BUSY),
    ],
)
def test_absence_notes_are_no_meetings(account: Account, shows: str, kind: str, busy: Busy) -> None:
    one = account.agenda.add(at(5), at(5) + HOUR, showAs=shows)
    found = Copy(account, account.calendar()).sync().event(one.id)
    assert (found.kind, found.transparency) == (kind, busy)


def test_a_meeting_away_with_others_is_a_meeting(account: Account) -> None:
    one = account.agenda.add(at(5), at(5) + HOUR, showAs="oof", attendees=[JANE])
    assert Copy(account, account.calendar()).sync().event(one.id).kind == "default"


def test_a_cancelled_meeting_is_there_and_cancelled(account: Account) -> None:
    one = account.agenda.add(at(5), at(5) + HOUR, isCancelled=True)
    assert Copy(account, account.calendar()).sync().event(one.id).status == "cancelled"


def test_an_event_not_sent_yet_is_a_draft(account: Account) -> None:
    one = account.agenda.add(at(5), at(5) + HOUR, isDraft=True)
    found = Copy(account, account.calendar()).sync().held[one.id]
    assert (found.skip, found.raw) == ("draft", None)


def test_an_event_whose_times_cannot_be_read_fails_alone(account: Account) -> None:
    bad, good = account.agenda.add(at(5), at(5) + HOUR), account.agenda.add(at(6), at(6) + HOUR)
    render = account.agenda.render
    broken = {"dateTime": "next Tuesday", "timeZone": "UTC"}
    account.agenda.render = lambda e: {**render(e), **({"start": broken} if e is bad else {})}  # type: ignore[method-assign]
    copy = Copy(account, account.calendar()).sync()
    assert [one.remote_id for one in copy.failed] == [bad.id] and copy.ids == {good.id}


def test_times_in_a_zone_the_server_chose_are_converted(account: Account) -> None:
    item = {
        "id": "e",
        "start": {"dateTime": "2026-07-01T09:00:00.0000000", "timeZone": "Pacific Standard Time"},
        "end": {"dateTime": "2026-07-01T10:00:00.0000000", "timeZone": "America/Los_Angeles"},
    }
    found = event.calendar_event(item, None, ADDRESS)
    assert (found.start, found.end) == (datetime(2026, 7, 1, 16, tzinfo=UTC), datetime(2026, 7, 1, 17, tzinfo=UTC))


@pytest.mark.parametrize(
    ("windows", "name"),
    [
        ("W. Europe Standard Time", "Europe/Berlin"),
        ("tokyo standard time", "Asia/Tokyo"),
        ("Europe/Paris", "Europe/Paris"),
        ("tzone://Microsoft/Custom", "UTC"),
        ("", "UTC"),
        (None, "UTC"),
        ("../../etc/passwd", "UTC"),
        ("UTC", "UTC"),
    ],
)
def test_windows_zone_names_become_iana_names(windows: str | None, name: str) -> None:
    assert iana(windows) == name


# identity


def test_a_foreign_uid_that_exchange_wrapped_is_unwrapped() -> None:
    inner = b"vCal-Uid\x01\x00\x00\x00" + b"abc123@google.com\x00"
    wrapped = event.GLOBAL_ID.upper() + "00000000" + "00" * 16 + f"{len(inner):02X}000000" + inner.hex().upper()
    assert event.unwrapped(wrapped) == "abc123@google.com"
    assert event.unwrapped("abc123@google.com") == "abc123@google.com"
    for item in ({"iCalUId": wrapped}, {"iCalUId": wrapped, "seriesMasterId": "m", "type": "exception"}):
        times = {"start": {"dateTime": "2026-03-02T09:00:00"}, "end": {"dateTime": "2026-03-02T10:00:00"}}
        assert event.calendar_event({"id": "e", **item, **times}, None, ADDRESS).uid == "abc123@google.com"
    own = event.GLOBAL_ID.upper() + "00000000" + "AB" * 20
    assert event.unwrapped(own) == own


def test_lesson_22_occurrences_share_the_masters_uid_and_differ_by_recurrence_id(account: Account) -> None:
    series = account.agenda.add(at(2), at(2) + HOUR, interval=7, count=4, subject="Weekly", attendees=[JANE])
    copy = Copy(account, account.calendar()).sync()
    found = copy.events()
    assert {one.uid for one in found} == {series.properties["iCalUId"]}
    assert [one.recurrence_id for one in found] == [at(2 + 7 * n) for n in range(4)]
    assert [one.summary for one in found] == ["Weekly"] * 4, "stubs are completed from the master"
    assert all(one.attendees and one.attendees[0].address == "jane@acme.example" for one in found)
    assert series.id not in copy.ids, "the master is no meeting"


def test_an_exception_keeps_its_own_content_and_its_original_time(account: Account) -> None:
    series = account.agenda.add(at(2), at(2) + HOUR, interval=7, count=3, subject="Weekly")
    account.agenda.change_occurrence(series.id, 1, subject="Special", start=at(10, 15), end=at(10, 16))
    found = Copy(account, account.calendar()).sync().events()
    assert [(one.summary, one.start, one.recurrence_id) for one in found] == [
        ("Weekly", at(2), at(2)),
        ("Special", at(10, 15), at(9)),
        ("Weekly", at(16), at(16)),
    ]


@pytest.mark.parametrize("original", ["2026-03-01T23:00:00Z", "2026-03-02T00:00:00Z"])
def test_an_all_day_series_has_dates_for_recurrence_ids(original: str) -> None:
    item = {
        "id": "o",
        "type": "exception",
        "seriesMasterId": "m",
        "isAllDay": True,
        "originalStart": original,
        "originalStartTimeZone": "W. Europe Standard Time",
        "start": {"dateTime": "2026-03-02T00:00:00.0000000", "timeZone": "UTC"},
        "end": {"dateTime": "2026-03-03T00:00:00.0000000", "timeZone": "UTC"},
    }
    assert event.calendar_event(item, {"iCalUId": "u"}, ADDRESS).recurrence_id == date(2026, 3, 2)


def test_an_exception_without_its_master_still_names_the_series(account: Account) -> None:
    series = account.agenda.add(at(2), at(2) + HOUR, interval=7, count=3)
    whole = account.agenda.member(series, 1)
    assert whole["iCalUId"] != series.properties["iCalUId"]
    assert event.calendar_event(whole, None, ADDRESS).uid == series.properties["iCalUId"]


# changes


def test_a_changed_event_comes_again_and_a_deleted_one_is_removed(account: Account) -> None:
    kept, gone = account.agenda.add(at(5), at(5) + HOUR), account.agenda.add(at(6), at(6) + HOUR)
    copy = Copy(account, account.calendar()).sync()
    account.agenda.update(kept.id, subject="New", start=at(5, 14), end=at(5, 15))
    account.agenda.delete(gone.id)
    copy.sync()
    assert (copy.event(kept.id).summary, copy.event(kept.id).start) == ("New", at(5, 14))
    assert copy.removed == [(gone.id, "deleted")] and copy.ids == {kept.id}


def test_a_deleted_occurrence_is_found_though_it_leaves_no_tombstone(account: Account) -> None:
    series = account.agenda.add(at(2), at(2) + HOUR, interval=7, count=4)
    copy = Copy(account, account.calendar()).sync()
    account.agenda.delete_occurrence(series.id, 2)
    copy.sync()
    assert copy.removed == [(series.member_id(2), "deleted")]
    assert [one.recurrence_id for one in copy.events()] == [at(2), at(9), at(23)]


@pytest.mark.parametrize("masters", [False, True])
def test_a_rescheduled_series_leaves_none_of_its_old_occurrences_behind(account: Account, masters: bool) -> None:
    account.server.manners.masters = masters
    series = account.agenda.add(at(2), at(2) + HOUR, interval=7, count=4)
    copy = Copy(account, account.calendar()).sync()
    account.agenda.update(series.id, start=at(3), end=at(3) + HOUR, subject="Moved")
    copy.sync()
    assert [(one.start, one.summary) for one in copy.events()] == [(at(3 + 7 * n), "Moved") for n in range(4)]
    assert len(copy.removed) == 4


def test_a_renamed_series_renames_all_occurrences(account: Account) -> None:
    series = account.agenda.add(at(2), at(2) + HOUR, interval=7, count=4, subject="Old")
    copy = Copy(account, account.calendar()).sync()
    account.agenda.update(series.id, subject="New")
    copy.sync()
    assert {one.summary for one in copy.events()} == {"New"} and copy.removed == []


def test_a_deleted_series_removes_all_its_occurrences(account: Account) -> None:
    series = account.agenda.add(at(2), at(2) + HOUR, interval=7, count=4)
    other = account.agenda.add(at(2), at(2) + HOUR)
    copy = Copy(account, account.calendar()).sync()
    account.agenda.delete(series.id)
    copy.sync()
    assert copy.ids == {other.id}


def test_an_event_moved_out_of_the_window_is_not_deleted(account: Account) -> None:
    one = account.agenda.add(at(5), at(5) + HOUR, subject="Later")
    copy = Copy(account, account.calendar()).sync()
    far = at(5) + timedelta(days=900)
    account.agenda.update(one.id, start=far, end=far + HOUR)
    copy.sync()
    assert copy.removed == [] and copy.event(one.id).start == far


def test_an_event_that_was_never_in_the_window_is_not_taken_in_for_being_named_as_removed(account: Account) -> None:
    kept = account.agenda.add(at(5), at(5) + HOUR)
    copy = Copy(account, account.calendar()).sync()
    far = at(5) + timedelta(days=900)
    account.agenda.add(far, far + HOUR)
    copy.sync()
    assert copy.ids == {kept.id} and copy.removed == []


# the window


def test_the_window_reaches_a_year_both_ways_and_is_rebased_every_month(account: Account) -> None:
    inside = account.agenda.add(NOON - timedelta(days=360), NOON - timedelta(days=360) + HOUR)
    next_year = NOON + timedelta(days=410)
    later = account.agenda.add(next_year, next_year + HOUR)
    copy = Copy(account, account.calendar()).sync()
    assert copy.ids == {inside.id}
    account.clock.time = NOON + timedelta(days=40)
    copy.sync()
    assert copy.ids == {inside.id, later.id}, "what has left the window is not deleted, what has entered is there"
    assert copy.removed == [] and not any(batch.listing for batch in copy.batches[1:])


def test_what_is_deleted_while_the_window_is_rebased_is_not_missed(account: Account) -> None:
    ids = [account.agenda.add(at(5, n % 20), at(5, n % 20) + HOUR).id for n in range(30)]
    copy = Copy(account, account.calendar()).sync()
    account.clock.time = NOON + timedelta(days=40)
    account.agenda.delete(ids[0])
    batches = account.open().changes(copy.stream, copy.cursor)
    copy.apply(next(batches))
    account.agenda.delete(ids[1])
    for batch in batches:
        copy.apply(batch)
    copy.sync()
    assert copy.ids == set(ids[2:])


def test_a_listing_from_scratch_does_not_make_what_left_the_window_look_deleted(account: Account) -> None:
    early = account.agenda.add(NOON - timedelta(days=360), NOON - timedelta(days=360) + HOUR)
    copy = Copy(account, account.calendar()).sync()
    account.clock.time = NOON + timedelta(days=80)
    copy.sync()
    account.clock.time = NOON + timedelta(days=160)
    copy.sync()
    account.server.tokens.expire()
    with pytest.raises(CursorExpired):
        copy.sync()
    copy.again()
    assert copy.ids == {early.id}


def test_oldest_widens_the_window_within_what_graph_allows(account: Account) -> None:
    old = account.agenda.add(NOON - timedelta(days=700), NOON - timedelta(days=700) + HOUR)
    assert Copy(account, account.calendar()).sync(oldest=NOON - timedelta(days=800)).ids == {old.id}
    assert Copy(account, account.calendar()).sync(oldest=NOON - timedelta(days=9_000)).ids == {old.id}


def test_ids_count_the_same_window_by_instances(account: Account) -> None:
    account.agenda.add(at(2), at(2) + HOUR, interval=7, count=30)
    account.agenda.add(at(5), at(5) + HOUR)
    copy = Copy(account, account.calendar()).sync()
    listed = [one for chunk in account.open().ids(copy.stream) for one in chunk]
    assert set(listed) == copy.ids and len(listed) == 31


def test_single_events_and_occurrences_can_be_fetched_again(account: Account) -> None:
    series = account.agenda.add(at(2), at(2) + HOUR, interval=7, count=3, subject="Weekly")
    one = account.agenda.add(at(5), at(5) + HOUR, subject="One")
    copy = Copy(account, account.calendar())
    for batch in account.open().fetch(copy.stream, [series.member_id(1), one.id, "AAkCnothing="]):
        assert batch.cursor is None
        copy.apply(batch)
    assert copy.event(series.member_id(1)).uid == series.properties["iCalUId"]
    assert copy.event(one.id).summary == "One"
    assert copy.removed == [("AAkCnothing=", "deleted")]


# streams and cost


def test_own_calendars_are_on_and_those_of_others_are_off(account: Account) -> None:
    account.agenda.create_calendar("Projects")
    account.agenda.create_calendar("Holidays", editable=False)
    account.agenda.create_calendar("Boss", owner="boss@ourco.example")
    found = {one.name: one.default_on for one in account.open().streams() if one.kind is StreamKind.CALENDAR}
    assert found == {"Calendar": True, "Projects": True, "Holidays": False, "Boss": False}


def test_each_calendar_is_followed_by_itself(account: Account) -> None:
    projects = account.agenda.create_calendar("Projects")
    mine, theirs = account.agenda.add(at(5), at(5) + HOUR), account.agenda.add(at(5), at(5) + HOUR, calendar=projects)
    stream = Stream(id=projects, name="Projects", kind=StreamKind.CALENDAR)
    assert Copy(account, stream).sync().ids == {theirs.id}
    assert Copy(account, account.calendar()).sync().ids == {mine.id}


def test_the_default_calendar_is_read_at_its_short_address_where_the_long_one_is_unknown(account: Account) -> None:
    one = account.agenda.add(at(5), at(5) + HOUR)
    account.fault("GET /me/calendars/[^/]+/calendarView/delta", 400, "BadRequest")
    assert Copy(account, account.calendar()).sync().ids == {one.id}


def test_a_calendar_that_is_no_longer_there_is_gone(account: Account) -> None:
    with pytest.raises(StreamGone):
        Copy(account, Stream(id="AAMkCALgone=", name="x", kind=StreamKind.CALENDAR)).sync()


def test_a_first_listing_costs_its_pages_and_one_request_for_20_masters_and_a_no_op_one(account: Account) -> None:
    for number in range(20):
        account.agenda.add(at(2), at(2) + HOUR, interval=7, count=12, subject=f"S{number}")
    for number in range(60):
        account.agenda.add(at(3), at(3) + HOUR, subject=f"E{number}")
    connector = account.open()
    copy = Copy(account, account.calendar()).sync(connector)
    assert len(copy.held) == 300
    assert account.server.statistics.requests <= 2 + 2
    before = account.server.statistics.requests
    copy.sync(connector)
    assert account.server.statistics.requests - before == 1
    assert account.server.problems == [] and account.server.statistics.without_immutable == []


def test_a_change_to_one_series_costs_three_requests(account: Account) -> None:
    series = [account.agenda.add(at(2), at(2) + HOUR, interval=7, count=5) for _ in range(5)]
    copy = Copy(account, account.calendar()).sync()
    connector = account.open()
    before = account.server.statistics.requests
    account.agenda.update(series[2].id, subject="New")
    copy.sync(connector)
    assert account.server.statistics.requests - before == 3


def test_pages_that_are_empty_repeated_or_turned_round_change_nothing(account: Account) -> None:
    manners = account.server.manners
    manners.empty_pages = manners.shuffled = manners.masters = True
    for number in range(250):
        account.agenda.add(at(3), at(3) + HOUR, subject=f"E{number}")
    account.agenda.add(at(2), at(2) + HOUR, interval=1, count=150, subject="Daily")
    copy = Copy(account, account.calendar()).sync()
    assert len(copy.held) == 400 and copy.failed == []
    assert {one.summary for one in copy.events() if one.recurrence_id} == {"Daily"}


def test_a_listing_of_a_calendar_resumes_at_every_cursor(account: Account) -> None:
    account.agenda.add(at(2), at(2) + HOUR, interval=1, count=500, subject="Daily")
    copy = Copy(account, account.calendar())
    while not any(batch.final for batch in copy.batches):
        connector = account.open()
        copy.apply(next(iter(connector.changes(copy.stream, copy.cursor))))
        connector.close()
    series: Any = next(iter(account.agenda.events.values()))
    assert len(copy.held) == (datetime(2027, 4, 1, tzinfo=UTC) - at(2, 0)).days
    account.agenda.delete_occurrence(series.id, 3)
    copy.sync()
    assert copy.removed == [(series.member_id(3), "deleted")]


@pytest.fixture
def account() -> Iterator[Account]:
    yield from accounts()
