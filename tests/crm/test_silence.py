"""How long deals have been silent, by the log alone and within what the viewer may see."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from crm import deals, pipelines, silence, workspace
from crm.models import Participant, Stage
from crm.silence import Silence
from tests.crm.world import World

DAY = timedelta(days=1)


@pytest.fixture
def deal(world: World, now: datetime) -> int:
    return deals.create(world.session, title="D", created_at=now - 30 * DAY, now=now, actor_id=None).id


def of(world: World, deal: int, user=None) -> Silence:
    return silence.of_deals(world.session, world.viewer(user or world.anna), [deal], now=world.now)[deal]


def put(world: World, deal: int, days: float, **more):
    given = {"at": world.now - days * DAY, "to": [("deal", deal)], **more}
    return world.item((world.anna, "full"), **given)


def test_a_deal_nobody_ever_answered_is_silent_since_it_was_opened(world: World, deal: int) -> None:
    assert of(world, deal).says == "no contact yet, opened 30 d ago; limit 7 d"
    put(world, deal, 2, direction="outbound")
    found = of(world, deal)
    assert (found.days, found.too_long, found.wrote_last) == (30, True, "we")
    assert found.says == "never answered, opened 30 d ago; limit 7 d"


@pytest.mark.parametrize(
    ("more", "kind", "says"),
    [
        ({}, "inbound", "last reply 3 d ago; limit 7 d"),
        ({"kind": "meeting", "direction": None}, "meeting", "last met 3 d ago; limit 7 d"),
        ({"kind": "call", "direction": "outbound"}, "call", "last call 3 d ago; limit 7 d"),
    ],
)
def test_two_way_contact_ends_the_silence_and_is_named(world: World, deal: int, more, kind: str, says: str) -> None:
    item = put(world, deal, 3, **more)
    found = of(world, deal)
    assert (found.days, found.too_long, found.last_kind, found.last_id) == (3, False, kind, item.id)
    assert found.says == says


@pytest.mark.parametrize(
    "more",
    [
        {"marks": ["automatic"]},
        {"marks": ["bulk"]},
        {"direction": "outbound"},
        {"kind": "note", "direction": None},
        {"kind": "meeting", "direction": None, "cancelled": True},
        {"kind": "meeting", "direction": None, "at": datetime.max},
        {"kind": "call", "outcome": "no_answer"},
        {"status": "unmatched"},
        {"people": [("to", f"p{n}@crowd.example", "") for n in range(26)]},
    ],
)
def test_what_is_no_two_way_contact_ends_nothing(world: World, deal: int, more: dict) -> None:
    outcome = more.get("outcome")
    changed = {"at": world.now + DAY} if "at" in more else {}
    item = put(world, deal, 3, **{key: value for key, value in more.items() if key != "outcome"} | changed)
    item.outcome = outcome
    world.session.flush()
    assert of(world, deal).days == 30


def test_a_letter_of_a_person_through_a_list_counts(world: World, deal: int) -> None:
    put(world, deal, 3, marks=["bulk", "personal"])
    assert of(world, deal).days == 3


def test_the_limit_is_passed_only_after_full_days(world: World, deal: int) -> None:
    put(world, deal, 7)
    assert not of(world, deal).too_long
    world.now += timedelta(seconds=1)
    assert of(world, deal).too_long


def test_the_limit_is_the_stages_own_else_the_workspaces(world: World, deal: int, now: datetime) -> None:
    put(world, deal, 12)
    stage = world.session.get(Stage, deals.by_id(world.session, deal).stage_id)
    assert of(world, deal).limit == 7
    workspace.put(world.session, "silent_days", 14, actor_id=None, now=now)
    assert (of(world, deal).limit, of(world, deal).too_long) == (14, False)
    stage.rotting_days = 10
    world.session.flush()
    assert (of(world, deal).limit, of(world, deal).too_long) == (10, True)
    stage.rotting_days = 0
    world.session.flush()
    assert (of(world, deal).limit, of(world, deal).too_long) == (None, False)


def test_no_edit_move_or_task_resets_it(world: World, deal: int, now: datetime) -> None:
    put(world, deal, 12)
    before = of(world, deal)
    stages = pipelines.stages(world.session, deals.by_id(world.session, deal).pipeline_id)
    deals.update(world.session, deal, {"title": "E"}, actor_id=None, now=now)
    deals.move(world.session, deal, stages[2].id, actor_id=None, now=now)
    assert of(world, deal) == before


def test_a_closed_deal_is_never_silent_too_long(world: World, deal: int, now: datetime) -> None:
    stages = pipelines.stages(world.session, deals.by_id(world.session, deal).pipeline_id)
    deals.move(world.session, deal, next(s.id for s in stages if s.kind == "won"), actor_id=None, now=now)
    assert not of(world, deal).too_long


def test_their_mail_waits_until_we_write_call_or_meet(world: World, deal: int) -> None:
    put(world, deal, 5, direction="outbound")
    put(world, deal, 4)
    assert (of(world, deal).unanswered, of(world, deal).wrote_last) == (True, "they")
    put(world, deal, 3, kind="call", direction="outbound")
    assert not of(world, deal).unanswered
    put(world, deal, 2)
    assert of(world, deal).unanswered
    put(world, deal, 1, direction="outbound")
    assert (of(world, deal).unanswered, of(world, deal).wrote_last) == (False, "we")


def test_the_next_meeting_is_told_and_one_we_declined_is_not(world: World, deal: int) -> None:
    put(world, deal, -9, kind="meeting", direction=None)
    declined = put(world, deal, -2, kind="meeting", direction=None, people=[("attendee", "anna@ourco.example", "")])
    world.session.query(Participant).filter_by(communication_id=declined.id).update({"response": "declined"})
    assert of(world, deal).next_meeting == world.now + 9 * DAY


def test_a_private_mail_is_contact_for_its_owner_only(world: World, deal: int) -> None:
    world.item((world.anna, "private"), at=world.now - 2 * DAY, to=[("deal", deal)])
    world.item((world.ben, "metadata"), at=world.now - 9 * DAY, to=[("deal", deal)])
    assert [of(world, deal, who).days for who in (world.anna, world.ben, world.mia)] == [2, 9, 9]


def test_behind_any_number_of_mails_that_do_not_count_the_newest_that_does_is_found(world: World, deal: int) -> None:
    world.item((world.ben, "metadata"), at=world.now - 20 * DAY, to=[("deal", deal)])
    put(world, deal, 9, direction="outbound")
    for days in range(1, 6):
        world.item((world.anna, "private"), at=world.now - days * DAY, to=[("deal", deal)])
    for who, days in ((world.anna, 1), (world.ben, 20), (world.mia, 20)):
        found = of(world, deal, who)
        assert (found.days, found.last_out) == (days, world.now - 9 * DAY)


def test_any_number_of_deals_costs_the_same_statements(session: Session, world: World, statements, now) -> None:
    ids = [deals.create(session, title=f"D{n}", now=now, actor_id=None).id for n in range(20)]
    for number, deal_id in enumerate(ids):
        put(world, deal_id, number)
    workspace.get(session, "silent_days")
    seen = []
    for some in (ids[:1], ids):
        statements.clear()
        found = silence.of_deals(session, world.viewer(world.mia), some, now=now)
        assert len(found) == len(some)
        seen.append(len(statements))
    assert seen[0] == seen[1] <= 4
