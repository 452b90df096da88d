"""A Graph event (JSON) as a ``CalendarEvent``: identity, times, people, privacy.

Identity is the iCalendar UID that every attendee's calendar shares: of a series the master's, with the original start
as recurrence id. Exchange wraps a UID from elsewhere into its own hexadecimal form; it is unwrapped, so that the same
meeting seen through Google or a mail is the same. An occurrence of a delta is a stub (id, type, master, start, end)
and takes the rest from its master. Never takes an absence note for a meeting, unless others are invited to it.
Source: Graph event, attendee, dateTimeTimeZone resources; MS-OXOCAL 2.2.1.27 (PidLidGlobalObjectId).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from connectors.ical.uids import GLOBAL_ID, unwrapped
from connectors.mailparse.htmltext import text_of
from connectors.microsoft import zones
from connectors.microsoft.message import moment
from connectors.types import Attendee, Busy, CalendarEvent

MAX_ATTENDEES = 2_000
MAX_TEXT = 200_000
DATE_AT, DATE_LENGTH = len(GLOBAL_ID), 8

RESPONSES: Mapping[str, str] = {
    "accepted": "accepted",
    "organizer": "accepted",
    "declined": "declined",
    "tentativelyaccepted": "tentative",
}
SENSITIVITIES: Mapping[str, str] = {"private": "private", "personal": "private", "confidential": "confidential"}
ABSENCES: Mapping[str, str] = {"oof": "outOfOffice", "workingelsewhere": "workingLocation"}

_FRACTION = re.compile(r"(\.\d{6})\d+")
_HEX = re.compile(r"^(?:[0-9a-fA-F]{2}){40,2000}$")


def is_member(item: Mapping[str, Any]) -> bool:
    """Whether an event is an occurrence or an exception of a series."""
    return bool(item.get("seriesMasterId")) and str(item.get("type") or "") != "seriesMaster"


def is_master(item: Mapping[str, Any]) -> bool:
    """Whether an event is the master of a series, which is no meeting by itself."""
    return str(item.get("type") or "") == "seriesMaster"


def is_stub(item: Mapping[str, Any]) -> bool:
    """Whether an event came without its content, as occurrences do in a delta."""
    return "subject" not in item and "iCalUId" not in item


def calendar_event(item: Mapping[str, Any], master: Mapping[str, Any] | None, mailbox: str) -> CalendarEvent:
    """The event ``item`` stands for; ``master`` completes a member of a series; ``mailbox`` is our own address.
    Raises ValueError when its times cannot be read."""
    whole = {**(master or {}), **item}
    all_day = whole.get("isAllDay") is True
    start, end = _at(whole.get("start"), all_day), _at(whole.get("end"), all_day)
    people = tuple(_attendees(whole))
    changed = moment(whole.get("lastModifiedDateTime"))
    return CalendarEvent(
        uid=_uid(item, master),
        start=start,
        end=end,
        zone=zones.iana(str(whole.get("originalStartTimeZone") or "UTC")),
        recurrence_id=_recurrence_id(item, whole, start, all_day) if is_member(item) else None,
        dtstamp=changed,
        modified=changed,
        status="cancelled" if whole.get("isCancelled") is True else "confirmed",
        summary=str(whole.get("subject") or "")[:1000],
        description=_text(whole.get("body")),
        location=_location(whole),
        organizer=_organizer(whole),
        attendees=people,
        classification=SENSITIVITIES.get(str(whole.get("sensitivity") or "").casefold(), "public"),
        transparency=Busy.FREE if str(whole.get("showAs") or "").casefold() == "free" else Busy.BUSY,
        kind=_kind(whole, people, mailbox),
        url=_url(whole),
    )


def _cleaned(uid: str) -> str:
    """A GlobalObjectId without the date of the instance: what the whole series shares."""
    if _HEX.match(uid) and uid[: len(GLOBAL_ID)].casefold() == GLOBAL_ID:
        return uid[:DATE_AT] + "0" * DATE_LENGTH + uid[DATE_AT + DATE_LENGTH :]
    return uid


def _uid(item: Mapping[str, Any], master: Mapping[str, Any] | None) -> str:
    own = str(item.get("iCalUId") or "")
    if not is_member(item):
        return unwrapped(own or f"graph:{item['id']}")
    shared = str((master or {}).get("iCalUId") or "") or _cleaned(own)
    return unwrapped(shared or f"graph:{item['seriesMasterId']}")


def _at(held: Any, all_day: bool) -> datetime | date:
    if not isinstance(held, dict) or not isinstance(held.get("dateTime"), str):
        raise ValueError("an event without a start or an end")
    parsed = datetime.fromisoformat(_FRACTION.sub(r"\1", held["dateTime"][:40]))
    if all_day:
        return parsed.date()
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=ZoneInfo(zones.iana(str(held.get("timeZone") or "UTC"))))
    return parsed.astimezone(UTC)


def _recurrence_id(
    item: Mapping[str, Any], whole: Mapping[str, Any], start: datetime | date, all_day: bool
) -> datetime | date:
    original = moment(item.get("originalStart"))
    if original is None:
        return start
    if not all_day:
        return original
    local = original.astimezone(ZoneInfo(zones.iana(str(whole.get("originalStartTimeZone") or "UTC"))))
    if local.time() == time(0):
        return local.date()
    return (original + timedelta(hours=12)).date() if original.time() != time(0) else original.date()


def _attendees(whole: Mapping[str, Any]) -> Iterator[Attendee]:
    held = whole.get("attendees")
    for one in (held if isinstance(held, list) else [])[:MAX_ATTENDEES]:
        if not isinstance(one, dict):
            continue
        kind = str(one.get("type") or "required").casefold()
        status = one.get("status")
        response = str(status.get("response") or "").casefold() if isinstance(status, dict) else ""
        address, name = _mailbox(one)
        yield Attendee(
            address=address,
            name=name,
            role="optional" if kind == "optional" else "required",
            response=RESPONSES.get(response, "needs-action"),
            kind="resource" if kind == "resource" else "individual",
        )


def _organizer(whole: Mapping[str, Any]) -> Attendee | None:
    address, name = _mailbox(whole.get("organizer"))
    return Attendee(address=address, name=name, response="accepted") if address or name else None


def _mailbox(held: Any) -> tuple[str, str]:
    found = held.get("emailAddress") if isinstance(held, dict) else None
    if not isinstance(found, dict):
        return "", ""
    return str(found.get("address") or "")[:320], str(found.get("name") or "")[:255]


def _text(held: Any) -> str:
    if not isinstance(held, dict):
        return ""
    content = str(held.get("content") or "")[:MAX_TEXT]
    return text_of(content) if str(held.get("contentType") or "").casefold() == "html" else content


def _location(whole: Mapping[str, Any]) -> str:
    held = whole.get("location")
    return str(held.get("displayName") or "")[:1000] if isinstance(held, dict) else ""


def _url(whole: Mapping[str, Any]) -> str:
    held = whole.get("onlineMeeting")
    joined = str(held.get("joinUrl") or "") if isinstance(held, dict) else ""
    return (joined or str(whole.get("onlineMeetingUrl") or "") or str(whole.get("webLink") or ""))[:2000]


def _kind(whole: Mapping[str, Any], people: tuple[Attendee, ...], mailbox: str) -> str:
    others = [one for one in people if one.address.casefold() != mailbox.casefold() and one.kind == "individual"]
    if others:
        return "default"
    return ABSENCES.get(str(whole.get("showAs") or "").casefold(), "default")
