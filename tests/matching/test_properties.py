"""What holds for any world: order does not matter, deciding twice changes nothing, pins stay, strangers in the
directory are no matter. Small worlds made by Hypothesis, bounded."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matching.decide import decide_all, decide_thread
from matching.directory import AddressEntry, CompanyRecord, ContactRecord, DealRecord, DomainEntry, Pin
from matching.memory import InMemoryDirectory
from matching.rules import Rules
from matching.types import Decision, Item, Mark, Party, Target
from tests.matching.desk import OWN, PAL, REP, T0

ADDRESSES = ("jane@acme.example", "john@acme.example", "x@acme.example", "jane@gmx.de", "y@gmx.de", "kim@other.example",
             "z@both.example", "office@acme.example", REP, PAL)  # fmt: skip
NAMES = ("Jane Doe", "John Roe", "Kim Lee", "")
SUBJECTS = ("Hello", "Acme renewal", "Other rollout")
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def threads(draw: st.DrawFn) -> list[Item]:
    """Up to six mails of one thread, each answering some earlier one or nothing."""
    items: list[Item] = []
    for at in range(draw(st.integers(1, 6))):
        sender = draw(st.sampled_from(ADDRESSES))
        others = draw(st.lists(st.sampled_from(ADDRESSES), min_size=1, max_size=3, unique=True))
        parent = draw(st.sampled_from([None, *items])) if items else None
        parties = (Party("from", sender, draw(st.sampled_from(NAMES))), *(Party("to", other) for other in others))
        marks = draw(st.sampled_from([frozenset(), frozenset({Mark.BULK}), frozenset({Mark.AUTOMATIC})]))
        when = T0 + timedelta(days=draw(st.integers(-60, 60)))
        parents = (*parent.parents, parent.message_id) if parent else ()
        items.append(
            Item(
                at + 1, "email", when, parties, draw(st.sampled_from(SUBJECTS)), "t", f"<{at}@x>", parents, marks=marks
            )
        )
    return items


@FEW
@given(threads(), st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(items: list[Item], random: object) -> None:
    mixed = items[:]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert decided(mixed, world()) == decided(items, world())


@FEW
@given(threads())
def test_deciding_again_gives_the_same(items: list[Item]) -> None:
    directory = world()
    assert decide_thread(items, directory, Rules()) == decide_thread(items, directory, Rules())


@FEW
@given(threads())
def test_an_unrelated_contact_company_and_deal_change_nothing(items: list[Item]) -> None:
    assert decided(items, world(more=True)) == decided(items, world())


@FEW
@given(threads(), st.sampled_from([Target("contact", 1), Target("company", 2), Target("deal", 1)]), st.booleans())
def test_what_a_person_attached_or_took_off_stays_so(items: list[Item], target: Target, attached: bool) -> None:
    decisions = decided(items, world(pins=[Pin(1, target, attached)]))
    assert (target in {link.target for link in decisions[1].links}) is attached


@FEW
@given(threads())
def test_another_thread_beside_changes_nothing_but_counts(items: list[Item]) -> None:
    others = [
        replace(item, id=item.id + 100, thread="u", message_id=f"{item.message_id}u", parents=()) for item in items
    ]
    alone = decided(items, world())
    beside = {d.item: d for d in decide_all([*items, *others], world(), Rules()) if d.item < 100}
    assert beside == alone


@FEW
@given(threads())
def test_every_link_is_certain_and_every_decision_is_explained(items: list[Item]) -> None:
    rules = Rules()
    for decision in decided(items, world()).values():
        assert all(link.score >= rules.link and link.evidence for link in decision.links)
        assert all(rules.suggest <= one.score and one.evidence for one in decision.suggestions)
        assert all(one.against for one in decision.lost)
        assert decision.links or decision.suggestions or decision.questions or decision.reason
        targets = [link.target for link in decision.links]
        assert len(set(targets)) == len(targets)
        assert not set(targets) & {one.target for one in (*decision.suggestions, *decision.lost)}


def decided(items: list[Item], directory: InMemoryDirectory) -> dict[int, Decision]:
    return {decision.item: decision for decision in decide_thread(items, directory, Rules())}


def world(*, more: bool = False, pins: list[Pin] | None = None) -> InMemoryDirectory:
    contacts = [
        contact(1, "Jane Doe", 1, "jane@acme.example", "office@acme.example"),
        contact(2, "John Roe", 1, "john@acme.example", "office@acme.example"),
        contact(3, "Kim Lee", 2, "kim@other.example"),
    ]
    companies = [
        company(1, "Acme", "acme.example", "both.example"),
        company(2, "Other", "other.example", "both.example"),
    ]
    deals = [
        deal(1, "Acme renewal", 1, {1}, 0),
        deal(2, "Acme rollout", 1, {1, 2}, -20),
        deal(3, "Other rollout", 2, {3}, -40),
    ]
    if more:
        contacts.append(contact(9, "Jane Doe", 9, "jane@far.example"))
        companies.append(company(9, "Far", "far.example"))
        deals.append(deal(9, "Hello", 9, {9}, -90))
    return InMemoryDirectory(OWN, contacts, companies, deals, pins=pins or ())


def contact(at: int, name: str, company_id: int, *addresses: str) -> ContactRecord:
    return ContactRecord(at, name, tuple(AddressEntry(at, address) for address in addresses), company_id)


def company(at: int, name: str, *domains: str) -> CompanyRecord:
    return CompanyRecord(at, name, tuple(DomainEntry(domain) for domain in domains))


def deal(at: int, title: str, company_id: int, contacts: set[int], made: int) -> DealRecord:
    closed = T0 + timedelta(days=made + 45)
    return DealRecord(at, title, company=company_id, contacts=frozenset(contacts), created_at=T0 + timedelta(days=made),
                      closed_at=closed, closed=True)  # fmt: skip
