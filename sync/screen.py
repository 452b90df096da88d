"""screen: which items may not go on, and why. Pure; the one place where folder, window, label and privacy choices are
applied, on first and later passes alike. A screened item leaves a ledger row with its reason and no content.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from connectors.types import Envelope, Mailbox
from matching.addresses import canonical
from sync.arrive import Arrival

LABEL_OFF = "label_off"


@dataclass(frozen=True, slots=True)
class Policy:
    """The choices in force for one account and stream. ``never_log`` holds canonical addresses and domains (a domain
    covers its subdomains). ``erased`` says whether a keyed hash was erased, ``erases`` whether any was.
    ``keyed_hash`` keys what may not be kept in clear."""

    never_log: frozenset[str] = frozenset()
    keep_private: bool = False
    since: datetime | None = None
    stream_on: bool = True
    include_labels: frozenset[str] = frozenset()
    exclude_labels: frozenset[str] = frozenset()
    keyed_hash: Callable[[str], str] = lambda text: text
    erased: Callable[[str], bool] = lambda text: False
    erases: bool = False


def reason(arrival: Arrival, policy: Policy) -> str | None:
    """The ledger reason that stops this item, or None when it may go on."""
    upsert = arrival.upsert
    if upsert.skip:
        return upsert.skip
    if not policy.stream_on:
        return "folder_off"
    if policy.since and upsert.received_at and upsert.received_at < policy.since:
        return "too_old"
    return _by_label(arrival, policy) or _by_content(arrival, policy)


def _by_label(arrival: Arrival, policy: Policy) -> str | None:
    """Labels are for mail: a calendar has none, and a rule to log only what is labelled leaves meetings alone."""
    if arrival.events is not None:
        return None
    return LABEL_OFF if is_off(arrival.upsert.labels, policy.include_labels, policy.exclude_labels) else None


def is_off(labels: Iterable[str], include: Collection[str], exclude: Collection[str]) -> bool:
    """Whether label rules (lower case) leave an item with these labels out. An excluded label wins; with labels to
    include, one of them must be there."""
    carried = {label.lower() for label in labels}
    return bool(carried & set(exclude)) or (bool(include) and not carried & set(include))


def _by_content(arrival: Arrival, policy: Policy) -> str | None:
    if arrival.events is not None or arrival.invites:
        people = [
            a.address for e in (*(arrival.events or ()), *arrival.invites) for a in (*e.attendees, e.organizer) if a
        ]
        if blocked(people, policy.never_log):
            return "never_log"
        if policy.erases and any(policy.erased(policy.keyed_hash(text)) for text in _names(arrival)):
            return "erased"
    if arrival.envelope is None:
        return None
    if blocked([box.address for box in everyone(arrival.envelope)], policy.never_log):
        return "never_log"
    if "private" in arrival.marks and not policy.keep_private:
        return "private"
    if policy.erases and any(policy.erased(policy.keyed_hash(text)) for text in _ids(arrival.envelope)):
        return "erased"
    return None


def _ids(envelope: Envelope) -> set[str]:
    """The Message-ID, and the sender: what an erased person wrote does not come back in."""
    return {envelope.message_id, *(canonical(box.address) for box in envelope.from_)} - {""}


def _names(arrival: Arrival) -> set[str]:
    """What an erasure may have been about: the UIDs of calendar items, and their people's addresses."""
    events = (*(arrival.events or ()), *arrival.invites)
    people = {canonical(a.address) for e in events for a in (*e.attendees, e.organizer) if a}
    return {e.uid for e in events} | people - {""}


def everyone(envelope: Envelope) -> list[Mailbox]:
    """All mailboxes at any position of a mail."""
    singles = [box for box in (envelope.sender, envelope.original_from) if box]
    return [
        *envelope.from_,
        *envelope.reply_to,
        *envelope.to,
        *envelope.cc,
        *envelope.bcc,
        *envelope.resent_from,
        *envelope.resent_to,
        *envelope.forwarded,
        *singles,
    ]


def blocked(addresses: list[str], never_log: frozenset[str]) -> bool:
    """Whether any address, its domain or a parent of its domain is on the list."""
    if not never_log:
        return False
    for address in addresses:
        if not (plain := canonical(address)):
            continue
        if plain in never_log:
            return True
        labels = plain.rpartition("@")[2].split(".")
        if any(".".join(labels[i:]) in never_log for i in range(len(labels) - 1)):
            return True
    return False
