"""How long a deal has been silent, measured by the communication log and nothing else: no edit, no task and no stage
change resets it.

What counts as a touch is two-way contact: a mail they wrote, a call that reached them, a meeting that was held
(``crm.held``). Our own mails don't: who writes and gets no answer is silent. Automatic replies, newsletters, crowds
and items that do not exist for the viewer never count. A deal without any touch is silent since it was opened. The
limit is its stage's ``rotting_days``; a stage without one takes the workspace's ``silent_days``, and 0 means never.

Set-based: a constant number of statements for any number of deals.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, String, and_, case, cast, func, literal, or_, select, true, union_all
from sqlalchemy.orm import Session

from crm import workspace
from crm.facts import no_crowd
from crm.held import planned, stands
from crm.models import Communication, Deal, Link, Stage
from crm.privacy import Viewer, visible

UNREACHED = ("left_message", "no_answer", "busy")
TWO_WAY = ("inbound", "call", "meeting")
OURS = ("outbound", "call", "meeting")
PLANNED = "planned"
NEAR = 2
WORDS = {"inbound": "last reply", "call": "last call", "meeting": "last met"}


@dataclass(frozen=True, slots=True)
class Silence:
    """How one deal stands. Moments are UTC. ``last_kind`` of the last two-way touch is inbound, call or meeting, ""
    for none; ``since`` is its moment, else when the deal was opened. ``wrote_last`` is they, we, or "". ``unanswered``:
    their mail is newer than anything of ours. ``limit`` in days, None for never; ``too_long`` only for open deals."""

    deal_id: int
    last_id: int | None
    last_kind: str
    since: datetime
    last_in: datetime | None
    last_out: datetime | None
    wrote_last: str
    unanswered: bool
    next_meeting: datetime | None
    days: int
    limit: int | None
    too_long: bool

    @property
    def says(self) -> str:
        """ "last reply 12 d ago; limit 7 d"."""
        past = "today" if self.days < 1 else f"{self.days} d ago"
        if self.last_kind:
            touch = f"{WORDS[self.last_kind]} {past}"
        else:
            touch = f"{'never answered' if self.last_out else 'no contact yet'}, opened {past}"
        return f"{touch}; limit {self.limit} d" if self.limit is not None else touch


def of_deals(
    session: Session,
    viewer: Viewer,
    deal_ids: Iterable[int] | Select[int],
    *,
    now: datetime,
    silent_days: int | None = None,
) -> dict[int, Silence]:
    """The silence of each deal, as far as the log exists for the viewer. ``deal_ids`` may be a query for them. Unknown
    and deleted deals are left out. ``silent_days``: the workspace's, where the caller knows it. Four statements at
    most."""
    wanted = deal_ids if isinstance(deal_ids, Select) else list(dict.fromkeys(deal_ids))
    default = int(workspace.get(session, "silent_days")) if silent_days is None else silent_days
    query = select(Deal.id, Deal.created_at, Deal.status, Stage.rotting_days).join(Stage, Stage.id == Deal.stage_id)
    deals = session.execute(query.where(Deal.id.in_(wanted), Deal.deleted_at.is_(None))).all()
    near = _looked_at(viewer, wanted, now, NEAR)
    touched, unsure = _newest(session, union_all(near, _ahead(viewer, wanted, now)))
    # of those whose newest items don't exist for the viewer, or don't count, all are looked at
    for deal_id, found in _newest(session, _looked_at(viewer, sorted(unsure), now, None))[0].items():
        touched.setdefault(deal_id, {}).update(found)
    return {row.id: _silence(row, touched.get(row.id, {}), default, now) for row in deals}


def limit_of(rotting_days: int | None, default: int) -> int | None:
    """A stage's limit in days: its own, else ``default``; None for a stage that never rots (0). Pure."""
    days = default if rotting_days is None else rotting_days
    return days or None


def _silence(deal: Any, last: dict[str, Any], default: int, now: datetime) -> Silence:
    touches = [last[sort] for sort in TWO_WAY if sort in last]
    touch = max(touches, key=lambda row: row.occurred_at, default=None)
    since = touch.occurred_at if touch else deal.created_at
    came, sent = _at(last, ("inbound",)), _at(last, ("outbound",))
    ours = _at(last, OURS)
    limit = limit_of(deal.rotting_days, default)
    too_long = deal.status == "open" and limit is not None and now - since > timedelta(days=limit)
    return Silence(
        deal_id=deal.id, last_id=touch.id if touch else None, last_kind=touch.sort if touch else "", since=since,
        last_in=came, last_out=sent, wrote_last=_wrote_last(came, sent),
        unanswered=came is not None and (ours is None or came > ours), next_meeting=_at(last, (PLANNED,)),
        days=max(0, (now - since).days), limit=limit, too_long=too_long,
    )  # fmt: skip


