"""What is no rep's question, and what only looks so: classes, forwards, forms, crowds and the review threshold."""

from __future__ import annotations

import pytest

from matching.rules import Rules, forbidden
from matching.types import Mark, Party, Target
from tests.matching.desk import PAL, REP, Desk, mail, meeting


def test_a_mail_among_ourselves_is_internal_even_in_a_customer_thread() -> None:
    desk, jane = desk_with_jane()
    first = mail("jane@acme.example")
    aside = mail(REP, PAL, "sales@ourco.example", replies=first, day=1)
    back = mail(REP, "jane@acme.example", replies=first, day=2)
    seen = desk.decide(first, aside, back)
    assert [(s.status, s.reason) for s in seen[1:2]] == [("ignored", "internal")]
    assert seen[1].direction == "internal"
    assert seen[2].contacts == {jane}


def test_a_message_without_a_counterparty_is_internal() -> None:
    desk, _ = desk_with_jane()
    x500 = "/o=first organization/ou=exchange/cn=recipients/cn=jane"
    for seen in desk.decide(mail(REP, PAL), mail(REP, x500), meeting(PAL), meeting("r@resource.calendar.google.com")):
        assert (seen.status, seen.reason) == ("ignored", "internal")


NOBODY = ("no-reply@acme.example", "nicht-antworten@acme.example", "bounce+a=b.example@x.example",
          "mailer-daemon@acme.example", "reply+a1b2c3d4e5@tool.example")  # fmt: skip


@pytest.mark.parametrize("sender", NOBODY)
def test_what_nobody_wrote_is_automatic_customer_domains_included(sender: str) -> None:
    desk, _ = desk_with_jane()
    assert desk.decide(mail(sender)).reason == "automatic"


def test_an_automatic_answer_of_a_known_contact_is_automatic() -> None:
    desk, _ = desk_with_jane()
    assert desk.decide(mail("jane@acme.example", marks=[Mark.AUTOMATIC])).reason == "automatic"


def test_bulk_is_kept_out_unless_a_known_contact_wrote_it_in_person() -> None:
    desk, jane = desk_with_jane()
    list_mail, campaign, stranger = desk.decide(
        mail("jane@acme.example", marks=[Mark.BULK, Mark.PERSONAL]),
        mail("jane@acme.example", marks=[Mark.BULK]),
        mail("x@acme.example", marks=[Mark.BULK, Mark.PERSONAL]),
    )
    assert list_mail.contacts == {jane}
    assert (campaign.reason, stranger.reason) == ("bulk", "bulk")


def test_list_mail_of_a_known_role_address_stays_bulk() -> None:
    desk, _ = desk_with_jane()
    desk.contact("Acme Office", "info@acme.example", company=1)
    assert desk.decide(mail("info@acme.example", marks=[Mark.BULK, Mark.PERSONAL])).reason == "bulk"


def test_mail_through_our_own_list_is_not_bulk() -> None:
    desk, jane = desk_with_jane()
    assert desk.decide(mail("jane@acme.example", marks=[Mark.BULK], list_host="lists.ourco.example")).contacts == {jane}


def test_a_list_that_rewrites_the_sender_gives_the_real_one() -> None:
    desk, jane = desk_with_jane()
    rewritten = "Jane Doe via Sales <sales@ourco.example>"
    original, reply = Party("original_from", "jane@acme.example"), Party("reply_to", "jane@acme.example")
    first, second, foreign = desk.decide(
        mail(rewritten, more=[original]),
        mail(rewritten, more=[reply]),
        mail("Jane Doe via Docs <dse@docs.example>", more=[reply]),
    )
    assert (first.contacts, second.contacts, foreign.contacts) == ({jane}, {jane}, {jane})
    assert first.direction == "inbound"


@pytest.mark.parametrize("role", ["from", "to", "cc", "bcc", "reply_to", "organizer", "attendee", "forwarded"])
def test_a_never_log_address_at_any_position_keeps_the_whole_item_out(role: str) -> None:
    desk, _ = desk_with_jane(Rules(never_log=forbidden(["Counsel@Law.example", "clinic.example"])))
    for address in ("counsel@law.example", "anyone@ward.clinic.example"):
        seen = desk.decide(mail("jane@acme.example", more=[Party(role, address)]))
        assert (seen.status, seen.reason, seen.contacts) == ("ignored", "never_log", set())


def test_private_items_are_kept_out_unless_their_owner_keeps_them() -> None:
    desk, jane = desk_with_jane()
    private = mail("jane@acme.example", marks=[Mark.PRIVATE])
    assert desk.decide(private, meeting("jane@acme.example", marks=[Mark.PRIVATE]))[1].reason == "private"
    assert desk.decide(mail("jane@acme.example", marks=[Mark.CONFIDENTIAL])).contacts == {jane}


def test_invitation_mails_and_answers_are_the_meetings() -> None:
    desk, jane = desk_with_jane()
    for mark in (Mark.INVITATION, Mark.RSVP):
        assert desk.decide(mail("jane@acme.example", marks=[mark])).reason == "invitation"
    assert desk.decide(meeting("jane@acme.example")).contacts == {jane}


def test_our_forward_to_the_log_or_to_ourselves_is_about_the_inner_sender() -> None:
    desk, jane = desk_with_jane()
    inner = Party("forwarded", "jane@acme.example", "Jane Doe")
    for to in ("log@ourco.example", REP, "rep.private@gmail.com"):
        seen = desk.decide(mail(REP, to, more=[inner]))
        assert (seen.contacts, seen.direction) == ({jane}, "inbound")
        assert any("forwarded" in says for says in seen.says)


