"""Contacts that may be one person. Pure: proposes pairs with reasons, merges nothing.

Candidates come from blocks (same address family, same phone, same company and a like name), so that the work is
linear in the contacts but for the largest block, which is bounded. Measured on the febrl sets (docs/matching.md).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

from rapidfuzz.distance import JaroWinkler

from matching import names
from matching.addresses import family, is_role
from matching.directory import ContactRecord
from matching.signature import phone_key

MAX_BLOCK = 200
LIKE = 0.93
SAME_WORD = 0.88
WEIGHTS = {"address": 0.95, "same-name": 0.9, "phone": 0.6, "similar-name": 0.55}

Keys = Callable[[ContactRecord], Collection[Hashable]]


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Two contacts that may be one; ``left`` is the smaller id. ``score`` is noisy-or over the reasons' weights,
    0..1."""

    left: int
    right: int
    score: float
    reasons: tuple[str, ...]


def find(contacts: Iterable[ContactRecord], least: float = 0.6) -> list[Duplicate]:
    """Every pair that scores at least ``least``, best first; the same whatever the order of the contacts."""
    people = {contact.id: contact for contact in contacts}
    found: dict[tuple[int, int], dict[str, str]] = defaultdict(dict)
    for kind, pair, says in _pairs(people):
        found[pair][kind] = says
    scored = [
        Duplicate(left, right, _score(kinds), tuple(kinds[kind] for kind in sorted(kinds)))
        for (left, right), kinds in found.items()
    ]
    return sorted((d for d in scored if d.score >= least), key=lambda d: (-d.score, d.left, d.right))


def _score(kinds: Iterable[str]) -> float:
    doubt = 1.0
    for kind in kinds:
        doubt *= 1.0 - WEIGHTS[kind]
    return round(1.0 - doubt, 4)


def _pairs(people: dict[int, ContactRecord]) -> Iterator[tuple[str, tuple[int, int], str]]:
    for key, pair in _blocked(people, _families):
        yield "address", pair, f"both have {key}"
    for key, pair in _blocked(people, _phones):
        if _may_be_one(people, pair):
            yield "phone", pair, f"both have a phone number ending in {str(key)[-4:]}"
    for _, pair in _blocked(people, _name_blocks):
        left, right = (people[contact] for contact in pair)
        if names.equal(left.name, right.name):
            yield "same-name", pair, f"both are called {left.name} at the same company"
        elif names.likeness(left.name, right.name) >= LIKE:
            yield "similar-name", pair, f"{left.name} and {right.name} are alike, at the same company"


def _may_be_one(people: dict[int, ContactRecord], pair: tuple[int, int]) -> bool:
    """A switchboard number joins people who have no word of their names in common: it says nothing."""
    left, right = (names.words(people[contact].name) for contact in pair)
    if not left or not right:
        return True
    return any(JaroWinkler.normalized_similarity(one, two) >= SAME_WORD for one in left for two in right)


def _blocked(people: dict[int, ContactRecord], keys: Keys) -> Iterator[tuple[Hashable, tuple[int, int]]]:
    blocks: dict[Hashable, list[int]] = defaultdict(list)
    for contact in sorted(people):
        for key in sorted(keys(people[contact]), key=str):
            blocks[key].append(contact)
    for key, members in blocks.items():
        for pair in combinations(members[:MAX_BLOCK], 2):
            yield key, pair


def _families(contact: ContactRecord) -> set[str]:
    """Family keys of the addresses; a role address is shared by many and says nothing."""
    return {family(entry.address) for entry in contact.addresses if entry.address and not is_role(entry.address)}


def _phones(contact: ContactRecord) -> set[str]:
    return {phone_key(phone) for phone in contact.phones} - {""}


def _name_blocks(contact: ContactRecord) -> set[tuple[int, str]]:
    """Company and the first two letters of each word of the name: equal and like names share one."""
    companies = {job.company for job in contact.jobs} | ({contact.company} if contact.company is not None else set())
    return {(company, word[:2]) for company in companies for word in names.words(contact.name)}
