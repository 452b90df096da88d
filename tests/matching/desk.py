"""A small desk for matching tests: own side, records by name, and items in one line each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from matching.correspondence import facts_of
from matching.decide import decide_all
from matching.directory import (
    AddressEntry,
    CompanyRecord,
    ContactRecord,
    DealRecord,
    DomainEntry,
    Job,
    Pin,
    RulingRecord,
)
from matching.memory import InMemoryDirectory, OwnSide
from matching.rules import Rules
from matching.types import Decision, Item, Mark, Party, Target

T0 = datetime(2026, 3, 3, 9, tzinfo=UTC)
REP, PAL = "rep@ourco.example", "pal@ourco.example"
OWN = OwnSide(
    {REP: "rep", "rep.private@gmail.com": "rep", PAL: "pal"},
    frozenset({"sales@ourco.example"}),
    frozenset({"log@ourco.example"}),
    frozenset({"ourco.example"}),
)


class Desk:
    """Records by name; ``decide`` answers with a ``Seen`` for each item, in the order given."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.rules = rules or Rules()
        self.companies: list[CompanyRecord] = []
        self.contacts: list[ContactRecord] = []
        self.deals: list[DealRecord] = []
        self.rulings: list[RulingRecord] = []
        self.pins: list[Pin] = []

    def company(self, name: str, *domains: str, excluded: Sequence[str] = ()) -> int:
        entries = [DomainEntry(d) for d in domains] + [DomainEntry(d, excluded=True) for d in excluded]
        self.companies.append(CompanyRecord(len(self.companies) + 1, name, tuple(entries)))
        return len(self.companies)

    def contact(
        self, name: str, *addresses: str | tuple[str, date | None, date | None], company: int | None = None,
        jobs: Sequence[Job] = (), phone: str = "",
    ) -> int:  # fmt: skip
        at = len(self.contacts) + 1
        rows = [(a, None, None) if isinstance(a, str) else a for a in addresses]
        entries = tuple(AddressEntry(at, *row) for row in rows)
        self.contacts.append(ContactRecord(at, name, entries, company, tuple(jobs), (phone,) if phone else ()))
        return at

    def deal(
        self, title: str, *contacts: int, company: int | None = None, made: float = -30, closed: float | None = None,
        number: str = "", product: str = "",
    ) -> int:  # fmt: skip
        """``made`` and ``closed`` in days from ``T0``."""
        end = None if closed is None else T0 + timedelta(days=closed)
        at = len(self.deals) + 1
        start = T0 + timedelta(days=made)
        self.deals.append(
            DealRecord(at, title, number, product, company, frozenset(contacts), start, end, end is not None)
        )
        return at

    def ruling(self, scope: str, value: str, verdict: str, target: Target | None = None) -> None:
        self.rulings.append(RulingRecord(scope, value, verdict, target, "Rita Rep", date(2026, 3, 4)))

    def directory(self, items: Sequence[Item] = ()) -> InMemoryDirectory:
        found = InMemoryDirectory(OWN, self.contacts, self.companies, self.deals, self.rulings, self.pins)
        return found.knowing(facts_of(items, found, self.rules))

    def decide(self, *items: Item) -> Any:
        """One ``Seen`` for one item, else a list of them."""
        decisions = {d.item: d for d in decide_all(items, self.directory(items), self.rules)}
        seen = [Seen(decisions[item.id]) for item in items]
        return seen[0] if len(seen) == 1 else seen


class Seen:
    """A decision, easy to assert on: sets of ids."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        self.status = decision.status.value
        self.reason = decision.reason
        self.direction = decision.direction
        self.contacts = _ids(decision.links, "contact")
        self.companies = _ids(decision.links, "company")
        self.deals = _ids(decision.links, "deal")
        self.suggested = [(c.target.kind, c.target.id) for c in decision.suggestions]
        self.questions = {(q.kind, q.reason) for q in decision.questions}
        self.keys = {q.key for q in decision.questions}
        self.says = [e.says for c in decision.links for e in c.evidence]
        self.methods = {(c.target.kind, c.target.id): c.method for c in decision.links}


def _ids(candidates: Any, kind: str) -> set[int]:
    return {c.target.id for c in candidates if c.target.kind == kind}


_numbers = iter(range(1, 1_000_000))


def party(role: str, one: str) -> Party:
    """ "Jane Doe <jane@x>" or an address, or a bare name for a guest without one."""
    name, bracket, rest = one.partition("<")
    if bracket:
        return Party(role, rest.rstrip(">"), name.strip())
    return Party(role, one, "") if "@" in one or one.startswith("/o=") else Party(role, "", one)


def mail(
    sender: str, *to: str, day: float = 0, cc: Sequence[str] = (), thread: str = "", replies: Item | None = None,
    subject: str = "Hello", marks: Sequence[Mark] = (), signature: str = "", more: Sequence[Party] = (),
    list_host: str = "",
) -> Item:  # fmt: skip
    """A mail; to the rep when nobody is named. A reply is in the thread of what it answers."""
    at = next(_numbers)
    parties = [party("from", sender), *(party("to", one) for one in to or (REP,)), *(party("cc", one) for one in cc)]
    parents = (*replies.parents, replies.message_id) if replies else ()
    group = thread or (replies.thread if replies else f"t{at}")
    return Item(
        at, "email", T0 + timedelta(days=day), (*parties, *more), subject, group, f"<{at}@x>", parents,
        marks=frozenset(marks), signature=signature, list_host=list_host,
    )  # fmt: skip


def meeting(*guests: str, day: float = 0, thread: str = "", uid: str = "", marks: Sequence[Mark] = ()) -> Item:
    """A meeting of the rep with guests."""
    at = next(_numbers)
    parties = (party("organizer", REP), *(party("attendee", guest) for guest in guests))
    group = thread or f"t{at}"
    when = T0 + timedelta(days=day)
    return Item(at, "meeting", when, parties, "Meeting", group, ical_uid=uid or f"u{at}", marks=frozenset(marks))