def test_a_strangers_mail_that_our_side_put_into_the_log_is_asked_about_at_once() -> None:
    desk, _ = desk_with_jane()
    seen = desk.decide(mail(REP, "log@ourco.example", more=[Party("forwarded", "new@vendor.example", "New One")]))
    assert (seen.status, seen.questions) == ("review", {("person", "forwarded_by_colleague")})


def test_our_forward_to_a_colleague_stays_internal() -> None:
    desk, _ = desk_with_jane()
    inner = Party("forwarded", "jane@acme.example", "Jane Doe")
    for to in (PAL, "sales@ourco.example"):
        assert desk.decide(mail(REP, to, more=[inner])).reason == "internal"


def test_a_customers_forward_brings_the_inner_sender_too() -> None:
    desk, jane = desk_with_jane()
    john = desk.contact("John Roe", "john@acme.example", company=1)
    seen = desk.decide(mail("jane@acme.example", more=[Party("forwarded", "john@acme.example")]))
    assert seen.contacts == {jane, john}


def test_a_logging_address_in_bcc_is_not_a_counterparty_but_a_reason() -> None:
    desk, jane = desk_with_jane()
    seen = desk.decide(mail(REP, "jane@acme.example", more=[Party("bcc", "log@ourco.example")]))
    assert (seen.contacts, seen.direction) == ({jane}, "outbound")
    assert "our side put the logging address on it" in seen.says


def test_a_web_form_is_from_whoever_filled_it_in() -> None:
    desk, jane = desk_with_jane()
    reply = Party("reply_to", "jane@acme.example")
    for sender in ("forms@ourco.example", "no-reply@ourco.example"):
        seen = desk.decide(mail(sender, "sales@ourco.example", more=[reply]))
        assert (seen.contacts, seen.direction) == ({jane}, "inbound")


def test_a_crowd_counts_exact_addresses_only_and_asks_nothing() -> None:
    desk, jane = desk_with_jane()
    john = desk.contact("John Roe", "john@acme.example", company=1)
    desk.deal("Acme renewal", jane, company=1)
    others = [f"user{at}@acme.example" for at in range(25)]
    crowd = desk.decide(mail("jane@acme.example", REP, "john@acme.example", "jane+tag@acme.example", *others))
    assert (crowd.contacts, crowd.deals, crowd.questions, crowd.suggested) == ({jane, john}, set(), set(), [])
    strangers = desk.decide(mail("x@acme.example", REP, *others[:25]))
    assert (strangers.status, strangers.companies) == ("unmatched", set())


def test_twenty_five_counterparties_are_no_crowd() -> None:
    desk, jane = desk_with_jane()
    others = [f"user{at}@other.example" for at in range(24)]
    deal = desk.deal("Acme renewal", jane, company=1)
    assert desk.decide(mail("jane@acme.example", REP, *others)).deals == {deal}


def test_one_cold_mail_stays_below_the_review_threshold() -> None:
    desk, _ = desk_with_jane()
    seen = desk.decide(mail("Cold Caller <cold@vendor.example>"))
    assert (seen.status, seen.reason, seen.questions) == ("unmatched", "below_threshold", set())


def test_a_second_mail_in_another_thread_our_own_mail_or_a_meeting_make_a_question() -> None:
    desk, _ = desk_with_jane()
    twice = [mail("a@vendor.example"), mail("a@vendor.example", day=9)]
    ours, met = mail(REP, "b@vendor2.example"), meeting("c@vendor3.example")
    for seen in desk.decide(*twice, ours, met):
        assert (seen.status, seen.questions) == ("review", {("person", "new_domain")})


def test_automatic_mail_does_not_count_as_writing_twice() -> None:
    desk, _ = desk_with_jane()
    real, machine = mail("a@vendor.example"), mail("a@vendor.example", marks=[Mark.AUTOMATIC])
    assert desk.decide(real, machine)[0].status == "unmatched"


def test_a_crowd_is_not_us_writing_to_them() -> None:
    desk, _ = desk_with_jane()
    crowd = mail(REP, *(f"user{at}@vendor.example" for at in range(30)))
    assert desk.decide(crowd, mail("user1@vendor.example"))[1].status == "unmatched"


def test_an_unknown_address_in_a_thread_under_review_joins_its_question() -> None:
    desk, _ = desk_with_jane()
    desk.company("Other", "acme.example")
    first = mail("bob@acme.example", thread="t")
    second = mail("helper@gmx.de", replies=first, day=1)
    asked, joined = desk.decide(first, second)
    assert asked.keys == joined.keys == {"domain:acme.example"}


def test_a_thread_put_aside_is_ignored() -> None:
    desk, _ = desk_with_jane()
    desk.ruling("thread", "t", "ignore")
    assert desk.decide(mail("jane@acme.example", thread="t")).status == "ignored"


def test_a_ruling_of_one_person_holds_for_their_mailboxes_only() -> None:
    desk, jane = desk_with_jane()
    desk.ruling("address", "home@gmx.de", "attach", Target("contact", jane))
    assert desk.decide(mail("home@gmx.de")).contacts == {jane}


def desk_with_jane(rules: Rules | None = None) -> tuple[Desk, int]:
    desk = Desk(rules)
    acme = desk.company("Acme", "acme.example")
    return desk, desk.contact("Jane Doe", "jane@acme.example", company=acme)
