"""Review without JavaScript: every answer is a form post, says what it did, teaches, and can be taken back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from crm import contacts, review
from crm.privacy import Viewer
from sync import accounts, outbox, passes
from sync.accounts import AccountSpec
from sync.service import Service
from tests.web import seed
from tests.web.conftest import NOW, Person, Team
from tests.web.seed import Seeded

ANNA, LAYLA, INFO = (
    "address:anna.l@nordhavn.example",
    "address:layla@almanar.example",
    "address:info@brightwell.example",
)


def test_the_queue_is_grouped_by_sender_with_the_reason_and_the_company(priya: Person, mailed: Seeded) -> None:
    page = priya.get("/review")
    assert "Anna Lindqvist" in page
    assert "4 mails" in page
    assert "unknown person at known company" in page
    assert "Nordhavn AB · 3 people known" in page
    assert "with Jonas Weber" in page
    assert "skipped on their own" in page
    assert 'href="/log?status=ignored&amp;reason=bulk"' in page


def test_the_pane_shows_candidates_with_evidence_and_what_will_happen(priya: Person, mailed: Seeded) -> None:
    page = priya.get(f"/review?at={ANNA}")
    assert "New contact at Nordhavn AB" in page
    assert "domain nordhavn.example belongs to Nordhavn AB, 3 people known there" in page
    assert "on 1 thread with Erik Dahl" in page
    assert "signature: Head of Operations, +46 40 555 01 22" in page
    assert "Create and attach 4 mails" in page
    assert "similar name" in page
    assert "quoted history" in page


def test_how_far_an_answer_reaches_is_counted_before_it_is_given(priya: Person, mailed: Seeded) -> None:
    page = priya.get(f"/review/preview?key={ANNA}")
    assert "Just these: 4 items" in page
    assert "this address: 4 items" in page
    assert "all of nordhavn.example: 8 items" in page
    priya.get("/review/preview?key=address:marc.oye@gmail.com", 404)


def test_accepting_makes_the_contact_attaches_all_and_undo_restores_all(
    priya: Person, service: Service, mailed: Seeded, viewer: Viewer
) -> None:
    before = _waiting(service, viewer)
    page = priya.post("/review/decide", follow=True, verb="accept", key=ANNA, tab="people", next=LAYLA)
    assert "Created the contact and attached" in page
    assert "ليلى حداد" in page.partition('id="pane"')[2]
    with service.db.reading() as session:
        anna = contacts.by_address(session, "anna.l@nordhavn.example")
        assert anna is not None
        assert anna.name == "Anna Lindqvist"
        assert anna.title == "Head of Operations"
    assert "Pilot in Malmö, next steps" in priya.get(f"/contacts/{anna.id}")
    assert _waiting(service, viewer) == before - 1
    priya.post(_undo(page))
    assert _waiting(service, viewer) == before
    with service.db.reading() as session:
        assert contacts.by_address(session, "anna.l@nordhavn.example") is None


def test_choosing_a_known_person_makes_it_their_address_from_now_on(
    priya: Person, service: Service, mailed: Seeded
) -> None:
    page = priya.post(
        f"/review/decide?target=contact:{mailed.erik}", follow=True, verb="attach", key=ANNA, scope="address"
    )
    with service.db.reading() as session:
        owner = contacts.by_address(session, "anna.l@nordhavn.example")
        assert owner is not None
        assert owner.id == mailed.erik
    priya.post(_undo(page))
    with service.db.reading() as session:
        assert contacts.by_address(session, "anna.l@nordhavn.example") is None


def test_just_these_teaches_nothing(priya: Person, service: Service, mailed: Seeded) -> None:
    priya.post(f"/review/decide?target=contact:{mailed.erik}", verb="attach", key=ANNA, scope="item")
    with service.db.reading() as session:
        assert contacts.by_address(session, "anna.l@nordhavn.example") is None
    assert "set by a person" in priya.get("/log/" + _first_item(priya.get(f"/contacts/{mailed.erik}")))


def test_not_a_contact_and_ignoring_a_domain_settle_and_can_be_undone(
    priya: Person, service: Service, mailed: Seeded, viewer: Viewer
) -> None:
    before = _waiting(service, viewer)
    first = priya.post("/review/decide", follow=True, verb="not_a_contact", key=LAYLA)
    second = priya.post("/review/decide", follow=True, verb="ignore_domain", key="address:taro.yamada@kitayama.example")
    assert _waiting(service, viewer) == before - 2
    assert "kitayama.example" in priya.get("/review/decided")
    priya.post(_undo(second))
    priya.post(_undo(first))
    assert _waiting(service, viewer) == before


def test_a_shared_address_waits_under_conflicts_with_all_three_named(priya: Person, mailed: Seeded) -> None:
    page = priya.get(f"/review?tab=conflicts&at={INFO}")
    assert "several contacts share this address" in page
    for name in ("Tom Hale", "Ruth Amsel", "Ivo Petrov"):
        assert name in page


def test_a_question_about_deals_is_one_for_the_thread(priya: Person, service: Service, mailed: Seeded) -> None:
    page = priya.get("/review?tab=deals")
    assert "Which deal is this about?" in page
    keys = set(re.findall(r'name="key" value="(thread:[^"]+)"', page))
    assert len(keys) == 2, "one for the conversation, one for the meeting"
    for key in keys:
        priya.post(f"/review/decide?target=deal:{mailed.deal}", verb="attach", key=key, scope="thread")
    deal = priya.get(f"/deals/{mailed.deal}")
    assert "Pilot in Malmö" in deal
    assert "Kick-off in Malmö" in deal
    assert "Which deal" not in priya.get("/review?tab=deals")


def test_snoozed_goes_away_and_stays_in_its_tab(
    priya: Person, service: Service, mailed: Seeded, viewer: Viewer
) -> None:
    before = _waiting(service, viewer)
    page = priya.post("/review/decide", follow=True, verb="snooze", key=LAYLA, days="3")
    assert _waiting(service, viewer) == before - 1
    assert "layla@almanar.example" in priya.get("/review?tab=snoozed")
    priya.post(_undo(page))
    assert _waiting(service, viewer) == before


def test_several_selected_are_answered_at_once_with_one_undo(
    priya: Person, service: Service, mailed: Seeded, viewer: Viewer
) -> None:
    before = _waiting(service, viewer)
    page = priya.post(
        "/review/bulk", follow=True, verb="not_a_contact", key=[LAYLA, "address:taro.yamada@kitayama.example"]
    )
    assert "2 groups settled" in page
    assert _waiting(service, viewer) == before - 2
    priya.post(_undo(page))
    assert _waiting(service, viewer) == before


def test_everybody_of_a_domain_is_answered_at_once_after_a_look_that_changes_nothing(
    priya: Person, jonas: Person, service: Service, viewer: Viewer, team: Team, tmp_path: Path
) -> None:
    box = tmp_path / "boxes"
    for number, who in enumerate(("Ann", "Ann", "Bo", "Bo", "Cy", "Cy")):
        subject = f"Question {number}"
        seed.mail(box, number, NOW, who=f"{who} <{who}@many.example>", to=seed.PRIYA, subject=subject, hours=number)
    accounts.add(service, AccountSpec("archive", seed.PRIYA, seed.PRIYA, {"paths": [str(box)]}), actor_id=None)
    passes.run(service, drain=True)
    outbox.drain(service)
    assert "One answer for all 3 questions of many.example" in priya.get("/review?at=address:ann@many.example")
    assert "No question about many.example is open" in jonas.get("/review/of?domain=many.example")
    keys = re.findall(r'name="key" value="(address:[^"]+)" checked', priya.get("/review/of?domain=many.example"))
    assert len(keys) == 3
    look = priya.post("/review/bulk/preview", 200, verb="accept", key=keys)
    assert look.count("Created the contact and attached") == 3
    assert _waiting(service, viewer) == 3
    page = priya.post("/review/bulk", follow=True, verb="accept", key=keys)
    assert _waiting(service, viewer) == 0
    priya.post(_undo(page))
    assert _waiting(service, viewer) == 3


def test_a_contact_is_prefilled_from_header_and_signature_and_takes_changes(
    priya: Person, service: Service, mailed: Seeded
) -> None:
    page = priya.get(f"/review/create?key={ANNA}")
    assert 'value="Anna Lindqvist"' in page
    assert 'value="Head of Operations"' in page
    assert "+46 40 555 01 22" in page
    priya.post(f"/review/create?key={ANNA}", 422, name="", company="Nordhavn AB", lifecycle="client")
    priya.post(f"/review/create?key={ANNA}", name="Anna L.", company="nordhavn ab", lifecycle="client")
    with service.db.reading() as session:
        anna = contacts.by_address(session, "anna.l@nordhavn.example")
        assert anna is not None
        assert (anna.name, anna.company_id, anna.lifecycle) == ("Anna L.", mailed.nordhavn, "client")


def test_a_colleagues_question_is_not_there_to_see_or_answer(priya: Person, jonas: Person, mailed: Seeded) -> None:
    marc = "address:marc.oye@gmail.com"
    assert "Marc Oyelaran" in jonas.get("/review")
    assert "Marc Oyelaran" not in priya.get(f"/review?at={marc}")
    assert "settled already" in priya.post("/review/decide", follow=True, verb="not_a_contact", key=marc)
    assert "Marc Oyelaran" in jonas.get("/review")
    priya.get(f"/review/create?key={marc}", 404)
    priya.get(f"/review/someone?key={marc}&q=x", 404)


def test_a_decision_of_a_colleague_can_not_be_undone_by_another_rep(
    priya: Person, jonas: Person, service: Service, mailed: Seeded, viewer: Viewer
) -> None:
    page = priya.post("/review/decide", follow=True, verb="not_a_contact", key=LAYLA)
    after = _waiting(service, viewer)
    jonas.post(_undo(page))
    assert _waiting(service, viewer) == after


def test_a_manager_sees_how_much_waits_for_whom_and_nothing_of_what(mina: Person, mailed: Seeded) -> None:
    page = mina.get("/review")
    assert "The team" in page
    assert "Priya Raman" in page
    assert "Lindqvist" not in page


def test_an_answer_that_makes_no_sense_changes_nothing_and_says_so(priya: Person, mailed: Seeded) -> None:
    assert "Choose one of the answers" in priya.post("/review/decide", follow=True, verb="nonsense", key=ANNA)
    assert "Choose who or what" in priya.post("/review/decide?target=contact:abc", follow=True, verb="attach", key=ANNA)
    assert "one person" in priya.post(
        f"/review/decide?target=contact:{mailed.erik}", follow=True, verb="attach", key=ANNA, scope="domain"
    )
    assert "Nothing was selected" in priya.post("/review/bulk", follow=True, verb="snooze")


def _undo(page: str) -> str:
    found = re.search(r'class="toast".*?action="(/review/undo[^"]+)"', page, re.S)
    assert found, "no undo in the toast"
    return found[1].replace("&amp;", "&")


def _first_item(page: str) -> str:
    found = re.search(r'href="/log/(\d+)"', page.partition("March 2026")[2])
    assert found
    return found[1]


def _waiting(service: Service, viewer: Viewer) -> int:
    with service.db.reading() as session:
        return review.waiting(session, viewer, now=NOW)


@pytest.fixture
def viewer(team: Team) -> Viewer:
    """Priya."""
    return Viewer(team.priya, "rep")


@pytest.fixture
def mailed(service: Service, team: Team, mail_template: tuple[Path, Seeded]) -> Seeded:
    """The seeded mail."""
    return mail_template[1]
