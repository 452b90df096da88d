"""Who plays which part in an item: own side, the sender, the counterparties, and the direction that follows.

Pure. Facts: RFC 5322 3.6 (originator, destination and resent fields); the rest are the rulings of docs/matching.md on
forwards, web forms, list rewriting, crowds and addresses that are not people.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from matching.addresses import Sort, is_person, real_sender, sort
from matching.directory import Directory
from matching.rules import Rules
from matching.types import Item, Mark, Party

RECIPIENTS = frozenset({"to", "cc", "bcc", "attendee", "resent_to"})
AUTHORS = frozenset({"from", "organizer"})
ORIGINALS = frozenset({"forwarded", "resent_from"})
QUIET = frozenset({"sender"})  # counts when its exact address is known, never asks


@dataclass(frozen=True, slots=True)
class Cast:
    """The parts of one item. ``sender`` is who wrote it (None when unreadable); ``counterparties`` everyone to be
    matched, each address once, in the order of their parts. ``direction`` is inbound, outbound, internal or "" for
    meetings. ``logged_for_us`` says that own side forwarded it to the dropbox or to themselves; ``dropbox`` that the
    logging address was on it."""

    sender: Party | None
    counterparties: tuple[Party, ...]
    direction: str
    crowd: bool = False
    logged_for_us: bool = False
    dropbox: bool = False


def cast(item: Item, directory: Directory, rules: Rules) -> Cast:
    """Give every participant their part. The answer does not depend on the order of ``item.parties`` within a role."""
    if item.kind == "meeting":
        found = _unique(
            p for p in item.parties if p.role in AUTHORS | RECIPIENTS and _is_counterparty(p, item, directory)
        )
        return Cast(None, found, "", len(found) > rules.crowd)
    sender = _sender(item, directory)
    own = sender is not None and _is_own(sender.address, item, directory)
    recipients = [p for p in item.parties if p.role in RECIPIENTS]
    dropbox = any(_is_logging(p.address, directory, rules) for p in recipients) or Mark.DROPBOX in item.marks
    logged = own and sender is not None and _is_to_ourselves(sender, recipients, directory, rules)
    parties = _unique(_counterparties(item, sender, directory, rules, logged=logged))
    direction = _direction(parties, own=own, logged=logged and any(p.role in ORIGINALS for p in parties))
    return Cast(
        sender, parties, direction, len(parties) > rules.crowd, direction == "inbound" and logged, own and dropbox
    )


def _direction(parties: tuple[Party, ...], *, own: bool, logged: bool) -> str:
    if not parties:
        return "internal" if own else "inbound"
    return "outbound" if own and not logged else "inbound"


def _sender(item: Item, directory: Directory) -> Party | None:
    """The real sender; for our own web form (own From, foreign Reply-To) the one who filled it in."""
    sender = real_sender(item.parties)
    if sender is None or not _is_own(sender.address, item, directory):
        return sender
    replies = [p for p in item.parties if p.role == "reply_to" and p.address]
    foreign = [p for p in replies if _is_counterparty(p, item, directory) and is_person(p.address)]
    return foreign[0] if foreign and len(foreign) == len(replies) else sender


def _counterparties(
    item: Item, sender: Party | None, directory: Directory, rules: Rules, *, logged: bool
) -> Iterator[Party]:
    own = sender is not None and _is_own(sender.address, item, directory)
    foreign = [p for p in item.parties if p.role in RECIPIENTS and _is_counterparty(p, item, directory)]
    if sender is not None and not own and _is_counterparty(sender, item, directory):
        yield replace(sender, role="from")
    yield from (p for p in foreign if not _is_logging(p.address, directory, rules))
    if own and not foreign and not logged:
        return  # our own side alone: a forward to a colleague is a side branch, whatever it quotes
    kept = ORIGINALS | QUIET
    yield from (p for p in item.parties if p.role in kept and p.address and _is_counterparty(p, item, directory))


def _is_to_ourselves(sender: Party, recipients: list[Party], directory: Directory, rules: Rules) -> bool:
    """True when all recipients are the logging address or the sender's own mailbox."""
    account = directory.account_of(sender.address)
    return bool(recipients) and all(
        _is_logging(p.address, directory, rules)
        or p.address == sender.address
        or (account != "" and directory.account_of(p.address) == account)
        for p in recipients
    )


def _is_logging(address: str, directory: Directory, rules: Rules) -> bool:
    return address in rules.dropbox or directory.is_dropbox(address)


def _is_own(address: str, item: Item, directory: Directory) -> bool:
    return bool(address) and (address in item.mailboxes or directory.is_own(address))


def _is_counterparty(party: Party, item: Item, directory: Directory) -> bool:
    """Not own side, and somebody: guests known by name only count, rooms, relays and X500 names do not."""
    if not party.is_person:
        return False
    if not party.address:
        return bool(party.name) and item.kind == "meeting"
    return not _is_own(party.address, item, directory) and sort(party.address) in (Sort.PERSON, Sort.ROLE)


def _unique(parties: Iterator[Party]) -> tuple[Party, ...]:
    """Each address once, under its first part; a name is taken from wherever it stands."""
    found: dict[str, Party] = {}
    for party in parties:
        key = party.address or f"name:{party.name}"
        known = found.get(key)
        if known is None:
            found[key] = party
        elif party.name and not known.name:
            found[key] = replace(known, name=party.name)
    return tuple(found.values())
