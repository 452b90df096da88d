"""Label rules over the past: what a person's choice of labels leaves out is hidden, what it takes in again is fetched.

Hiding takes an account's sighting of an item away: seen nowhere else, it exists for nobody, and its links wait for
it to come
back, those that people made too. The rules themselves are applied in ``sync.screen``; here is what follows from them
for what is
stored already. Reads only the labels that the ledger holds; asks no provider.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, exists, select, update
from sqlalchemy.orm import Session

from crm import audit, sharing
from crm.models import Account, Ledger, Sighting, Stream
from sync.chunks import chunks
from sync.screen import LABEL_OFF, is_off

CUT = 500


def hide(session: Session, account_id: int, communication_ids: Sequence[int]) -> None:
    """Take the account's sightings of these items away, unless another place in the account still shows one."""
    for chunk in chunks(sorted(set(communication_ids)), CUT):
        shown = exists().where(
            Ledger.communication_id == Sighting.communication_id, Ledger.account_id == account_id,
            Ledger.state.in_(("stored", "removed")),
        )  # fmt: skip
        session.execute(
            delete(Sighting).where(Sighting.account_id == account_id, Sighting.communication_id.in_(chunk), ~shown)
        )
        sharing.refresh(session, chunk)


def choose(
    session: Session,
    account_id: int,
    include: Sequence[str],
    exclude: Sequence[str],
    *,
    actor_id: int | None,
    now: datetime,
) -> tuple[int, int]:
    """Set an account's label rules and apply them to what is there: (hidden, to be fetched again at the next sync)."""
    account = session.get_one(Account, account_id)
    account.include_labels, account.exclude_labels = _clean(include), _clean(exclude)
    audit.record(
        session, actor_id=actor_id, action="account.labels", subject_kind="account", subject_id=account_id,
        detail={"include": account.include_labels, "exclude": account.exclude_labels}, now=now,
    )  # fmt: skip
    session.flush()
    return _apply(session, account)


def _clean(names: Sequence[str]) -> list[str]:
    return sorted({name.strip()[:225] for name in names if name.strip()})


def _apply(session: Session, account: Account) -> tuple[int, int]:
    include = {label.lower() for label in account.include_labels}
    exclude = {label.lower() for label in account.exclude_labels}
    query = (
        select(Ledger.id, Ledger.labels, Ledger.state, Ledger.communication_id)
        .join(Stream, Stream.id == Ledger.stream_id)
        .where(Ledger.account_id == account.id, Stream.kind == "mail")
        .where((Ledger.state == "stored") | ((Ledger.state == "skipped") & (Ledger.reason == LABEL_OFF)))
    )
    gone: list[tuple[int, int | None]] = []
    back: list[int] = []
    for row_id, carried, state, communication_id in session.execute(query):
        off = is_off(carried, include, exclude)
        if off and state == "stored":
            gone.append((row_id, communication_id))
        elif not off and state == "skipped":
            back.append(row_id)
    _mark(session, [row_id for row_id, _ in gone], "skipped", LABEL_OFF)
    hide(session, account.id, [c for _, c in gone if c is not None])
    _mark(session, back, "pending", "label_on")
    return len(gone), len(back)


def _mark(session: Session, row_ids: Sequence[int], state: str, because: str) -> None:
    for chunk in chunks(sorted(row_ids), CUT):
        session.execute(update(Ledger).where(Ledger.id.in_(chunk)).values(state=state, reason=because))
