"""Pipelines, deals and their history; tasks."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm import companies, contacts, deals, pipelines, tasks
from crm.errors import Conflict, NotFound, Refused
from crm.models import Outbox
from tests.crm.world import World


def stage(session: Session, name: str) -> int:
    pipeline = pipelines.ensure_default(session)
    return next(s.id for s in pipelines.stages(session, pipeline.id) if s.name == name)


def test_the_default_pipeline_is_made_once_with_its_six_stages(session: Session) -> None:
    pipeline = pipelines.ensure_default(session)
    assert pipelines.ensure_default(session).id == pipeline.id
    found = [(s.name, s.probability, s.kind) for s in pipelines.stages(session, pipeline.id)]
    assert found == list(pipelines.DEFAULT_STAGES)


def test_a_deal_moves_with_time_actor_and_status(world: World, now) -> None:
    session = world.session
    deal = deals.create(session, title=" Acme  renewal ", value=Decimal("7500"), now=now, actor_id=world.anna.id)
    assert (deal.title, deal.status, deal.currency) == ("Acme renewal", "open", "GBP")
    deals.move(session, deal.id, stage(session, "Proposal"), actor_id=world.anna.id, now=now + timedelta(days=3))
    deals.move(
        session,
        deal.id,
        stage(session, "Lost"),
        lost_reason="price",
        actor_id=world.ben.id,
        now=now + timedelta(days=5),
    )
    assert (deal.status, deal.closed_at, deal.lost_reason) == ("lost", now + timedelta(days=5), "price")
    moves = deals.history(session, deal.id)
    assert [(m.from_stage, m.to_stage, m.actor, m.days) for m in moves] == [
        ("", "Lead", "Anna", 3.0), ("Lead", "Proposal", "Anna", 2.0), ("Proposal", "Lost", "Ben", None),
    ]  # fmt: skip
    deals.move(session, deal.id, stage(session, "Lead"), actor_id=None, now=now + timedelta(days=6))
    assert (deal.status, deal.closed_at, deal.lost_reason) == ("open", None, None)


def test_a_deal_born_closed_has_a_history_from_birth_to_close(session: Session, now) -> None:
    born = now - timedelta(days=30)
    deal = deals.create(
        session, title="Old", stage_id=stage(session, "Won"), created_at=born, closed_at=now, now=now, actor_id=None
    )
    assert [(m.to_stage, m.at) for m in deals.history(session, deal.id)] == [("Lead", born), ("Won", now)]


def test_two_who_edit_at_once_do_not_overwrite_each_other(session: Session, now) -> None:
    deal = deals.create(session, title="D", now=now, actor_id=None)
    seen = deal.version
    deals.update(session, deal.id, {"title": "E"}, version=seen, actor_id=None, now=now)
    with pytest.raises(Conflict):
        deals.update(session, deal.id, {"title": "F"}, version=seen, actor_id=None, now=now)
    with pytest.raises(Conflict):
        deals.move(session, deal.id, stage(session, "Won"), version=seen, actor_id=None, now=now)
    assert deals.by_id(session, deal.id).title == "E"


@pytest.mark.parametrize(
    "values", [{"title": " "}, {"value": Decimal(-1)}, {"value": Decimal("NaN")}, {"probability": 101}]
)
def test_bad_values_of_a_deal_are_refused(session: Session, now, values) -> None:
    with pytest.raises(Refused):
        deals.create(session, **{"title": "D", **values}, now=now, actor_id=None)


def test_lesson_16_people_on_a_deal_reach_matching(session: Session, now) -> None:
    jane = contacts.create(session, name="Jane", now=now, actor_id=None)
    deal = deals.create(session, title="D", now=now, actor_id=None)
    deals.add_contact(session, deal.id, jane.id, role="buyer", actor_id=None, now=now)
    deals.add_contact(session, deal.id, jane.id, role="sponsor", actor_id=None, now=now)
    assert [(c.name, role) for c, role in deals.people(session, deal.id)] == [("Jane", "sponsor")]
    payload = session.scalars(select(Outbox.payload).order_by(Outbox.id.desc())).first()
    assert (payload["deals"], payload["contacts"]) == ([deal.id], [jane.id])
    deals.remove_contact(session, deal.id, jane.id, actor_id=None, now=now)
    with pytest.raises(NotFound):
        deals.remove_contact(session, deal.id, jane.id, actor_id=None, now=now)


def test_lists_of_deals_are_filtered_and_paged(world: World, now) -> None:
    session, viewer = world.session, world.viewer(world.mia)
    acme = companies.create(session, name="Acme", now=now, actor_id=None)
    jane = contacts.create(session, name="Jane", now=now, actor_id=None)
    ids = [deals.create(session, title=f"Deal {n}", number=f"N-{n}", now=now, actor_id=None).id for n in range(5)]
    special = deals.create(
        session, title="X", company_id=acme.id, contact_ids=[jane.id], owner_id=world.anna.id, now=now, actor_id=None
    )
    assert [d.id for d in deals.page(session, viewer, limit=2)] == [special.id, ids[-1]]
    assert [d.id for d in deals.page(session, viewer, after=ids[-1], limit=2)] == [ids[3], ids[2]]
    for chosen in ({"company_id": acme.id}, {"contact_id": jane.id}, {"owner_id": world.anna.id}, {"text": "x"}):
        assert [d.id for d in deals.page(session, viewer, deals.Filter(**chosen))] == [special.id]
    assert deals.count(session, viewer, deals.Filter(text="n-3")) == 1


def test_a_pipeline_needs_an_open_stage_and_names_of_its_own(session: Session) -> None:
    good = [pipelines.StageSpec("New", 10), pipelines.StageSpec("Won", 100, "won")]
    pipelines.create(session, "Renewals", good)
    for name, specs in (
        ("renewals", good),
        ("B", good[1:]),
        ("C", [good[0], good[0]]),
        ("D", [pipelines.StageSpec("A", 101)]),
    ):
        with pytest.raises(Refused):
            pipelines.create(session, name, specs)


def test_tasks_fall_into_sections_by_the_day_of_the_viewer(world: World, now) -> None:
    session, viewer = world.session, world.viewer(world.anna)
    day = timedelta(days=1)
    midnight = now.replace(hour=0)
    for title, due, whole in (
        ("yesterday", midnight - day, True), ("today", midnight, True), ("tomorrow", midnight + day, True),
        ("an hour ago", now - timedelta(hours=1), False), ("tonight", now + timedelta(hours=6), False),
        ("some day", None, True),
    ):  # fmt: skip
        tasks.create(session, title=title, due_at=due, due_all_day=whole, now=now, actor_id=None)
    found = {t.title: t.section for t in tasks.page(session, viewer, now=now)}
    assert found == {
        "yesterday": "overdue", "today": "today", "tomorrow": "upcoming", "an hour ago": "overdue", "tonight": "today",
        "some day": "no_date",
    }  # fmt: skip
    auckland = {t.title: t.section for t in tasks.page(session, viewer, now=now, zone="Pacific/Auckland")}
    assert auckland["tonight"] == "today"
    assert auckland["today"] == "overdue"
    assert [t.title for t in tasks.page(session, viewer, now=now)][-1] == "some day"


def test_a_task_is_done_once_reopened_snoozed_and_shifted(world: World, now) -> None:
    session, viewer = world.session, world.viewer(world.ben)
    task = tasks.create(session, title="T", due_at=now, owner_id=world.ben.id, now=now, actor_id=None)
    for _ in range(2):
        tasks.done(session, task.id, actor_id=world.ben.id, now=now, by="mail 4")
    assert (task.done_at, task.closed_by) == (now, "mail 4")
    events = session.scalars(select(Outbox.event).where(Outbox.event == "task.done")).all()
    assert len(events) == 1
    assert tasks.page(session, viewer, now=now) == []
    tasks.reopen(session, task.id, actor_id=None, now=now)
    tasks.snooze(session, task.id, now + timedelta(days=1), actor_id=None, now=now)
    assert tasks.page(session, viewer, now=now) == []
    assert len(tasks.page(session, viewer, now=now + timedelta(days=2))) == 1
    with pytest.raises(Refused):
        tasks.snooze(session, task.id, now, actor_id=None, now=now)
    task.reminded_at = now
    assert tasks.shift(session, [task.id], 7, actor_id=None, now=now) == 1
    assert (task.due_at, task.reminded_at) == (now + timedelta(days=7), None)
    assert tasks.assign(session, [task.id], world.anna.id, actor_id=None, now=now) == 1
    tasks.delete(session, task.id, actor_id=None, now=now)
    with pytest.raises(NotFound):
        tasks.by_id(session, task.id)
    tasks.restore(session, task.id, actor_id=None, now=now)


def test_the_badge_counts_what_is_overdue_or_due_within_the_day(world: World, now) -> None:
    for days in (-3, 0, 3):
        tasks.create(
            world.session, title="T", due_at=now + timedelta(days=days), owner_id=world.anna.id, now=now, actor_id=None
        )
    assert tasks.count_due(world.session, world.viewer(world.anna), now=now) == 2
    assert tasks.count_due(world.session, world.viewer(world.ben), now=now) == 0


def test_a_deal_keeps_dates_and_custom_fields(session: Session, now) -> None:
    deal = deals.create(
        session, title="D", expected_close=date(2026, 5, 1), custom={"tier": "gold"}, now=now, actor_id=None
    )
    session.expire_all()
    assert (deal.expected_close, deal.custom) == (date(2026, 5, 1), {"tier": "gold"})
