"""The pipeline: the board's figures and cards, moving with reasons and undo, values, bulk edits, stages and rates."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from crm import audit, contacts, currencies, deal_history, deals, pipelines, users
from crm.privacy import Viewer
from sync.service import Service
from tests.web.conftest import Person, Team
from tests.web.seed import Seeded


def test_row_15_twelve_deals_of_ninety_thousand_are_read_off_the_board_without_a_filter(
    jonas: Person, stage: dict[str, int], service: Service
) -> None:
    with service.db.transaction() as session:
        for value in (18_000, 12_000, 9_000, 7_500, 7_000, 6_500, 6_000, 6_000, 5_500, 5_000, 4_500, 3_000):
            deals.create(
                session, title=f"P {value}", stage_id=stage["Proposal"], value=Decimal(value), now=service.now(),
                actor_id=None,
            )  # fmt: skip
    assert "Proposal 12 · £90,000 · £45,000" in words(jonas.get("/pipeline"))


def test_a_card_says_value_company_owner_step_silence_and_close(priya: Person, mailed: Seeded) -> None:
    card = words(between(priya.get("/pipeline"), f'id="deal-{mailed.deal}"', "</article>"))
    for said in ("Nordhavn pilot", "£18,000", "Nordhavn AB · Priya", "No next step", "closes 13 Apr"):
        assert said in card, said


def test_moving_keeps_history_and_its_undo_takes_it_back(
    priya: Person, service: Service, mailed: Seeded, stage: dict[str, int], team: Team
) -> None:
    page = priya.post(f"/deals/{mailed.deal}/move", stage=stage["Proposal"], back="/pipeline?show=none", follow=True)
    assert "Nordhavn pilot moved to Proposal." in page
    assert 'aria-current="true">No action' in page
    undo(priya, page, "Nordhavn pilot moved back to Lead.")
    with service.db.reading() as session:
        moves = deals.history(session, mailed.deal)
    assert [(m.from_stage, m.to_stage, m.actor) for m in moves][1:] == [
        ("Lead", "Proposal", "Priya Raman"), ("Proposal", "Lead", "Priya Raman"),
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "kind"), [("Lost", "lost"), ("Won", "won")])
def test_an_end_keeps_its_reason_and_undo_opens_the_deal_again(
    priya: Person, service: Service, mailed: Seeded, stage: dict[str, int], name: str, kind: str
) -> None:
    page = priya.post(f"/deals/{mailed.deal}/move", stage=stage[name], reason=" Chose  a competitor ", follow=True)
    assert f"{name}: Chose a competitor" in words(page)
    deal = stored(service, mailed.deal)
    assert (deal.status, getattr(deal, f"{kind}_reason")) == (kind, "Chose a competitor")
    undo(priya, page, "moved back to Lead")
    deal = stored(service, mailed.deal)
    assert (deal.status, deal.closed_at, deal.lost_reason, deal.won_reason) == ("open", None, None, None)


def test_a_reason_is_said_afterwards_and_only_of_a_closed_deal(
    priya: Person, service: Service, mailed: Seeded, stage: dict[str, int]
) -> None:
    assert "no reason yet" in priya.post(f"/deals/{mailed.deal}/reason", 422, reason="Price")
    page = priya.post(f"/deals/{mailed.deal}/move", stage=stage["Lost"], follow=True)
    assert "Lost: no reason given" in words(page)
    page = priya.post(f"/deals/{mailed.deal}/reason", reason=" Too \n dear ", follow=True)
    assert "Lost: Too dear" in words(page)
    undo(priya, page, "Lost: <span dir=\"auto\">no reason given")
    assert stored(service, mailed.deal).lost_reason is None


def test_undo_from_one_end_to_the_other_restores_reason_and_day(
    priya: Person, service: Service, mailed: Seeded, stage: dict[str, int]
) -> None:
    day = service.now() - timedelta(days=9)
    with service.db.transaction() as session:
        deals.move(
            session, mailed.deal, stage["Lost"], lost_reason="Price", closed_at=day, actor_id=None, now=service.now()
        )
    page = priya.post(f"/deals/{mailed.deal}/move", stage=stage["Won"], reason="They came back", follow=True)
    undo(priya, page, "moved back to Lost")
    deal = stored(service, mailed.deal)
    assert (deal.status, deal.lost_reason, deal.won_reason, deal.closed_at) == ("lost", "Price", None, day)


def test_lost_reasons_are_a_setting_and_offered_on_the_board_and_the_deal(
    admin: Person, priya: Person, mailed: Seeded
) -> None:
    for path in ("/pipeline", f"/deals/{mailed.deal}"):
        assert '<option value="No budget">' in priya.get(path)
    admin.post("/settings/lost_reasons", value="Went quiet\r\nToo  early\r\n\r\nWent quiet")
    for path in ("/pipeline", f"/deals/{mailed.deal}"):
        page = priya.get(path)
        assert '<option value="Too early">' in page
        assert "No budget" not in page
    assert "at most 50 lines" in admin.post("/settings/lost_reasons", 422, value="x" * 200)


def test_a_move_on_what_somebody_else_changed_is_not_done_and_says_what_there_is_now(
    priya: Person, jonas: Person, service: Service, mailed: Seeded, stage: dict[str, int]
) -> None:
    version = stored(service, mailed.deal).version
    jonas.post(f"/deals/{mailed.deal}/move", stage=stage["Qualified"], version=version)
    page = priya.post(f"/deals/{mailed.deal}/move", stage=stage["Won"], version=version, back="/pipeline", follow=True)
    assert "Somebody changed Nordhavn pilot meanwhile: £18,000, in Qualified." in words(page)
    assert stored(service, mailed.deal).status == "open"


def test_an_undo_that_comes_too_late_changes_nothing(
    priya: Person, jonas: Person, service: Service, mailed: Seeded, stage: dict[str, int]
) -> None:
    page = priya.post(f"/deals/{mailed.deal}/move", stage=stage["Qualified"], follow=True)
    jonas.post(f"/deals/{mailed.deal}/move", stage=stage["Proposal"])
    undo(priya, page, "It was not moved back.")
    assert stored(service, mailed.deal).stage_id == stage["Proposal"]


def test_a_stage_of_another_pipeline_an_archived_one_and_a_made_up_one_are_refused(
    priya: Person, admin: Person, service: Service, mailed: Seeded, stage: dict[str, int]
) -> None:
    with service.db.transaction() as session:
        other = pipelines.create(session, "Renewals", [pipelines.StageSpec("Due", 40)])
        due = pipelines.stages(session, other.id)[0].id
    page = priya.post(f"/deals/{mailed.deal}/move", stage=due, back="/pipeline", follow=True)
    assert "The stage Due belongs to another pipeline." in page
    assert stored(service, mailed.deal).stage_id == stage["Lead"]
    priya.post(f"/deals/{mailed.deal}/move", 404, stage=987654)
    priya.post(f"/deals/{mailed.deal}/move", 404, stage="x")
    admin.post(f"/pipeline/stages/{stage['Qualified']}/archive")
    page = priya.post(f"/deals/{mailed.deal}/move", stage=stage["Qualified"], follow=True)
    assert "The stage Qualified is archived." in page
    priya.post(f"/deals/{mailed.deal}/move", stage=due, across="1")
    assert stored(service, mailed.deal).stage_id == due


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("1.234,50", "1234.50"), ("1,234.50", "1234.50"), ("£ 21,000", "21000.00"), ("0", "0.00"), ("", None)],
)
def test_a_value_typed_on_the_card_is_saved_with_its_history_and_undone(
    priya: Person, service: Service, mailed: Seeded, team: Team, typed: str, kept: str | None
) -> None:
    page = priya.post(f"/deals/{mailed.deal}/value", value=typed, back="/pipeline", follow=True)
    value = stored(service, mailed.deal).value
    assert (None if value is None else str(value)) == kept
    undo(priya, page, "The value is as before.")
    with service.db.reading() as session:
        worths = [(w.value, w.currency, w.actor) for w in deal_history.values(session, mailed.deal)]
    first = (Decimal("18000.00"), "GBP", "Priya Raman")
    assert worths == [first, (None if kept is None else Decimal(kept), "GBP", "Priya Raman"), first]


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("1e9", "is not an amount"),
        ("-5", "0 or more"),
        ("12.345", "can be read two ways"),
        ("12.3456", "at most two decimals"),
        ("9" * 16, "more than fits"),
        ("9" * 50, "too many digits"),
        ("a lot", "is not an amount"),
    ],
)
def test_a_value_that_can_not_be_is_refused_on_its_card_and_stays_typed(
    priya: Person, service: Service, mailed: Seeded, typed: str, says: str
) -> None:
    page = priya.post(f"/deals/{mailed.deal}/value", 422, value=typed, back="/pipeline?show=none")
    card = between(page, f'id="deal-{mailed.deal}"', "</article>")
    assert says in card
    assert f'value="{typed}"' in card
    assert 'aria-current="true">No action' in page
    assert stored(service, mailed.deal).value == Decimal(18000)
    form = priya.post(f"/deals/{mailed.deal}/edit", 422, title="Renamed", value=typed, owner="")
    assert says in form
    assert 'id="value-error"' in form
    assert 'value="Renamed"' in form


def test_a_value_somebody_else_changed_meanwhile_is_said_and_saved_on_the_second_press(
    priya: Person, jonas: Person, service: Service, mailed: Seeded
) -> None:
    version = stored(service, mailed.deal).version
    jonas.post(f"/deals/{mailed.deal}/value", value="21000", version=version)
    page = priya.post(f"/deals/{mailed.deal}/value", 409, value="19500", version=version, back="/pipeline")
    card = between(page, f'id="deal-{mailed.deal}"', "</article>")
    assert "£21,000, in Lead. Save again to keep yours." in words(card)
    assert 'value="19500"' in card
    again = re.search(r'name="version" value="(\d+)"', card)
    assert again
    priya.post(f"/deals/{mailed.deal}/value", value="19500", version=again[1])
    assert stored(service, mailed.deal).value == Decimal(19500)


def test_many_deals_are_changed_in_one_step_and_put_back_in_one(
    priya: Person, service: Service, mailed: Seeded, stage: dict[str, int], team: Team
) -> None:
    ids = [mailed.deal, mailed.deal + 1]
    before = [fields(service, i) for i in ids]
    page = priya.post(
        "/deals/bulk", deal=ids, stage=stage["Lost"], owner=team.mina, expected_close="2026-05-31", reason="No budget",
        follow=True,
    )  # fmt: skip
    assert "2 deals changed." in page
    for i in ids:
        deal = stored(service, i)
        assert (deal.status, deal.owner_id, str(deal.expected_close), deal.lost_reason) == (
            "lost", team.mina, "2026-05-31", "No budget",
        )  # fmt: skip
    undo(priya, page, "2 deals put back.")
    assert [fields(service, i) for i in ids] == before


def test_the_undo_of_a_bulk_edit_leaves_what_somebody_changed_since_and_is_its_makers(
    priya: Person, jonas: Person, service: Service, mailed: Seeded, team: Team
) -> None:
    ids = [mailed.deal, mailed.deal + 1]
    page = priya.post("/deals/bulk", deal=ids, owner=team.mina, follow=True)
    path = re.search(r'action="(/deals/bulk/\d+/back[^"]*)"', page)
    assert path
    jonas.post(path[1], 404)
    jonas.post("/deals/bulk", deal=ids[0], owner="nobody")
    undo(priya, page, "1 deal put back. 1 stayed: somebody changed them since.")
    assert [stored(service, i).owner_id for i in ids] == [None, team.jonas]
    assert "taken back already" in priya.post(path[1], follow=True)


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"owner": "nobody"}, "Select deals first."),
        ({"deal": "1"}, "Choose a stage, an owner or a closing date"),
        ({"deal": "1", "expected_close": "31.12."}, "is not a date"),
        ({"deal": "1", "expected_close": "0001-01-01"}, "A closing date is between"),
        ({"deal": "1", "owner": "me"}, "from the lists"),
    ],
)
def test_a_bulk_edit_that_can_not_be_changes_nothing_and_says_why(
    priya: Person, service: Service, mailed: Seeded, form: dict[str, str], says: str
) -> None:
    before = fields(service, mailed.deal)
    assert says in priya.post("/deals/bulk", follow=True, **form)
    assert fields(service, mailed.deal) == before


def test_an_edit_of_a_deal_is_taken_back_but_for_what_somebody_changed_since(
    priya: Person, jonas: Person, service: Service, mailed: Seeded
) -> None:
    form = {"company": "Nordhavn AB", "people": "erik@nordhavn.example", "owner": ""}
    page = priya.post(
        f"/deals/{mailed.deal}/edit", title="Renamed", value="500", currency="EUR", number="N-7", follow=True, **form
    )
    path = re.search(r'action="(/deals/\d+/edit/\d+/back)"', page)
    assert path
    jonas.post(f"/deals/{mailed.deal}/value", value="600")
    assert "There is no such step" in jonas.post(path[1], follow=True)
    undo(priya, page, "The deal is as before.")
    deal = stored(service, mailed.deal)
    assert (deal.title, deal.currency, deal.number, deal.value) == ("Nordhavn pilot", "GBP", None, Decimal(600))
    assert "taken back already" in priya.post(path[1], follow=True)


def test_a_new_deal_is_taken_back_and_brought_back(priya: Person, mailed: Seeded, stage: dict[str, int]) -> None:
    page = priya.post("/deals/new", title="Hasty", stage="", owner="", value="5", follow=True)
    undo(priya, page, "Hasty is deleted.")
    assert "Hasty" not in priya.get("/pipeline")


def test_edits_of_stages_are_taken_back(admin: Person, service: Service, stage: dict[str, int]) -> None:
    def rows() -> list[Any]:
        with service.db.reading() as session:
            pipeline = pipelines.all_(session)
            held = pipelines.stages(session, pipeline[0].id)
            return [len(pipeline), pipeline[0].name, [(s.name, s.probability, s.rotting_days) for s in held]]

    before, number = rows(), re.search(r"pipelines/(\d+)/stages", admin.get("/pipeline/stages"))
    assert number
    for path, form, says in (
        (f"/pipeline/stages/{stage['Lead']}", {"name": "X", "probability": "1", "rotting_days": "0"}, "Lead is saved."),
        (f"/pipeline/stages/{stage['Lead']}/step", {"by": "down"}, "Lead is one place up."),
        (f"/pipeline/stages/pipelines/{number[1]}/stages", {"name": "Y", "probability": "1"}, "Y is archived."),
        (f"/pipeline/stages/pipelines/{number[1]}/rename", {"name": "Z"}, "is called Sales now."),
        ("/pipeline/stages/pipelines", {"name": "Renewals"}, "The pipeline is removed; 0 deals went along."),
    ):
        page = admin.post(path, follow=True, **form)
        assert rows() != before, path
        undo(admin, page, says)
        assert rows() == before, path


def test_forged_ids_are_not_found(priya: Person, mailed: Seeded, stage: dict[str, int]) -> None:
    for path in ("/deals/9999/move", "/deals/9999/value", "/deals/9999/people", "/deals/bulk/9999/back"):
        priya.post(path, 404, stage=stage["Won"], value="5", email="erik@nordhavn.example")
    for path in ("/pipeline?pipeline=9999", "/pipeline/card/9999", "/deals/9999"):
        priya.get(path, 404)
    priya.post("/deals/bulk", 404, deal=mailed.deal, stage="9999")
    priya.post("/deals/bulk", 404, deal=mailed.deal, owner="9999")
    priya.post(f"/deals/{mailed.deal}/move", stage=stage["Won"], back="https://evil.example/")
    assert priya.post(f"/deals/{mailed.deal}/value", value="1", back="//evil.example") == f"/deals/{mailed.deal}"


def test_the_list_shows_what_a_chip_of_the_board_counts(priya: Person, mailed: Seeded) -> None:
    page = priya.get("/deals?show=none")
    assert "Nordhavn pilot" in page
    assert "Nordhavn pilot" not in priya.get("/deals?show=overdue")
    assert "Nordhavn pilot" in priya.get("/deals?period=next")
    assert "Nordhavn renewal" not in priya.get("/deals?period=next")
    assert "Nordhavn renewal" in priya.get("/deals?period=undated")


def test_a_long_column_leads_to_the_list(priya: Person, service: Service, stage: dict[str, int]) -> None:
    with service.db.transaction() as session:
        for number in range(27):
            deals.create(session, title=f"D{number}", now=service.now(), actor_id=None)
    page = priya.get("/pipeline")
    more = re.search(r'href="(/deals\?[^"]*)"[^>]*>2 more', page)
    assert more
    assert "27 deals" in priya.get(more[1].replace("&amp;", "&"))


def test_a_new_deal_without_value_or_day_is_warned_of(priya: Person, mailed: Seeded, stage: dict[str, int]) -> None:
    page = priya.post("/deals/new", title="Bare", stage=stage["Proposal"], owner="", follow=True)
    assert "It has no value and no closing date yet: forecasts leave it out." in page
    assert "no close date" in page
    card = between(priya.get("/pipeline"), 'dir="auto">Bare</a>', "</article>")
    assert "no value" in card
    assert "no close date" in card


def test_the_page_of_a_deal_shows_its_stages_with_days_and_its_people_with_roles(
    priya: Person, mailed: Seeded, stage: dict[str, int]
) -> None:
    page = words(priya.get(f"/deals/{mailed.deal}"))
    assert "Lead 10 % · 90 d" in page
    assert re.search(r"limit 7 d", page)
    page = priya.post(f"/deals/{mailed.deal}/people", email="sofia@nordhavn.example", role="Uses it", follow=True)
    undo(priya, page, "They are off the deal.")
    priya.post(f"/deals/{mailed.deal}/people", email="sofia@nordhavn.example", role="Decides")
    page = priya.post(f"/deals/{mailed.deal}/people", email="sofia@nordhavn.example", role="Pays", follow=True)
    assert "Sofia Berg Pays" in words(page)
    undo(priya, page, "on the deal again")
    page = priya.get(f"/deals/{mailed.deal}")
    assert "Sofia Berg Decides" in words(page)
    assert "no contact with the address" in priya.post(
        f"/deals/{mailed.deal}/people", email="nobody@x.example", follow=True
    )
    gone = re.search(r'action="(/deals/\d+/people/\d+/remove)"[^§]*?Sofia Berg', page.split("Erik Dahl</span>")[-1])
    assert gone
    page = priya.post(gone[1], follow=True)
    assert "Sofia Berg Decides" not in words(page)
    undo(priya, page, "on the deal again")
    assert "Sofia Berg Decides" in words(priya.get(f"/deals/{mailed.deal}"))


def test_people_without_an_address_stay_on_a_deal_that_is_edited(
    priya: Person, service: Service, mailed: Seeded, team: Team
) -> None:
    with service.db.transaction() as session:
        bare = contacts.create(session, name="No Address", now=service.now(), actor_id=None)
        deals.add_contact(session, mailed.deal, bare.id, role="Pays", actor_id=None, now=service.now())
    page = priya.get(f"/deals/{mailed.deal}/edit")
    typed = re.search(r"<textarea[^>]*name=\"people\"[^>]*>([^<]*)</textarea>", page)
    assert typed
    priya.post(f"/deals/{mailed.deal}/edit", title="Nordhavn pilot", people=typed[1], owner="")
    with service.db.reading() as session:
        people = [(person.name, role) for person, role in deals.people(session, mailed.deal)]
    assert people == [("Erik Dahl", ""), ("No Address", "Pays")]


def test_stages_are_edited_by_an_admin_and_by_nobody_else(
    admin: Person, mina: Person, priya: Person, service: Service, stage: dict[str, int], team: Team
) -> None:
    for person in (mina, priya):
        person.get("/pipeline/stages", 404)
        person.post(f"/pipeline/stages/{stage['Lead']}", 404, name="X", probability="1")
        person.post("/pipeline/currencies", 404, currency="EUR", rate="1", valid_from="2026-01-01")
    admin.post(f"/pipeline/stages/{stage['Lead']}", name="Enquiry", probability="15 %", rotting_days="3")
    first = admin.get("/pipeline")
    assert "Enquiry" in first
    admin.post(f"/pipeline/stages/{stage['Qualified']}/step", by="up")
    with service.db.reading() as session:
        made = pipelines.stages(session, pipelines.all_(session)[0].id)
        first_two = [(s.name, s.probability, s.rotting_days) for s in made][:2]
        rows = audit.page(session, Viewer(team.admin, "admin"), subject_kind="stage")
    assert first_two == [("Qualified", 25, None), ("Enquiry", 15, 3)]
    edits = [row.action for row in rows if row.action.startswith("stage.")]
    assert edits == ["stage.reorder", "stage.change"]


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"name": " ", "probability": "10"}, "A name has 1 to 60 characters."),
        ({"name": "proposal", "probability": "10"}, "Another stage has that name."),
        ({"name": "New", "probability": "101"}, "A probability is from 0 to 100."),
        ({"name": "New", "probability": "half"}, "A probability is from 0 to 100."),
        ({"name": "New", "probability": "10", "rotting_days": "-1"}, "Days are from 0 to 365."),
        ({"name": "New", "probability": "10", "rotting_days": "soon"}, "Days are a whole number"),
    ],
)
def test_a_stage_that_can_not_be_is_refused_at_its_form_which_stays_filled(
    admin: Person, stage: dict[str, int], form: dict[str, str], says: str
) -> None:
    pipeline = admin.get("/pipeline/stages")
    number = re.search(r"/pipeline/stages/pipelines/(\d+)/stages", pipeline)
    assert number
    page = admin.post(f"/pipeline/stages/pipelines/{number[1]}/stages", 422, **form)
    assert says in page
    assert f'value="{form["name"]}"' in between(page, f'id="new-{number[1]}"', "</form>")


def test_a_stage_with_deals_is_archived_only_with_a_stage_they_go_to(
    admin: Person, service: Service, mailed: Seeded, stage: dict[str, int]
) -> None:
    path = f"/pipeline/stages/{stage['Lead']}/archive"
    assert "Lead holds 2 deals: choose the stage they go to." in admin.post(path, 422)
    assert "so that no deal changes its outcome" in admin.post(path, 422, to=stage["Won"])
    assert "Won is the only won stage" in admin.post(f"/pipeline/stages/{stage['Won']}/archive", 422)
    page = admin.post(path, to=stage["Qualified"], follow=True)
    assert "Lead is archived; 2 deals moved." in page
    with service.db.reading() as session:
        moves = deals.history(session, mailed.deal)
    assert (moves[-1].from_stage, moves[-1].to_stage, moves[-1].actor) == ("Lead", "Qualified", "Ada Admin")
    assert "Lead 10" not in words(admin.get("/pipeline"))
    undo(admin, page, "Lead is back. 2 deals put back.")
    assert stored(service, mailed.deal).stage_id == stage["Lead"]
    admin.post("/deals/new", title="Again", stage=stage["Lead"], owner="")


def test_a_deleted_deal_of_an_archived_stage_comes_back_into_the_stage_the_others_went_to(
    admin: Person, service: Service, mailed: Seeded, stage: dict[str, int]
) -> None:
    admin.post(f"/deals/{mailed.deal}/delete")
    admin.post(f"/pipeline/stages/{stage['Lead']}/archive", to=stage["Proposal"])
    admin.post(f"/deals/{mailed.deal}/restore")
    assert stored(service, mailed.deal).stage_id == stage["Proposal"]


def test_pipelines_are_added_renamed_and_removed_with_a_place_for_their_deals(
    admin: Person, service: Service, mailed: Seeded, stage: dict[str, int]
) -> None:
    with service.db.reading() as session:
        first = pipelines.all_(session)[0].id
    assert "This is the only pipeline" in admin.post(f"/pipeline/stages/pipelines/{first}/remove", 422, to="1")
    admin.post("/pipeline/stages/pipelines", name="Renewals")
    assert "that no other has" in admin.post("/pipeline/stages/pipelines", 422, name="renewals")
    with service.db.reading() as session:
        second = pipelines.all_(session)[1].id
        due = pipelines.stages(session, second)[0].id
    admin.post(f"/pipeline/stages/pipelines/{second}/rename", name="Yearly renewals")
    assert "Yearly renewals" in admin.get("/pipeline")
    path = f"/pipeline/stages/pipelines/{first}/remove"
    assert "Lead holds 2 deals: choose the stage they go to." in admin.post(path, 422)
    assert "The pipeline is removed; 2 deals went along." in admin.post(path, to=due, follow=True)
    assert stored(service, mailed.deal).stage_id == due
    page = admin.get("/pipeline")
    assert "Nordhavn pilot" in page
    assert ">Sales<" not in page
    admin.get(f"/pipeline?pipeline={first}", 404)
    admin.post("/pipeline/stages/pipelines", name="Sales")


def test_rates_are_entered_with_a_day_and_said_in_sums(
    admin: Person, service: Service, mailed: Seeded, stage: dict[str, int], team: Team
) -> None:
    with service.db.transaction() as session:
        deals.update(session, mailed.deal, {"currency": "EUR"}, actor_id=None, now=service.now())
    assert "€18,000 left out, no rate for EUR" in admin.get("/pipeline")
    assert "No rate yet for EUR" in admin.get("/pipeline/currencies")
    admin.post("/pipeline/currencies", currency="eur", rate="0,86", valid_from="2026-03-01")
    page = admin.post("/pipeline/currencies", currency="EUR", rate="0.9", valid_from="2026-03-01", follow=True)
    undo(admin, page, "The rate is back.")
    page = words(admin.get("/pipeline"))
    assert "Lead 2 · £24,980" in page
    assert "of it €18,000 at 0.86" in page
    with service.db.reading() as session:
        number = currencies.entered(session)[0].id
    page = admin.post(f"/pipeline/currencies/{number}/remove", follow=True)
    assert "left out, no rate for EUR" in admin.get("/pipeline")
    undo(admin, page, "The rate is back.")
    assert "of it €18,000 at 0.86" in admin.get("/pipeline")
    with service.db.reading() as session:
        actions = [row.action for row in audit.page(session, Viewer(team.admin, "admin"), subject_kind="currency")]
    assert actions == ["currency.rate", "currency.remove", *["currency.rate"] * 3]


@pytest.mark.parametrize(
    ("form", "field", "says"),
    [
        ({"currency": "ABC"}, "currency", "is not a currency code"),
        ({"currency": "GBP"}, "currency", "own currency"),
        ({"rate": "0"}, "rate", "above 0"),
        ({"rate": "1e3"}, "rate", "above 0"),
        ({"valid_from": "yesterday"}, "valid_from", "Choose the day"),
        ({"valid_from": "0999-01-01"}, "valid_from", "between 1990 and 2199"),
    ],
)
def test_a_rate_that_can_not_be_is_refused_at_its_field_and_stays_typed(
    admin: Person, form: dict[str, str], field: str, says: str
) -> None:
    typed = {"currency": "EUR", "rate": "0.86", "valid_from": "2026-03-01", **form}
    page = admin.post("/pipeline/currencies", 422, **typed)
    assert says in between(page, f'id="{field}-error"', "</span>")
    assert f'value="{typed["rate"]}"' in page


def test_rates_in_a_former_workspace_currency_do_not_count(admin: Person, service: Service, mailed: Seeded) -> None:
    admin.post("/pipeline/currencies", currency="EUR", rate="0.86", valid_from="2026-03-01")
    admin.post("/settings/currency", value="USD")
    with service.db.reading() as session:
        assert currencies.rates(session, on=service.now().date()).rate("EUR") is None
        assert currencies.rates(session, on=service.now().date()).rate("USD") == 1


def undo(person: Person, page: str, says: str) -> None:
    """Press the undo of the toast."""
    found = re.search(r'<div class="toast[^>]*>.*?action="([^"]+)"', page, re.DOTALL)
    assert found
    assert says in person.post(found[1].replace("&amp;", "&"), follow=True)


def stored(service: Service, deal_id: int) -> Any:
    """The deal as it is."""
    with service.db.reading() as session:
        return deals.by_id(session, deal_id)


def fields(service: Service, deal_id: int) -> tuple[Any, ...]:
    """What a bulk edit may touch."""
    deal = stored(service, deal_id)
    return deal.stage_id, deal.status, deal.owner_id, deal.expected_close, deal.lost_reason, deal.closed_at


def words(page: str) -> str:
    """The text of a page, in one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).replace("&#39;", "'").split())


def between(page: str, start: str, end: str) -> str:
    """The part of a page from one text to another."""
    return page.split(start, 1)[1].split(end, 1)[0]


@pytest.fixture
def mailed(service: Service, team: Team, mail_template: tuple[Path, Seeded]) -> Seeded:
    """The seeded mail."""
    return mail_template[1]


@pytest.fixture
def stage(service: Service, team: Team) -> dict[str, int]:
    """The stages of the first pipeline by name."""
    with service.db.reading() as session:
        assert users.all_(session)
        return {s.name: s.id for s in pipelines.stages(session, pipelines.all_(session)[0].id)}
