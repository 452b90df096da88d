"""Decide: all items of one thread together, in time order; the same answer whatever order they came in.

Pure: same items, same directory, same rules, same decisions. Thread evidence flows inside the thread only, so that
deciding one thread again touches nothing else. Facts about other threads (who wrote how often) come from the
directory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from matching.addresses import host_of
from matching.cast import Cast, cast
from matching.deals import Bound, Stage, bind, reach
from matching.directory import Directory, Pin
from matching.domains import registrable
from matching.evidence import candidate, evidence
from matching.explain import decided
from matching.ground import Ground, Look, Settled, ThreadSoFar, group_of
from matching.judge import Verdict, judge
from matching.pinned import assigned, pins_of, put_aside
from matching.rules import Rules
from matching.screening import reason_to_ignore
from matching.signals import people
from matching.strangers import Strangers
from matching.types import Candidate, Decision, Item, Mark, Party, Question, Status, Target


@dataclass(frozen=True, slots=True)
class Draft:
    """One item on its way: its parts, why it is kept out, and what each counterparty brought."""

    item: Item
    cast: Cast
    reason: str = ""
    verdicts: tuple[Verdict, ...] = ()
    pins: tuple[Pin, ...] = ()


def decide_all(items: Iterable[Item], directory: Directory, rules: Rules) -> Iterator[Decision]:
    """Decide many items, grouped by thread (an item without one is alone). Yields in no particular order."""
    threads: dict[str, list[Item]] = {}
    for item in items:
        threads.setdefault(group_of(item), []).append(item)
    ground = Ground(directory, rules)
    for thread in threads.values():
        yield from _decide(thread, ground)


def decide_thread(items: Sequence[Item], directory: Directory, rules: Rules) -> tuple[Decision, ...]:
    """Decide all items of one thread; one decision for each, ordered as in time."""
    return tuple(_decide(items, Ground(directory, rules)))


def _decide(items: Sequence[Item], ground: Ground) -> list[Decision]:
    ordered = sorted(items, key=_in_time(items))
    drafts = _judged(ordered, ground)
    thread = ordered[0].thread if ordered else ""
    bounds = bind([_stage(draft, ground) for draft in drafts], ground, thread)
    counted = [(draft.item, draft.cast) for draft in drafts if not draft.reason and not draft.cast.crowd]
    asked = Strangers(counted, [verdict for draft in drafts for verdict in draft.verdicts], ground.rules)
    return [_decision(draft, bound, asked) for draft, bound in zip(drafts, bounds, strict=True)]


def _in_time(items: Sequence[Item]) -> _Order:
    """Time order; a meeting comes right after its invitation, so that answers to it find it before them."""
    invited: dict[str, datetime] = {}
    for item in items:
        if item.ical_uid and item.kind == "email" and Mark.INVITATION in item.marks:
            invited[item.ical_uid] = min(invited.get(item.ical_uid, item.occurred_at), item.occurred_at)
    return _Order(invited)


class _Order:
    def __init__(self, invited: dict[str, datetime]) -> None:
        self.invited = invited

    def __call__(self, item: Item) -> tuple[datetime, datetime, str, int]:
        at = item.occurred_at
        if item.kind == "meeting":
            at = min(at, self.invited.get(item.ical_uid, at))
        return at, item.occurred_at, item.message_id or item.ical_uid, item.id


def _judged(ordered: Sequence[Item], ground: Ground) -> list[Draft]:
    """Judge the items one after the other, each knowing the thread so far."""
    thread, drafts = ThreadSoFar(), []
    for item in ordered:
        draft = _draft(item, ground, thread)
        drafts.append(draft)
        if not draft.reason:
            thread.add(_settled(draft))
    return drafts


def _draft(item: Item, ground: Ground, thread: ThreadSoFar) -> Draft:
    """One item; what is kept out keeps only what people attached to it alone."""
    parts = cast(item, ground.directory, ground.rules)
    reason = reason_to_ignore(item, parts, ground.directory, ground.rules) or put_aside(item, ground.directory)
    if reason:
        return Draft(item, parts, reason, (), tuple(ground.directory.pins(item.id)))
    pins = pins_of(item, parts, ground.directory)
    verdicts = tuple(_verdicts(item, parts, ground, thread, pins))
    dismissed = bool(verdicts) and all(verdict.dismissed for verdict in verdicts)
    return Draft(item, parts, "not_a_contact" if dismissed else "", verdicts, pins)


def _verdicts(item: Item, parts: Cast, ground: Ground, thread: ThreadSoFar, pins: Sequence[Pin]) -> Iterator[Verdict]:
    """Judge each counterparty, knowing which contacts the others' addresses make certain, and whom people attached."""
    certain = {party: _certain(party, item, ground) for party in parts.counterparties}
    said = (
        assigned(pins, {party: contacts for party, (contacts, _) in certain.items()}, ground.directory) if pins else {}
    )
    for party in parts.counterparties:
        others = [found for other, found in certain.items() if other is not party]
        present = frozenset(contact for contacts, _ in others for contact in contacts)
        companies = tuple(sorted({company for _, found in others for company in found}))
        verdict = judge(Look(item, party, parts, ground, thread, present, companies, said.get(party)))
        if party.role != "sender" or verdict.contact is not None:
            yield verdict


