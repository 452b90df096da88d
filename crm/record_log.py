"""The timeline of a record's page, all of it: pinned, ahead with briefs, a folded page, and what may belong here. Their
rows are built together, so that the page costs the same statements however many parts it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from crm import briefs, log_rows, timeline
from crm.belongings import Belonging
from crm.briefs import Brief
from crm.log_rows import LogRow
from crm.privacy import Viewer
from crm.timeline import LogFilter


@dataclass(frozen=True, slots=True)
class Offer:
    """Something that may belong here, as shown: its newest row, how many there are, and why."""

    row: LogRow
    size: int
    says: str
    address: str
    name: str


@dataclass(frozen=True, slots=True)
class RecordLog:
    """What the page shows of the log. ``next`` is the token of the next page, None at the end."""

    pinned: list[LogRow]
    ahead: list[LogRow]
    briefs: list[Brief]
    rows: list[LogRow]
    next: str | None
    offers: list[Offer]


def of(
    session: Session,
    viewer: Viewer,
    chosen: LogFilter,
    offered: Sequence[Belonging] = (),
    *,
    before: str | None = None,
    limit: int = 30,
    now: datetime,
) -> RecordLog:
    """A page of the record's timeline with its ``offered`` belongings. Nine statements at most, one more with words
    to search for."""
    found = timeline.of_record(session, viewer, chosen, before=before, limit=limit, now=now)
    meetings = [item.id for item in found.ahead if item.kind == "meeting"]
    touched = briefs.touches(session, viewer, meetings, now=now)
    items = {i.id: i for i in (*found.items, *(item for item, _ in touched), *(o.newest for o in offered))}
    sizes = {item_id: found.folded.get(item_id, (1, 0))[0] for item_id in items}
    built = {row.id: row for row in log_rows.build(session, viewer, list(items.values()), counts=sizes)}
    folded = {i: replace(row, cancelled_count=found.folded.get(i, (1, 0))[1]) for i, row in built.items()}
    pinned, ahead, rows = (
        [folded[item.id] for item in part if item.id in folded] for part in (found.pinned, found.ahead, found.page)
    )
    offers = [Offer(built[o.newest.id], o.size, o.says, o.address, o.name) for o in offered if o.newest.id in built]
    prepared = briefs.prepared(session, ahead, touched, built)
    return RecordLog(pinned, ahead, prepared, rows, found.next, offers)
