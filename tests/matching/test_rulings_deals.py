"""Which deal: the rulings of docs/matching.md about deals, one test each."""

from __future__ import annotations

from matching.directory import Pin
from matching.types import Target
from tests.matching.desk import REP, T0, Desk, mail, meeting


def test_the_only_open_deal_of_the_contact_is_linked() -> None:
    desk, acme, jane = acme_with_jane()
    deal = desk.deal("Acme renewal", jane, company=acme)
    assert desk.decide(mail("jane@acme.example")).deals == {deal}


def test_a_deal_is_open_from_14_days_before_creation_to_14_days_after_close() -> None:
    desk, acme, jane = acme_with_jane()
    deal = desk.deal("Acme renewal", jane, company=acme, made=0, closed=30)
    days = (-14.5, -13.5, 43.5, 44.5)
    seen = desk.decide(*(mail("jane@acme.example", day=day) for day in days))
    assert [one.deals for one in seen] == [set(), {deal}, {deal}, set()]


def test_without_a_deal_of_their_own_the_companys_only_deal_is_linked() -> None:
    desk, acme, _ = acme_with_jane()
    buyer = desk.contact("John Roe", "john@acme.example", company=acme)
    deal = desk.deal("Acme renewal", buyer, company=acme)
    assert desk.decide(mail("jane@acme.example")).deals == {deal}


def test_the_contacts_own_deal_comes_before_the_companys() -> None:
    desk, acme, jane = acme_with_jane()
    buyer = desk.contact("John Roe", "john@acme.example", company=acme)
    desk.deal("Acme rollout", buyer, company=acme)
    mine = desk.deal("Acme renewal", jane, company=acme)
    assert desk.decide(mail("jane@acme.example")).deals == {mine}


def test_two_open_deals_become_one_question_per_thread_beside_the_links() -> None:
    desk, _, jane, one, two = acme_with_two_deals()
    first = mail("jane@acme.example", thread="t")
    for seen in desk.decide(first, mail(REP, "jane@acme.example", replies=first, day=1)):
        assert (seen.status, seen.contacts, seen.deals) == ("linked", {jane}, set())
        assert seen.keys == {"thread:t"}
        assert {("deal", one), ("deal", two)} == set(seen.suggested)


def test_a_title_in_the_subject_picks_the_deal() -> None:
    desk, _, _, one, _ = acme_with_two_deals()
    seen = desk.decide(mail("jane@acme.example", subject="AW: Acme Renewal, page 3"))
    assert (seen.deals, seen.questions) == ({one}, set())
    assert [(c.target.kind, c.against != "") for c in seen.decision.lost] == [("deal", True)]


def test_the_longest_title_that_fits_wins() -> None:
    desk, acme, jane = acme_with_jane()
    desk.deal("Acme renewal", jane, company=acme)
    longer = desk.deal("Acme renewal plus", jane, company=acme)
    assert desk.decide(mail("jane@acme.example", subject="Acme renewal plus")).deals == {longer}


def test_a_number_or_product_in_the_subject_picks_the_deal() -> None:
    desk, acme, jane = acme_with_jane()
    one = desk.deal("Renewal", jane, company=acme, number="D-2024-17")
    two = desk.deal("Rollout", jane, company=acme, product="TurboPump 900")
    by_number, by_product = desk.decide(
        mail("jane@acme.example", subject="your D-2024-17"), mail("jane@acme.example", subject="the Turbopump 900")
    )
    assert (by_number.deals, by_product.deals) == ({one}, {two})


def test_never_on_the_subject_alone() -> None:
    desk, acme, jane = acme_with_jane()
    desk.deal("Acme renewal", jane, company=acme)
    seen = desk.decide(mail("someone@elsewhere.example", subject="Acme renewal"))
    assert (seen.status, seen.deals) == ("unmatched", set())


def test_a_subject_without_a_deal_contact_present_decides_nothing() -> None:
    desk, acme, _ = acme_with_jane()
    buyer = desk.contact("John Roe", "john@acme.example", company=acme)
    desk.deal("Acme renewal", buyer, company=acme)
    desk.deal("Acme rollout", buyer, company=acme)
    seen = desk.decide(mail("jane@acme.example", subject="Acme renewal"))
    assert (seen.deals, ("deal", "several_open_deals") in seen.questions) == (set(), True)


def test_a_closed_deal_is_not_named_by_its_title() -> None:
    desk, acme, jane = acme_with_jane()
    desk.deal("Acme renewal", jane, company=acme, made=-200, closed=-100)
    assert desk.decide(mail("jane@acme.example", subject="Acme renewal")).deals == set()


def test_a_thread_on_a_deal_takes_its_whole_thread_along_both_ways() -> None:
    desk, _, _, one, _ = acme_with_two_deals()
    first = mail("jane@acme.example")
    second = mail(REP, "jane@acme.example", replies=first, day=1, subject="Acme renewal")
    third = mail("jane@acme.example", replies=second, day=2, subject="Other words")
    assert [seen.deals for seen in desk.decide(first, second, third)] == [{one}] * 3


def test_a_thread_begun_before_the_deal_was_made_goes_along() -> None:
    desk, acme, jane = acme_with_jane()
    deal = desk.deal("Acme renewal", jane, company=acme, made=40)
    first = mail("jane@acme.example")
    second = mail(REP, "jane@acme.example", replies=first, day=45)
    assert [seen.deals for seen in desk.decide(first, second)] == [{deal}, {deal}]