def _certain(party: Party, item: Item, ground: Ground) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The contact that the exact address makes certain, and the company of the address or the contact."""
    day = item.occurred_at.date()
    found = people([entry for entry in ground.directory.entries(party.address) if entry.is_valid(day)])
    companies = ground.place(host_of(party.address)).companies
    if len(found) != 1:
        return (), companies
    return found, ground.employers(ground.directory.contact(found[0]), day, host_of(party.address))


def _settled(draft: Draft) -> Settled:
    """What later items of the thread may build on: certain links, and the question that strangers join."""
    hosts: dict[int, set[str]] = {}
    for verdict in draft.verdicts:
        for company in verdict.companies:
            hosts.setdefault(company, set()).add(registrable(verdict.look.host))
    for target in (pin.target for pin in draft.pins if pin.attached and pin.target.kind == "company"):
        hosts.setdefault(target.id, set())
    off = {pin.target for pin in draft.pins if not pin.attached}
    contacts = {verdict.contact for verdict in draft.verdicts if verdict.contact is not None}
    contacts |= {pin.target.id for pin in draft.pins if pin.attached and pin.target.kind == "contact"}
    return Settled(
        draft.item,
        frozenset(verdict.look.party.address for verdict in draft.verdicts),
        frozenset(c for c in contacts if Target("contact", c) not in off),
        {company: frozenset(found) for company, found in hosts.items() if Target("company", company) not in off},
    )


def _stage(draft: Draft, ground: Ground) -> Stage:
    """The item as the deals see it. A crowd reaches none."""
    pinned = frozenset(p.target.id for p in draft.pins if p.attached and p.target.kind == "deal")
    barred = frozenset(p.target.id for p in draft.pins if not p.attached and p.target.kind == "deal")
    if draft.reason or draft.cast.crowd:
        return Stage(draft.item, (), frozenset(), pinned, barred)
    off = {pin.target for pin in draft.pins if not pin.attached}
    verdicts = [_without(verdict, off) for verdict in draft.verdicts]
    contacts = frozenset(v.contact for v in verdicts if v.contact is not None)
    reaches = tuple(reach(v, contacts, ground) for v in verdicts if v.contact is not None or v.companies)
    return Stage(draft.item, reaches, contacts, pinned, barred)


def _without(verdict: Verdict, off: set[Target]) -> Verdict:
    """The verdict without what a person took off this item."""
    if not off:
        return verdict
    contact = None if Target("contact", verdict.contact or 0) in off else verdict.contact
    companies = tuple(c for c in verdict.companies if Target("company", c) not in off)
    return replace(verdict, contact=contact, companies=companies)


def _decision(draft: Draft, bound: Bound, strangers: Strangers) -> Decision:
    """Put an item's parts together: pins first, then what is certain, what is proposed, what is asked, what lost."""
    off = {pin.target for pin in draft.pins if not pin.attached}
    found = [c for verdict in draft.verdicts for c in verdict.links] + list(bound.links.values())
    links = _merged([*_decided(draft), *([] if draft.reason else found)], off)
    if draft.reason and not links:
        return Decision(draft.item.id, Status.IGNORED, draft.cast.direction, reason=draft.reason)
    if draft.reason:
        return Decision(draft.item.id, Status.LINKED, draft.cast.direction, links=links)
    proposed = [c for v in draft.verdicts for c in v.suggestions] + list(bound.suggestions.values())
    suggestions = _merged(proposed, off | {link.target for link in links})
    questions = _questions(draft, bound, strangers, off)
    status = Status.LINKED if links else Status.REVIEW if suggestions or questions else Status.UNMATCHED
    return Decision(
        draft.item.id, status, draft.cast.direction, links, suggestions, questions,
        _lost(draft, bound, links, suggestions, off),
        "below_threshold" if status is Status.UNMATCHED else "",
    )  # fmt: skip


