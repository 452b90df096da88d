"""What becomes of deals is kept: values, stages with days, closed ones; bulk edits; stages that go."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import select

from crm import csvimport, deal_bulk, deal_history, deals, pipelines, stages
from crm.deal_bulk import Change
from crm.errors import NotFound, Refused
from crm.models import DealValueChange
from crm.pipelines import StageSpec
from tests.crm.world import World

DAY = timedelta(days=1)


def stage(world: World, name: str) -> int:
    pipeline = pipelines.ensure_default(world.session)
    return next(s.id for s in pipelines.stages(world.session, pipeline.id) if s.name == name)


def worths(world: World, deal_id: int) -> list[tuple[object, str, str]]:
    return [(w.value, w.currency, w.actor) for w in deal_history.values(world.session, deal_id)]


def test_what_a_deal_was_worth_is_kept_from_its_birth_and_at_each_change(world: World, now) -> None:
    session, anna = world.session, world.anna.id
    deal = deals.create(session, title="D", value=Decimal(100), now=now, actor_id=anna)
    deals.update(session, deal.id, {"title": "E"}, actor_id=anna, now=now)
    deals.update(session, deal.id, {"value": Decimal(250)}, actor_id=world.ben.id, now=now + DAY)
    deals.update(session, deal.id, {"value": Decimal(250), "currency": "EUR"}, actor_id=None, now=now + 2 * DAY)
    assert worths(world, deal.id) == [
        (Decimal(100), "GBP", "Anna"), (Decimal(250), "GBP", "Ben"), (Decimal(250), "EUR", "system"),
    ]  # fmt: skip


def test_imported_values_are_kept_too_and_go_with_the_import(world: World, now, tmp_path: Path) -> None:
    session, file = world.session, tmp_path / "deals.csv"
    file.write_text("title,number,value\nAcme,A-1,100\n")
    csvimport.run(session, "deals", file, actor_id=None, now=now)
    deal = deals.page(session, world.viewer(world.mia))[0]
    file.write_text("title,number,value\nAcme,A-1,175\n")
    batch = csvimport.run(session, "deals", file, actor_id=None, now=now + DAY)
    assert [value for value, *_ in worths(world, deal.id)] == [Decimal(100), Decimal(175)]
    csvimport.undo(session, batch.batch_id, actor_id=None, now=now + 2 * DAY)
    assert deals.by_id(session, deal.id).value == Decimal(100)
    rows = session.scalars(select(DealValueChange.value).where(DealValueChange.deal_id == deal.id)).all()
    assert rows == [Decimal(100)]


def test_a_stage_visited_twice_counts_both_stays_and_the_present_one_to_now(world: World, now) -> None:
    session = world.session
    deal = deals.create(session, title="D", now=now, actor_id=None)
    for days, name in ((3, "Proposal"), (5, "Lead"), (6, "Negotiation")):
        deals.move(session, deal.id, stage(world, name), actor_id=None, now=now + days * DAY)
    here = pipelines.stages(session, deal.pipeline_id)
    stays = deal_history.stays(deals.history(session, deal.id), deal, here, now=now + 10 * DAY)
    assert [(s.name, s.days, s.here) for s in stays if s.kind == "open"] == [
        ("Lead", 4.0, False), ("Qualified", None, False), ("Proposal", 2.0, False), ("Negotiation", 4.0, True),
    ]  # fmt: skip
    deals.move(session, deal.id, stage(world, "Won"), actor_id=None, now=now + 11 * DAY)
    stays = deal_history.stays(deals.history(session, deal.id), deal, here, now=now + 99 * DAY)
    assert {s.name: s.days for s in stays}["Won"] == 0


def test_a_bulk_edit_and_its_undo_are_in_the_history(world: World, now) -> None:
    session, anna = world.session, world.anna.id
    made = [deals.create(session, title=f"D{n}", now=now, actor_id=None).id for n in range(3)]
    change = Change(stage_id=stage(world, "Lost"), set_owner=True, owner_id=anna, reason="Price")
    done = deal_bulk.change(session, [*made, 10**9], change, actor_id=anna, now=now + DAY)
    assert (done.items, done.says) == (3, "3 deals changed.")
    deals.update(session, made[2], {"owner_id": None}, actor_id=None, now=now + DAY)
    with pytest.raises(NotFound):
        deal_bulk.undo(session, done.id, actor_id=world.ben.id, now=now + 2 * DAY)
    says = deal_bulk.undo(session, done.id, actor_id=anna, now=now + 2 * DAY)
    assert says == "2 deals put back. 1 stayed: somebody changed them since."
    moves = [(m.from_stage, m.to_stage) for m in deals.history(session, made[0])]
    assert moves == [("", "Lead"), ("Lead", "Lost"), ("Lost", "Lead")]
    assert [deals.by_id(session, i).status for i in made] == ["open", "open", "lost"]
    with pytest.raises(Refused):
        deal_bulk.undo(session, done.id, actor_id=anna, now=now + 3 * DAY)


def test_too_many_at_once_are_refused(world: World, now) -> None:
    with pytest.raises(Refused, match="At most 500"):
        deal_bulk.change(world.session, list(range(501)), Change(set_owner=True), actor_id=None, now=now)


def test_a_stage_goes_behind_those_of_its_kind_and_moves_among_them_only(world: World, now) -> None:
    session, by = world.session, {"actor_id": None, "now": now}
    pipeline = pipelines.ensure_default(session).id
    made = stages.add(session, pipeline, StageSpec("Verbal yes", 90), **by)
    for _ in range(9):
        stages.step(session, made.id, 1, **by)

    def names() -> list[str]:
        return [s.name for s in pipelines.stages(session, pipeline)]

    assert names() == ["Lead", "Qualified", "Proposal", "Negotiation", "Verbal yes", "Won", "Lost"]
    stages.step(session, made.id, -1, **by)
    assert names()[3:5] == ["Verbal yes", "Negotiation"]
    stages.archive(session, made.id, None, **by)
    assert "Verbal yes" not in names()
    with pytest.raises(Refused, match="An archived stage has that name"):
        stages.add(session, pipeline, StageSpec("verbal YES", 90), **by)
    stages.restore(session, made.id, **by)
    assert names()[4] == "Verbal yes"


def test_deals_of_a_removed_pipeline_keep_their_ends_and_reasons(world: World, now) -> None:
    session, by = world.session, {"actor_id": None, "now": now}
    first = pipelines.ensure_default(session).id
    second = stages.add_pipeline(session, "Renewals", **by).id
    due, _, _, _, won, _ = (s.id for s in pipelines.stages(session, second))
    lost = deals.create(session, title="L", stage_id=stage(world, "Lost"), lost_reason="Price", **by)
    sold = deals.create(session, title="W", stage_id=stage(world, "Won"), created_at=now - 9 * DAY, **by)
    fresh = deals.create(session, title="O", **by)
    assert stages.remove_pipeline(session, first, due, **by) == 3
    assert [(d.stage_id, d.status, d.lost_reason) for d in (sold, fresh)] == [(won, "won", None), (due, "open", None)]
    assert (lost.status, lost.lost_reason, lost.pipeline_id) == ("lost", "Price", second)
    assert lost.closed_at == now
    assert [p.id for p in pipelines.all_(session)] == [second]
    assert deals.create(session, title="N", **by).pipeline_id == second
