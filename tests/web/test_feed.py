"""The outgoing calendar feed: only its signed address opens it, it tells what its owner may see, and it can be taken
back."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from icalendar import Calendar

from crm import leaving, tasks, users
from crm.models import Communication
from sync.service import Service
from tests.web.conftest import NOW, Person, Team
from tests.web.seed import Seeded


def test_nobody_has_an_address_until_they_ask_for_one(priya: Person, team: Team, stranger: Person) -> None:
    assert "No address yet" in priya.get("/me/feed")
    assert "/me/feed" in priya.get("/me")
    assert "/sign-in" in stranger.client.get("/me/feed").headers["Location"]
    stranger.get(f"/feed/{team.priya}/None.ics", 404)


def test_the_feed_holds_open_tasks_and_meetings_of_its_owner(
    service: Service, priya: Person, stranger: Person, team: Team, mailed: Seeded
) -> None:
    with service.db.transaction() as session:
        made = {"now": NOW, "actor_id": team.priya}
        tasks.create(session, title="Call Erik", owner_id=team.priya, due_at=NOW + timedelta(days=1), **made)
        tasks.create(session, title="Not mine", owner_id=team.jonas, due_at=NOW + timedelta(days=1), **made)
    answer = stranger.client.get(opened(priya))
    assert (answer.status_code, answer.mimetype) == (200, "text/calendar")
    titles = {str(e["SUMMARY"]) for e in Calendar.from_ical(answer.data).walk("VEVENT")}
    with service.db.reading() as session:
        held = {m.subject for m in session.query(Communication).filter_by(kind="meeting", status="linked")}
    assert held and titles >= {"Call Erik"} | held and "Not mine" not in titles
    assert b"ATTENDEE" not in answer.data and b"METHOD" not in answer.data


def test_a_wrong_or_foreign_signature_opens_nothing(
    service: Service, priya: Person, jonas: Person, stranger: Person, team: Team
) -> None:
    address = opened(priya)
    opened(jonas)
    stranger.get(address.replace(f"/{team.priya}/", f"/{team.jonas}/"), 404)
    stranger.get(address.replace(f"/{team.priya}/", "/99999/"), 404)
    signed = re.findall(r"([0-9a-f]{20,})", address)[0]
    stranger.get(address.replace(signed, signed[:-1] + ("0" if signed[-1] != "0" else "1")), 404)
    stranger.get(address.replace(signed, "ü" * 20), 404)
    assert signed not in str([u.preferences for u in _users(service)])


def test_a_new_address_and_none_end_the_old_one_at_once(priya: Person, stranger: Person) -> None:
    first = opened(priya)
    second = opened(priya)
    assert first != second
    stranger.get(first, 404)
    stranger.get(second)
    priya.post("/me/feed/close")
    stranger.get(second, 404)


def test_the_feed_of_somebody_who_left_is_closed(
    service: Service, priya: Person, stranger: Person, team: Team
) -> None:
    address = opened(priya)
    with service.db.transaction() as session:
        leaving.leave(session, team.priya, {}, now=NOW, actor_id=team.admin)
    stranger.get(address, 404)


def test_what_did_not_change_is_not_sent_again_and_nothing_can_be_written(priya: Person, stranger: Person) -> None:
    address = opened(priya)
    tag = stranger.client.get(address).headers["ETag"]
    assert stranger.client.get(address, headers={"If-None-Match": tag}).status_code == 304
    assert stranger.client.put(address, data=b"x").status_code in (400, 405)


def opened(person: Person) -> str:
    """Ask for an address; its path."""
    page = person.post("/me/feed/open", follow=True)
    found = re.search(r'value="https?://[^/"]+(/feed/[^"]+)"', page)
    assert found
    return found[1]


def _users(service: Service) -> list:
    with service.db.reading() as session:
        return users.all_(session)


@pytest.fixture
def mailed(service: Service, team: Team, mail_template: tuple[Path, Seeded]) -> Seeded:
    """The seeded mail."""
    return mail_template[1]
