"""Versions of one meeting, from mails and calendars, in every order of arrival."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.calendar import Merged, Version, expand, merge_series, merge_versions
from connectors.types import Attendee, CalendarEvent

NINE = datetime(2026, 3, 4, 9, tzinfo=UTC)
BOSS, JANE, JOE = "boss@acme.example", "jane@acme.example", "joe@ourco.example"


def test_invite_accept_reschedule_and_cancel_give_one_state_in_every_order() -> None:
    story = [
        mail("REQUEST", BOSS, sequence=0, at=1),
        mail("REPLY", JANE, sequence=0, at=2, responses={JANE: "accepted"}),
        mail("REQUEST", BOSS, sequence=1, at=3, start=NINE + timedelta(hours=2)),
        mail("REPLY", JOE, sequence=1, at=4, responses={JOE: "declined"}),
        calendar(sequence=1, at=3, start=NINE + timedelta(hours=2), responses={JOE: "declined"}),
        mail("CANCEL", BOSS, sequence=2, at=5, status="cancelled"),
    ]
    states = {merge_versions(order) for order in itertools.permutations(story)}
    (state,) = states
    assert state is not None and state.cancelled and state.event.start == NINE + timedelta(hours=2)
    assert answers(state) == {JANE: "needs-action", JOE: "declined"}


def test_the_greater_sequence_wins_then_the_later_stamp() -> None:
    old = mail("REQUEST", BOSS, sequence=1, at=9, summary="old")
    new = mail("REQUEST", BOSS, sequence=2, at=1, summary="new")
    newer = mail("REQUEST", BOSS, sequence=2, at=2, summary="newer")
    assert merged(old, new).event.summary == "new"
    assert merged(old, newer, new).event.summary == "newer"


def test_a_reply_tells_of_its_sender_alone() -> None:
    reply = mail("REPLY", JANE, at=2, responses={JANE: "accepted", JOE: "declined"})
    assert answers(merged(mail("REQUEST", BOSS, at=1), reply)) == {JANE: "accepted", JOE: "needs-action"}


def test_a_reply_sent_by_someone_else_is_refused() -> None:
    forged = mail("REPLY", JANE, at=2, responses={JANE: "accepted"}, sender="mallory@evil.example")
    state = merged(mail("REQUEST", BOSS, at=1), forged)
    assert answers(state)[JANE] == "needs-action" and state.refused == (forged,)


def test_a_reply_to_an_older_sequence_does_not_answer_the_new_one() -> None:
    late = mail("REPLY", JANE, sequence=0, at=9, responses={JANE: "accepted"})
    assert answers(merged(mail("REQUEST", BOSS, sequence=1, at=3), late))[JANE] == "needs-action"


def test_who_is_not_the_organizer_changes_and_cancels_nothing() -> None:
    invite = mail("REQUEST", BOSS, at=1, received=1, summary="real")
    in_our_name = mail("REQUEST", BOSS, sequence=9, at=9, received=9, summary="fake", sender="mallory@evil.example")
    in_their_name = mail("REQUEST", "mallory@evil.example", sequence=9, at=0, received=9, summary="fake")
    cancel = mail("CANCEL", BOSS, sequence=9, at=9, received=9, status="cancelled", sender="mallory@evil.example")
    state = merged(invite, in_our_name, in_their_name, cancel)
    assert state.event.summary == "real" and not state.cancelled and len(state.refused) == 3


def test_a_calendars_organizer_outweighs_the_first_mail() -> None:
    early = mail("REQUEST", "mallory@evil.example", sequence=9, at=9, received=0, summary="fake")
    assert merged(early, calendar(at=1, summary="real")).event.summary == "real"


def test_an_assistant_named_in_sent_by_speaks_for_the_organizer() -> None:
    cancel = mail("CANCEL", BOSS, sequence=1, at=2, status="cancelled", sender="aide@acme.example")
    organizer = Attendee(BOSS, sent_by="aide@acme.example")
    assert merged(
        mail("REQUEST", BOSS, at=1), replace(cancel, event=replace(cancel.event, organizer=organizer))
    ).cancelled


def test_a_cancellation_for_some_guests_takes_out_only_them() -> None:
    uninvite = mail("CANCEL", BOSS, sequence=1, at=2, guests=(JOE,))
    state = merged(mail("REQUEST", BOSS, at=1), uninvite)
    assert not state.cancelled and answers(state) == {JANE: "needs-action"}


def test_an_invitation_after_a_cancellation_holds_again() -> None:
    cancel = mail("CANCEL", BOSS, sequence=1, at=2, status="cancelled")
    assert not merged(mail("REQUEST", BOSS, at=1), cancel, mail("REQUEST", BOSS, sequence=2, at=3)).cancelled


def test_a_counter_proposal_moves_nothing() -> None:
    counter = mail("COUNTER", JANE, at=5, start=NINE + timedelta(days=1), responses={JANE: "tentative"})
    state = merged(mail("REQUEST", BOSS, at=1), counter)
    assert state.event.start == NINE and answers(state)[JANE] == "tentative"


def test_a_reply_alone_names_the_meeting() -> None:
    state = merged(mail("REPLY", JANE, at=2, responses={JANE: "accepted"}, guests=(JANE,)))
    assert answers(state) == {JANE: "accepted"} and state.from_mail


def test_nothing_believed_is_no_meeting() -> None:
    assert merge_versions([mail("REQUEST", BOSS, sender="mallory@evil.example")]) is None
    assert merge_versions([]) is None


def test_a_stranger_cannot_move_an_instance_of_a_series_he_did_not_call() -> None:
    other = replace(mail("REQUEST", "mallory@evil.example", received=9).event, recurrence_id=NINE)
    state = merge_series(
        [mail("REQUEST", BOSS, received=1), Version(other, "mallory@evil.example", NINE + timedelta(minutes=9))]
    )
    assert set(state) == {None}


def test_an_answer_to_one_instance_keeps_the_other_guests_of_the_series() -> None:
    series = mail("REQUEST", BOSS, at=1, summary="Weekly", recurrence=("RRULE:FREQ=WEEKLY;COUNT=4",))
    week = NINE + timedelta(days=7)
    decline = mail("REPLY", JANE, at=5, responses={JANE: "declined"}, guests=(JANE,), recurrence_id=week, start=week)
    states = merge_series([decline, series])
    assert answers(states[week]) == {JANE: "declined", JOE: "needs-action"}
    assert states[week].event.summary == "Weekly" and answers(states[None])[JANE] == "needs-action"
    days = expand([state.event for state in states.values()], start=NINE, end=NINE + timedelta(days=60)).instances
    assert [one.start for one in days] == [NINE + timedelta(days=7 * n) for n in range(4)]


def test_a_cancelled_instance_keeps_its_title_and_stays_cancelled_when_the_series_changes() -> None:
    series = mail("REQUEST", BOSS, sequence=5, at=9, summary="Weekly", recurrence=("RRULE:FREQ=WEEKLY;COUNT=4",))
    week = NINE + timedelta(days=7)
    cancel = mail("CANCEL", BOSS, sequence=2, at=5, guests=(), recurrence_id=week, start=week, status="cancelled")
    states = merge_series([cancel, series])
    assert states[week].cancelled and states[week].event.summary == "Weekly" and not states[None].cancelled


def test_an_answer_does_not_bring_back_an_instance_that_the_series_excludes() -> None:
    rules = ("RRULE:FREQ=WEEKLY;COUNT=3", "EXDATE:20260311T090000Z")
    week = NINE + timedelta(days=7)
    reply = mail("REPLY", JANE, at=5, responses={JANE: "accepted"}, guests=(JANE,), recurrence_id=week, start=week)
    states = merge_series([mail("REQUEST", BOSS, at=1, recurrence=rules), reply])
    found = expand([state.event for state in states.values()], start=NINE, end=NINE + timedelta(days=60)).instances
    assert week not in [one.start for one in found] and len(found) == 2


def test_guests_hidden_in_one_calendar_come_from_another() -> None:
    hidden = replace(calendar(at=9).event, attendees=(), attendees_omitted=True)
    assert set(answers(merged(Version(hidden), mail("REQUEST", BOSS, at=1)))) == {JANE, JOE}


VERSIONS = st.builds(
    lambda method, person, sequence, at, response, received, sender, start: mail(
        method,
        person,
        sequence=sequence,
        at=at,
        received=received,
        responses={person: response},
        sender=sender or person,
        start=NINE + timedelta(hours=start),
    ),
    st.sampled_from(["REQUEST", "REPLY", "CANCEL", "COUNTER", "PUBLISH"]),
    st.sampled_from([BOSS, JANE, JOE]),
    st.integers(0, 2),
    st.integers(0, 3),
    st.sampled_from(["accepted", "declined", "tentative", "needs-action"]),
    st.integers(0, 3),
    st.sampled_from(["", BOSS, "mallory@evil.example"]),
    st.integers(0, 2),
) | st.builds(
    lambda sequence, at, response: calendar(sequence=sequence, at=at, responses={JOE: response}),
    st.integers(0, 2),
    st.integers(0, 3),
    st.sampled_from(["accepted", "declined", "needs-action"]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(VERSIONS, max_size=6), st.randoms(use_true_random=False))
def test_no_order_and_no_repetition_changes_the_state(versions: list[Version], random: Any) -> None:
    shuffled = versions + versions[:2]
    random.shuffle(shuffled)
    assert merge_versions(shuffled) == merge_versions(versions)
    assert merge_series(shuffled) == merge_series(versions)


@settings(max_examples=100, deadline=None)
@given(st.lists(VERSIONS, max_size=5))
def test_a_stranger_changes_no_meeting_that_a_calendar_knows(versions: list[Version]) -> None:
    held = [*versions, calendar(sequence=1, at=2)]
    forged = mail("REQUEST", BOSS, sequence=9, at=9, summary="fake", sender="mallory@evil.example")
    known, attacked = merge_versions(held), merge_versions([*held, forged])
    assert known is not None and attacked is not None and attacked.event == known.event


def mail(
    method: str,
    person: str,
    *,
    sequence: int = 0,
    at: int = 0,
    received: int = 0,
    sender: str = "",
    responses: dict[str, str] | None = None,
    guests: tuple[str, ...] = (JANE, JOE),
    **more: Any,
) -> Version:
    """A component by mail; ``person`` is the organizer, or for a reply the one who answers."""
    organizer = BOSS if method in ("REPLY", "COUNTER") else person
    event = component(organizer, sequence, at, responses or {}, guests, method=method, **more)
    return Version(event, sender or person, NINE + timedelta(minutes=received))


def calendar(*, sequence: int = 0, at: int = 0, responses: dict[str, str] | None = None, **more: Any) -> Version:
    """The component as a calendar has it."""
    return Version(component(BOSS, sequence, at, responses or {}, (JANE, JOE), **more))


def component(
    organizer: str, sequence: int, at: int, responses: dict[str, str], guests: tuple[str, ...], **more: Any
) -> CalendarEvent:
    start = more.pop("start", NINE)
    people = tuple(Attendee(guest, response=responses.get(guest, "needs-action")) for guest in guests)
    return CalendarEvent(
        uid="u",
        start=start,
        end=start + timedelta(hours=1),
        sequence=sequence,
        dtstamp=NINE + timedelta(minutes=at),
        organizer=Attendee(organizer),
        attendees=people,
        **more,
    )


def merged(*versions: Version) -> Merged:
    """The state; the same for the reverse order."""
    state = merge_versions(versions)
    assert state is not None and state == merge_versions(reversed(versions))
    return state


def answers(state: Merged) -> dict[str, str]:
    """Guest -> answer."""
    return {guest.address: guest.response for guest in state.event.attendees}
