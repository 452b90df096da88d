"""The sentences a rep reads."""

from __future__ import annotations

from matching.explain import listed, sentence
from matching.types import Mark
from tests.matching.desk import REP, Desk, mail


def test_a_linked_item_says_why_in_one_line() -> None:
    desk, _ = desk_with_jane()
    assert sentence(desk.decide(mail("jane@acme.example")).decision) == "Attached: exact address jane@acme.example"


def test_an_ignored_item_says_why_it_is_kept_out() -> None:
    desk, _ = desk_with_jane()
    assert sentence(desk.decide(mail("jane@acme.example", marks=[Mark.BULK])).decision) == (
        "Kept out: sent to a list or many at once"
    )


def test_a_waiting_and_an_unmatched_item_say_so() -> None:
    desk, _ = desk_with_jane()
    waiting = desk.decide(mail(REP, "new@vendor.example"))
    cold = desk.decide(mail("cold@vendor.example"))
    assert sentence(waiting.decision) == "Waiting for a person: new domain"
    assert sentence(cold.decision).startswith("Not matched: nobody on it is known")


def test_a_reply_names_the_thread_and_the_deal() -> None:
    desk, jane = desk_with_jane()
    desk.deal("Acme renewal", jane, company=1)
    first = mail("jane@acme.example")
    says = desk.decide(first, mail("Jane Doe <home@gmx.de>", replies=first, day=1))[1].says
    assert "reply in the thread of 3 March 2026 with Jane Doe" in says
    assert "reply in the thread that is on deal Acme renewal" in says


def test_a_list_names_four_at_most() -> None:
    assert listed(["A"]) == "A"
    assert listed(["A", "B"]) == "A and B"
    assert listed(["A", "B", "C", "D", "E", "F"]) == "A, B, C, D and 2 more"


def desk_with_jane() -> tuple[Desk, int]:
    desk = Desk()
    acme = desk.company("Acme", "acme.example")
    return desk, desk.contact("Jane Doe", "jane@acme.example", company=acme)
