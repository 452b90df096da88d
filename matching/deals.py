"""Which deal an item belongs to: per counterparty, over the whole thread, and one question where it stays open.

Order for one counterparty: what a person decided for the item or thread; a deal named in the item's own subject; the
deal the thread was on before; the only deal open at that date; a deal that the thread comes to later. A thread takes
along only what reaches the deal's contacts or company, until the deal's window has closed. Pure; never on the subject
alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import regex

from matching.addresses import host_of
from matching.directory import DealRecord
from matching.evidence import candidate, evidence
from matching.explain import on
from matching.ground import Ground
from matching.judge import Verdict
from matching.names import fold
from matching.types import Candidate, Item, Question, Target

_WORDS = regex.compile(r"[\p{L}\p{M}\p{N}]+")
_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]")  # scripts without blanks between words
MIN_TITLE = 4


@dataclass(frozen=True, slots=True)
class Reach:
    """What one counterparty reaches at the item's date: deals open then, and why one of them, if one, is certain."""

    verdict: Verdict
    own: tuple[DealRecord, ...] = ()
    company: tuple[DealRecord, ...] = ()
    named: DealRecord | None = None

    @property
    def only(self) -> DealRecord | None:
        """The only deal open for the contact, else for the company; None while the person is unknown."""
        if self.verdict.contact is None:
            return None
        found = self.own or self.company
        return found[0] if len(found) == 1 else None

    @property
    def open(self) -> tuple[DealRecord, ...]:
        """The deals to choose from."""
        return self.own or self.company


@dataclass(slots=True)
class Bound:
    """The deals of one item: certain ones, suggestions and the question."""

    links: dict[int, Candidate] = field(default_factory=dict)
    suggestions: dict[int, Candidate] = field(default_factory=dict)
    lost: dict[int, Candidate] = field(default_factory=dict)
    question: Question | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """One item of the thread on its way to its deals. ``pinned`` are deals a person attached to it, ``barred`` those
    taken off."""

    item: Item
    reaches: tuple[Reach, ...]
    contacts: frozenset[int]
    pinned: frozenset[int] = frozenset()
    barred: frozenset[int] = frozenset()


def is_open(deal: DealRecord, at: datetime, ground: Ground) -> bool:
    """True from 14 days before creation to 14 days after close."""
    if deal.created_at is not None and at < deal.created_at - ground.rules.deal_window:
        return False
    return not is_over(deal, at, ground)


def is_over(deal: DealRecord, at: datetime, ground: Ground) -> bool:
    """True when the deal was closed more than the window before."""
    if deal.closed_at is None:
        return deal.closed
    return at > deal.closed_at + ground.rules.deal_window


def reach(verdict: Verdict, contacts: frozenset[int], ground: Ground) -> Reach:
    """The deals a counterparty could be writing about at the item's date, and the one its subject names."""
    item = verdict.look.item
    at = item.occurred_at
    own = tuple(d for d in _of_contact(verdict, ground) if is_open(d, at, ground))
    known = {deal.id for deal in own}
    company = tuple(
        deal
        for company in verdict.companies
        for deal in ground.directory.deals_of_company(company)
        if deal.id not in known and is_open(deal, at, ground)
    )
    named = _named((*own, *company), item.subject, contacts)
    return Reach(verdict, own, company, named)


def _of_contact(verdict: Verdict, ground: Ground) -> Iterable[DealRecord]:
    """The contact's deals, without those of a company they have left."""
    if verdict.contact is None:
        return ()
    deals = ground.directory.deals_of_contact(verdict.contact)
    if not deals or all(deal.company is None or deal.company in verdict.companies for deal in deals):
        return deals
    contact = ground.directory.contact(verdict.contact)
    present = set(ground.employers(contact, verdict.look.day, host_of("")))
    former = ground.relations(contact) - present - set(verdict.companies)
    return (deal for deal in deals if deal.company not in former)


def _named(deals: Sequence[DealRecord], subject: str, contacts: frozenset[int]) -> DealRecord | None:
    """The deal whose title, number or product is in the subject: the longest that fits, with a deal contact present.

    Of two that fit equally well (equal titles), the one that fits in more of them.
    """
    if not deals or not subject:
        return None
    text = f" {_spaced(subject)} "
    fits = [(_fit(deal, text, fold(subject)), deal) for deal in deals if not deal.contacts.isdisjoint(contacts)]
    best = max((fit for fit, _ in fits), default=(0, 0))
    found = [deal for fit, deal in fits if fit == best]
    return found[0] if best[0] and len(found) == 1 else None


def _fit(deal: DealRecord, text: str, folded: str) -> tuple[int, int]:
    """The length of the longest of title, number and product that is in the subject as whole words, and the sum of
    all that are."""
    lengths = [
        len(_spaced(phrase)) for phrase in (deal.title, deal.number, deal.product) if _is_in(phrase, text, folded)
    ]
    return max(lengths, default=0), sum(lengths)


def _is_in(phrase: str, text: str, folded: str) -> bool:
    spaced = _spaced(phrase)
    if len(spaced) >= MIN_TITLE and f" {spaced} " in text:
        return True
    return len(phrase) >= 2 and bool(_UNSPACED.search(phrase)) and fold(phrase) in folded


