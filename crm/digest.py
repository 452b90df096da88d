"""The mails of a morning: once a day what is due, who waits for an answer and which deals are silent; once a week what
happened. Each for one person, over what exists for them; at their morning hour, in their zone.

A row in ``outgoing_mail`` per person and day (or ISO week) is what makes it once. Where there is nothing to say the row
says so and no mail goes out. A morning that was missed is made up for until noon, not later.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, exists, func, select
from sqlalchemy.orm import Session, aliased

from crm import due, post, replies, silence, task_lists
from crm.held import held
from crm.models import Communication, Deal, OutgoingMail, Sighting, Task, User
from crm.once import insert_once
from crm.post import BASE
from crm.privacy import Viewer, visible
from crm.task_lists import Filter

LINES = 10
LATEST = timedelta(hours=5)
MONDAY = 0
DAILY = "digest:"


def waiting(session: Session, *, now: datetime) -> list[int]:
    """Whose hour has come and who has no row of today yet: ids of people. Writes nothing."""
    if not post.configured(session):
        return []
    found = []
    for user in session.scalars(select(User).where(User.active).order_by(User.id)):
        zone = due.zone_of(user.time_zone)
        day, wants = due.today(now, zone), post.wants(user)
        if (wants["digest"] or wants["weekly"]) and _is_morning(user, day, zone, now):
            found.append((user.id, f"{DAILY}{day}"))
    if not found:
        return []
    known = select(OutgoingMail.user_id, OutgoingMail.key).where(OutgoingMail.key.in_({key for _, key in found}))
    done = {(user_id, key) for user_id, key in session.execute(known)}
    return [user_id for user_id, key in found if (user_id, key) not in done]


def write(session: Session, user_id: int, *, now: datetime) -> int:
    """Write what is due for one person, once. Returns how many mails there are to send."""
    user = session.get_one(User, user_id)
    week_done = _weekly(session, user, now)
    return _daily(session, user, now) + week_done


def _daily(session: Session, user: User, now: datetime) -> bool:
    zone = due.zone_of(user.time_zone)
    day = due.today(now, zone)
    if not _is_morning(user, day, zone, now):
        return False
    wanted = bool(post.wants(user)["digest"])
    text = partial(today, session, user, now) if wanted else str
    return _put(session, user, f"{DAILY}{day}", f"Your day, {day.day} {day:%b}", text, now)


def _weekly(session: Session, user: User, now: datetime) -> bool:
    zone = due.zone_of(user.time_zone)
    day = due.today(now, zone)
    if day.weekday() != MONDAY or not post.wants(user)["weekly"] or not _is_morning(user, day, zone, now):
        return False
    key = f"weekly:{day.isocalendar().year}-{day.isocalendar().week:02d}"
    return _put(session, user, key, "Your week", partial(week, session, user, day, zone, now), now)


def _is_morning(user: User, day: date, zone: ZoneInfo, now: datetime) -> bool:
    begin = due.morning(day, zone, int(post.wants(user)["hour"]))
    return begin <= now < begin + LATEST


def _put(session: Session, user: User, key: str, subject: str, text: Callable[[], str], now: datetime) -> bool:
    """Write the row once, then the text into it: only the one who wrote the row composes."""
    values = {
        "user_id": user.id, "key": key, "subject": subject, "body": "", "state": "nothing", "attempts": 0,
        "created_at": now,
    }  # fmt: skip
    made = insert_once(session, OutgoingMail, values)
    body = text() if made is not None else ""
    if made is None or not body:
        return False
    row = session.get_one(OutgoingMail, made)
    row.body, row.state = body, "waiting"
    session.flush()
    return True


def today(session: Session, user: User, now: datetime) -> str:
    """The day's text for a person, "" where there is nothing to say."""
    viewer, zone = Viewer(user.id, user.role), due.zone_of(user.time_zone)
    parts = [_due(session, viewer, user, now), _replies(session, viewer, now, zone), _silent(session, viewer, now)]
    said = [part for part in parts if part]
    return "\n\n".join([f"Good morning {user.name},", *said, f"All of it: {BASE}/"]) + "\n" if said else ""


