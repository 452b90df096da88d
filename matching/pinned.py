"""What people said about an item: its own pins and tombstones, then the answers for its thread, then the deals chosen
for an address or domain. The nearer scope wins. Pure; never touches what people decided, only reads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from matching import names
from matching.addresses import host_of
from matching.cast import Cast
from matching.directory import Directory, Pin, RulingRecord
from matching.domains import parents
from matching.types import Item, Party, Target

ASIDE = {"ignore": "decided", "not_a_contact": "decided", "private": "private", "never_log": "never_log"}


def pins_of(item: Item, parts: Cast, directory: Directory) -> tuple[Pin, ...]:
    """Every record a person attached this item to, or took it off, each once, by the nearest scope."""
    found: dict[Target, Pin] = {}
    for pin in (*directory.pins(item.id), *_of_thread(item, directory), *_of_parties(item, parts, directory)):
        found.setdefault(pin.target, pin)
    return tuple(found.values())


def _of_thread(item: Item, directory: Directory) -> Iterator[Pin]:
    for ruling in directory.rulings("thread", item.thread) if item.thread else ():
        if ruling.target is not None and ruling.verdict in ("attach", "deal", "detach") and is_seen(ruling, item):
            yield Pin(item.id, ruling.target, ruling.verdict != "detach", ruling.by, ruling.at)


def _of_parties(item: Item, parts: Cast, directory: Directory) -> Iterator[Pin]:
    """Deals chosen for an address or a domain; contacts and companies of such rulings are the signal ``decided``."""
    for party in parts.counterparties:
        keys = [("address", party.address), *(("domain", host) for host in parents(host_of(party.address)))]
        for ruling in (r for scope, value in keys if value for r in directory.rulings(scope, value)):
            deal = ruling.target is not None and ruling.target.kind == "deal"
            if deal and ruling.target and ruling.verdict in ("deal", "attach") and is_seen(ruling, item):
                yield Pin(item.id, ruling.target, True, ruling.by, ruling.at)


def is_seen(ruling: RulingRecord, item: Item) -> bool:
    """True when the ruling holds for a mailbox that saw the item."""
    return not ruling.mailboxes or not ruling.mailboxes.isdisjoint(item.mailboxes)


def put_aside(item: Item, directory: Directory) -> str:
    """The reason when a person put the item's whole thread aside, else ""."""
    rulings = directory.rulings("thread", item.thread) if item.thread else ()
    return next((ASIDE[r.verdict] for r in rulings if r.verdict in ASIDE and is_seen(r, item)), "")


def assigned(pins: Sequence[Pin], certain: Mapping[Party, tuple[int, ...]], directory: Directory) -> dict[Party, Pin]:
    """Which unknown counterparty each contact that a person attached must be: by name or local part, else the only
    one left, else the sender. ``certain`` tells the contacts that addresses make certain."""
    known = {contact for contacts in certain.values() for contact in contacts}
    wanted = [p for p in pins if p.attached and p.target.kind == "contact" and p.target.id not in known]
    free = [party for party, contacts in certain.items() if not contacts and party.role != "sender"]
    found: dict[Party, Pin] = {}
    for pin in wanted:
        left = [party for party in free if party not in found]
        party = _fitting(left, directory.contact(pin.target.id).name) or (left[0] if len(left) == 1 else None)
        party = party or next((party for party in left if party.role in ("from", "forwarded")), None)
        if party is not None:
            found[party] = pin
    return found


def _fitting(parties: Sequence[Party], name: str) -> Party | None:
    fits = [p for p in parties if names.equal(p.name, name) or names.fits_address(name, p.address)]
    return fits[0] if len(fits) == 1 else None
