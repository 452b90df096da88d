"""What counts as a meeting held: not before its end, not when it was called off, not when we said no."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from crm import contacts, facts
from crm.held import held, planned
from crm.models import Communication, Contact, Participant
from tests.crm.world import World

HOUR = timedelta(hours=1)
OURS, THEIRS = "anna@ourco.example", "jane@acme.example"
People = list[tuple[str, str, str | None, bool]]
"""Role, address, answer, whether it is a person."""


@pytest.mark.parametrize(
    ("people", "counts"),
    [
        ([("organizer", OURS, None, True), ("attendee", THEIRS, "declined", True)], True),
        ([("organizer", THEIRS, None, True), ("attendee", OURS, "accepted", True)], True),
        ([("organizer", THEIRS, None, True), ("attendee", OURS, "needs-action", True)], True),
        ([("organizer", THEIRS, None, True), ("attendee", OURS, "declined", True)], False),
        (
            [("attendee", OURS, "declined", True), ("attendee", "ben@ourco.example", "accepted", True)], True,
        ),
        (
            [("attendee", OURS, "declined", True), ("attendee", "room@ourco.example", "accepted", False)], False,
        ),
    ],
)  # fmt: skip
def test_a_meeting_our_side_declined_was_not_held(world: World, jane: Contact, now, people: People, counts) -> None:
    row = meeting(world, jane, now - 2 * HOUR, people)
    assert (row.id in found(world, held(now))) is counts
    header = facts.of_contact(world.session, world.viewer(world.anna), jane.id, now=now)
    assert (header.last_meeting is not None, header.score > 0) == (counts, counts)
    met = facts.last_contacted(world.session, world.viewer(world.anna), [jane.id], now=now)
    assert (jane.id in met) is counts


def test_a_meeting_counts_from_its_end_on_and_not_from_its_start(world: World, jane: Contact, now) -> None:
    row = meeting(world, jane, now - HOUR / 2, [("organizer", OURS, None, True)])
    row.ends_at = now + HOUR / 2
    world.session.flush()
    anna = world.viewer(world.anna)
    during = facts.of_contact(world.session, anna, jane.id, now=now)
    assert (during.last_meeting, during.score) == (None, 0.0)
    assert facts.last_contacted(world.session, anna, [jane.id], now=now) == {}
    after = facts.of_contact(world.session, anna, jane.id, now=now + HOUR)
    assert after.last_meeting is not None and after.score > 0


def test_a_cancelled_meeting_is_neither_held_nor_planned(world: World, jane: Contact, now) -> None:
    gone = meeting(world, jane, now - 2 * HOUR, [], cancelled=True)
    off = meeting(world, jane, now + HOUR, [], cancelled=True)
    declined = meeting(world, jane, now + HOUR, [("attendee", OURS, "declined", True)])
    ahead = meeting(world, jane, now + HOUR, [("attendee", OURS, "accepted", True)])
    assert gone.id not in found(world, held(now))
    assert {off.id, declined.id, ahead.id} & found(world, planned(now)) == {ahead.id}


def meeting(world: World, jane: Contact, at: datetime, people: People, **more: object) -> Communication:
    row = world.item(
        (world.anna, "full"), kind="meeting", direction=None, at=at, to=[("contact", jane.id)], people=[], **more
    )
    row.ends_at = at + HOUR
    for position, (role, address, answer, person) in enumerate(people):
        world.session.add(
            Participant(
                communication_id=row.id, position=position, role=role, raw=address, canonical=address, response=answer,
                is_person=person, own=address.endswith("@ourco.example"),
            )
        )
    world.session.flush()
    return row


def found(world: World, condition: object) -> set[int]:
    return set(world.session.scalars(select(Communication.id).where(condition)))  # type: ignore[arg-type]


@pytest.fixture
def jane(world: World, now: datetime) -> Contact:
    return contacts.create(world.session, name="Jane Doe", emails=["jane@acme.example"], now=now, actor_id=None)