def _spaced(text: str) -> str:
    return " ".join(_WORDS.findall(fold(text)))


def bind(stages: Sequence[Stage], ground: Ground, thread: str) -> list[Bound]:
    """Choose the deals of a whole thread, its items in time order. One result for each stage."""
    if any(ruling.verdict == "no_deal" for ruling in ground.directory.rulings("thread", thread)):
        return [Bound() for _ in stages]
    board = Board(stages, ground)
    return [_bound(board, index, thread) for index in range(len(stages))]


def _bound(board: Board, index: int, thread: str) -> Bound:
    """One item: each counterparty's deal, then the question if nothing settles it."""
    bound, stage = Bound(), board.stages[index]
    for one in stage.reaches:
        _choose(bound, board, index, one, thread)
    for deal in stage.barred:
        bound.suggestions.pop(deal, None)
    if bound.question and not bound.links.keys().isdisjoint(c.target.id for c in bound.question.candidates):
        bound.question = None
    for deal in bound.links:
        bound.suggestions.pop(deal, None)
    return bound


class Board:
    """The thread's deals as they appear over time: pinned by a person or named in a subject, or the only one open."""

    def __init__(self, stages: Sequence[Stage], ground: Ground) -> None:
        self.stages = stages
        self.ground = ground
        self.named = [s.pinned or {r.named.id for r in s.reaches if r.named} - s.barred for s in stages]
        self.only = [{r.only.id for r in s.reaches if r.only and not r.named} - s.barred for s in stages]

    def before(self, index: int, one: Reach) -> list[int]:
        """The nearest earlier deal of the thread that this counterparty reaches."""
        for earlier in range(index - 1, -1, -1):
            found = [d for d in sorted(self.named[earlier] or self.only[earlier]) if self._carries(d, index, one)]
            if found:
                return found if len(found) == 1 else []
        return []

    def after(self, index: int, one: Reach, *, strong: bool) -> list[int]:
        """The deal the thread comes to later: the first one named, or (not ``strong``) the only one it ever comes
        to."""
        later = self.named if strong else self.only
        found = {d for row in later[index + 1 :] for d in row if self._carries(d, index, one)}
        return sorted(found) if len(found) == 1 else []

    def _carries(self, deal: int, index: int, one: Reach) -> bool:
        """True when a thread on the deal takes this counterparty's part of the item along."""
        record = self.ground.directory.deal(deal)
        at = self.stages[index].item.occurred_at
        reached = one.verdict.contact in record.contacts or record.company in one.verdict.companies
        return reached and not is_over(record, at, self.ground) and deal not in self.stages[index].barred


def _choose(bound: Bound, board: Board, index: int, one: Reach, thread: str) -> None:
    """Add what one counterparty brings. What a person attached to the item needs nothing more."""
    if board.stages[index].pinned:
        return
    for deals, signal, says in (
        ([one.named.id] if one.named else [], "deal-subject", "{} is in the subject"),
        (board.before(index, one), "deal-thread", "reply in the thread that is on {}"),
        (board.after(index, one, strong=True), "deal-thread", "the thread names {} later"),
        ([one.only.id] if one.only else [], "deal-only", "{} is the only deal open on " + on(one.verdict.look.day)),
        (board.after(index, one, strong=False), "deal-thread", "the thread is on {} later"),
    ):
        allowed = [deal for deal in deals if deal not in board.stages[index].barred]
        if allowed:
            for deal in allowed:
                _link(bound, board.ground, deal, signal, says)
            _note_losers(bound, one, allowed)
            return
    _ask(bound, one, thread)


def _link(bound: Bound, ground: Ground, deal: int, signal: str, says: str) -> None:
    reason = evidence(signal, says.format(f"deal {ground.directory.deal(deal).title}"))
    known = bound.links[deal].evidence if deal in bound.links else ()
    bound.links[deal] = candidate(Target("deal", deal), [*known, reason])


def _note_losers(bound: Bound, one: Reach, winners: Sequence[int]) -> None:
    for deal in one.open:
        if deal.id not in winners:
            reasons = [evidence("deal-open", f"deal {deal.title} was open too")]
            bound.lost[deal.id] = candidate(Target("deal", deal.id), reasons, "another deal of the thread is certain")


def _ask(bound: Bound, one: Reach, thread: str) -> None:
    """Several left: one question per thread. A company known by its domain alone gets its sole deal as a suggestion."""
    if not one.open:
        return
    known = one.verdict.contact is not None
    sole = not known and len(one.open) == 1
    for deal in one.open:
        text = "is the only deal open with the company; the person is not known yet" if sole else "was open on that day"
        name = "deal-company-only" if sole else "deal-open"
        found = candidate(Target("deal", deal.id), [evidence(name, f"deal {deal.title} {text}")])
        bound.suggestions.setdefault(deal.id, found)
    if known and len(one.open) > 1:
        candidates = [bound.suggestions[deal.id] for deal in one.open]
        before = bound.question.candidates if bound.question else ()
        merged = {c.target: c for c in (*before, *candidates)}
        bound.question = Question("deal", f"thread:{thread}", "several_open_deals", tuple(merged.values()))
