"""The demo's leads as Today tells of them: three whom nobody contacted in over a week; the others hear from their rep or
from a colleague within it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from sync.demo import history
from sync.demo.letters import Letter, signed, who
from sync.demo.world import OWN, TEAM, World

STALE = 3
WEEK = timedelta(days=8)
ASKED = ("A short question about your plans", "The leaflet you asked for", "Shall we talk next week?")


def letters(world: World, before: Iterable[Letter], now: datetime) -> Iterator[Letter]:
    """A mail of ours to every lead but three, of those who have been waiting for longer than a week by ``before``."""
    ours = {rep.address for rep in TEAM}
    heard: dict[str, datetime] = {}
    for letter in before:
        if letter.sender[1] in ours:
            for _, address in [*letter.to, *letter.cc]:
                heard[address] = max(letter.at, heard.get(address, letter.at))
    leads = [p for i, p in enumerate(p for p in world.people if p.known) if history.lifecycle(i) == "lead"]
    waiting = [p for p in leads if heard.get(p.address, now - 2 * WEEK) < now - WEEK]
    kept = {p.address for p in waiting[:STALE]}
    for number, person in enumerate(p for p in leads if p.address not in kept):
        rep = person.rep if number % 4 else TEAM[(TEAM.index(person.rep) + 1) % 3]
        body = signed(rep, "I wanted to hear how your plans for next year stand.")
        yield Letter(
            who(rep), [who(person)], ASKED[number % 3], body, now - timedelta(days=number % 5, hours=2 + number),
            f"<lead{number}@{OWN}>", boxes=[(rep, "Sent")],
        )  # fmt: skip
