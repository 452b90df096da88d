"""From all versions of one meeting (or of one instance) that calendars and mails brought, to its present state.

iTIP's rules (RFC 5546 sections 2.1.4, 2.1.5 and 3.2): the greater SEQUENCE wins, then the later DTSTAMP; a reply tells
of the replying attendee alone; a cancellation without STATUS:CANCELLED takes out the attendees it names. A mail is
believed only from whom it must come: invitations and cancellations from the organizer, replies from the attendee, or
from the address acting for them. A pure fold over a set: the order of arrival changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

from connectors.ical.zones import zone_info
from connectors.types import Attendee, CalendarEvent

_LONG_AGO: Final = datetime(1, 1, 1, tzinfo=UTC)
_FAR: Final = datetime(9999, 1, 1, tzinfo=UTC)
_OFFERS: Final = frozenset({"", "REQUEST", "PUBLISH", "ADD"})
_FROM_ORGANIZER: Final = frozenset({"REQUEST", "PUBLISH", "ADD", "CANCEL", "DECLINECOUNTER"})
_FROM_ATTENDEE: Final = frozenset({"REPLY", "COUNTER", "REFRESH"})


@dataclass(frozen=True, slots=True)
class Version:
    """One component as one source gave it.

    ``sender`` is the From address (or Sender, acting for it) of the mail that brought it, "" for one from a calendar,
    which is believed because its owner's server accepted it. ``received_at`` is when the mail came (UTC). A mail
    whose sender is not known must be given as ``sender="unknown"``, never as "".
    """

    event: CalendarEvent
    sender: str = ""
    received_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Merged:
    """The state: ``event`` with the responses as far as they are known. ``refused`` are the versions not believed;
    ``from_mail`` says that no calendar has it."""

    event: CalendarEvent
    cancelled: bool
    refused: tuple[Version, ...] = ()
    from_mail: bool = False


def merge_versions(versions: Iterable[Version]) -> Merged | None:
    """The state of one (uid, recurrence id). None when there is nothing to believe. The versions may come in any order
    and any number of times."""
    return _merged(sorted(set(versions), key=_tie), None)


def _merged(distinct: Collection[Version], series: CalendarEvent | None) -> Merged | None:
    """``series`` is what an instance takes from its series where no offer of its own is known."""
    organizer = _organizer(distinct)
    believed = [version for version in distinct if _is_believed(version, organizer)]
    refused = tuple(version for version in distinct if version not in believed)
    base = _base(believed)
    if base is None:
        return None
    from_mail = all(version.sender for version in believed)
    if series is None or base.event.method in _OFFERS:
        event, cancelled = _settled(base, believed)
        return Merged(event, cancelled, refused, from_mail)
    inherited = Version(series)
    event, cancelled = _settled(inherited, [inherited, *believed])
    # An answer stays visible as one: such an instance exists only as long as its series still has it.
    method = base.event.method if base.event.method in _FROM_ATTENDEE else ""
    return Merged(replace(event, method=method), cancelled, refused, from_mail)


def may_speak(event: CalendarEvent, sender: str) -> bool:
    """Whether a mail from ``sender`` with this component in it tells of the meeting at all: the organizer's word, or
    the answer of one of its guests. One that somebody passes on tells nothing."""
    if event.method in _FROM_ATTENDEE:
        return any(_speaks_for(sender, guest) for guest in event.attendees)
    return _speaks_for(sender, event.organizer)


def merge_series(versions: Iterable[Version]) -> dict[datetime | date | None, Merged]:
    """The same for all versions of one uid: recurrence id -> state (None: the single event or the series itself).

    An instance is bound to the organizer of its series. One of which only an answer or a cancellation is known takes
    the rest - guests, title, length - from the series.
    """
    held = sorted(set(versions), key=_tie)
    organizer = _organizer(held)
    groups: dict[datetime | date | None, list[Version]] = {}
    for version in held:
        groups.setdefault(version.event.recurrence_id, []).append(version)
    series = _merged(_bound(groups.pop(None, []), organizer), None)
    states: dict[datetime | date | None, Merged | None] = {None: series}
    for key, group in groups.items():
        inherited = _instance(series.event, key) if series is not None and key is not None else None
        states[key] = _merged(_bound(group, organizer), inherited)
    return {key: state for key, state in states.items() if state is not None}


def _instance(series: CalendarEvent, key: datetime | date) -> CalendarEvent | None:
    """The instance of a series at its original time; None where the key is of the other kind (date, time). It is older
    than whatever was said of it."""
    start: datetime | date = key
    if isinstance(key, datetime) and isinstance(series.start, datetime):
        floating = series.start.tzinfo is None
        start = key.replace(tzinfo=None) if floating else key.astimezone(zone_info(series.zone))
    elif isinstance(key, datetime) or isinstance(series.start, datetime):
        return None
    end = start + _length(series)
    return replace(
        series, start=start, end=end, recurrence_id=key, recurrence=(), sequence=0, dtstamp=None, modified=None
    )


def _length(event: CalendarEvent) -> timedelta:
    """Start and end are of one kind, both times or both dates."""
    if isinstance(event.start, datetime) and isinstance(event.end, datetime):
        return event.end - event.start
    return timedelta(days=event.end.toordinal() - event.start.toordinal())


def _bound(group: Collection[Version], organizer: str) -> list[Version]:
    """Leave out mails that speak for another organizer than the series has."""
    if not organizer:
        return list(group)
    return [v for v in group if not v.sender or _address(v.event.organizer) in ("", organizer)]


# -- who may say what


def _organizer(versions: Collection[Version]) -> str:
    """The organizer's address: as calendars have it, else as in the first mail received that came from its organizer.
    Who mails later under the same UID in another name does not take a meeting over."""
    calendars = [v for v in versions if not v.sender and _address(v.event.organizer)]
    if calendars:
        return _address(max(calendars, key=_order).event.organizer)
    mails = [v for v in versions if v.event.method in _FROM_ORGANIZER and _speaks_for(v.sender, v.event.organizer)]
    first = min(mails, key=lambda v: (v.received_at or _FAR, _order(v), _tie(v)), default=None)
    return _address(first.event.organizer) if first else ""


def _is_believed(version: Version, organizer: str) -> bool:
    event = version.event
    if not version.sender:
        return True
    if organizer and _address(event.organizer) not in ("", organizer):
        return False
    if event.method in _FROM_ORGANIZER:
        return _speaks_for(version.sender, event.organizer)
    if event.method in _FROM_ATTENDEE:
        return _replier(version) is not None
    # A file without a method, attached to a mail: anyone may pass one on, so it tells nothing about a known meeting.
    return not organizer and _speaks_for(version.sender, event.organizer)


def _speaks_for(sender: str, person: Attendee | None) -> bool:
    return person is not None and sender.lower() in {person.address.lower(), person.sent_by.lower()} - {""}


def _replier(version: Version) -> Attendee | None:
    """The attendee that a reply speaks of: the one who sent it."""
    return next((a for a in version.event.attendees if _speaks_for(version.sender, a)), None)


def _address(person: Attendee | None) -> str:
    return person.address.lower() if person else ""


# -- what holds


def _order(version: Version) -> tuple[int, datetime, datetime]:
    event = version.event
    return event.sequence, event.dtstamp or event.modified or _LONG_AGO, event.modified or _LONG_AGO


def _tie(version: Version) -> str:
    """A last, arbitrary but fixed order between versions that are equal in every respect that counts."""
    return repr(version)


def _base(believed: Collection[Version]) -> Version | None:
    """The version that the description, the times and the list of guests are taken from: the newest offer; without
    any, the newest cancellation, else the newest reply, which names the meeting at least."""
    for methods in (_OFFERS, frozenset({"CANCEL"}), _FROM_ATTENDEE, frozenset({"DECLINECOUNTER"})):
        found = [v for v in believed if v.event.method in methods]
        if found:
            return max(found, key=lambda v: (_order(v), not v.sender, _tie(v)))
    return None


def _settled(base: Version, believed: Collection[Version]) -> tuple[CalendarEvent, bool]:
    cancels = [v for v in believed if v.event.method == "CANCEL" and _order(v)[:2] >= _order(base)[:2]]
    guests = _guests(base, believed)
    removed = {_key(a) for v in cancels if not _cancels_all(v, guests) for a in v.event.attendees}
    cancelled = base.event.status == "cancelled" or any(_cancels_all(v, guests) for v in cancels)
    left = tuple(_answered(guest, believed) for guest in guests if cancelled or _key(guest) not in removed)
    status = "cancelled" if cancelled else base.event.status
    # A cancellation is told by the status alone: one that only takes out guests cancels nothing.
    method = "" if base.event.method == "CANCEL" else base.event.method
    return replace(base.event, attendees=left, status=status, method=method), cancelled


def _cancels_all(version: Version, guests: Collection[Attendee]) -> bool:
    """A CANCEL with STATUS:CANCELLED, or that names nobody, or everybody: the meeting. Else: the guests it names."""
    named = {_key(a) for a in version.event.attendees}
    return version.event.status == "cancelled" or not named or {_key(g) for g in guests} <= named


def _guests(base: Version, believed: Collection[Version]) -> tuple[Attendee, ...]:
    """The base's attendees; where its source hides them, the newest list of equal sequence."""
    if not base.event.attendees_omitted and base.event.attendees:
        return base.event.attendees
    open_lists = [
        v
        for v in believed
        if v.event.method in _OFFERS
        and not v.event.attendees_omitted
        and v.event.attendees
        and v.event.sequence == base.event.sequence
    ]
    best = max(open_lists, key=lambda v: (_order(v), _tie(v)), default=None)
    return best.event.attendees if best else base.event.attendees


def _key(person: Attendee) -> str:
    return person.address.lower() or f"name:{person.name}"


def _answered(guest: Attendee, believed: Collection[Version]) -> Attendee:
    """The guest with the latest answer: of the greatest sequence, where a word outweighs silence, then the latest."""
    best: tuple[tuple[int, bool, datetime, str], str] | None = None
    for version in believed:
        answer = _answer_of(guest, version)
        if answer:
            sequence, stamp, _ = _order(version)
            rank = ((sequence, answer != "needs-action", stamp, answer), answer)
            best = rank if best is None else max(best, rank)
    return replace(guest, response=best[1]) if best else guest


def _answer_of(guest: Attendee, version: Version) -> str:
    """What a version says of a guest's answer: a reply only of who sent it, a cancellation nothing."""
    if version.event.method in _FROM_ATTENDEE:
        replier = _replier(version)
        return replier.response if replier and _key(replier) == _key(guest) else ""
    if version.event.method not in _OFFERS:
        return ""
    return next((a.response for a in version.event.attendees if _key(a) == _key(guest)), "")
