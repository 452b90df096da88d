"""The one table of weights, and how they add up.

Score of a candidate = 1 - product of (1 - weight) over its distinct signals (noisy-or: each signal is an independent
chance of being right). A candidate links from ``Rules.link`` (0.85) on, is suggested from ``Rules.suggest`` (0.3) on.
The weights are chosen so that each sentence of docs/matching.md holds by arithmetic: a name alone (0.65) suggests,
with thread or signature (0.6) it links, and thread with signature but no name (0.84) does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from matching.types import Candidate, Evidence, Target

WEIGHTS: Final[Mapping[str, float]] = MappingProxyType({
    "decided": 1.0,  # a person said so
    "address": 1.0,  # exact address of one contact, valid then
    "shared-name": 0.97,  # an address of several, and the header has the name of exactly one
    "address-family": 0.96,  # plus-tag or dot variant
    "forwarded-by-us": 0.96,  # our side forwarded the contact's message to the log
    "dropbox": 0.9,  # our side logged it by Bcc
    "employer": 0.95,  # the company a certain contact was at then
    "domain": 0.92,  # domain of exactly one company
    "thread": 0.9,  # company of the thread, for a plausible newcomer
    "meeting": 0.9,  # company of the meeting with the same UID
    "name-at-company": 0.65,  # the name of one contact at the company of the domain
    "name-in-thread": 0.65,  # the name of one contact of the thread
    "thread-person": 0.6,  # the contact is on the thread, this address is not
    "signature": 0.6,  # a phone or address of one contact in the signature block
    "similar-name": 0.4,  # like the name of one contact at the company
    "shared-address": 0.5,  # one of several contacts with this address
    "former-address": 0.35,  # an address the contact had at another time
    "shared-domain": 0.5,  # one of several companies with this domain
    "several-companies": 0.5,  # a thread of two customers
    "deal-thread": 0.95,  # the thread is on the deal
    "deal-subject": 0.93,  # title, number or product in the subject, a deal contact present
    "deal-only": 0.9,  # the only deal open at that date
    "deal-company-only": 0.5,  # the only open deal of a company whose person is unknown
    "deal-open": 0.4,  # one of several open deals
})  # fmt: skip


def evidence(signal: str, says: str) -> Evidence:
    """One reason, weighted by the table. Raises KeyError for a signal that is not in it."""
    return Evidence(signal, WEIGHTS[signal], says)


def combined(reasons: Iterable[Evidence]) -> float:
    """The score of a set of reasons, 0..1, each signal counted once, rounded to four places."""
    best: dict[str, float] = {}
    for reason in reasons:
        best[reason.signal] = max(best.get(reason.signal, 0.0), reason.weight)
    doubt = 1.0
    for weight in best.values():
        doubt *= 1.0 - weight
    return round(1.0 - doubt, 4)


def candidate(target: Target, reasons: Iterable[Evidence], against: str = "") -> Candidate:
    """A candidate with its reasons, strongest first, each sentence once."""
    ordered = tuple(sorted(set(reasons), key=lambda e: (-e.weight, e.signal, e.says)))
    return Candidate(target, combined(ordered), ordered, against)
