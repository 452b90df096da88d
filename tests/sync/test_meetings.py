"""Meetings as the flow keeps them: who is believed, who takes part, what is no meeting, what is private, and how the
window of a series moves."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from connectors.calendar import parse_calendar
from connectors.types import RawCalendar, RemoteEvents
from crm import export
from crm.models import Communication, EventVersion, Participant, Sighting
from crm.privacy import Viewer
from sync import accounts, meetings, series
from tests.rig.office import NOON, Office, event, invitation

SOON = NOON + timedelta(days=2)
REP, BEN, JANE = "rep@ourco.example", "ben@ourco.example", "jane@acme.example"


def test_who_is_not_the_organizer_neither_moves_nor_cancels_a_meeting(lite: Office) -> None:
    box = lite.mailbox(calendar=True)
    lite.deliver(box, event("kick@x", SOON), stream="cal")
    for method in ("REQUEST", "CANCEL"):
        raw = invitation("kick@x", SOON + timedelta(days=5), "mallory@evil.example", REP, method=method, sequence=9)
        lite.deliver(box, raw)
        raw = invitation(
            "kick@x", SOON, "mallory@evil.example", REP, method=method, sequence=9, organizer="mallory@evil.example",
            id=f"<own-{method}@x>",
        )  # fmt: skip
        lite.deliver(box, raw)
    lite.sync()
    line = only(lite)
    assert (line["cancelled"], line["message_id"]) == (False, None)
    assert line["occurred_at"] == f"{SOON:%Y-%m-%dT%H:%M:%SZ}"
    assert [p["address"] for p in line["participants"] if p["role"] == "organizer"] == [REP]


def test_an_invitation_that_somebody_passes_on_is_kept_and_set_aside_whether_or_not_a_calendar_knows_it(
    lite: Office,
) -> None:
    """Nothing of it would be left otherwise: it makes no meeting."""
    box = lite.mailbox(calendar=True)
    passed_on = {"organizer": "boss@elsewhere.example", "guests": (JANE,)}
    lite.deliver(box, invitation("gala@x", SOON, JANE, REP, **passed_on))
    answer = {"method": "REPLY", "organizer": REP, "guests": ("bob@other.example",)}
    lite.deliver(box, invitation("kick@x", SOON, JANE, REP, **answer))
    lite.sync()
    assert [(line["kind"], line["status"]) for line in lite.log()] == [("email", "ignored")] * 2
    assert set(lite.states().values()) == {"stored:invitation"}
    before = lite.log()
    lite.deliver(box, event("gala@x", SOON, organizer="boss@elsewhere.example", guests=(REP,)), stream="cal")
    lite.sync()
    assert [line for line in lite.log() if line["kind"] == "email"] == before
    assert only(lite)["ical_uid"] == "gala@x"


def test_an_invitation_and_the_event_in_a_calendar_are_one_meeting_with_the_mail_as_origin(office: Office) -> None:
    box = office.mailbox(calendar=True)
    office.deliver(box, event("kick@x", SOON, organizer=JANE, guests=(REP,)), stream="cal")
    office.sync()
    assert only(office)["message_id"] is None
    office.deliver(box, invitation("kick@x", SOON, JANE, REP, organizer=JANE, guests=(REP,), id="<inv@acme.example>"))
    office.sync()
    assert only(office)["message_id"] == "<inv@acme.example>"
    assert set(office.states().values()) == {"stored:invitation"}


def test_a_guest_added_later_brings_the_meeting_to_their_record(office: Office) -> None:
    box = office.mailbox(calendar=True)
    office.contact(JANE)
    office.contact("bob@other.example", name="Bob")
    remote = office.deliver(box, event("kick@x", SOON, guests=(JANE,)), stream="cal")
    office.sync()
    assert only(office)["contacts"] == [JANE]
    more = event("kick@x", SOON, guests=(JANE, "bob@other.example"), sequence=1)
    office.boxes[box].replace("cal", remote, RawCalendar(more))
    office.sync()
    assert only(office)["contacts"] == ["bob@other.example", JANE]


def test_a_guest_without_address_is_kept_by_name_and_a_room_is_nobody(lite: Office) -> None:
    box = lite.mailbox(calendar=True)
    lite.contact("room@ourplace.example", name="A room somebody added")
    extra = (
        "ATTENDEE;CN=Old Friend:invalid:nomail\nATTENDEE;CUTYPE=ROOM;CN=Room 4:mailto:room@ourplace.example\n"
        "ATTENDEE;CN=Beamer:mailto:beamer@resource.calendar.google.com"
    )
    lite.deliver(box, event("kick@x", SOON, extra=extra), stream="cal")
    lite.sync()
    people = {p.name or p.canonical: (p.canonical, p.is_person) for p in lite.rows(Participant)}
    assert people["Old Friend"] == ("", True)
    assert (people["Room 4"][1], people["Beamer"][1]) == (False, False)
    assert only(lite)["contacts"] == []


@pytest.mark.parametrize("kind", ["outOfOffice", "birthday", "focusTime", "workingLocation", "fromGmail"])
def test_what_is_no_meeting_leaves_a_ledger_row_and_nothing_else(lite: Office, kind: str) -> None:
    box = lite.mailbox(calendar=True)
    parsed = parse_calendar(event("away@x", SOON)).events
    content = RemoteEvents(tuple(replace(e, kind=kind) for e in parsed), True)
    lite.boxes[box].deliver("cal", content, received_at=NOON)
    lite.sync()
    assert (lite.log(), lite.rows(EventVersion)) == ([], [])
    assert list(lite.states("Calendar").values()) == ["skipped:not_a_meeting"]


@pytest.mark.parametrize("word", ["PRIVATE", "CONFIDENTIAL"])
def test_a_private_event_keeps_its_time_and_nothing_else(lite: Office, word: str) -> None:
    box = lite.mailbox(calendar=True)
    lite.contact(JANE)
    extra = f"CLASS:{word}\nDESCRIPTION:the secret plan\nLOCATION:hideout"
    lite.deliver(box, event("quiet@x", SOON, summary="Secret", extra=extra), stream="cal")
    lite.sync()
    row = lite.rows(Communication)[0]
    assert (row.subject, row.snippet, row.visibility_cap, row.occurred_at) == ("Busy", "", "metadata", SOON)
    assert lite.rows(Participant) == []
    kept = str(lite.log()) + str(as_user(lite, "rep")) + str([v.payload for v in lite.rows(EventVersion)])
    assert not [word for word in ("ecret", "hideout", JANE) if word in kept]


@pytest.mark.parametrize(
    ("sharing", "subject", "text"),
    [("full", "Kick-off", True), ("subject", "Kick-off", False), ("metadata", "", False)],
)
def test_sharing_tiers_hold_for_meetings_as_for_mail(lite: Office, sharing: str, subject: str, text: bool) -> None:
    box = lite.mailbox(calendar=True, sharing=sharing)
    lite.contact(JANE)
    lite.deliver(box, event("kick@x", SOON, extra="DESCRIPTION:our plan"), stream="cal")
    lite.sync()
    (line,) = as_user(lite, "ben")
    assert (subject in line["subject"], "our plan" in line["text"]) == (True, text)
    assert ("Kick-off" in line["subject"]) is (sharing != "metadata")
    assert line["occurred_at"] == f"{SOON:%Y-%m-%dT%H:%M:%SZ}"


def test_a_private_calendar_is_its_owners_alone(lite: Office) -> None:
    box = lite.mailbox(calendar=True, sharing="private")
    lite.contact(JANE)
    lite.deliver(box, event("kick@x", SOON), stream="cal")
    lite.sync()
    assert (len(as_user(lite, "rep")), as_user(lite, "ben"), as_user(lite, "ada")) == (1, [], [])


def test_a_meeting_whose_last_calendar_let_it_go_is_cancelled_unless_it_was_over(lite: Office) -> None:
    box = lite.mailbox(calendar=True)
    for uid, at in (("past@x", NOON - timedelta(days=3)), ("soon@x", SOON)):
        lite.deliver(box, event(uid, at), stream="cal")
    lite.sync()
    for remote in sorted(lite.boxes[box].remote_ids("cal")):
        lite.boxes[box].delete("cal", remote)
    lite.sync()
    assert {line["ical_uid"]: line["cancelled"] for line in lite.log()} == {"past@x": False, "soon@x": True}


def test_the_mailbox_of_another_keeps_its_invitation_when_the_first_is_removed(lite: Office) -> None:
    one, two = lite.mailbox(), lite.mailbox("ben")
    raw = invitation("kick@x", SOON, JANE, f"{REP}, {BEN}", organizer=JANE, guests=(REP, BEN))
    lite.deliver(one, raw)
    lite.deliver(two, raw)
    lite.sync()
    assert only(lite)["accounts"] == [BEN, REP]
    with lite.service.db.transaction() as session:
        accounts.remove(session, one, purge=True, actor_id=None, now=lite.clock())
    assert [v.account_id for v in lite.rows(EventVersion)] == [two]
    assert only(lite)["accounts"] == [BEN]


def test_the_window_of_an_endless_series_moves_on_and_a_quiet_day_writes_nothing(office: Office) -> None:
    box = office.mailbox(calendar=True)
    office.deliver(box, event("weekly@x", NOON - timedelta(days=7), rrule="FREQ=WEEKLY"), stream="cal")
    office.deliver(box, event("ends@x", NOON, rrule="FREQ=DAILY;COUNT=5"), stream="cal")
    office.sync()
    before = office.dump(Communication, Participant, Sighting)
    assert len(of(office, "weekly@x")) == 1 + 1 + 52
    assert series.roll(office.service, box) == 0
    assert office.dump(Communication, Participant, Sighting) == before

    office.clock.advance(days=15)
    assert series.roll(office.service, box) == 1
    rows = of(office, "weekly@x")
    assert len(rows) == 56
    assert max(r.occurred_at for r in rows) <= office.clock() + meetings.AHEAD
    assert {s.communication_id for s in office.rows(Sighting)} >= {r.id for r in rows}
    assert series.roll(office.service, box) == 0


def test_a_job_that_is_cut_short_writes_whole_series_only(lite: Office) -> None:
    box = lite.mailbox(calendar=True)
    lite.deliver(box, event("weekly@x", NOON, rrule="FREQ=WEEKLY"), stream="cal")
    lite.sync()
    lite.clock.advance(days=15)
    assert series.roll(lite.service, box, lambda: True) == 0
    assert series.roll(lite.service, box) == 1


def test_what_happened_before_the_window_stays_in_the_log(lite: Office) -> None:
    box = lite.mailbox(calendar=True)
    start = NOON - timedelta(days=70)
    remote = lite.deliver(box, event("monthly@x", start, rrule="FREQ=WEEKLY"), stream="cal")
    lite.sync()
    lite.clock.advance(days=5 * 366)
    lite.boxes[box].replace("cal", remote, RawCalendar(event("monthly@x", start, rrule="FREQ=WEEKLY", sequence=1)))
    lite.sync()
    assert min(r.occurred_at for r in of(lite, "monthly@x")) == start


def test_a_series_that_becomes_shorter_takes_its_coming_instances_out(lite: Office) -> None:
    box = lite.mailbox(calendar=True)
    remote = lite.deliver(box, event("weekly@x", NOON, rrule="FREQ=WEEKLY"), stream="cal")
    lite.sync()
    shorter = event("weekly@x", NOON, rrule="FREQ=WEEKLY;COUNT=2", sequence=1)
    lite.boxes[box].replace("cal", remote, RawCalendar(shorter))
    lite.sync()
    assert len(of(lite, "weekly@x")) == 2


def of(office: Office, uid: str) -> list[Communication]:
    """The instances of a series."""
    return [row for row in office.rows(Communication) if row.ical_uid == uid]


def only(office: Office) -> dict[str, Any]:
    """The one meeting of the log."""
    (line,) = [line for line in office.log() if line["kind"] == "meeting"]
    return line


def as_user(office: Office, name: str) -> list[dict[str, Any]]:
    """``log export --as-user``."""
    viewer: Viewer = office.viewer(name)
    with office.service.db.reading() as session:
        return list(export.log_lines(session, as_user=viewer))
