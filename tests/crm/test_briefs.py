"""What is told before a meeting: guests and their answers, last touches, open deals and tasks, as far as one may
see."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from crm import briefs, contacts, deals, tasks, timeline
from crm.models import Contact, Participant
from crm.timeline import LogFilter
from tests.crm.world import World

DAY = timedelta(days=1)


def test_a_brief_names_guests_touches_deals_and_tasks(world: World, jane: Contact, now: datetime) -> None:
    session, made = world.session, {"now": now, "actor_id": None}
    ahead = meeting(world, jane, now + DAY)
    touched = [world.item((world.anna, "full"), at=now - n * DAY, to=[("contact", jane.id)]) for n in range(1, 6)]
    deal = deals.create(session, title="Acme renewal", contact_ids=[jane.id], **made)
    done = tasks.create(session, title="Done already", contact_id=jane.id, **made)
    tasks.done(session, done.id, **made)
    task = tasks.create(session, title="Send agenda", contact_id=jane.id, due_at=now, **made)
    (brief,) = of(world, jane, now)
    assert brief.meeting.id == ahead
    assert [(g.name, g.answer, g.own) for g in brief.guests] == [
        ("Jane Doe", "comes", False), ("Old Friend", "has not answered", False), ("Anna", "", True),
    ]  # fmt: skip
    assert [t.id for t in brief.touches] == [item.id for item in touched[:3]]
    assert [d.id for d in brief.deals] == [deal.id]
    assert [t.id for t in brief.tasks] == [task.id]


def test_a_brief_tells_a_teammate_nothing_they_may_not_see(world: World, jane: Contact, now: datetime) -> None:
    meeting(world, jane, now + DAY)
    secret = world.item((world.anna, "private"), at=now - DAY, to=[("contact", jane.id)])
    reserved = world.item((world.anna, "metadata"), at=now - DAY, to=[("contact", jane.id)])
    (brief,) = of(world, jane, now, world.ben)
    assert [t.id for t in brief.touches] == [reserved.id]
    assert "Secret" not in str(brief.touches)
    assert secret.id in [t.id for t in of(world, jane, now)[0].touches]


def test_what_is_cancelled_needs_no_brief(world: World, jane: Contact, now: datetime) -> None:
    meeting(world, jane, now + DAY, cancelled=True)
    assert of(world, jane, now) == []


def test_briefs_cost_the_same_statements_however_many_meetings(
    world: World, jane: Contact, now: datetime, statements: list[str]
) -> None:
    bob = contacts.create(world.session, name="Bob", emails=["bob@other.example"], now=now, actor_id=None)
    for n in range(1, 4):
        meeting(world, jane, now + n * DAY)
    meeting(world, bob, now + DAY)
    counts = []
    for person, size in ((jane, 3), (bob, 1)):
        rows = upcoming(world, person, now)
        statements.clear()
        assert len(briefs.of(world.session, world.viewer(world.anna), rows, now=now)) == size
        counts.append(len(statements))
    assert counts[0] == counts[1]


def meeting(world: World, contact: Contact, at: datetime, **more: bool) -> int:
    row = world.item(
        (world.anna, "full"), kind="meeting", direction=None, at=at, subject="Kick-off", to=[("contact", contact.id)],
        people=[("organizer", "anna@ourco.example", "Anna"), ("attendee", "jane@acme.example", "Jane Doe"),
                ("attendee", "", "Old Friend"), ("attendee", "room@acme.example", "Room 4")], **more,
    )  # fmt: skip
    said = {"Jane Doe": "accepted", "Old Friend": "needs-action"}
    for party in world.session.query(Participant).filter_by(communication_id=row.id):
        party.response, party.is_person = said.get(party.name), party.name != "Room 4"
    world.session.flush()
    return row.id


def upcoming(world: World, contact: Contact, now: datetime) -> list[timeline.LogRow]:
    viewer = world.viewer(world.anna)
    return timeline.upcoming(world.session, viewer, LogFilter(contact_id=contact.id), now=now)


def of(world: World, contact: Contact, now: datetime, user: object = None) -> list[briefs.Brief]:
    viewer = world.viewer(user or world.anna)  # type: ignore[arg-type]
    rows = timeline.upcoming(world.session, viewer, LogFilter(contact_id=contact.id), now=now)
    return briefs.of(world.session, viewer, rows, now=now)


@pytest.fixture
def jane(session: Session, world: World) -> Contact:
    return contacts.create(session, name="Jane Doe", emails=["jane@acme.example"], now=world.now, actor_id=None)
