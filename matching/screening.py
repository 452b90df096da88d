"""Items that are no rep's question: each has its reason, and is counted and listed, never lost.

Facts: RFC 3834 (Auto-Submitted), RFC 2919/2369 (list headers), RFC 5546 (iTIP) are read by the parser and arrive as
marks; here they meet the directory. Pure.
"""

from __future__ import annotations

from matching.addresses import Sort, host_of, sort
from matching.cast import Cast
from matching.directory import Directory
from matching.domains import parents
from matching.rules import Rules
from matching.types import Item, Mark


def reason_to_ignore(item: Item, cast: Cast, directory: Directory, rules: Rules) -> str:
    """Why the item is kept out of review: never_log, private, invitation, automatic, internal or bulk; "" when it is
    not."""
    if any(rules.forbids(party.address) for party in item.parties):
        return "never_log"
    if any(_is_ruled(party.address, "never_log", directory) for party in cast.counterparties):
        return "never_log"
    if any(_is_ruled(party.address, "private", directory) for party in cast.counterparties):
        return "private"
    if Mark.PRIVATE in item.marks and not rules.keep_private.intersection(item.mailboxes):
        return "private"
    if item.kind == "email" and item.marks & {Mark.INVITATION, Mark.RSVP}:
        return "invitation"
    if item.kind == "email" and is_automatic(item, cast):
        return "automatic"
    if not cast.counterparties:
        return "internal"
    return "bulk" if is_bulk(item, cast, directory) else ""


def _is_ruled(address: str, verdict: str, directory: Directory) -> bool:
    """True when a person put the address, or its domain, under this verdict."""
    if any(ruling.verdict == verdict for ruling in directory.rulings("address", address)):
        return True
    hosts = parents(host_of(address)) if address else ()
    return any(ruling.verdict == verdict for host in hosts for ruling in directory.rulings("domain", host))


def is_automatic(item: Item, cast: Cast) -> bool:
    """True for what a machine sent: marked so, or from an address nobody writes from."""
    if Mark.AUTOMATIC in item.marks:
        return True
    kind = sort(cast.sender.address) if cast.sender is not None and cast.sender.address else Sort.PERSON
    return kind in (Sort.NO_REPLY, Sort.BOUNCE, Sort.RELAY)


def is_bulk(item: Item, cast: Cast, directory: Directory) -> bool:
    """True for list mail and campaigns, but for our own lists, and what a known contact wrote in person."""
    if Mark.BULK not in item.marks or Mark.OWN_LIST in item.marks:
        return False
    if item.list_host and directory.is_own(f"list@{item.list_host}"):
        return False
    known = any(directory.entries(party.address) for party in cast.counterparties)
    personal = cast.sender is not None and sort(cast.sender.address) is Sort.PERSON
    return not (known and personal and Mark.PERSONAL in item.marks)
