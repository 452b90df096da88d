"""Who it is: the signals and rulings of docs/matching.md about people and companies, one test each."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from matching.directory import Job, Pin
from matching.rules import Rules
from matching.types import Item, Mark, Party, Target
from tests.matching.desk import PAL, REP, Desk, mail, meeting


def test_an_exact_address_links_the_contact_and_their_company_and_says_so() -> None:
    desk, acme, jane = acme_with_jane()
    seen = desk.decide(mail("jane@acme.example"))
    assert (seen.status, seen.contacts, seen.companies) == ("linked", {jane}, {acme})
    assert "exact address jane@acme.example" in seen.says


def test_an_outbound_mail_is_about_its_recipients() -> None:
    desk, _, jane = acme_with_jane()
    seen = desk.decide(mail(REP, "jane@acme.example", cc=[PAL]))
    assert (seen.direction, seen.contacts) == ("outbound", {jane})


def test_an_address_outside_its_dates_is_not_the_contact_but_a_suggestion() -> None:
    desk = Desk()
    acme = desk.company("Acme", "acme.example")
    jane = desk.contact("Jane Doe", ("jane@acme.example", None, date(2025, 12, 31)), company=acme)
    seen = desk.decide(mail("jane@acme.example"))
    assert (seen.contacts, seen.companies) == (set(), {acme})
    assert seen.suggested == [("contact", jane)]
    assert ("person", "unknown_at_company") in seen.questions


def test_an_address_that_passed_to_a_successor_is_decided_by_the_date() -> None:
    desk = Desk()
    acme = desk.company("Acme", "acme.example")
    old = desk.contact("Jane Doe", ("desk@acme.example", None, date(2026, 3, 1)), company=acme)
    new = desk.contact("John Roe", ("desk@acme.example", date(2026, 3, 2), None), company=acme)
    before, after = desk.decide(mail("desk@acme.example", day=-30), mail("desk@acme.example", day=0))
    assert (before.contacts, after.contacts) == ({old}, {new})


def test_a_plus_tag_variant_is_the_contact() -> None:
    desk, _, jane = acme_with_jane()
    seen = desk.decide(mail("jane+offers@acme.example"))
    assert seen.contacts == {jane}
    assert seen.methods["contact", jane] == "address-family"


def test_dots_are_forgotten_at_google_and_nowhere_else() -> None:
    desk = Desk()
    jane = desk.contact("Jane Doe", "jane.doe@gmail.com")
    desk.contact("Kim Lee", "kim.lee@gmx.de")
    google, other = desk.decide(mail("janedoe@googlemail.com"), mail("kimlee@gmx.de"))
    assert (google.contacts, other.contacts) == ({jane}, set())


def test_an_exact_address_beats_its_family() -> None:
    desk = Desk()
    desk.contact("Jane Doe", "jane@acme.example")
    tagged = desk.contact("Jane's Shop", "jane+shop@acme.example")
    assert desk.decide(mail("jane+shop@acme.example")).contacts == {tagged}


def test_a_shared_address_asks_and_links_the_company_that_is_certain() -> None:
    desk, acme, jane, john = acme_with_shared_address()
    seen = desk.decide(mail("office@acme.example"))
    assert (seen.status, seen.contacts, seen.companies) == ("linked", set(), {acme})
    assert set(seen.suggested) == {("contact", jane), ("contact", john)}
    assert ("person", "shared_address") in seen.questions


def test_a_name_in_the_header_settles_a_shared_address() -> None:
    desk, _, jane, john = acme_with_shared_address()
    seen = desk.decide(mail("Doe, Jane <office@acme.example>"))
    assert seen.contacts == {jane}
    assert not seen.questions
    lost = {c.target.id: c.against for c in seen.decision.lost}
    assert lost[john] == "the header has another name"


def test_two_of_one_name_on_a_shared_address_still_ask() -> None:
    desk = Desk()
    acme = desk.company("Acme", "acme.example")
    for _ in range(2):
        desk.contact("Jane Doe", "office@acme.example", company=acme)
    seen = desk.decide(mail("Jane Doe <office@acme.example>"))
    assert seen.contacts == set()
    assert ("person", "shared_address") in seen.questions


def test_a_shared_private_address_of_two_customers_waits_in_review() -> None:
    desk = Desk()
    one, two = desk.company("One", "one.example"), desk.company("Two", "two.example")
    desk.contact("Ann Poe", "home@gmx.de", company=one)
    desk.contact("Bob Poe", "home@gmx.de", company=two)
    seen = desk.decide(mail("home@gmx.de"))
    assert (seen.status, seen.companies) == ("review", set())


def test_an_unknown_person_at_a_known_company_links_the_company_and_asks() -> None:
    desk, acme, _ = acme_with_jane()
    seen = desk.decide(mail("bob@mail.acme.example"))
    assert (seen.status, seen.contacts, seen.companies) == ("linked", set(), {acme})
    assert ("person", "unknown_at_company") in seen.questions
    assert "domain acme.example belongs to Acme; the person is not known yet" in seen.says


def test_the_longest_listed_domain_wins_and_excludes_its_parent() -> None:
    desk = Desk()
    parent, child = desk.company("Parent", "acme.example"), desk.company("Child", "eu.acme.example")
    seen = desk.decide(mail("a@eu.acme.example"), mail("b@x.eu.acme.example"), mail("c@us.acme.example"))
    assert [one.companies for one in seen] == [{child}, {child}, {parent}]


def test_an_excluded_host_is_not_the_companys() -> None:
    desk = Desk()
    desk.company("Parent", "acme.example", excluded=["users.acme.example"])
    assert desk.decide(mail("a@users.acme.example")).companies == set()


def test_a_domain_of_two_companies_asks() -> None:
    desk = Desk()
    one, two = desk.company("Agency", "shared.example"), desk.company("Client", "shared.example")
    seen = desk.decide(mail("new@shared.example"))
    assert (seen.status, seen.companies) == ("review", set())
    assert set(seen.suggested) == {("company", one), ("company", two)}
    assert seen.keys == {"domain:shared.example"}


def test_a_known_contact_at_a_domain_of_two_companies_is_at_their_own() -> None:
    desk = Desk()
    desk.company("Agency", "shared.example")
    client = desk.company("Client", "shared.example")
    desk.contact("Jane Doe", "jane@shared.example", company=client)
    assert desk.decide(mail("jane@shared.example")).companies == {client}


def test_freemail_isp_school_and_marked_domains_never_count_as_a_company() -> None:
    desk = Desk(Rules(shared_domains=frozenset({"cowork.example"})))
    desk.company("Odd", "gmail.com", "t-online.de", "college.edu", "cowork.example")
    hosts = ("gmail.com", "t-online.de", "cs.college.edu", "cowork.example")
    for seen in desk.decide(*(mail(f"a@{host}") for host in hosts)):
        assert (seen.status, seen.companies) == ("unmatched", set())


def test_a_freemail_contact_brings_their_present_company() -> None:
    desk = Desk()
    acme = desk.company("Acme", "acme.example")
    desk.contact("Jane Doe", "jane@gmail.com", company=acme)
    assert desk.decide(mail("jane@gmail.com")).companies == {acme}


def test_the_addresss_domain_decides_the_company_of_a_mover() -> None:
    desk = Desk()
    old, new = desk.company("Old", "old.example"), desk.company("New", "new.example")
    desk.contact("Jane Doe", "jane@new.example", "jane@old.example", company=new)
    before, after = desk.decide(mail("jane@old.example", day=-300), mail("jane@new.example"))
    assert (before.companies, after.companies) == ({old}, {new})


def test_a_private_address_follows_the_dated_jobs() -> None:
    desk = Desk()
    old, new = desk.company("Old", "old.example"), desk.company("New", "new.example")
    jobs = [Job(old, None, date(2025, 12, 31)), Job(new, date(2026, 1, 1), None)]
    desk.contact("Jane Doe", "jane@gmail.com", company=new, jobs=jobs)
    before, after = desk.decide(mail("jane@gmail.com", day=-200), mail("jane@gmail.com"))
    assert (before.companies, after.companies) == ({old}, {new})


def test_a_private_address_in_their_own_thread_links_when_the_name_agrees() -> None:
    desk, acme, jane = acme_with_jane()
    first = mail(REP, "jane@acme.example")
    named = mail("Jane Doe <home77@gmx.de>", replies=first, day=1)
    assert desk.decide(first, named)[1].contacts == {jane}
    assert desk.decide(first, named)[1].companies == {acme}


def test_a_private_address_in_their_own_thread_without_a_name_is_a_suggestion() -> None:
    desk, _, jane = acme_with_jane()
    first = mail(REP, "jane@acme.example")
    seen = desk.decide(first, mail("home77@gmx.de", replies=first, day=1))[1]
    assert (seen.status, seen.contacts) == ("review", set())
    assert seen.suggested[0] == ("contact", jane)


def test_never_on_the_name_alone() -> None:
    desk, _, _ = acme_with_jane()
    seen = desk.decide(mail("Jane Doe <jane@elsewhere.example>"))
    assert (seen.status, seen.contacts, seen.suggested) == ("unmatched", set(), [])


def test_name_at_company_alone_suggests() -> None:
    desk, acme, jane = acme_with_private_jane()
    seen = desk.decide(mail("Jane Doe <jd@acme.example>"))
    assert (seen.contacts, seen.companies) == (set(), {acme})
    assert ("contact", jane) in seen.suggested


def test_name_at_company_with_the_thread_agreeing_links() -> None:
    desk, _, jane = acme_with_private_jane()
    first = mail(REP, "jane@gmx.de")
    assert desk.decide(first, mail("Jane Doe <jd@acme.example>", replies=first, day=1))[1].contacts == {jane}


def test_name_at_company_with_the_signature_agreeing_links() -> None:
    desk, _, jane = acme_with_private_jane(phone="+49 30 1234567")
    seen = desk.decide(mail("Jane Doe <jd@acme.example>", signature="Jane Doe\nAcme\n+49 (0)30 1234567"))
    assert seen.contacts == {jane}


def test_a_namesake_with_an_address_at_the_domain_is_only_similar() -> None:
    desk, _, jane = acme_with_jane()
    seen = desk.decide(mail("Jane Doe <jane2@acme.example>"))
    assert seen.contacts == set()
    assert seen.suggested == [("contact", jane)]
    assert seen.decision.suggestions[0].score == 0.4


def test_a_phone_in_the_signature_suggests() -> None:
    desk = Desk()
    jane = desk.contact("Jane Doe", "jane@acme.example", phone="+44 20 7946 0958")
    seen = desk.decide(mail("mobile@gmx.de", signature="Sent by J\nTel. +44 20 7946 0958"))
    assert (seen.status, seen.suggested) == ("review", [("contact", jane)])


def test_a_phone_shared_by_two_contacts_says_nothing() -> None:
    desk = Desk()
    for name in ("Jane Doe", "John Roe"):
        desk.contact(name, f"{name[:4].lower()}@acme.example", phone="+44 20 7946 0958")
    assert desk.decide(mail("mobile@gmx.de", signature="Tel. +44 20 7946 0958")).status == "unmatched"


def test_an_address_in_the_signature_suggests() -> None:
    desk, _, jane = acme_with_jane()
    seen = desk.decide(mail("mobile@gmx.de", signature="Jane\njane@acme.example"))
    assert seen.suggested == [("contact", jane)]


def test_a_newcomer_copied_before_brings_the_threads_company() -> None:
    desk, acme, _ = acme_with_jane()
    first = mail("jane@acme.example", cc=["consultant@gmx.de"])
    seen = desk.decide(first, mail("consultant@gmx.de", replies=first, day=1))[1]
    assert (seen.companies, seen.contacts) == ({acme}, set())


def test_a_newcomer_of_nowhere_in_a_thread_is_not_plausible() -> None:
    desk, _, _ = acme_with_jane()
    first = mail("jane@acme.example")
    seen = desk.decide(first, mail("Some One <x@gmx.de>", replies=first, day=1))[1]
    assert (seen.status, seen.companies) == ("unmatched", set())


def test_a_newcomer_of_a_thread_with_two_customers_asks() -> None:
    desk = Desk()
    one, two = desk.company("One", "one.example"), desk.company("Two", "two.example")
    desk.contact("Ann Poe", "ann@one.example", company=one)
    desk.contact("Bob Roe", "bob@two.example", company=two)
    first = mail("ann@one.example", cc=["bob@two.example", "consultant@gmx.de"])
    seen = desk.decide(first, mail("consultant@gmx.de", replies=first, day=1))[1]
    assert (seen.status, seen.companies) == ("review", set())
    assert ("company", "low_confidence_thread") in seen.questions


def test_a_thread_that_joins_two_customers_links_both() -> None:
    desk = Desk()
    one, two = desk.company("One", "one.example"), desk.company("Two", "two.example")
    ann = desk.contact("Ann Poe", "ann@one.example", company=one)
    bob = desk.contact("Bob Roe", "bob@two.example", company=two)
    seen = desk.decide(mail(REP, "ann@one.example", "bob@two.example"))
    assert (seen.contacts, seen.companies) == ({ann, bob}, {one, two})


def test_an_answer_to_an_invitation_builds_on_the_meeting() -> None:
    desk, acme, _ = acme_with_jane()
    invitation = mail(REP, "jane@acme.example", "guest@gmx.de", marks=[Mark.INVITATION], thread="t")
    held = meeting("jane@acme.example", "guest@gmx.de", day=9, thread="t", uid="u")
    answer = mail("guest@gmx.de", replies=invitation, day=1)
    invitation = _with_uid(invitation, "u")
    seen = desk.decide(invitation, held, answer)
    assert (seen[0].status, seen[0].reason) == ("ignored", "invitation")
    assert seen[2].companies == {acme}
    assert seen[2].methods["company", acme] == "meeting"


def test_a_guest_without_an_address_is_asked_about_when_the_name_is_known_there() -> None:
    desk, acme, _ = acme_with_jane()
    john = desk.contact("John Roe", "john@acme.example", company=acme)
    seen = desk.decide(meeting("jane@acme.example", "Roe, John"))
    assert ("contact", john) in seen.suggested
    assert ("person", "name_only_guest") in seen.questions
    other = desk.decide(meeting("jane@acme.example", "Nobody Known"))
    assert not other.questions


def test_rooms_and_resources_are_nobody() -> None:
    desk, _, jane = acme_with_jane()
    seen = desk.decide(meeting("jane@acme.example", "Room <c_1@resource.calendar.google.com>"))
    assert (seen.contacts, seen.questions) == ({jane}, set())


def test_a_ruling_for_an_address_holds_for_all_of_its_mail() -> None:
    desk, _, jane = acme_with_jane()
    desk.ruling("address", "home@gmx.de", "attach", Target("contact", jane))
    seen = desk.decide(mail("home@gmx.de"))
    assert seen.contacts == {jane}
    assert "Rita Rep said so on 4 March 2026" in seen.says


def test_an_address_that_is_not_a_contact_is_put_aside() -> None:
    desk, _, _ = acme_with_jane()
    desk.ruling("address", "bob@acme.example", "not_a_contact")
    assert desk.decide(mail("bob@acme.example")).reason == "not_a_contact"


def test_an_ignored_domain_spares_its_known_contacts() -> None:
    desk, _, jane = acme_with_jane()
    desk.ruling("domain", "acme.example", "ignore")
    stranger, known = desk.decide(mail("bob@acme.example"), mail("jane@acme.example"))
    assert (stranger.status, known.contacts) == ("ignored", {jane})


def test_what_a_person_took_off_stays_off_and_says_why() -> None:
    desk, acme, jane = acme_with_jane()
    item = mail("jane@acme.example")
    desk.pins = [Pin(item.id, Target("contact", jane), attached=False)]
    seen = desk.decide(item)
    assert (seen.contacts, seen.companies) == (set(), {acme})
    assert [(c.target.id, c.against) for c in seen.decision.lost] == [(jane, "a person took it off")]


def test_what_a_person_attached_stays_even_on_mail_kept_out() -> None:
    desk, _, jane = acme_with_jane()
    item = mail("news@somewhere.example", marks=[Mark.BULK])
    desk.pins = [Pin(item.id, Target("contact", jane), attached=True)]
    seen = desk.decide(item)
    assert (seen.status, seen.contacts) == ("linked", {jane})


def test_the_sender_of_a_resent_mail_is_a_counterparty_too() -> None:
    desk, acme, jane = acme_with_jane()
    john = desk.contact("John Roe", "john@acme.example", company=acme)
    seen = desk.decide(mail("jane@acme.example", more=[Party("resent_from", "john@acme.example")]))
    assert seen.contacts == {jane, john}


def test_a_public_suffix_in_a_companys_row_is_nobodys_domain() -> None:
    desk = Desk()
    desk.company("Odd", "co.uk")
    assert desk.decide(mail("a@acme.co.uk")).status == "unmatched"


def test_two_equally_certain_people_are_no_coin_toss() -> None:
    desk, _, jane = acme_with_jane()
    john = desk.contact("John Roe", "john@acme.example", company=1)
    for contact in (jane, john):
        desk.ruling("address", "home@gmx.de", "attach", Target("contact", contact))
    seen = desk.decide(mail("home@gmx.de"))
    assert (seen.contacts, set(seen.suggested)) == (set(), {("contact", jane), ("contact", john)})


def test_a_shared_address_in_the_thread_of_one_of_them_still_asks() -> None:
    desk, acme, _, _ = acme_with_shared_address()
    first = mail(REP, "jane@acme.example")
    seen = desk.decide(first, mail("office@acme.example", replies=first, day=1))[1]
    assert (seen.contacts, seen.companies) == (set(), {acme})
    assert {c.score for c in seen.decision.suggestions} == {0.5}


def test_a_namesake_is_not_the_contact_who_is_on_the_mail_with_their_own_address() -> None:
    desk, _, _ = acme_with_private_jane()
    seen = desk.decide(mail("Jane Doe <jd@acme.example>", REP, cc=["jane@gmx.de"]))
    assert not [c for c in seen.decision.suggestions if c.method == "name-at-company"]


def test_an_address_of_two_contacts_in_the_signature_says_nothing() -> None:
    desk, _, _, _ = acme_with_shared_address()
    seen = desk.decide(mail("mobile@gmx.de", signature="The office\noffice@acme.example"))
    assert seen.status == "unmatched"


def test_a_plus_tag_of_our_own_private_mailbox_is_own_side() -> None:
    desk, _, _ = acme_with_jane()
    assert desk.decide(mail("rep.private+x@gmail.com", PAL)).reason == "internal"


def _with_uid(item: Item, uid: str) -> Item:

    return replace(item, ical_uid=uid)


def acme_with_jane() -> tuple[Desk, int, int]:
    desk = Desk()
    acme = desk.company("Acme", "acme.example")
    return desk, acme, desk.contact("Jane Doe", "jane@acme.example", company=acme)


def acme_with_private_jane(phone: str = "") -> tuple[Desk, int, int]:
    desk = Desk()
    acme = desk.company("Acme", "acme.example")
    return desk, acme, desk.contact("Jane Doe", "jane@gmx.de", company=acme, phone=phone)


def acme_with_shared_address() -> tuple[Desk, int, int, int]:
    desk = Desk()
    acme = desk.company("Acme", "acme.example")
    jane = desk.contact("Jane Doe", "jane@acme.example", "office@acme.example", company=acme)
    john = desk.contact("John Roe", "john@acme.example", "office@acme.example", company=acme)
    return desk, acme, jane, john