def _at(last: dict[str, Any], sorts: Sequence[str]) -> datetime | None:
    return max((last[sort].occurred_at for sort in sorts if sort in last), default=None)


def _wrote_last(came: datetime | None, sent: datetime | None) -> str:
    if came is None or sent is None:
        return "they" if came else "we" if sent else ""
    return "they" if came > sent else "we"


def _newest(session: Session, query: Any) -> tuple[dict[int, dict[str, Any]], set[int]]:
    """The newest item that counts, by deal and sort; and the deals that have a sort whose looked-at items all don't."""
    found: dict[int, dict[str, Any]] = {}
    tried: dict[tuple[int, str], int] = {}
    for row in session.execute(query):
        key = row.target_id, row.sort
        tried[key] = tried.get(key, 0) + 1
        if row.counts:
            held = found.setdefault(row.target_id, {}).setdefault(row.sort, row)
            if (row.occurred_at, row.id) > (held.occurred_at, held.id):
                found[row.target_id][row.sort] = row
    return found, {deal for (deal, sort), n in tried.items() if n >= NEAR and sort not in found.get(deal, {})}


def _looked_at(viewer: Viewer, wanted: Any, now: datetime, near: int | None) -> Any:
    """Items of each sort that each deal has, the ``near`` newest of each, and whether each counts. Two layers, so that
    what is dear to ask is asked of few."""
    columns = (Link.target_id, Communication.id, Communication.occurred_at, _sort(now).label("sort"))
    items = _linked(select(*columns), wanted).where(Communication.occurred_at <= now, _sort(now).is_not(None))
    inner = items.where(by_a_person()).subquery()
    newest = (inner.c.occurred_at.desc(), inner.c.id.desc())
    rank = func.row_number().over(partition_by=(inner.c.target_id, inner.c.sort), order_by=newest).label("rank")
    ranked = select(inner, rank).subquery()
    meeting = or_(ranked.c.sort != "meeting", stands())
    counts = and_(visible(viewer), no_crowd(), meeting).label("counts")
    query = select(ranked.c.target_id, ranked.c.id, ranked.c.occurred_at, ranked.c.sort, counts)
    query = query.join_from(ranked, Communication, Communication.id == ranked.c.id)
    return query if near is None else query.where(ranked.c.rank <= near)


def _ahead(viewer: Viewer, wanted: Any, now: datetime) -> Any:
    """When each deal's next meeting is, as a row like those of ``_looked_at``."""
    first = func.min(Communication.occurred_at)
    query = _linked(select(Link.target_id, literal(0), first, literal(PLANNED), true()), wanted)
    return query.where(planned(now), visible(viewer)).group_by(Link.target_id)


def _linked(query: Any, wanted: Any) -> Any:
    """Items that stand and are attached to the deals."""
    return query.join_from(Link, Communication, Communication.id == Link.communication_id).where(
        Link.target_kind == "deal", Link.target_id.in_(wanted), Link.tombstoned.is_(False),
        Communication.status + "" == "linked", Communication.cancelled.is_(False),
    )  # fmt: skip  # + "" keeps SQLite from starting at all linked items, which it would without statistics


def _sort(now: datetime) -> ColumnElement[Any]:
    """Which sort of touch an item would be; a meeting that is over, declined or not."""
    mail = Communication.kind == "email"
    over = func.coalesce(Communication.ends_at, Communication.occurred_at) <= now
    return case(
        (and_(Communication.kind == "meeting", over), "meeting"),
        (and_(Communication.kind == "call", func.coalesce(Communication.outcome, "").not_in(UNREACHED)), "call"),
        (and_(mail, Communication.direction == "inbound"), "inbound"),
        (and_(mail, Communication.direction == "outbound"), "outbound"),
        else_=None,
    )


@cache
def by_a_person() -> ColumnElement[bool]:
    """Not a machine's answer, and not a newsletter, though both may have been attached by hand."""
    marks = cast(Communication.marks, String)
    personal = or_(marks.not_like('%"bulk"%'), marks.like('%"personal"%'))
    return and_(marks.not_like('%"automatic"%'), personal)