def _due(session: Session, viewer: Viewer, user: User, now: datetime) -> str:
    rows = task_lists.queue(session, viewer, now=now, zone=_zone_name(user), limit=LINES)
    counts = task_lists.counts(session, viewer, Filter(owner_id=viewer.user_id), now=now, zone=_zone_name(user))
    lines = [f"- {row.title}{f' ({row.contact})' if row.contact else ''}" for row in rows]
    return _section(f"Due today: {counts.today}, overdue: {counts.overdue}", lines, counts.today + counts.overdue)


def _replies(session: Session, viewer: Viewer, now: datetime, zone: ZoneInfo) -> str:
    found = replies.waiting(session, viewer, now=now, order=replies.OLDEST, limit=LINES)
    lines = [f"- {row.name}: {row.subject or 'no subject'}, {_day(row.at, zone)}" for row in found.rows]
    return _section(f"Waiting for your answer: {found.total}", lines, found.total)


def _silent(session: Session, viewer: Viewer, now: datetime) -> str:
    mine = select(Deal.id).where(Deal.owner_id == viewer.user_id, Deal.status == "open", Deal.deleted_at.is_(None))
    quiet = [s for s in silence.of_deals(session, viewer, mine, now=now).values() if s.too_long]
    quiet.sort(key=lambda s: s.since)
    shown = select(Deal.id, Deal.title).where(Deal.id.in_([s.deal_id for s in quiet[:LINES]]))
    titles: dict[int, str] = dict(session.execute(shown).all())
    lines = [f"- {titles[s.deal_id]}: {s.says}" for s in quiet[:LINES]]
    return _section(f"Silent deals: {len(quiet)}", lines, len(quiet))


def week(session: Session, user: User, monday: date, zone: ZoneInfo, now: datetime) -> str:
    """Last week in numbers for a person: their own work, "" where nothing happened."""
    begin, end = (due.morning(monday - timedelta(days=d), zone, 0) for d in (7, 0))
    viewer = Viewer(user.id, user.role)
    seen = aliased(Sighting)
    mine = exists().where(seen.communication_id == Communication.id, seen.owner_id == user.id).correlate(Communication)
    inside = and_(Communication.occurred_at >= begin, Communication.occurred_at < end, visible(viewer))
    linked = Communication.status == "linked", Communication.cancelled.is_(False)
    mail = Communication.kind == "email"
    wanted = {
        "Mails you wrote": (mine, mail, Communication.direction == "outbound"),
        "Mails you got": (mine, mail, Communication.direction == "inbound"),
        "Meetings held": (mine, held(now)),
        "Calls": (Communication.author_id == user.id, Communication.kind == "call"),
    }
    figures = {name: _count(session, Communication, inside, *linked, *more) for name, more in wanted.items()}
    closed = Deal.owner_id == user.id, Deal.closed_at >= begin, Deal.closed_at < end, Deal.deleted_at.is_(None)
    figures["Deals won"] = _count(session, Deal, *closed, Deal.status == "won")
    figures["Deals lost"] = _count(session, Deal, *closed, Deal.status == "lost")
    done = Task.owner_id == user.id, Task.done_at >= begin, Task.done_at < end, Task.deleted_at.is_(None)
    figures["Tasks done"] = _count(session, Task, *done)
    if not any(figures.values()):
        return ""
    lines = [f"- {name}: {count}" for name, count in figures.items()]
    title = f"Last week, {user.name}, from {_day(begin, zone)}:"
    return "\n".join([title, *lines, "", f"More: {BASE}/reports"]) + "\n"


def _count(session: Session, model: type[Communication] | type[Deal] | type[Task], *where: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).select_from(model).where(*where)) or 0


def _section(title: str, lines: list[str], total: int) -> str:
    if not total:
        return ""
    more = [f"- and {total - len(lines)} more"] if total > len(lines) else []
    return "\n".join([title, *lines, *more])


def _zone_name(user: User) -> str:
    return due.zone_of(user.time_zone).key


def _day(moment: datetime, zone: ZoneInfo) -> str:
    local = moment.astimezone(zone)
    return f"{local.day} {local:%b}"