def test_a_thread_on_a_deal_wins_over_another_only_deal_until_14_days_after_close() -> None:
    desk, acme, jane = acme_with_jane()
    old = desk.deal("Acme renewal", jane, company=acme, made=-60, closed=2)
    new = desk.deal("Acme rollout", jane, company=acme, made=30)
    first = mail("jane@acme.example")
    inside = mail("jane@acme.example", replies=first, day=16.5)
    after = mail("jane@acme.example", replies=first, day=40)
    seen = desk.decide(first, inside, after)
    assert [one.deals for one in seen[:1]] == [{old}]
    assert seen[2].deals == {new}


def test_what_a_person_chose_for_a_thread_is_remembered_for_all_of_it() -> None:
    desk, _, _, _, two = acme_with_two_deals()
    desk.ruling("thread", "t", "deal", Target("deal", two))
    first = mail("jane@acme.example", thread="t")
    for seen in desk.decide(first, mail("jane@acme.example", replies=first, day=3)):
        assert (seen.deals, seen.questions) == ({two}, set())


def test_no_deal_is_an_answer_too() -> None:
    desk, _, _, _, _ = acme_with_two_deals()
    desk.ruling("thread", "t", "no_deal")
    seen = desk.decide(mail("jane@acme.example", thread="t", subject="Acme renewal"))
    assert (seen.deals, seen.questions, seen.status) == (set(), set(), "linked")


def test_a_deal_taken_off_an_item_stays_off_it() -> None:
    desk, acme, jane = acme_with_jane()
    deal = desk.deal("Acme renewal", jane, company=acme)
    item = mail("jane@acme.example")
    desk.pins = [Pin(item.id, Target("deal", deal), attached=False)]
    assert desk.decide(item).deals == set()


def test_deals_are_judged_for_each_counterparty() -> None:
    desk = Desk()
    one, two = desk.company("One", "one.example"), desk.company("Two", "two.example")
    ann = desk.contact("Ann Poe", "ann@one.example", company=one)
    bob = desk.contact("Bob Roe", "bob@two.example", company=two)
    left, right = desk.deal("One renewal", ann, company=one), desk.deal("Two rollout", bob, company=two)
    assert desk.decide(mail(REP, "ann@one.example", "bob@two.example")).deals == {left, right}


def test_a_company_known_by_its_domain_alone_gets_its_only_deal_as_a_suggestion() -> None:
    desk, acme, jane = acme_with_jane()
    deal = desk.deal("Acme renewal", jane, company=acme)
    seen = desk.decide(mail("stranger@acme.example"))
    assert (seen.deals, seen.companies) == (set(), {acme})
    assert ("deal", deal) in seen.suggested


def test_a_stranger_of_the_company_in_a_thread_on_a_deal_goes_along() -> None:
    desk, acme, jane = acme_with_jane()
    deal = desk.deal("Acme renewal", jane, company=acme)
    first = mail("jane@acme.example")
    assert desk.decide(first, mail("stranger@acme.example", replies=first, day=1))[1].deals == {deal}


def test_another_customer_in_the_thread_does_not_go_along() -> None:
    desk, acme, jane = acme_with_jane()
    other = desk.company("Other", "other.example")
    desk.contact("Bob Roe", "bob@other.example", company=other)
    desk.deal("Acme renewal", jane, company=acme)
    first = mail("jane@acme.example", cc=["bob@other.example"])
    assert desk.decide(first, mail("bob@other.example", replies=first, day=1))[1].deals == set()


def test_a_former_companys_deal_is_not_reached() -> None:
    desk = Desk()
    old, new = desk.company("Old", "old.example"), desk.company("New", "new.example")
    jane = desk.contact("Jane Doe", "jane@new.example", "jane@old.example", company=new)
    deal = desk.deal("Old renewal", jane, company=old)
    before, after = desk.decide(mail("jane@old.example"), mail("jane@new.example"))
    assert (before.deals, after.deals) == ({deal}, set())


def test_a_consultant_on_another_companys_deal_reaches_it() -> None:
    desk, acme, _ = acme_with_jane()
    firm = desk.company("Firm", "firm.example")
    adviser = desk.contact("Ann Poe", "ann@firm.example", company=firm)
    deal = desk.deal("Acme renewal", adviser, company=acme)
    assert desk.decide(mail("ann@firm.example")).deals == {deal}


def test_a_meeting_goes_by_its_own_date() -> None:
    desk, acme, jane = acme_with_jane()
    deal = desk.deal("Acme renewal", jane, company=acme, made=50)
    soon, later = desk.decide(meeting("jane@acme.example", day=1), meeting("jane@acme.example", day=60))
    assert (soon.deals, later.deals) == (set(), {deal})
    assert T0.year == 2026


def acme_with_jane() -> tuple[Desk, int, int]:
    desk = Desk()
    acme = desk.company("Acme", "acme.example")
    return desk, acme, desk.contact("Jane Doe", "jane@acme.example", company=acme)


def acme_with_two_deals() -> tuple[Desk, int, int, int, int]:
    desk, acme, jane = acme_with_jane()
    one = desk.deal("Acme renewal", jane, company=acme)
    return desk, acme, jane, one, desk.deal("Acme rollout", jane, company=acme)
