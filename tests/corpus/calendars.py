"""Calendar objects for the corpus: single meetings, series with a moved and a cancelled instance, private events,
name-only guests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.corpus.world import Company, Deal, Meeting, Person, Scene, Seat


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def named(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _person(property_name: str, seat: Seat, extra: str = "") -> str:
    address, name = seat
    target = f"mailto:{address}" if address else "invalid:nomail"
    cleaned = name.replace('"', "'")
    return f'{property_name};CN="{cleaned}"{extra}:{target}'


def event(
    uid: str,
    at: datetime,
    summary: str,
    organizer: Seat,
    guests: Sequence[Seat],
    *lines: str,
    rooms: Sequence[str] = (),
) -> str:
    """One VEVENT of an hour."""
    rows = [
        "BEGIN:VEVENT", f"UID:{uid}", f"DTSTAMP:{stamp(at - timedelta(days=5))}", f"DTSTART:{stamp(at)}",
        f"DTEND:{stamp(at + timedelta(hours=1))}", f"SUMMARY:{summary}", _person("ORGANIZER", organizer),
        *(_person("ATTENDEE", guest, ";PARTSTAT=ACCEPTED") for guest in guests),
        *(_person("ATTENDEE", (room, "Room 4"), ";CUTYPE=ROOM") for room in rooms),
        *lines, "END:VEVENT",
    ]  # fmt: skip
    return "\r\n".join(rows)


def calendar(*events: str, method: str = "") -> str:
    """A whole calendar object."""
    head = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//corpus//EN", *([f"METHOD:{method}"] if method else [])]
    return "\r\n".join([*head, *events, "END:VCALENDAR", ""])


def truth(
    scene: Scene,
    uid: str,
    at: datetime | None = None,
    *,
    status: str = "linked",
    contacts: Sequence[Person] = (),
    companies: Sequence[Company] | None = None,
    deals: Sequence[Deal] = (),
    about: dict[str, list[str]] | None = None,
) -> dict[str, Any]:
    """A row of truth for a meeting, or for the instance that was at ``at`` originally."""
    if companies is None:
        companies = [person.company for person in contacts if person.company]
    row: dict[str, Any] = {
        "ical_uid": uid,
        "status": status,
        "contacts": sorted({person.label for person in contacts}),
        "companies": sorted({company.label for company in companies}),
        "deals": sorted({deal.title for deal in deals}),
        "trap": scene.trap,
    }
    return row | ({"recurrence_id": named(at)} if at else {}) | ({"about": about} if about else {})


def meeting(
    scene: Scene, days: float, guests: Sequence[Any], *lines: str, rooms: Sequence[str] = (), **expected: Any
) -> Meeting:
    """A single meeting of the scene's rep with guests."""
    uid = f"e{scene.next()}@cal.example"
    at = (scene.start + timedelta(days=days)).replace(minute=0, second=0, microsecond=0)
    seats = [scene.rep, *(g.seat if isinstance(g, Person) else g for g in guests)]
    found = Meeting(
        uid,
        calendar(event(uid, at, scene.topic(), scene.rep, seats, *lines, rooms=rooms)),
        [truth(scene, uid, **expected)],
    )
    scene.meetings.append(found)
    return found


def series(scene: Scene, days: float, guests: Sequence[Person], **expected: Any) -> Meeting:
    """Four weekly instances: the second moved by a day, the third cancelled (and left out of truth)."""
    uid = f"s{scene.next()}@cal.example"
    first = (scene.start + timedelta(days=days)).replace(minute=0, second=0, microsecond=0)
    seats = [scene.rep, *(guest.seat for guest in guests)]
    at = [first + timedelta(weeks=week) for week in range(4)]
    summary = scene.topic()
    parts = (
        event(uid, first, summary, scene.rep, seats, "RRULE:FREQ=WEEKLY;COUNT=4"),
        event(uid, at[1] + timedelta(days=1), summary, scene.rep, seats, f"RECURRENCE-ID:{stamp(at[1])}", "SEQUENCE:1"),
        event(uid, at[2], summary, scene.rep, seats, f"RECURRENCE-ID:{stamp(at[2])}", "STATUS:CANCELLED", "SEQUENCE:1"),
    )
    rows = [truth(scene, uid, when, **expected) for when in (at[0], at[1], at[3])]
    found = Meeting(uid, calendar(*parts), rows)
    scene.meetings.append(found)
    return found
