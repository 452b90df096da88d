"""The control endpoint: tests in other processes arrange the world by ``POST /control/<verb>`` with a JSON object.

user      {address, calendar?}                     -> {token_json}
deliver   {address, raw (base64) | text, labels?, thread?, millis?}   -> {id, thread}
relabel   {address, id, add?, remove?}     label names are made into ids
delete    {address, id}
calendar  {address, id, summary?, access?, selected?, primary?}
event     {address, calendar?, event}              -> the event
cancel    {address, calendar?, id, stub?}          cancel_instance {address, calendar?, master, original}
expire    {address, what: history|pages|sync|tokens, calendar?}
fault     {method, kind?, times?, status?, reason?, message?, retry_after?, skip?, target?}     faults_clear {}
oauth     {rotate?, token_life?}; {address, broken: {error, status?, more?} | null}; revoke {address}
quota     {per_user?, per_project?, calendar_per_user?}
set       {address, lag?, empty_pages?, tell_labels?, has_gmail?, has_calendar?}
push      {url}; flush {audience, times?, reverse?, drop?}            -> {statuses}
stats     {}   -> {counts, spent, refused, seen}; reset_stats {}
"""

from __future__ import annotations

import base64
from typing import Any

from tests.emulators.google import push
from tests.emulators.google.calendars import Calendar
from tests.emulators.google.errors import Refused
from tests.emulators.google.mailbox import SYSTEM, Mailbox
from tests.emulators.google.world import Fault, World

Given = dict[str, Any]


def run(world: World, verb: str, given: Given) -> Given:
    """Do ``verb``; flush takes the lock itself, all else runs under it."""
    if verb == "flush":
        return {"statuses": push.flush(world, **given)}
    with world.lock:
        action = VERBS.get(verb)
        if action is None:
            raise Refused(404, "notFound", f"No control verb {verb}")
        return action(world, given) or {}


def _user(world: World, given: Given) -> Given:
    world.add_user(given["address"], calendar=given.get("calendar", True))
    return {"token_json": world.token_json(given["address"])}


def _box(world: World, given: Given) -> Mailbox:
    return world.people[given["address"]].mailbox


def _calendar_of(world: World, given: Given) -> Calendar:
    person = world.people[given["address"]]
    return person.calendars[given.get("calendar") or given["address"]]


def _label_ids(box: Mailbox, names: list[str]) -> list[str]:
    return [name if name in SYSTEM else box.label(name) for name in names]


def _deliver(world: World, given: Given) -> Given:
    box = _box(world, given)
    raw = base64.b64decode(given["raw"]) if "raw" in given else given["text"].encode()
    labels = _label_ids(box, given.get("labels", ["INBOX", "UNREAD"]))
    mail = box.deliver(raw, labels, thread=given.get("thread", ""), millis=given.get("millis"))
    world.notify(given["address"])
    return {"id": mail.id, "thread": mail.thread}


def _relabel(world: World, given: Given) -> None:
    box = _box(world, given)
    box.relabel(given["id"], _label_ids(box, given.get("add", [])), _label_ids(box, given.get("remove", [])))
    world.notify(given["address"])


def _delete(world: World, given: Given) -> None:
    _box(world, given).delete(given["id"])
    world.notify(given["address"])


def _calendar(world: World, given: Given) -> None:
    made = Calendar(given["id"], given.get("summary", given["id"]), given.get("access", "owner"),
                    given.get("primary", False), given.get("selected", True))  # fmt: skip
    world.people[given["address"]].calendars[made.id] = made


def _event(world: World, given: Given) -> Given:
    calendar = _calendar_of(world, given)
    found = calendar.put(given["event"])
    world.notify(given["address"], calendar.id)
    return found


def _cancel(world: World, given: Given) -> None:
    calendar = _calendar_of(world, given)
    calendar.cancel(given["id"], stub=given.get("stub", True))
    world.notify(given["address"], calendar.id)


def _cancel_instance(world: World, given: Given) -> Given:
    return {"id": _calendar_of(world, given).cancel_instance(given["master"], given["original"])}


def _expire(world: World, given: Given) -> None:
    what = given["what"]
    if what == "tokens":
        world.access_tokens.clear()
    elif what == "sync":
        _calendar_of(world, given).expire_tokens()
    elif what == "history":
        _box(world, given).expire_history()
    else:
        _box(world, given).expire_pages()
        for calendar in world.people[given["address"]].calendars.values():
            calendar.expire_pages()


def _oauth(world: World, given: Given) -> None:
    world.rotate = given.get("rotate", world.rotate)
    world.token_life = given.get("token_life", world.token_life)
    if "address" in given:
        world.people[given["address"]].broken = given["broken"]


def _quota(world: World, given: Given) -> None:
    for name, value in given.items():
        setattr(world.quota, name, value)


def _set(world: World, given: Given) -> None:
    person = world.people[given["address"]]
    for name, value in given.items():
        if name in ("lag", "empty_pages", "tell_labels"):
            setattr(person.mailbox, name, value)
        elif name in ("has_gmail", "has_calendar"):
            setattr(person, name, value)


def _stats(world: World, given: Given) -> Given:
    return {"counts": dict(world.counts), "spent": dict(world.quota.spent), "refused": world.quota.refused,
            "seen": list(world.seen)}  # fmt: skip


def _reset_stats(world: World, given: Given) -> None:
    world.counts.clear()
    world.quota.spent.clear()
    world.quota.refused = 0
    world.seen.clear()


VERBS = {
    "user": _user, "deliver": _deliver, "relabel": _relabel, "delete": _delete, "calendar": _calendar, "event": _event,
    "cancel": _cancel, "cancel_instance": _cancel_instance, "expire": _expire, "oauth": _oauth, "quota": _quota,
    "set": _set, "stats": _stats, "reset_stats": _reset_stats,
    "fault": lambda world, given: world.faults.append(Fault(**given)),
    "faults_clear": lambda world, given: world.faults.clear(),
    "revoke": lambda world, given: world.revoke(given["address"]),
    "push": lambda world, given: setattr(world, "push_url", given["url"]),
}  # fmt: skip
