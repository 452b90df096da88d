"""What became of a deal: its stages with time, actor and days, and what it was worth when. Writes the two histories and
reads them; a row is never changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from crm.models import Deal, DealStageChange, DealValueChange, Stage, User

DAY = 86_400


def born(session: Session, deal: Deal, stage: Stage, stages: list[Stage], actor_id: int | None) -> None:
    """The history of a deal that is created: into its stage; for one born closed, into the first open stage and then
    to its end. ``stages`` are its pipeline's, in order."""
    before = next((s.id for s in stages if s.kind == "open"), None) if deal.closed_at is not None else None
    if before is not None:
        moved(session, deal, None, before, actor_id, deal.created_at)
    moved(session, deal, before, stage.id, actor_id, deal.closed_at or deal.created_at)
    worth(session, deal, actor_id, deal.created_at)


def moved(session: Session, deal: Deal, before: int | None, after: int, actor_id: int | None, at: datetime) -> None:
    """It came from one stage (None at its creation) to another."""
    session.add(DealStageChange(deal_id=deal.id, from_stage_id=before, to_stage_id=after, actor_id=actor_id, at=at))


def worth(session: Session, deal: Deal, actor_id: int | None, at: datetime) -> None:
    """What it is worth from now on, as it stands."""
    session.add(DealValueChange(deal_id=deal.id, value=deal.value, currency=deal.currency, actor_id=actor_id, at=at))


@dataclass(frozen=True, slots=True)
class StageMove:
    """One line of a deal's history. ``days`` is how long it stayed in the stage it came to, None while it is
    there."""

    at: datetime
    from_stage: str
    to_stage: str
    actor: str
    days: float | None
    to_stage_id: int = 0


def history(session: Session, deal_id: int) -> list[StageMove]:
    """Stage changes, oldest first."""
    before, after = aliased(Stage), aliased(Stage)
    query = (
        select(DealStageChange, User.name, before.name, after.name)
        .outerjoin(User, User.id == DealStageChange.actor_id)
        .outerjoin(before, before.id == DealStageChange.from_stage_id)
        .join(after, after.id == DealStageChange.to_stage_id)
        .where(DealStageChange.deal_id == deal_id)
        .order_by(DealStageChange.at, DealStageChange.id)
    )
    rows = session.execute(query).all()
    until = [row.at for row, *_ in rows[1:]] + [None]
    return [
        StageMove(
            row.at, came or "", to, actor or "system",
            (end - row.at).total_seconds() / DAY if end else None, row.to_stage_id,
        )
        for (row, actor, came, to), end in zip(rows, until, strict=True)
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stay:
    """One stage of a deal's pipeline, for the line of stages: ``days`` it has been in it altogether, None when it
    never was; ``here`` where it stands."""

    stage_id: int
    name: str
    kind: str
    probability: int
    days: float | None
    here: bool


def stays(moves: list[StageMove], deal: Deal, stages: list[Stage], *, now: datetime) -> list[Stay]:
    """How long a deal stayed in each of ``stages``, with the stage it is in to this day; a closed one stays nowhere
    after its end. Pure."""
    held: dict[int, float] = {}
    for move in moves:
        end = 0.0 if deal.closed_at is not None else (now - move.at).total_seconds() / DAY
        held[move.to_stage_id] = held.get(move.to_stage_id, 0.0) + (move.days if move.days is not None else end)
    return [Stay(s.id, s.name, s.kind, s.probability, held.get(s.id), s.id == deal.stage_id) for s in stages]


@dataclass(frozen=True, slots=True)
class Worth:
    """What a deal was worth from a moment on, and who said so."""

    at: datetime
    value: Decimal | None
    currency: str
    actor: str


def values(session: Session, deal_id: int) -> list[Worth]:
    """Changes of value, oldest first."""
    query = (
        select(DealValueChange, User.name)
        .outerjoin(User, User.id == DealValueChange.actor_id)
        .where(DealValueChange.deal_id == deal_id)
        .order_by(DealValueChange.at, DealValueChange.id)
    )
    return [Worth(row.at, row.value, row.currency, actor or "system") for row, actor in session.execute(query)]
