"""Deals changed in one step - the stage, owner or closing date of many, the fields of one - and the one undo of it.

Each deal goes through ``crm.deals``, so histories, audit and matching follow; the undo does too. A value that somebody
changed since stays as they made it, and is counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm import deals, pipelines, steps, users
from crm.errors import Refused
from crm.models import Deal, Decision
from crm.snapshots import plain, typed

MOST = 500
STEP = "deals"
EDIT = "deal"
FIELDS = ("stage_id", "owner_id", "expected_close")
CLOSING = ("lost_reason", "won_reason", "closed_at")


@dataclass(frozen=True, slots=True)
class Change:
    """What to set; None (and ``set_owner`` False) leaves a field as it is. ``reason`` goes with a won or lost stage."""

    stage_id: int | None = None
    set_owner: bool = False
    owner_id: int | None = None
    expected_close: date | None = None
    reason: str = ""


def change(session: Session, ids: Sequence[int], wanted: Change, *, actor_id: int | None, now: datetime) -> Decision:
    """Change the deals; deleted and unknown ones are left out. Returns the step, whose ``says`` is a sentence. Raises
    Refused for nothing selected, nothing to change, or a stage that can't be moved to."""
    rows = _rows(session, ids)
    if not rows:
        raise Refused("Select deals first.")
    if wanted.stage_id is None and not wanted.set_owner and wanted.expected_close is None:
        raise Refused("Choose a stage, an owner or a closing date to set.")
    if wanted.owner_id is not None:
        users.by_id(session, wanted.owner_id)
    step = steps.Step()
    for deal in rows:
        step.touch(deal, *FIELDS, *CLOSING)
        _set(session, deal, wanted, actor_id, now)
    done = steps.finish(session, step, says="", what=STEP, actor_id=actor_id, now=now)
    done.says = f"{done.items} deal{'' if done.items == 1 else 's'} changed."
    return done


def edit(
    session: Session, deal_id: int, fields: Mapping[str, Any], *, version: int | None, actor_id: int, now: datetime
) -> Decision:
    """``deals.update`` as a step of its own, to be undone. Raises as that."""
    step = steps.Step()
    step.touch(deals.by_id(session, deal_id), *fields)
    deals.update(session, deal_id, fields, version=version, actor_id=actor_id, now=now)
    return steps.finish(session, step, says="Saved.", what=EDIT, actor_id=actor_id, now=now)


def undo_fields(session: Session, step_id: int, *, actor_id: int, now: datetime) -> None:
    """Put the fields of an edit back; those that somebody changed since stay. Raises as ``undo``."""
    decision = steps.own(session, step_id, actor_id)
    if decision.scope != EDIT or decision.undone_at is not None:
        raise Refused("This was taken back already.")
    for _, deal_id, fields in decision.inverse["changes"]:
        deal = deals.by_id(session, deal_id)
        old = {name: typed(Deal, name, was) for name, (was, new) in fields.items() if plain(getattr(deal, name)) == new}
        deals.update(session, deal_id, old, actor_id=actor_id, now=now)
    decision.undone_at, decision.undone_by = now, actor_id
    session.flush()


def undo(session: Session, step_id: int, *, actor_id: int, now: datetime) -> str:
    """Put the deals of a step back, as far as nobody changed them since; returns the sentence. Raises NotFound for
    somebody else's step, Refused when it was taken back already."""
    decision = steps.own(session, step_id, actor_id)
    if decision.scope != STEP or decision.undone_at is not None:
        raise Refused("This was taken back already.")
    put_back = kept = 0
    for _, deal_id, fields in decision.inverse["changes"]:
        deal = session.get(Deal, deal_id)
        same = deal is not None and deal.deleted_at is None
        if deal is None or not same or any(plain(getattr(deal, name)) != new for name, (_, new) in fields.items()):
            kept += 1
            continue
        _put_back(session, deal, {name: typed(Deal, name, old) for name, (old, _) in fields.items()}, actor_id, now)
        put_back += 1
    decision.undone_at, decision.undone_by = now, actor_id
    session.flush()
    stays = f" {kept} stayed: somebody changed them since." if kept else ""
    return f"{put_back} deal{'' if put_back == 1 else 's'} put back.{stays}"


def _rows(session: Session, ids: Sequence[int]) -> list[Deal]:
    wanted = list(dict.fromkeys(ids))
    if len(wanted) > MOST:
        raise Refused(f"At most {MOST} deals at once.")
    return list(session.scalars(select(Deal).where(Deal.id.in_(wanted), Deal.deleted_at.is_(None)).order_by(Deal.id)))


def _set(session: Session, deal: Deal, wanted: Change, actor_id: int | None, now: datetime) -> None:
    fields: dict[str, Any] = {"owner_id": wanted.owner_id} if wanted.set_owner else {}
    if wanted.expected_close is not None:
        fields["expected_close"] = wanted.expected_close
    if fields:
        deals.update(session, deal.id, fields, actor_id=actor_id, now=now)
    if wanted.stage_id is not None:
        kind = pipelines.stage(session, wanted.stage_id).kind
        lost, won = (wanted.reason if kind == each else None for each in ("lost", "won"))
        by: dict[str, Any] = {"actor_id": actor_id, "now": now}
        deals.move(session, deal.id, wanted.stage_id, lost_reason=lost, won_reason=won, across=True, **by)


def _put_back(session: Session, deal: Deal, old: dict[str, Any], actor_id: int, now: datetime) -> None:
    fields = {name: value for name, value in old.items() if name in ("owner_id", "expected_close")}
    if fields:
        deals.update(session, deal.id, fields, actor_id=actor_id, now=now)
    if "stage_id" in old:
        deals.move(
            session, deal.id, old["stage_id"], lost_reason=old.get("lost_reason"), won_reason=old.get("won_reason"),
            closed_at=old.get("closed_at"), across=True, actor_id=actor_id, now=now,
        )  # fmt: skip
