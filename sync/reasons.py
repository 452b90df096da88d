"""Keeps the ledger's word on an item in the log true: why it is nobody's question (bulk, automatic, internal), or
nothing. Written where a decision changes, read where another place shows the same item. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from crm.models import Communication, Ledger

OF_THEIR_OWN = ("invitation", "private")
"""Reasons of a row itself; a decision about its item does not change them."""
CHUNK = 500


def tell(session: Session, decided: Mapping[int, str | None]) -> None:
    """Write the reason (or None) of these items to all their rows."""
    by_reason: dict[str | None, list[int]] = {}
    for communication_id, because in decided.items():
        by_reason.setdefault(because, []).append(communication_id)
    free = or_(Ledger.reason.is_(None), Ledger.reason.not_in(OF_THEIR_OWN))
    for because, ids in by_reason.items():
        for start in range(0, len(ids), CHUNK):
            session.execute(
                update(Ledger)
                .where(Ledger.communication_id.in_(ids[start : start + CHUNK]), Ledger.state == "stored", free)
                .where(Ledger.reason.is_distinct_from(because))
                .values(reason=because)
                .execution_options(synchronize_session=False)
            )


def known(session: Session, communication_ids: Sequence[int]) -> dict[int, str | None]:
    """Why items that the log holds already are nobody's question, of those that are."""
    found: dict[int, str | None] = {}
    ids = sorted(set(communication_ids))
    for start in range(0, len(ids), CHUNK):
        query = select(Communication.id, Communication.reason).where(
            Communication.id.in_(ids[start : start + CHUNK]), Communication.status == "ignored"
        )
        found.update(dict(session.execute(query).all()))
    return found
