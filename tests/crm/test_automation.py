"""Automation rules: what fires, for whom, once; what does not; and that nothing private starts anything."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from crm import automation, contacts, deals, pipelines, workspace
from crm.errors import NotFound, Refused
from crm.models import AutomationRule, AutomationRun, Contact, Notification, Participant, Stage, Task
from tests.crm.world import World

DAY = timedelta(days=1)


def test_a_mail_without_a_reply_makes_one_task_that_says_why_and_awaits_the_reply(world: World, now: datetime) -> None:
    rule = on(world, now - DAY, event="no_reply", conditions={"days": 5}, title="Chase {contact} after {days} d")
    jane = person(world, owner_id=world.ben.id)
    mail = ours(world, now - 5 * DAY, jane)
    assert sweep(world, now - timedelta(minutes=1)) == []
    made = sweep(world, now)
    assert [(t.title, t.owner_id, t.origin) for t in made] == [
        ("Chase Jane Doe after 5 d", world.ben.id, "rule: no reply 5 d, mail of 27 Feb")
    ]
    assert (made[0].contact_id, made[0].communication_id, made[0].awaits) == (jane, mail.id, "reply")
    assert sweep(world, now) == []
    assert sweep(world, now + 3 * DAY) == []
    assert [run.result["task"] for run in automation.runs(world.session, rule.id)] == [made[0].id]


def test_an_answer_a_later_mail_of_ours_or_a_meeting_is_no_silence_and_a_machine_s_answer_is(
    world: World, now: datetime
) -> None:
    on(world, now - DAY, event="no_reply", conditions={"days": 5})
    sent = now - 5 * DAY
    answered, written, met, away = (person(world, n) for n in ("answered", "written", "met", "away"))
    for who in (answered, written, met, away):
        ours(world, sent, who)
    world.item((world.anna, "full"), at=sent + DAY, to=[("contact", answered)])
    ours(world, sent + DAY, written)
    world.item((world.anna, "full"), at=sent + DAY, kind="meeting", direction=None, to=[("contact", met)])
    world.item((world.anna, "full"), at=sent + DAY, to=[("contact", away)], marks=["automatic"])
    assert [t.contact_id for t in sweep(world, now)] == [away]


def test_one_mail_to_two_people_is_answered_when_one_of_them_answers(world: World, now: datetime) -> None:
    on(world, now - DAY, event="no_reply", conditions={"days": 5})
    one, two = person(world, "one"), person(world, "two")
    ours(world, now - 5 * DAY, one, two)
    world.item((world.anna, "full"), at=now - 4 * DAY, to=[("contact", two)])
    assert sweep(world, now) == []


def test_nothing_private_starts_a_rule_or_answers_for_one(world: World, now: datetime) -> None:
    on(world, now - DAY, event="no_reply", conditions={"days": 5})
    on(world, now - DAY, event="meeting_held")
    hidden, shown = person(world, "hidden"), person(world, "shown")
    world.item((world.anna, "private"), at=now - 5 * DAY, direction="outbound", to=[("contact", hidden)])
    world.item((world.anna, "private"), at=now - DAY / 2, kind="meeting", direction=None, to=[("contact", hidden)])
    ours(world, now - 5 * DAY, shown)
    world.item((world.ben, "private"), at=now - DAY, to=[("contact", shown)])
    assert [t.contact_id for t in sweep(world, now)] == [shown]


def test_switching_on_counts_from_then_and_the_past_only_when_asked_after_a_count(world: World, now: datetime) -> None:
    for n in range(3):
        ours(world, now - (6 + n) * DAY, person(world, f"p{n}"))
    rule = on(world, now, event="no_reply", conditions={"days": 5})
    assert automation.dry_run(world.session, rule, now=now) == ([], 0)
    assert sweep(world, now) == []
    preview, count = automation.dry_run(world.session, rule, now=now, past=True)
    assert count == 3
    assert all(p.says.startswith("Task “Do something about") for p in preview)
    assert world.session.scalars(select(Task)).all() == [], "a dry run writes nothing"
    past = automation.pending(world.session, rule, now=now, past=True)
    assert automation.fire(world.session, rule, past, now=now) == 3
    assert automation.fire(world.session, rule, past, now=now) == 0
    assert sweep(world, now + DAY) == []


def test_a_deal_that_comes_to_a_stage_fires_once_for_each_coming(world: World, now: datetime) -> None:
    session = world.session
    pipelines.ensure_default(session)
    stages = {s.name: s.id for s in session.scalars(select(Stage))}
    jane = person(world)
    on(world, now, event="stage_changed", conditions={"stage": stages["Proposal"]}, title="Write {deal}", days=2)
    deal = deals.create(session, title="Acme", contact_ids=[jane], owner_id=world.anna.id, now=now, actor_id=None)
    at = now
    for stage in ("Qualified", "Proposal", "Qualified", "Proposal"):
        at += timedelta(minutes=1)
        deals.move(session, deal.id, stages[stage], actor_id=None, now=at)
    made = sweep(world, at)
    assert [(t.title, t.deal_id, t.contact_id, t.origin) for t in made] == [
        ("Write Acme", deal.id, jane, "rule: moved to Proposal, 4 Mar")
    ] * 2
    assert made[0].due_at == datetime(2026, 3, 6, tzinfo=now.tzinfo)
    assert sweep(world, at) == []


def test_a_meeting_fires_when_it_is_over_and_took_place(world: World, now: datetime) -> None:
    on(world, now - DAY, event="meeting_held", title="Write to {contact}")
    jane = person(world)
    common: dict[str, Any] = {"kind": "meeting", "direction": None, "to": [("contact", jane)]}
    world.item((world.anna, "full"), at=now - timedelta(hours=2), cancelled=True, **common)
    declined = [("attendee", "anna@ourco.example", "Anna")]
    item = world.item((world.anna, "full"), at=now - timedelta(hours=2), people=declined, **common)
    session = world.session
    session.scalars(select(Participant).where(Participant.communication_id == item.id)).one().response = "declined"
    later = world.item((world.anna, "full"), at=now + DAY, **common)
    assert sweep(world, now) == []
    made = sweep(world, now + 2 * DAY)
    assert [(t.communication_id, t.owner_id, t.origin) for t in made] == [
        (later.id, world.anna.id, "rule: meeting of 5 Mar")
    ]


def test_new_leads_go_to_the_team_in_turn_and_imports_and_owned_ones_do_not(world: World, now: datetime) -> None:
    session = world.session
    rule = automation.save(
        session, None, name="Turn", event="contact_created", conditions={"lifecycle": "lead"},
        action={"do": "assign", "people": [world.anna.id, world.ben.id, world.mia.id]}, actor_id=None, now=now,
    )  # fmt: skip
    automation.switch(session, rule.id, True, actor_id=None, now=now - DAY)
    world.ben.active = False
    leads = [person(world, f"l{n}", at=now) for n in range(4)]
    owned = person(world, "owned", owner_id=world.ada.id, at=now)
    client = person(world, "client", lifecycle="client", at=now)
    plans, _ = automation.dry_run(session, rule, now=now)
    said = [p.says for p in plans][:4]
    assert said == ["l0: to Anna", "l1: to Mia", "l2: to Anna", "l3: to Mia"]
    automation.sweep(session, now=now)
    found = [session.get_one(Contact, i).owner_id for i in (*leads, owned, client)]
    turn = [world.anna.id, world.mia.id, world.anna.id, world.mia.id]
    assert found == [*turn, world.ada.id, None]
    told = session.scalars(select(Notification.user_id).where(Notification.kind == "rule")).all()
    assert sorted(told) == sorted(turn)


def test_a_silent_deal_fires_once_each_silence(world: World, now: datetime) -> None:
    session = world.session
    pipelines.ensure_default(session)
    on(world, now - DAY, event="deal_silent", conditions={"days": 5}, title="Wake {deal}")
    deal = deals.create(session, title="Acme", owner_id=world.anna.id, now=now - 20 * DAY, actor_id=None)
    world.item((world.anna, "full"), at=now - 5 * DAY, to=[("deal", deal.id)])
    assert [(t.title, t.origin, t.awaits) for t in sweep(world, now)] == [("Wake Acme", "rule: deal silent 5 d", "any")]
    assert sweep(world, now + DAY) == []
    world.item((world.anna, "full"), at=now + DAY, to=[("deal", deal.id)])
    assert sweep(world, now + 2 * DAY) == []
    assert len(sweep(world, now + 7 * DAY)) == 1


def test_a_rule_may_tell_instead_of_making_a_task_and_those_who_left_are_not_told(world: World, now: datetime) -> None:
    rule = automation.save(
        world.session, None, name="Tell", event="contact_created", conditions={},
        action={"do": "notify", "title": "Look at {contact}", "to": world.mia.id}, actor_id=None, now=now,
    )  # fmt: skip
    automation.switch(world.session, rule.id, True, actor_id=None, now=now - DAY)
    person(world, "first", at=now)
    automation.sweep(world.session, now=now)
    world.mia.active = False
    person(world, "second", at=now)
    automation.sweep(world.session, now=now)
    notices = world.session.scalars(select(Notification)).all()
    assert [(n.user_id, n.text) for n in notices] == [(world.mia.id, "Look at first (new lead, 4 Mar)")]


def test_rules_are_off_until_switched_on_kept_in_order_and_come_back_off(world: World, now: datetime) -> None:
    session = world.session
    rule = save(world, now, event="no_reply", conditions={"days": 5})
    ours(world, now - 5 * DAY, person(world))
    assert sweep(world, now) == []
    automation.switch(session, rule.id, True, actor_id=None, now=now)
    automation.delete(session, rule.id, actor_id=None, now=now)
    with pytest.raises(NotFound):
        automation.by_id(session, rule.id)
    automation.restore(session, rule.id, actor_id=None, now=now)
    assert not automation.by_id(session, rule.id).enabled
    assert [r.id for r in automation.all_(session)] == [rule.id]


def test_what_a_rule_can_not_be_is_refused_at_its_field(world: World, now: datetime) -> None:
    task = {"do": "task", "title": "T", "due_days": 1, "to": "owner"}
    for field, wrong in {
        "name": {"name": " "}, "event": {"event": "x"}, "days": {"conditions": {"days": 0}},
        "stage": {"event": "stage_changed", "conditions": {"stage": 10**9}}, "do": {"action": {"do": "x"}},
        "title": {"action": {**task, "title": ""}}, "due_days": {"action": {**task, "due_days": -1}},
        "to": {"action": {**task, "to": 10**9}}, "type": {"action": {**task, "type": "x"}},
    }.items():  # fmt: skip
        given: dict[str, Any] = {"name": "R", "event": "no_reply", "conditions": {"days": 5}, "action": task, **wrong}
        with pytest.raises(Refused) as refused:
            automation.save(world.session, None, **given, actor_id=None, now=now)
        assert refused.value.field == field
    assert world.session.scalars(select(AutomationRule)).all() == []


def test_every_offered_rule_can_be_saved_as_it_is(world: World, now: datetime) -> None:
    for offer in automation.OFFERS:
        automation.save(
            world.session, None, name=offer.name, event=offer.event, conditions=offer.conditions, action=offer.action,
            actor_id=None, now=now,
        )  # fmt: skip
    assert not any(rule.enabled for rule in automation.all_(world.session))
    turn = next(rule for rule in automation.all_(world.session) if rule.action["do"] == "assign")
    with pytest.raises(Refused):
        automation.switch(world.session, turn.id, True, actor_id=None, now=now)


def test_a_dry_run_costs_as_many_statements_for_many_as_for_few(
    world: World, now: datetime, statements: list[str]
) -> None:
    rule = save(world, now, event="contact_created")
    counted = []
    for batch in (2, 30):
        for n in range(batch):
            person(world, f"{batch} {n}", at=now - DAY, owner_id=(world.anna, world.ben)[n % 2].id)
        world.session.flush()
        world.session.expunge_all()
        statements.clear()
        plans, _ = automation.dry_run(world.session, automation.by_id(world.session, rule.id), now=now)
        counted.append((len(plans), len(statements)))
    assert [plans for plans, _ in counted] == [2, 32]
    assert counted[0][1] == counted[1][1]


def test_the_date_in_an_origin_is_of_the_workspace_s_zone(world: World, now: datetime) -> None:
    workspace.put(world.session, "time_zone", "Pacific/Auckland", actor_id=None, now=now)
    on(world, now - DAY, event="no_reply", conditions={"days": 5})
    ours(world, now - 5 * DAY, person(world))
    assert sweep(world, now)[0].origin == "rule: no reply 5 d, mail of 28 Feb"


def save(world: World, now: datetime, *, event: str, title: str = "Do something about {contact}", days: int = 0,
         conditions: dict[str, Any] | None = None) -> AutomationRule:  # fmt: skip
    action = {"do": "task", "title": title, "due_days": days, "to": "owner"}
    return automation.save(
        world.session, None, name="R", event=event, conditions=conditions or {}, action=action, actor_id=None, now=now
    )


def on(world: World, now: datetime, **rule: Any) -> AutomationRule:
    """A rule that is on since ``now``."""
    return automation.switch(world.session, save(world, now, **rule).id, True, actor_id=None, now=now)


def sweep(world: World, now: datetime) -> list[Task]:
    """The tasks that a sweep made."""
    before = set(world.session.scalars(select(Task.id)))
    fired = automation.sweep(world.session, now=now)
    made = [t for t in world.session.scalars(select(Task).order_by(Task.id)) if t.id not in before]
    assert len(made) == fired
    assert len(world.session.scalars(select(AutomationRun)).all()) >= fired
    return made


def person(world: World, name: str = "Jane Doe", at: datetime | None = None, **more: Any) -> int:
    return contacts.create(
        world.session, name=name, emails=[], now=at or world.now - 99 * DAY, actor_id=None, **more
    ).id


def ours(world: World, at: datetime, *contact_ids: int) -> Any:
    """A mail of ours to contacts."""
    people = [("from", "anna@ourco.example", "Anna"), ("to", "jane@acme.example", "Jane Doe")]
    return world.item(
        (world.anna, "full"), at=at, direction="outbound", people=people, to=[("contact", i) for i in contact_ids]
    )


