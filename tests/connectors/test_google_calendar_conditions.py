"""Every row of the table of Calendar conditions (providers.md 3.2), and the algorithm of 2.3, over the model server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connectors.errors import CursorExpired, OperatorFault, StreamGone, TryLater
from connectors.google import calendar as google_calendar
from connectors.google.failures import of_calendar, refusal
from connectors.types import Busy, CalendarEvent, RemoteEvents, Removed, Stream, StreamKind, Upsert
from tests.connectors.google_rig import ADDRESS, START, Held, Rig, drain, streams
from tests.emulators.google.calendars import Calendar

BERLIN = ZoneInfo("Europe/Berlin")


def primary(rig: Rig) -> Calendar:
    return rig.person.calendars[ADDRESS]


def meeting(**more: Any) -> dict[str, Any]:
    """A meeting of an hour."""
    return {
        "summary": "Kick-off",
        "start": {"dateTime": "2026-06-10T10:00:00+02:00", "timeZone": "Europe/Berlin"},
        "end": {"dateTime": "2026-06-10T11:00:00+02:00", "timeZone": "Europe/Berlin"},
        "organizer": {"email": ADDRESS, "self": True},
        "attendees": [
            {"email": ADDRESS, "self": True, "organizer": True, "responseStatus": "accepted"},
            {"email": "jane@acme.example", "displayName": "Jane", "responseStatus": "needsAction", "optional": True},
            {"email": "room@resource.calendar.google.com", "resource": True, "responseStatus": "accepted"},
        ],
        **more,
    }


def only(held: Held) -> CalendarEvent:
    [raw] = held.content.values()
    assert isinstance(raw, RemoteEvents)
    [event] = raw.events
    return event


def calendar_stream(rig: Rig, calendar_id: str = ADDRESS) -> Stream:
    return Stream(calendar_id, calendar_id, StreamKind.CALENDAR)


def refused(status: int, reason: str, message: str = "", *, with_token: bool = False) -> Exception:
    body = f'{{"error": {{"errors": [{{"reason": "{reason}"}}], "message": "{message}"}}}}'.encode()
    return of_calendar(refusal(status, body, {}, START), with_token=with_token)


# The table


@pytest.mark.parametrize("reason", ["fullSyncRequired", "gone"])
def test_a_410_on_a_sync_token_wants_a_full_listing(rig: Rig, reason: str) -> None:
    connector = rig.open()
    held = drain(connector, calendar_stream(rig))
    if reason == "fullSyncRequired":
        primary(rig).expire_tokens()
    else:
        rig.fault("events.list", status=410, reason="gone")
    with pytest.raises(CursorExpired):
        drain(connector, calendar_stream(rig), held)


def test_after_a_410_what_is_gone_is_absent_from_the_full_listing(rig: Rig) -> None:
    stays, goes = primary(rig).put(meeting())["id"], primary(rig).put(meeting())["id"]
    connector = rig.open()
    held = drain(connector, calendar_stream(rig))
    assert set(held.content) == {stays, goes}
    primary(rig).cancel(goes)
    primary(rig).expire_tokens()
    again = drain(connector, calendar_stream(rig), Held())
    assert set(again.content) == {stays}
    assert again.batches[-1].final and all(batch.listing for batch in again.batches)


def test_updated_min_too_long_ago_wants_a_full_listing() -> None:
    assert isinstance(refused(410, "updatedMinTooLongAgo"), CursorExpired)


def test_an_event_that_is_deleted_when_fetched_counts_as_gone(rig: Rig) -> None:
    rig.fault("events.get", status=410, reason="deleted")
    [batch] = rig.open().fetch(calendar_stream(rig), ["ev1", "ev2"])
    assert [change.remote_id for change in batch.changes if isinstance(change, Removed)] == ["ev1", "ev2"]


def test_a_sync_token_with_other_parameters_is_our_fault(rig: Rig) -> None:
    error = refused(400, "badRequest", "Sync token cannot be used with timeMin", with_token=True)
    assert isinstance(error, OperatorFault)


def test_every_list_call_carries_the_same_parameters(rig: Rig) -> None:
    connector = rig.open()
    held = drain(connector, calendar_stream(rig))
    primary(rig).put(meeting())
    drain(connector, calendar_stream(rig), held)  # the model refuses a token used with other parameters
    assert len(held.content) == 1
    assert {"timeMin", "timeMax", "q", "orderBy"}.isdisjoint(google_calendar.parameters("x"))


def test_an_empty_time_range_is_our_fault() -> None:
    assert isinstance(refused(400, "timeRangeEmpty"), OperatorFault)


@pytest.mark.parametrize(
    ("status", "reason"), [(403, "rateLimitExceeded"), (403, "userRateLimitExceeded"), (429, "rateLimitExceeded")]
)
def test_a_rate_limit_is_waited_out(rig: Rig, status: int, reason: str) -> None:
    primary(rig).put(meeting())
    rig.fault("events.list", status=status, reason=reason, times=2)
    assert len(drain(rig.open(), calendar_stream(rig)).content) == 1
    assert len(rig.slept) == 2


def test_calendar_usage_limits_exceeded_pauses_for_long(rig: Rig) -> None:
    rig.fault("events.list", status=403, reason="quotaExceeded")
    with pytest.raises(TryLater) as caught:
        drain(rig.open(), calendar_stream(rig))
    assert caught.value.retry_after == 3600 and rig.slept == []


def test_forbidden_for_non_organizer_concerns_writing_and_we_never_write(rig: Rig) -> None:
    assert isinstance(refused(403, "forbiddenForNonOrganizer"), StreamGone)
    primary(rig).put(meeting())
    drain(rig.open(), calendar_stream(rig))
    assert {name for name in rig.world.counts if name.startswith("events.")} == {"events.list"}


def test_without_a_calendar_the_mail_goes_on(rig: Rig) -> None:
    rig.person.has_calendar = False
    rig.deliver(1)
    connector = rig.open()
    found = streams(connector)
    assert list(found) == ["mailbox"]
    assert len(drain(connector, found["mailbox"]).content) == 1
    assert "no calendar" in rig.memory["calendar_refused"]


def test_a_calendar_that_is_no_longer_shared_stops_alone(rig: Rig) -> None:
    team = Calendar("team@group.calendar.google.com", "Team")
    rig.person.calendars[team.id] = team
    team.put(meeting())
    connector = rig.open()
    held = drain(connector, calendar_stream(rig, team.id))
    team.gone = True
    with pytest.raises(StreamGone) as caught:
        drain(connector, calendar_stream(rig, team.id), held)
    assert caught.value.permanent
    assert list(streams(connector)) == ["mailbox", ADDRESS]


@pytest.mark.parametrize(("status", "reason"), [(409, "duplicate"), (412, "conditionNotMet")])
def test_a_conflict_belongs_to_writing_and_never_stops_reading(rig: Rig, status: int, reason: str) -> None:
    primary(rig).put(meeting())
    rig.fault("events.list", status=status, reason=reason)
    assert len(drain(rig.open(), calendar_stream(rig)).content) == 1


def test_a_cancelled_event_with_only_an_id_is_gone_without_a_look_at_other_fields(rig: Rig) -> None:
    event = primary(rig).put(meeting())
    connector = rig.open()
    held = drain(connector, calendar_stream(rig))
    primary(rig).cancel(event["id"])
    del primary(rig).events[event["id"]]["etag"]
    drain(connector, calendar_stream(rig), held)
    assert held.removed == [event["id"]]


# The algorithm


def test_a_cancelled_meeting_that_still_tells_is_shown_as_cancelled(rig: Rig) -> None:
    event = primary(rig).put(meeting())
    connector = rig.open()
    held = drain(connector, calendar_stream(rig))
    primary(rig).cancel(event["id"], stub=False)
    drain(connector, calendar_stream(rig), held)
    assert only(held).status == "cancelled" and only(held).summary == "Kick-off"


def test_a_meeting_that_its_guest_declined_away_is_only_gone_from_that_calendar(rig: Rig) -> None:
    guests = [{"email": ADDRESS, "self": True, "responseStatus": "declined"}, {"email": "jane@acme.example"}]
    event = primary(rig).put(meeting(organizer={"email": "jane@acme.example"}, attendees=guests))
    connector = rig.open()
    held = drain(connector, calendar_stream(rig))
    primary(rig).cancel(event["id"], stub=False)
    drain(connector, calendar_stream(rig), held)
    assert held.removed == [event["id"]]


def test_deleted_events_of_the_past_are_no_news_in_a_first_listing(rig: Rig) -> None:
    event = primary(rig).put(meeting())
    primary(rig).cancel(event["id"], stub=False)
    assert [c for batch in drain(rig.open(), calendar_stream(rig)).batches for c in batch.changes] == []


def test_a_cancelled_instance_takes_its_uid_from_the_master_of_the_same_page(rig: Rig) -> None:
    master = primary(rig).put(meeting(iCalUID="series@acme.example", recurrence=["RRULE:FREQ=WEEKLY"]))
    primary(rig).cancel_instance(master["id"], {"dateTime": "2026-06-17T10:00:00+02:00", "timeZone": "Europe/Berlin"})
    connector = rig.open()
    held = drain(connector, calendar_stream(rig))
    events = [raw.events[0] for raw in held.content.values()]
    assert {event.uid for event in events} == {"series@acme.example"}
    [gone] = [event for event in events if event.status == "cancelled"]
    assert gone.recurrence_id == datetime(2026, 6, 17, 8, 0, tzinfo=UTC)
    assert (gone.summary, len(gone.attendees), gone.end - gone.start) == ("Kick-off", 3, timedelta(hours=1))
    assert rig.world.counts["events.get"] == 0


def test_a_cancelled_instance_alone_asks_for_its_master_once(rig: Rig) -> None:
    master = primary(rig).put(meeting(iCalUID="series@acme.example", recurrence=["RRULE:FREQ=WEEKLY"]))
    held = drain(rig.open(), calendar_stream(rig))
    for day in (17, 24):
        primary(rig).cancel_instance(master["id"], {"dateTime": f"2026-06-{day}T10:00:00+02:00"})
    drain(rig.open(), calendar_stream(rig), held)
    assert {raw.events[0].uid for raw in held.content.values()} == {"series@acme.example"}
    assert len(held.content) == 3
    assert rig.world.counts["events.get"] == 1


def test_a_cancelled_instance_of_a_master_that_is_gone_is_gone(rig: Rig) -> None:
    gone = primary(rig).cancel_instance("nosuchmaster", {"date": "2026-06-17"})
    held = drain(rig.open(), calendar_stream(rig))
    assert held.content == {} and held.removed == [gone]


def test_a_cancelled_day_of_an_all_day_series_keeps_its_date_and_length(rig: Rig) -> None:
    when = {"start": {"date": "2026-06-10"}, "end": {"date": "2026-06-12"}, "recurrence": ["RRULE:FREQ=WEEKLY"]}
    master = primary(rig).put(meeting(**when))
    gone = primary(rig).cancel_instance(master["id"], {"date": "2026-06-17"})
    event = drain(rig.open(), calendar_stream(rig)).content[gone].events[0]
    assert (event.recurrence_id, event.start, event.end) == (date(2026, 6, 17), date(2026, 6, 17), date(2026, 6, 19))


def test_a_moved_instance_names_the_instance_it_replaces(rig: Rig) -> None:
    master = primary(rig).put(meeting(iCalUID="s@x", recurrence=["EXDATE;TZID=Europe/Berlin:20260701T100000"]))
    moved = meeting(
        id=f"{master['id']}_20260617T080000Z", iCalUID="s@x", recurringEventId=master["id"],
        originalStartTime={"dateTime": "2026-06-17T10:00:00+02:00", "timeZone": "Europe/Berlin"},
        start={"dateTime": "2026-06-18T15:00:00+02:00", "timeZone": "Europe/Berlin"},
    )  # fmt: skip
    primary(rig).put(moved)
    held = drain(rig.open(), calendar_stream(rig))
    event = held.content[moved["id"]].events[0]
    assert event.recurrence_id == datetime(2026, 6, 17, 8, 0, tzinfo=UTC)
    assert event.start == datetime(2026, 6, 18, 15, 0, tzinfo=BERLIN)
    assert held.content[master["id"]].events[0].recurrence == ("EXDATE;TZID=Europe/Berlin:20260701T100000",)


def test_the_people_and_facts_of_a_meeting_are_kept(rig: Rig) -> None:
    primary(rig).put(meeting(visibility="private", transparency="transparent", sequence=3, location="Room 1"))
    event = only(drain(rig.open(), calendar_stream(rig)))
    assert [(a.address, a.role, a.response, a.kind) for a in event.attendees] == [
        (ADDRESS, "required", "accepted", "individual"),
        ("jane@acme.example", "optional", "needs-action", "individual"),
        ("room@resource.calendar.google.com", "required", "accepted", "resource"),
    ]
    assert event.organizer is not None and event.organizer.address == ADDRESS
    assert (event.classification, event.transparency, event.sequence) == ("private", Busy.FREE, 3)
    assert (event.location, event.zone, event.kind) == ("Room 1", "Europe/Berlin", "default")
    assert event.start == datetime(2026, 6, 10, 8, 0, tzinfo=UTC)


def test_a_time_without_an_offset_is_read_in_its_zone(rig: Rig) -> None:
    start = {"dateTime": "2026-06-10T10:00:00", "timeZone": "America/New_York"}
    primary(rig).put(meeting(start=start, end={"dateTime": "2026-06-10T11:00:00", "timeZone": "America/New_York"}))
    event = only(drain(rig.open(), calendar_stream(rig)))
    assert event.start == datetime(2026, 6, 10, 14, 0, tzinfo=UTC) and event.zone == "America/New_York"


def test_an_all_day_event_keeps_its_dates(rig: Rig) -> None:
    primary(rig).put(meeting(start={"date": "2026-06-10"}, end={"date": "2026-06-12"}))
    event = only(drain(rig.open(), calendar_stream(rig)))
    assert (event.start, event.end) == (date(2026, 6, 10), date(2026, 6, 12))
    assert not isinstance(event.start, datetime)


def test_omitted_attendees_are_said_to_be_omitted(rig: Rig) -> None:
    guests = [{"email": f"g{n}@acme.example"} for n in range(300)]
    primary(rig).put(meeting(attendees=guests))
    event = only(drain(rig.open(), calendar_stream(rig)))
    assert event.attendees_omitted and len(event.attendees) == 200


@pytest.mark.parametrize("kind", ["outOfOffice", "focusTime", "workingLocation", "birthday", "fromGmail"])
def test_special_events_keep_their_kind(rig: Rig, kind: str) -> None:
    primary(rig).put(meeting(eventType=kind))
    assert only(drain(rig.open(), calendar_stream(rig))).kind == kind


def test_single_events_before_the_window_are_named_without_content_and_series_are_kept(rig: Rig) -> None:
    old = primary(rig).put(meeting())["id"]
    series = primary(rig).put(meeting(recurrence=["RRULE:FREQ=WEEKLY"]))["id"]
    held = drain(rig.open(), calendar_stream(rig), oldest=datetime(2026, 7, 1, tzinfo=UTC))
    assert held.skipped == {old: "too_old"} and set(held.content) == {series}


def test_all_calendars_the_person_shows_are_streams_and_virtual_ones_are_off(rig: Rig) -> None:
    for made in (
        Calendar("team@group.calendar.google.com", "Team", "reader"),
        Calendar("hidden@group.calendar.google.com", "Hidden", "reader", selected=False),
        Calendar("boss@ourco.example", "Boss", "freeBusyReader"),
        Calendar("de.german#holiday@group.v.calendar.google.com", "Holidays", "reader"),
    ):
        rig.person.calendars[made.id] = made
    on = {stream.name: stream.default_on for stream in rig.open().streams() if stream.kind is StreamKind.CALENDAR}
    assert on == {ADDRESS: True, "Team": True, "Hidden": False, "Boss": False, "Holidays": False}


def test_a_large_calendar_is_listed_in_pages_and_resumes_from_every_cursor(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(google_calendar, "PAGE", 40)
    monkeypatch.setattr(google_calendar, "CUT", 15)
    everything = {primary(rig).put(meeting())["id"] for _ in range(100)}
    whole = drain(rig.open(), calendar_stream(rig))
    assert set(whole.content) == everything
    for stop in range(1, len(whole.batches)):
        held = Held()
        for batch in whole.batches[:stop]:
            held.apply(batch)
        drain(rig.open(), calendar_stream(rig), held)
        assert set(held.content) == everything
        assert held.batches[-1].final


@pytest.mark.parametrize("listing", [True, False])
def test_an_expired_page_token_restarts_the_pages(rig: Rig, monkeypatch: pytest.MonkeyPatch, listing: bool) -> None:
    monkeypatch.setattr(google_calendar, "PAGE", 10)
    connector = rig.open()
    held = Held() if listing else drain(connector, calendar_stream(rig))
    everything = {primary(rig).put(meeting())["id"] for _ in range(30)}
    batches = connector.changes(calendar_stream(rig), held.cursor)
    held.apply(next(batches))
    primary(rig).expire_pages()
    for batch in batches:
        held.apply(batch)
    assert set(held.content) == everything


def test_the_token_is_saved_with_the_last_page_only(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(google_calendar, "PAGE", 10)
    connector = rig.open()
    held = drain(connector, calendar_stream(rig))
    for _ in range(25):
        primary(rig).put(meeting())
    cursors = [batch.cursor for batch in connector.changes(calendar_stream(rig), held.cursor)]
    assert cursors[:-1] == [None] * (len(cursors) - 1) and cursors[-1] is not None


def test_a_level_calendar_costs_one_request(rig: Rig) -> None:
    primary(rig).put(meeting())
    connector = rig.open()
    held = drain(connector, calendar_stream(rig))
    rig.reset()
    changes = [c for b in connector.changes(calendar_stream(rig), held.cursor) for c in b.changes]
    assert changes == [] and dict(rig.world.counts) == {"events.list": 1}
    assert connector.usage.units == 0


def test_ids_equal_what_the_listing_named(rig: Rig) -> None:
    master = primary(rig).put(meeting(recurrence=["RRULE:FREQ=WEEKLY"]))
    primary(rig).cancel_instance(master["id"], {"dateTime": "2026-06-17T10:00:00+02:00"})
    gone = primary(rig).put(meeting())
    primary(rig).cancel(gone["id"])
    connector = rig.open()
    held = drain(connector, calendar_stream(rig))
    assert {key for ids in connector.ids(calendar_stream(rig)) for key in ids} == set(held.content)


def test_one_event_resource_is_one_complete_object_with_its_identity(rig: Rig) -> None:
    event = primary(rig).put(meeting())
    [batch] = [b for b in rig.open().changes(calendar_stream(rig), None) if b.changes]
    [change] = batch.changes
    assert isinstance(change, Upsert) and isinstance(change.raw, RemoteEvents)
    assert (change.remote_id, change.raw.complete) == (event["id"], True)
    assert change.raw.events[0].uid == event["iCalUID"]


@pytest.fixture
def rig() -> Iterator[Rig]:
    with Rig() as made:
        yield made
