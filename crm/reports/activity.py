"""Activity: mails out and in, meetings held, calls and notes per week and person.

An item is one in a week's line, in however many mailboxes it lies. In a person's line it counts when it lies in a
mailbox or calendar of theirs, or when they wrote it; so persons add up to more than their week. What does not exist for
the viewer is in no number, and that a colleague's private mailbox saw an item is not told.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, or_, select, union_all
from sqlalchemy.orm import Session

from crm.errors import NotFound
from crm.held import held
from crm.models import Communication, Sighting, User
from crm.privacy import Viewer, member, subject_visible, visible
from crm.reports import deal_rows
from crm.reports.shape import ROWS_MAX, Bucket, Chart, Column, Line, Report, Scope, Table, cut, weeks

SORTS = ("out", "in", "meeting", "call", "note")
COLUMNS = (
    Column("out", "Mails out", "count", True), Column("in", "Mails in", "count", True),
    Column("meeting", "Meetings", "count", True), Column("call", "Calls", "count", True),
    Column("note", "Notes", "count", True), Column("all", "All", "count", True),
)  # fmt: skip
ITEMS = (Column("at", "When", "moment"), Column("kind", "Kind", "text"))


def table(session: Session, viewer: Viewer, scope: Scope, now: datetime) -> Table:
    """Weeks, the newest first, each followed by its people. With an owner chosen: their weeks alone."""
    member(viewer)
    buckets = weeks(scope)
    team, own = _team(viewer, scope, buckets, now), _own(viewer, scope, buckets, now)
    of_week: dict[int, dict[str, int]] = {}
    of_person: dict[tuple[int, str, int], dict[str, int]] = {}
    for row in session.execute(union_all(team, own)):
        if row.user_id == 0:
            of_week.setdefault(row.number, {})[row.sort] = row.items
        else:
            of_person.setdefault((row.number, row.name, row.user_id), {})[row.sort] = row.items
    lines: list[Line] = []
    for n in reversed(range(len(buckets))):
        lines.append(_line(buckets[n].key, _week(buckets[n]), of_week.get(n, {}), 0))
        people = sorted(key for key in of_person if key[0] == n) if scope.owner_id is None else []
        lines += [_line(f"{buckets[n].key}.{u}", name, of_person[m, name, u], 1) for m, name, u in people]
    if not of_week:
        return Table("Week", COLUMNS, ())
    total = {sort: sum(found.get(sort, 0) for found in of_week.values()) for sort in SORTS}
    says = cut(scope, buckets, "weeks")
    whole = _line("total", "All", total, 0)
    return Table("Week", COLUMNS, tuple(lines), whole, says, Chart("stacked", SORTS[:4]), below="Person")


def rows(session: Session, viewer: Viewer, scope: Scope, line: str, column: str, now: datetime) -> Table:
    """The items behind a number, newest first; a subject that the viewer may not read is left out."""
    member(viewer)
    if column not in (*SORTS, "all"):
        raise NotFound("There is no such column in this report.")
    where, sort = _where(viewer, scope, line, now), _sort(now)
    where.append(sort.is_not(None) if column == "all" else sort == column)
    query = (
        select(Communication.id, Communication.occurred_at, Communication.kind, Communication.subject,
               subject_visible(viewer).label("open"))
        .where(*where).order_by(Communication.occurred_at.desc(), Communication.id.desc()).limit(ROWS_MAX + 1)
    )  # fmt: skip
    found = session.execute(query).all()
    says = (f"The newest {ROWS_MAX:,}.",) if len(found) > ROWS_MAX else ()
    lines = tuple(
        Line(str(row.id), (row.subject if row.open else "") or "no subject shown",
             {"at": row.occurred_at, "kind": row.kind}, target=("item", row.id))
        for row in found[:ROWS_MAX]
    )  # fmt: skip
    return Table("Item", ITEMS, lines, None, says)


def _where(viewer: Viewer, scope: Scope, line: str, now: datetime) -> list[ColumnElement[bool]]:
    """The conditions of a line: all weeks, one, or one person's week."""
    buckets = weeks(scope)
    day, _, user = line.partition(".")
    chosen = Bucket(buckets[0].first, buckets[-1].end) if line == "total" else deal_rows.bucket_named(buckets, day)
    where = [*_counted(viewer, now), Communication.occurred_at >= chosen.first, Communication.occurred_at < chosen.end]
    person = deal_rows.number_of(user) if user else scope.owner_id
    return where if person is None else [*where, _of(viewer, person)]


