"""What the demo's team did with its deals before today: through the stages and to their ends, at their dates, by the
functions that people's clicks go through. Then goals, rates, and what comes next on most open deals."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm import automation, costs, currencies, deals, fields, goals, pipelines, segments, users
from crm.models import Deal, User
from crm.privacy import Viewer
from sync.demo.world import STAGES, TEAM, DemoDeal, World
from sync.service import Service

LOST = ("price", "no budget this year", "went with another", "no answer")
WON = ("references", "delivery time", "price", "they know us")
GOALS = (9_000, 7_000, 8_000)


def lifecycle(index: int) -> str:
    """What the contact of that number is: every fifth a lead (the second person of a company, without a deal)."""
    if index % 10 in (1, 5):
        return "lead"
    return "past_client" if index % 3 == 2 else "client"


def next_steps(world: World, now: datetime) -> list[dict[str, str]]:
    """Tasks on three of four open deals: some overdue, some today, most ahead. Rows of the CSV of tasks."""
    open_ = [d for d in world.deals if d.closed is None]
    rows = []
    for n, deal in enumerate(open_):
        if n % 4 == 2:
            continue
        due = now + timedelta(days=(-2, 0, 4, 9, 2, 16)[(n + n // 3) % 6])
        title = ("Send the revised offer", "Call about the timetable", "Prepare the contract")[n % 3] + f", {deal.company}"
        rows.append({"title": title, "due": due.date().isoformat(), "owner": deal.rep.address,
                     "contact": deal.people[0].address if deal.people else "", "deal": deal.number, "type": "todo"})  # fmt: skip
    return rows


def play(service: Service, world: World, now: datetime) -> None:
    """Move every deal to where it is today, and enter goals and the rate of the euro."""
    with service.db.transaction() as session:
        ids: dict[str | None, int] = {number: i for i, number in session.execute(select(Deal.id, Deal.number))}
        stages = {stage.name: stage.id for stage in pipelines.stages(session, pipelines.ensure_default(session).id)}
        people = {user.email: user for user in users.all_(session)}
        for n, deal in enumerate(world.deals):
            _walk(session, ids[deal.number], deal, n, stages, people[deal.rep.address], now)
        admin = next(user for user in people.values() if user.role == "admin")
        currencies.put(session, "EUR", Decimal("0.86"), valid_from=date(2020, 1, 1), actor_id=admin.id, now=now)
        _goals(session, people, users.viewer(admin), now)
        _own_ways(session, admin.id, users.viewer(people[TEAM[0].address]), now)


def _walk(
    session: Session, deal_id: int, deal: DemoDeal, n: int, stages: dict[str, int], who: User, now: datetime
) -> None:
    """Through the stages before its last one, in uneven steps. A lost deal is lost from the stage it had come to."""
    ends = deal.closed is not None
    path = list(STAGES[1:]) if ends else list(STAGES[1 : STAGES.index(deal.stage) + 1])
    path = path[: 1 + n % 3] if deal.stage == "Lost" else path
    begin, end = now - timedelta(days=deal.age), now - timedelta(days=deal.closed if deal.closed is not None else 3 + n % 9)
    weights = [2 + (n + 3 * k) % 5 + (4 if stage == "Negotiation" else 0) for k, stage in enumerate([*path, "end"])]
    at = begin
    for stage, weight in zip(path, weights, strict=False):
        at += (end - begin) * weight / sum(weights)
        deals.move(session, deal_id, stages[stage], actor_id=who.id, now=at)
    if ends:
        lost, won = (LOST[n % 4], None) if deal.stage == "Lost" else (None, WON[n % 4])
        deals.move(session, deal_id, stages[deal.stage], lost_reason=lost, won_reason=won, actor_id=who.id, now=end)


def _own_ways(session: Session, admin_id: int, rep: Viewer, now: datetime) -> None:
    """A field, a saved filter and a rule of the team's own."""
    fields.add(
        session, noun="contact", label="Renewal", type="date", lifecycle="client", actor_id=admin_id, now=now
    )  # fmt: skip
    chosen = {"lifecycle": "lead", "source": "fair"}
    segments.save(session, rep, noun="contact", name="Leads from the fair", given=chosen, shared=True, now=now)
    offer = next(offer for offer in automation.OFFERS if offer.key == "meeting_held")
    automation.save(
        session, None, name=offer.name, event=offer.event, conditions=offer.conditions, action=offer.action,
        actor_id=admin_id, now=now,
    )  # fmt: skip


def _goals(session: Session, people: dict[str, User], admin: Viewer, now: datetime) -> None:
    reps = [user for user in people.values() if user.role == "rep"]
    month = now.date().replace(day=1)
    for back in range(3):
        for n, user in enumerate(sorted(reps, key=lambda u: u.email)):
            goals.put(session, admin, user.id, month, Decimal(GOALS[n % 3] - 500 * back), now=now)
        month = (month - timedelta(days=1)).replace(day=1)
    month = now.date().replace(day=1)
    for back in range(12):
        for source, amount in (("fair", 1_800 if back % 4 == 1 else 0), ("website", 240)):
            costs.put(session, admin, month, source, Decimal(amount) if amount else None, now=now)
        month = (month - timedelta(days=1)).replace(day=1)
