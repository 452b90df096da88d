"""The outgoing calendar feed is read back by an independent parser."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import icalendar
import pytest

from crm import feed
from crm.feed import FeedMeeting, FeedTask, calendar_feed

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def test_tasks_and_meetings_come_back_as_they_went_in() -> None:
    tasks = [
        FeedTask(1, "Call Jane, re: offer", date(2026, 3, 5)),
        FeedTask(2, "Send", NOON, url="https://crm.example/t/2"),
    ]
    meetings = [FeedMeeting(7, "Review; Grüße", NOON, NOON.replace(hour=13), location="Room\nOne", about="Acme")]
    call, send, review = entries(calendar_feed(tasks, meetings, name="Rep", stamp=NOON))
    assert (str(call["summary"]), call["dtstart"].dt, call["dtend"].dt) == (
        "Call Jane, re: offer",
        date(2026, 3, 5),
        date(2026, 3, 6),
    )
    assert send["dtstart"].dt == NOON and str(send["url"]) == "https://crm.example/t/2"
    assert str(review["summary"]) == "Review; Grüße" and str(review["location"]) == "Room\nOne"
    assert review["dtend"].dt == NOON.replace(hour=13)


def test_a_task_makes_nobody_busy_and_a_cancelled_meeting_says_so() -> None:
    cancelled = FeedMeeting(7, "Review", NOON, NOON, cancelled=True)
    task, meeting = entries(calendar_feed([FeedTask(1, "Call", NOON)], [cancelled], name="Rep", stamp=NOON))
    assert str(task["transp"]) == "TRANSPARENT" and str(meeting["status"]) == "CANCELLED"


def test_the_feed_can_invite_nobody() -> None:
    """Lesson 23: nothing of ours may reach customers as an invitation."""
    made = calendar_feed([FeedTask(1, "Call", NOON)], [FeedMeeting(7, "Review", NOON, NOON)], name="Rep", stamp=NOON)
    assert not any(word in made for word in (b"METHOD", b"ATTENDEE", b"ORGANIZER"))


def test_equal_content_gives_equal_bytes() -> None:
    feeds = {calendar_feed([FeedTask(1, "Call", NOON)], [], name="Rep", stamp=NOON) for _ in range(2)}
    assert len(feeds) == 1


def test_a_title_cannot_add_lines_to_the_feed() -> None:
    (entry,) = entries(calendar_feed([FeedTask(1, "x\r\nATTENDEE:mailto:a@b.example", NOON)], [], name="R", stamp=NOON))
    assert "attendee" not in entry


def test_no_more_entries_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "MAX_ENTRIES", 2)
    assert len(entries(calendar_feed((FeedTask(n, "Call", NOON) for n in range(9)), [], name="Rep", stamp=NOON))) == 2


def entries(made: bytes) -> list[Any]:
    """The VEVENTs, in order."""
    calendar: Any = icalendar.Calendar.from_ical(made)
    return list(calendar.walk("VEVENT"))