def _counted(viewer: Viewer, now: datetime) -> list[ColumnElement[bool]]:
    return [Communication.status == "linked", Communication.occurred_at <= now, visible(viewer)]


def _of(viewer: Viewer, user_id: int) -> ColumnElement[bool]:
    """In a mailbox of theirs, as far as the viewer may know, or written by them."""
    seen = select(Sighting.communication_id).where(Sighting.owner_id == user_id, _told(viewer))
    return or_(Communication.id.in_(seen), Communication.author_id == user_id)


def _told(viewer: Viewer) -> ColumnElement[bool]:
    return or_(Sighting.tier != "private", Sighting.owner_id == viewer.user_id)


def _sort(now: datetime) -> ColumnElement[Any]:
    mail = Communication.kind == "email"
    return case(
        (and_(mail, Communication.direction == "outbound"), "out"),
        (and_(mail, Communication.direction == "inbound"), "in"), (held(now), "meeting"),
        (Communication.kind == "call", "call"), (Communication.kind == "note", "note"), else_=None,
    )  # fmt: skip


def _team(viewer: Viewer, scope: Scope, buckets: Sequence[Bucket], now: datetime) -> Select[Any]:
    """Items by week and sort, each once."""
    number, sort = deal_rows.bucket_of(Communication.occurred_at, buckets).label("number"), _sort(now).label("sort")
    inner = select(number, sort).where(*_counted(viewer, now), *_between(buckets))
    if scope.owner_id is not None:
        inner = inner.where(_of(viewer, scope.owner_id))
    found = inner.subquery()
    nobody, nameless = literal(0).label("user_id"), literal("").label("name")
    query = select(found.c.number, nobody, nameless, found.c.sort, func.count().label("items"))
    return query.where(found.c.sort.is_not(None)).group_by(found.c.number, found.c.sort)


def _own(viewer: Viewer, scope: Scope, buckets: Sequence[Bucket], now: datetime) -> Select[Any]:
    """Items by week, person and sort."""
    number, sort = deal_rows.bucket_of(Communication.occurred_at, buckets).label("number"), _sort(now).label("sort")
    here = [*_counted(viewer, now), *_between(buckets)]
    seen = select(Communication.id, Sighting.owner_id.label("user_id"), number, sort)
    seen = seen.join(Sighting, Sighting.communication_id == Communication.id).where(*here, _told(viewer))
    wrote = select(Communication.id, Communication.author_id.label("user_id"), number, sort)
    both = seen.union(wrote.where(*here, Communication.author_id.is_not(None))).subquery()
    query = select(both.c.number, User.id, User.name, both.c.sort, func.count()).join(User, User.id == both.c.user_id)
    return query.where(both.c.sort.is_not(None)).group_by(both.c.number, User.id, User.name, both.c.sort)


def _between(buckets: Sequence[Bucket]) -> list[ColumnElement[bool]]:
    return [Communication.occurred_at >= buckets[0].first, Communication.occurred_at < buckets[-1].end]


def _week(bucket: Bucket) -> str:
    last = (bucket.end - timedelta(hours=1)).date()
    return f"{bucket.day.day} {bucket.day:%b} – {last.day} {last:%b %Y}"


def _line(key: str, label: str, found: dict[str, int], level: int) -> Line:
    cells = {sort: found.get(sort, 0) for sort in SORTS}
    return Line(key, label, {**cells, "all": sum(cells.values())}, level=level)


REPORT = Report(
    "activity", "Activity",
    "Mails, meetings held, calls and notes attached to a record: in a week's line each once in however many mailboxes "
    "it lies, in a person's line each that lies in theirs or was written by them; what a colleague keeps private is in "
    "no number.",
    "Team", table, rows, frozenset({"period", "owner"}), period="3m",
)  # fmt: skip