def _decided(draft: Draft) -> Iterator[Candidate]:
    """What people attached to this item, or to its whole thread."""
    for pin in draft.pins:
        if pin.attached:
            yield candidate(pin.target, [evidence("decided", decided(pin.by, pin.at))])


def _merged(candidates: Sequence[Candidate], without: set[Target]) -> tuple[Candidate, ...]:
    """Each target once, with the reasons of all counterparties, best first."""
    found: dict[Target, Candidate] = {}
    for one in candidates:
        if one.target in without:
            continue
        known = found.get(one.target)
        found[one.target] = candidate(one.target, (*known.evidence, *one.evidence)) if known else one
    return tuple(sorted(found.values(), key=lambda c: (-c.score, c.target)))


def _questions(draft: Draft, bound: Bound, strangers: Strangers, off: set[Target]) -> tuple[Question, ...]:
    """Each question once. A crowd asks nothing; what a person answered for this item is not asked again."""
    if draft.cast.crowd:
        return ()
    found = [q for verdict in draft.verdicts for q in verdict.questions]
    found += [q for verdict in draft.verdicts if (q := strangers.question(verdict)) is not None]
    found += [bound.question] if bound.question else []
    answered = _answered(draft)
    once: dict[tuple[str, str], Question] = {}
    for question in found:
        kept = tuple(c for c in question.candidates if c.target not in off)
        if question.kind not in answered:
            once.setdefault((question.kind, question.key), replace(question, candidates=kept))
    return tuple(once.values())


def _answered(draft: Draft) -> set[str]:
    """The kinds of question that people's links settle: a contact that could not be given to one counterparty settles
    all."""
    used = {verdict.contact for verdict in draft.verdicts}
    kinds = {"contact": "person", "company": "company", "deal": "deal"}
    attached = [pin.target for pin in draft.pins if pin.attached]
    return {kinds[target.kind] for target in attached if target.kind != "contact" or target.id not in used}


def _lost(
    draft: Draft, bound: Bound, links: Sequence[Candidate], suggestions: Sequence[Candidate], off: set[Target]
) -> tuple[Candidate, ...]:
    """The runners-up, each with why it lost."""
    taken = {c.target for c in (*links, *suggestions)}
    found = [c for v in draft.verdicts for c in v.lost] + list(bound.lost.values())
    kept = {c.target: c for c in found if c.target not in taken and c.target not in off}
    every = [c for v in draft.verdicts for c in (*v.links, *v.suggestions)] + list(bound.links.values())
    kept.update({c.target: replace(c, against="a person took it off") for c in every if c.target in off})
    return tuple(sorted(kept.values(), key=lambda c: (-c.score, c.target)))
