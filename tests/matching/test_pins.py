"""What people said: it brings what follows from it, settles its question, and keeps its scope."""

from __future__ import annotations

from dataclasses import replace

import pytest

from matching.directory import Pin
from matching.rules import Rules
from matching.types import Item, Mark, Target
from tests.matching.desk import REP, Desk, mail


def test_a_pinned_contact_brings_their_company_and_deal_and_settles_the_question() -> None:
    desk, acme, jane = acme_with_jane()
    deal = desk.deal("Acme renewal", jane, company=acme)
    first, second = mail("home@gmx.de"), mail("home@gmx.de", day=1)
    desk.pins = [attach(first, "contact", jane)]
    pinned, other = desk.decide(first, second)
    assert (pinned.contacts, pinned.companies, pinned.deals, pinned.questions) == ({jane}, {acme}, {deal}, set())
    assert (other.contacts, other.questions) == (set(), {("person", "new_domain")})


def test_a_pinned_contact_is_the_stranger_whose_name_fits_and_the_others_are_still_asked_about() -> None:
    desk, _, jane = acme_with_jane()
    item = mail(REP, "Doe, Jane <home@gmx.de>", "other@gmx.de")
    desk.pins = [attach(item, "contact", jane)]
    seen = desk.decide(item)
    assert (seen.contacts, seen.keys) == ({jane}, {"address:other@gmx.de"})


def test_a_pinned_contact_who_fits_nobody_settles_all_person_questions() -> None:
    desk, _, jane = acme_with_jane()
    item = mail(REP, "a@gmx.de", "b@gmx.de")
    desk.pins = [attach(item, "contact", jane)]
    assert desk.decide(item).questions == set()


def test_a_pinned_company_settles_the_question_between_two() -> None:
    desk = Desk()
    one, _ = desk.company("One", "shared.example"), desk.company("Two", "shared.example")
    item = mail("x@shared.example")
    desk.pins = [attach(item, "company", one)]
    seen = desk.decide(item)
    assert (seen.companies, [q for q in seen.questions if q[0] == "company"]) == ({one}, [])


def test_deals_pinned_to_two_mails_of_a_thread_do_not_spread_over_each_other() -> None:
    desk, acme, jane = acme_with_jane()
    one, two = desk.deal("Acme renewal", jane, company=acme), desk.deal("Acme rollout", jane, company=acme)
    first = mail("jane@acme.example")
    second = mail("jane@acme.example", replies=first, day=1)
    third = mail("jane@acme.example", replies=second, day=2)
    desk.pins = [attach(first, "deal", one), attach(second, "deal", two)]
    assert [seen.deals for seen in desk.decide(first, second, third)] == [{one}, {two}, {two}]


def test_an_answer_for_a_thread_holds_for_later_mail_and_brings_the_company() -> None:
    desk, acme, jane = acme_with_jane()
    desk.ruling("thread", "t", "attach", Target("contact", jane))
    first = mail("home@gmx.de", thread="t")
    for seen in desk.decide(first, mail("home@gmx.de", replies=first, day=9)):
        assert (seen.contacts, seen.companies) == ({jane}, {acme})


def test_what_was_taken_off_one_mail_stays_off_although_the_thread_says_otherwise() -> None:
    desk, _, jane = acme_with_jane()
    desk.ruling("thread", "t", "attach", Target("contact", jane))
    first = mail("home@gmx.de", thread="t")
    second = mail("home@gmx.de", replies=first, day=1)
    desk.pins = [Pin(first.id, Target("contact", jane), attached=False)]
    assert [seen.contacts for seen in desk.decide(first, second)] == [set(), {jane}]


def test_never_for_this_address_holds_for_all_its_mail() -> None:
    desk, acme, jane = acme_with_jane()
    desk.ruling("address", "jane+x@acme.example", "detach", Target("contact", jane))
    tagged, exact = desk.decide(mail("jane+x@acme.example"), mail("jane@acme.example"))
    assert (tagged.contacts, tagged.companies, exact.contacts) == (set(), {acme}, {jane})


def test_a_deal_chosen_for_an_address_goes_with_all_its_mail() -> None:
    desk, acme, jane = acme_with_jane()
    desk.deal("Acme renewal", jane, company=acme)
    chosen = desk.deal("Acme rollout", jane, company=acme)
    desk.ruling("address", "jane@acme.example", "deal", Target("deal", chosen))
    seen = desk.decide(mail("jane@acme.example"))
    assert (seen.deals, seen.questions) == ({chosen}, set())


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [("ignore", "decided"), ("not_a_contact", "decided"), ("private", "private"), ("never_log", "never_log")],
)
def test_a_thread_put_aside_keeps_its_reason(verdict: str, reason: str) -> None:
    desk, _, _ = acme_with_jane()
    desk.ruling("thread", "t", verdict)
    assert desk.decide(mail("jane@acme.example", thread="t")).reason == reason


@pytest.mark.parametrize("scope", [("address", "jane@acme.example"), ("domain", "acme.example")])
def test_an_address_or_domain_made_private_keeps_its_mail_out(scope: tuple[str, str]) -> None:
    desk, _, _ = acme_with_jane()
    desk.ruling(*scope, "private")
    assert desk.decide(mail("jane@acme.example")).reason == "private"


def test_an_owner_who_keeps_private_mail_has_it_matched() -> None:
    desk, _, jane = acme_with_jane(Rules(keep_private=frozenset({REP})))

    item = replace(mail("jane@acme.example", marks=[Mark.PRIVATE]), mailboxes=(REP,))
    assert desk.decide(item).contacts == {jane}


def attach(item: Item, kind: str, at: int) -> Pin:
    return Pin(item.id, Target(kind, at), attached=True)


def acme_with_jane(rules: Rules | None = None) -> tuple[Desk, int, int]:
    desk = Desk(rules)
    acme = desk.company("Acme", "acme.example")
    return desk, acme, desk.contact("Jane Doe", "jane@acme.example", company=acme)
