"""Whether a stranger becomes a contact, and with which particulars. Pure policy: it proposes, the caller writes.

Particulars are suggestions with their source (header, signature, domain), never taken for facts. Vetoes beat every
policy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from matching import names, signature
from matching.addresses import Sort, host_of, sort
from matching.directory import Correspondence, Directory
from matching.domains import registrable
from matching.ground import Ground
from matching.rules import Rules
from matching.types import Item, Mark


class Policy(StrEnum):
    """When contacts are made: never, only proposed, for people we wrote to, for those who also answered, for
    everyone."""

    NONE = "none"
    SUGGEST = "suggest"
    WROTE_TO = "wrote_to"
    BOTH_WAYS = "both_ways"
    ALL = "all"


class Action(StrEnum):
    """What to do about one stranger."""

    CREATE = "create"
    SUGGEST = "suggest"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Field:
    """A proposed value and where it was read: header, signature, calendar or domain."""

    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """A contact that could be made. ``company`` is a known one, else ``company_domain`` is the work domain to make
    one by ("" for freemail and shared domains). ``veto`` says why nothing is done, in which case ``action`` is
    NOTHING."""

    address: str
    action: Action
    veto: str = ""
    name: Field | None = None
    title: Field | None = None
    phone: Field | None = None
    company: int | None = None
    company_domain: str = ""


def propose(
    address: str,
    items: Sequence[Item],
    facts: Correspondence,
    policy: Policy,
    directory: Directory,
    rules: Rules,
    *,
    do_not_recreate: bool = False,
) -> Proposal:
    """What to do about the stranger behind ``address``, seen in ``items``. ``facts`` are over the whole log."""
    reason = veto(address, items, directory, rules, do_not_recreate=do_not_recreate)
    action = Action.NOTHING if reason else allowed(policy, facts)
    if action is Action.NOTHING:
        return Proposal(address, action, reason)
    place = Ground(directory, rules).place(host_of(address))
    name = best_name(address, items)
    written = [
        i.signature for i in items if i.signature and any(p.address == address and p.role == "from" for p in i.parties)
    ]
    region = signature.region_of(host_of(address), rules.region)
    return Proposal(
        address,
        action,
        name=name,
        title=_first((signature.title(text, name.value if name else "") for text in written), "signature"),
        phone=_first((phone for text in written for phone in signature.phones(text, region)), "signature"),
        company=place.companies[0] if len(place.companies) == 1 else None,
        company_domain=place.domain or _work_domain(address, directory, rules),
    )


def veto(address: str, items: Iterable[Item], directory: Directory, rules: Rules, *, do_not_recreate: bool) -> str:
    """Why this address must never become a contact; "" when nothing speaks against it."""
    if directory.is_own(address):
        return "own side"
    if rules.forbids(address):
        return "never logged"
    if directory.entries(address):
        return "already a contact"
    kind = sort(address)
    if kind is not Sort.PERSON:
        return "role address" if kind is Sort.ROLE else "not a person"
    if do_not_recreate:
        return "deleted before"
    machine = {Mark.BULK, Mark.AUTOMATIC}
    seen = list(items)
    if seen and all(item.marks & machine and Mark.PERSONAL not in item.marks for item in seen):
        return "bulk or automatic sender"
    return ""


def allowed(policy: Policy, facts: Correspondence) -> Action:
    """What the policy does about somebody with this correspondence. A meeting counts as both ways."""
    if policy is Policy.NONE:
        return Action.NOTHING
    wrote, heard = facts.outbound or facts.meetings, facts.inbound or facts.meetings
    enough = {
        Policy.ALL: True,
        Policy.WROTE_TO: bool(wrote),
        Policy.BOTH_WAYS: bool(wrote and heard),
    }.get(policy, False)
    return Action.CREATE if enough else Action.SUGGEST


def best_name(address: str, items: Iterable[Item]) -> Field | None:
    """The name most often given for an address, the longest of equals, cleaned; from the header, or the calendar."""
    found: Counter[tuple[str, str]] = Counter()
    for item in items:
        source = "calendar" if item.kind == "meeting" else "header"
        for party in item.parties:
            if party.address == address and (name := names.clean(party.name)):
                found[name, source] += 1
    if not found:
        return None
    (name, source), _ = max(found.items(), key=lambda pair: (pair[1], len(pair[0][0]), pair[0]))
    return Field(name, source)


def _first(values: Iterable[str], source: str) -> Field | None:
    return next((Field(value, source) for value in values if value), None)


def _work_domain(address: str, directory: Directory, rules: Rules) -> str:
    host = host_of(address)
    return registrable(host) if Ground(directory, rules).is_work(host) else ""
