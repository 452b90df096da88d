"""The REST surface: from a path to a method, with rights, quota, faults, field masks and the schema of the answer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.emulators.google import partial, schemas
from tests.emulators.google.errors import Refused, not_found
from tests.emulators.google.world import Fault, Grant, Person, World

Given = dict[str, list[str]]


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    given: Given
    token: str
    body: dict[str, Any]


@dataclass(frozen=True)
class Result:
    status: int
    headers: dict[str, str]
    body: bytes
    fault: Fault | None = None


def parsed(method: str, target: str, token: str, body: bytes) -> Request:
    parts = urlsplit(target)
    try:
        found = json.loads(body) if body else {}
    except ValueError:
        found = {}
    return Request(method, parts.path, parse_qs(parts.query, keep_blank_values=True), token, found)


def answer(world: World, request: Request, *, inner: bool = False) -> Result:
    """Serve one call, alone or out of a batch."""
    with world.lock:
        try:
            name, api, schema, run = _route(request)
            world.count(name, request.path)
            fault = world.fault_for(name, request.path)
            if fault and fault.kind == "status":
                raise Refused(fault.status, fault.reason, fault.message, retry_after=fault.retry_after,
                              details=fault.details)  # fmt: skip
            found = _served(world, request, name, api, run)
        except Refused as refused:
            return Result(refused.status, refused.headers, json.dumps(refused.body()).encode())
        if schema:
            schemas.check(api, schema, found)
        if "fields" in request.given:
            found = partial.apply(partial.parse(request.given["fields"][0]), found)
        body = json.dumps(found).encode() if schema else b""
        if fault and fault.kind == "truncate" and inner:
            body = body[: len(body) // 2]
        return Result(200 if schema else 204, {}, body, fault)


Run = Callable[[World, Person, Grant, Request], dict[str, Any]]


def _served(world: World, request: Request, name: str, api: str, run: Run) -> dict[str, Any]:
    grant = world.who(request.token)
    person = world.people[grant.user]
    if not any(api in scope or scope == "https://mail.google.com/" for scope in grant.scopes):
        raise Refused(403, "insufficientPermissions", "Request had insufficient authentication scopes.")
    if api == "admin":
        if not person.admin:
            raise Refused(403, "forbidden", "Not Authorized to access this resource/api")
    elif api == "gmail":
        if not person.has_gmail:
            raise Refused(400, "failedPrecondition", "Mail service not enabled")
        world.quota.take(grant.user, name)
    else:
        if not person.has_calendar:
            raise Refused(403, "notACalendarUser", "The user must be signed up for Google Calendar.")
        world.quota.take_calendar(grant.user)
    return run(world, person, grant, request)


def _route(request: Request) -> tuple[str, str, str, Run]:
    for method, pattern, name, api, schema, run in ROUTES:
        match = re.fullmatch(pattern, request.path)
        if match and method == request.method:
            parts = [unquote(part) for part in match.groups()]
            return name, api, schema, lambda w, p, g, r, parts=parts, run=run: run(w, p, g, r, *parts)  # type: ignore[misc]
    raise not_found()


def _owned(person: Person, grant: Grant, user: str) -> None:
    if user not in ("me", grant.user):
        raise Refused(403, "forbidden", f"Delegation denied for {grant.user}")


def _mail(show: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def run(world: World, person: Person, grant: Grant, request: Request, user: str, *rest: str) -> dict[str, Any]:
        _owned(person, grant, user)
        return show(person.mailbox, request, *rest)

    return run


def _calendar(person: Person, calendar_id: str) -> Any:
    found = person.calendars.get(calendar_id)
    if calendar_id == "primary":
        found = next((c for c in person.calendars.values() if c.primary), None)
    if found is None:
        raise Refused(404, "notFound", "Not Found")
    return found


def _calendar_list(world: World, person: Person, grant: Grant, request: Request) -> dict[str, Any]:
    items = [calendar.entry() for calendar in person.calendars.values() if not calendar.gone]
    return {"kind": "calendar#calendarList", "etag": '"1"', "nextSyncToken": "L1", "items": items}


def _watch_mail(world: World, person: Person, grant: Grant, request: Request, user: str) -> dict[str, Any]:
    _owned(person, grant, user)
    if not str(request.body.get("topicName", "")).startswith("projects/"):
        raise Refused(400, "invalidArgument", "Invalid topicName")
    ends = int(world.clock() + 7 * 86400) * 1000
    person.mailbox.watch = {**request.body, "expiration": ends}
    return {"historyId": str(person.mailbox.now), "expiration": str(ends)}


def _stop_mail(world: World, person: Person, grant: Grant, request: Request, user: str) -> dict[str, Any]:
    _owned(person, grant, user)
    person.mailbox.watch = None
    return {}


def _watch_calendar(world: World, person: Person, grant: Grant, request: Request, calendar: str) -> dict[str, Any]:
    _calendar(person, calendar)
    given = request.body
    if given.get("type") != "web_hook" or not given.get("address") or not given.get("id"):
        raise Refused(400, "required", "Required")
    if given["id"] in world.channels:
        raise Refused(400, "channelIdNotUnique", "Channel id not unique")
    ends = min(int(given.get("expiration") or 10**15), int(world.clock() + 7 * 86400) * 1000)
    found = {"kind": "api#channel", "id": given["id"], "resourceId": f"res-{calendar}", "resourceUri": request.path,
             "token": given.get("token", ""), "expiration": str(ends)}  # fmt: skip
    world.channels[given["id"]] = {**found, "calendar": calendar, "user": grant.user, "address": given["address"],
                                   "number": 1}  # fmt: skip
    world.notifications.append({"channel": given["id"], "state": "sync"})
    return found


def _stop_channel(world: World, person: Person, grant: Grant, request: Request) -> dict[str, Any]:
    if world.channels.pop(str(request.body.get("id")), None) is None:
        raise Refused(404, "notFound", "Channel not found")
    return {}


def _send_as(world: World, person: Person, grant: Grant, request: Request, user: str) -> dict[str, Any]:
    _owned(person, grant, user)
    first = {"sendAsEmail": grant.user, "displayName": "", "isPrimary": True, "isDefault": True}
    more = [{"sendAsEmail": a, "displayName": "", "verificationStatus": s} for a, s in person.send_as.items()]
    return {"sendAs": [first, *more]}


def _users(world: World, person: Person, grant: Grant, request: Request) -> dict[str, Any]:
    wanted = request.given.get("query", [""])[0]
    if wanted and not wanted.startswith("orgUnitPath="):
        raise Refused(400, "invalid", "Invalid Input: query")
    unit = wanted.removeprefix("orgUnitPath=")
    after = request.given.get("pageToken", [""])[0]
    shown = [a for a, p in sorted(world.people.items()) if p.unit.startswith(unit) and a > after]
    page = shown[: int(request.given.get("maxResults", ["100"])[0])]
    users = [
        {"kind": "admin#directory#user", "primaryEmail": address, "name": {"fullName": address.split("@")[0].title()},
         "suspended": world.people[address].suspended, "orgUnitPath": world.people[address].unit,
         "isMailboxSetup": world.people[address].has_gmail, "aliases": [f"alias.{address}"]}
        for address in page
    ]  # fmt: skip
    found: dict[str, Any] = {"kind": "admin#directory#users", "etag": "1", "users": users}
    return found | ({"nextPageToken": page[-1]} if len(shown) > len(page) else {})


def _calendar_get(world: World, person: Person, grant: Grant, request: Request, calendar: str) -> dict[str, Any]:
    found = _calendar(person, calendar)
    return {"kind": "calendar#calendar", "etag": '"1"', "id": found.id, "summary": found.summary}


def _events(world: World, person: Person, grant: Grant, request: Request, calendar: str) -> dict[str, Any]:
    found: dict[str, Any] = _calendar(person, calendar).listing(request.given)
    return found


def _event(world: World, person: Person, grant: Grant, request: Request, calendar: str, event: str) -> dict[str, Any]:
    found: dict[str, Any] = _calendar(person, calendar).get(event)
    return found


U = r"/gmail/v1/users/([^/]+)"
C = r"/calendar/v3"
ROUTES: list[tuple[str, str, str, str, str, Any]] = [
    ("GET", f"{U}/profile", "getProfile", "gmail", "Profile", _mail(lambda box, r: box.profile())),
    ("GET", f"{U}/settings/sendAs", "settings.sendAs.list", "gmail", "ListSendAsResponse", _send_as),
    ("GET", f"{U}/labels", "labels.list", "gmail", "ListLabelsResponse", _mail(lambda box, r: box.label_list())),
    ("GET", f"{U}/messages", "messages.list", "gmail", "ListMessagesResponse",
     _mail(lambda box, r: box.listing(r.given))),
    ("GET", f"{U}/history", "history.list", "gmail", "ListHistoryResponse", _mail(lambda box, r: box.history(r.given))),
    ("GET", f"{U}/messages/([^/]+)", "messages.get", "gmail", "Message",
     _mail(lambda box, r, mail: box.get(mail, r.given))),
    ("GET", f"{U}/messages/([^/]+)/attachments/([^/]+)", "messages.attachments.get", "gmail", "MessagePartBody",
     _mail(lambda box, r, mail, one: box.attachment(mail, one))),
    ("POST", f"{U}/watch", "watch", "gmail", "WatchResponse", _watch_mail),
    ("POST", f"{U}/stop", "stop", "gmail", "", _stop_mail),
    ("GET", f"{C}/users/me/calendarList", "calendarList.list", "calendar", "CalendarList", _calendar_list),
    ("GET", f"{C}/calendars/([^/]+)", "calendars.get", "calendar", "Calendar", _calendar_get),
    ("GET", f"{C}/calendars/([^/]+)/events", "events.list", "calendar", "Events", _events),
    ("GET", f"{C}/calendars/([^/]+)/events/([^/]+)", "events.get", "calendar", "Event", _event),
    ("POST", f"{C}/calendars/([^/]+)/events/watch", "events.watch", "calendar", "Channel", _watch_calendar),
    ("GET", "/admin/directory/v1/users", "users.list", "admin", "Users", _users),
    ("POST", f"{C}/channels/stop", "channels.stop", "calendar", "", _stop_channel),
]  # fmt: skip
