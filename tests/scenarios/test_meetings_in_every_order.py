"""One meeting, told by mails in three mailboxes and by events in two calendars: invited, accepted, moved, called off.
Whatever the order in which all this arrives, the log ends with the same one line.

Every order is a meeting of its own (its own UID) in one office, so that hundreds of orders cost a few passes.
``CRM_SYNC_TEST_ORDERS`` (60) of the 720 orders of the six stories are played, and half as many of the single copies.
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from connectors.types import RawCalendar
from tests.rig.office import NOON, Office, event, mail

ORDERS = int(os.environ.get("CRM_SYNC_TEST_ORDERS", "60"))
FIRST, MOVED = NOON + timedelta(days=3), NOON + timedelta(days=4, hours=2)
REP, BEN, JANE = "rep@ourco.example", "ben@ourco.example", "jane@acme.example"
ROOM = "room-4@resource.calendar.google.com"

Step = tuple[str, str]
"""What arrives (invite, accept, move, confirm, cancel; or event0 to event2), and where."""
MAILS: dict[str, tuple[str, ...]] = {
    "invite": ("rep", "ben", "ada"), "accept": ("rep",), "move": ("rep", "ben", "ada"), "cancel": ("rep", "ben", "ada"),
}  # fmt: skip
STORIES: dict[str, list[Step]] = {
    **{what: [(what, who) for who in places] for what, places in MAILS.items()},
    "rep's calendar": [("event2", "rep")],
    "ben's calendar": [("event2", "ben")],
}
SINGLE: list[Step] = [
    *(step for what in MAILS for step in STORIES[what]),
    *((f"event{n}", who) for who in ("rep", "ben") for n in range(3)),
]  # fmt: skip


def test_invited_accepted_moved_and_cancelled_in_every_order_is_the_same_one_meeting(office: Office) -> None:
    """Whole stories: each mail reaches its mailboxes at once, each calendar is looked at once."""
    every = list(itertools.permutations(STORIES))
    chosen = [every[0], *random.Random(5).sample(every[1:], min(ORDERS, len(every)) - 1)]
    told = play(office, [[STORIES[name] for name in order] for order in chosen])
    assert_one_state(told, chosen)


def test_single_copies_in_any_order_are_the_same_one_meeting(office: Office) -> None:
    """Every copy by itself; a calendar is read after each of its changes, which come in their own order."""
    chance = random.Random(6)
    orders = [SINGLE, *(_shuffled(chance) for _ in range(ORDERS // 2))]
    assert_one_state(play(office, [[[step] for step in order] for order in orders]), orders)


def test_a_story_without_its_end_is_the_same_in_every_order_too(office: Office) -> None:
    """Invited, accepted, moved: the answer to the first time does not hold for the second, the room is nobody."""
    names = ["invite", "accept", "move", "confirm"]
    stories = {**STORIES, "confirm": [("confirm", "rep")]}
    orders = list(itertools.permutations(names))
    told = play(office, [[stories[name] for name in order] for order in orders])
    lines = {repr(without_ids(line)) for line in told.values()}
    assert len(told) == len(orders) and len(lines) == 1
    line = next(iter(told.values()))
    assert (line["cancelled"], line["occurred_at"]) == (False, f"{MOVED:%Y-%m-%dT%H:%M:%SZ}")
    assert answers(line)[JANE] == "tentative"


def assert_one_state(told: dict[int, dict[str, Any]], orders: Sequence[Any]) -> None:
    """One line for each order, all the same, and what it must say."""
    assert sorted(told) == list(range(len(orders)))
    reference = without_ids(told[0])
    for number, line in told.items():
        assert without_ids(line) == reference, orders[number]
    assert (reference["cancelled"], reference["subject"]) == (True, "Kick-off, moved")
    assert (reference["occurred_at"], reference["ends_at"]) == (
        f"{MOVED:%Y-%m-%dT%H:%M:%SZ}", f"{MOVED + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}",
    )  # fmt: skip
    assert reference["accounts"] == ["ada@ourco.example", BEN, REP]
    assert (reference["contacts"], reference["companies"]) == ([JANE], ["acme.example"])
    assert [p["role"] for p in reference["participants"] if p["address"] == REP] == ["organizer"]


def answers(line: dict[str, Any]) -> dict[str, str | None]:
    """Who said what."""
    return {p["address"]: p["response"] for p in line["participants"]}


def without_ids(line: dict[str, Any]) -> dict[str, Any]:
    """The line without what names this very meeting; threads by whether there is one."""
    gone = ("id", "ical_uid", "message_id", "thread")
    return {k: v for k, v in line.items() if k not in gone} | {
        "thread": line["thread"] is not None, "message_id": (line["message_id"] or "").partition(".")[0]
    }  # fmt: skip


def play(office: Office, orders: Sequence[Sequence[Sequence[Step]]]) -> dict[int, dict[str, Any]]:
    """Let order ``n`` happen to the meeting ``n``, all in step; what the log says of each."""
    boxes = {who: office.mailbox(who, calendar=True) for who in ("rep", "ben", "ada")}
    acme = office.company("Acme", "acme.example")
    office.contact(JANE, company=acme)
    held: dict[tuple[int, str], str] = {}
    for stage in itertools.zip_longest(*orders):
        for number, steps in enumerate(stage):
            for what, who in steps or ():
                arrive(office, boxes[who], held, number, what)
        office.sync()
    assert set(office.states().values()) <= {"stored:invitation"}
    lines = [line for line in office.log() if line["kind"] == "meeting"]
    told = {int(line["ical_uid"].split(".")[1]): line for line in lines}
    assert len(told) == len(lines), "one meeting each"
    return told


def arrive(office: Office, box: int, held: dict[tuple[int, str], str], number: int, what: str) -> None:
    """One copy of one mail, or the present state of the event in one calendar. What is told is told of its own time."""
    uid = f"order.{number}.test"
    if what.startswith("event"):
        raw = state(uid, int(what[-1]))
        if (number, str(box)) in held:
            office.boxes[box].replace("cal", held[number, str(box)], RawCalendar(raw))
        else:
            held[number, str(box)] = office.deliver(box, raw, stream="cal")
        return
    sent = NOON + timedelta(minutes=["invite", "accept", "move", "confirm", "cancel"].index(what))
    office.deliver(box, letter(uid, what), received_at=sent)


def state(uid: str, version: int) -> bytes:
    """The event in a calendar: as invited, as moved, as called off."""
    return _event(uid, version, "", "CONFIRMED" if version < 2 else "CANCELLED", "ACCEPTED" if version == 0 else "")


def letter(uid: str, what: str) -> bytes:
    """A mail of the story."""
    version = {"invite": 0, "accept": 0, "move": 1, "confirm": 1, "cancel": 2}[what]
    method = {"accept": "REPLY", "confirm": "REPLY", "cancel": "CANCEL"}.get(what, "REQUEST")
    sender = JANE if method == "REPLY" else REP
    answer = {"accept": "ACCEPTED", "confirm": "TENTATIVE"}.get(what, "")
    ics = _event(uid, version, method, "CANCELLED" if what == "cancel" else "CONFIRMED", answer)
    raw = mail(
        sender, JANE if sender == REP else REP, f"{what}: Kick-off", id=f"<{what}.{uid}@mail.example>", at=NOON,
        text="As said.",
    )  # fmt: skip
    head, _, _ = raw.partition(b"\n\n")
    head = b"\n".join(
        line for line in head.split(b"\n") if not line.lower().startswith((b"content-", b"mime-version"))
    )
    return head + b"\nMIME-Version: 1.0\nContent-Type: text/calendar; method=" + method.encode() + b"\n\n" + ics


def _event(uid: str, version: int, method: str, status: str, answer: str) -> bytes:
    stamp = NOON - timedelta(days=5) + timedelta(hours=version, minutes=5 if method == "REPLY" else 0)
    guests = f"ATTENDEE;CN=Jane Doe;PARTSTAT={answer or 'NEEDS-ACTION'}:mailto:{JANE}"
    others = (
        f"\nATTENDEE;CN=Ben;PARTSTAT=NEEDS-ACTION:mailto:{BEN}\nATTENDEE;CUTYPE=ROOM;PARTSTAT=ACCEPTED:mailto:{ROOM}"
        "\nATTENDEE;CN=Old Friend:invalid:nomail"
    )
    extra = f"STATUS:{status}\n{guests}{'' if method == 'REPLY' else others}"
    found = event(
        uid, FIRST if version == 0 else MOVED, summary="Kick-off" if version == 0 else "Kick-off, moved", guests=(),
        sequence=version, extra=extra, method=method,
    )  # fmt: skip
    old = f"DTSTAMP:{NOON - timedelta(days=9):%Y%m%dT%H%M%SZ}".encode()
    assert old in found
    return found.replace(old, f"DTSTAMP:{stamp:%Y%m%dT%H%M%SZ}".encode())


def _shuffled(chance: random.Random) -> list[Step]:
    """All single copies in some order, but for the states of a calendar, which follow each other."""
    steps = SINGLE[:]
    chance.shuffle(steps)
    for who in ("rep", "ben"):
        places = [n for n, (what, where) in enumerate(steps) if where == who and what.startswith("event")]
        for version, place in enumerate(places):
            steps[place] = (f"event{version}", who)
    return steps


pytestmark = pytest.mark.timeout(300)
