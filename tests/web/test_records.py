"""Contacts, companies, deals, tasks and notes typed by people: saved, refused at the field, changed by two at once,
deleted and back."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from crm import companies, contacts, deals
from sync.service import Service
from tests.web.conftest import Person, Team
from tests.web.seed import Seeded


def test_a_new_contact_finds_their_old_mail_at_once(priya: Person, mailed: Seeded) -> None:
    where = priya.post(
        "/contacts/new",
        name="Layla Haddad",
        emails="layla@almanar.example",
        company="Al Manar",
        lifecycle="lead",
        owner="",
    )
    page = priya.get(where)
    assert "عرض السعر" in page
    assert "Al Manar" in page
    assert "layla@almanar.example" not in priya.get("/review")


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "X", "emails": "no address"}, "emails"),
        ({"name": "X", "emails": "jonas@ourco.example"}, "emails"),
        ({"name": "x" * 300}, "name"),
    ],
)
def test_a_contact_that_can_not_be_is_refused_at_its_field_and_stays_filled(
    priya: Person, mailed: Seeded, typed: dict[str, str], field: str
) -> None:
    page = priya.post("/contacts/new", 422, **{"title": "Director of Tests", "lifecycle": "lead", **typed})
    assert f'id="{field}-error"' in page
    assert 'value="Director of Tests"' in page


def test_editing_changes_addresses_and_phones_and_the_first_is_the_main_one(
    priya: Person, service: Service, mailed: Seeded
) -> None:
    page = priya.get(f"/contacts/{mailed.erik}/edit")
    assert "erik@nordhavn.example" in page
    priya.post(
        f"/contacts/{mailed.erik}/edit", name="Erik Dahl", emails="erik.dahl@nordhavn.example\nerik@nordhavn.example",
        phones="+46 40 555 01 21", company="Nordhavn AB", lifecycle="client", owner="",
    )  # fmt: skip
    with service.db.reading() as session:
        rows = [a.canonical for a in contacts.addresses(session, mailed.erik)]
    assert rows == ["erik.dahl@nordhavn.example", "erik@nordhavn.example"]
    assert "+46 40 555 01 21" in priya.get(f"/contacts/{mailed.erik}")


def test_deleting_is_taken_back_with_one_press(priya: Person, mailed: Seeded) -> None:
    for path in (f"/contacts/{mailed.erik}", f"/companies/{mailed.brightwell}", f"/deals/{mailed.deal}"):
        page = priya.post(f"{path}/delete", follow=True)
        priya.get(path, 404)
        undo = re.search(r'action="(/[a-z]+/\d+/restore)"', page)
        assert undo, path
        priya.post(undo[1])
        priya.get(path)


def test_a_companys_domains_say_which_mail_is_theirs(priya: Person, service: Service, mailed: Seeded) -> None:
    refused = priya.post("/companies/new", 422, name="Letters", domains="gmail.com", owner="")
    assert 'id="domains-error"' in refused
    where = priya.post("/companies/new", name="Al Manar", domains="almanar.example", owner="")
    assert "عرض السعر" in priya.get(where)
    number = int(where.rpartition("/")[2])
    priya.post(f"/companies/{number}/edit", name="Al Manar Trading", domains="almanar.example\nalmanar.test", owner="")
    with service.db.reading() as session:
        assert [d.domain for d in companies.domains(session, number)] == ["almanar.example", "almanar.test"]


def test_who_saves_second_sees_what_the_first_changed_and_loses_nothing(
    priya: Person, jonas: Person, service: Service, mailed: Seeded
) -> None:
    seen = re.search(r'name="version" value="(\d+)"', priya.get(f"/deals/{mailed.deal}/edit"))
    assert seen
    form = {
        "company": "Nordhavn AB",
        "people": "erik@nordhavn.example",
        "currency": "GBP",
        "owner": "",
        "version": seen[1],
    }
    jonas.post(f"/deals/{mailed.deal}/edit", **{**form, "title": "Nordhavn pilot", "value": "21000"})
    page = priya.post(
        f"/deals/{mailed.deal}/edit", 409, **{**form, "title": "Nordhavn pilot, phase 1", "value": "18000"}
    )
    assert "Somebody changed this deal" in page
    assert "Value: now 21000" in page
    assert 'value="Nordhavn pilot, phase 1"' in page
    again = re.search(r'name="version" value="(\d+)"', page)
    assert again
    priya.post(
        f"/deals/{mailed.deal}/edit",
        **{**form, "title": "Nordhavn pilot, phase 1", "value": "18000", "version": again[1]},
    )
    with service.db.reading() as session:
        assert deals.by_id(session, mailed.deal).value == Decimal(18000)


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": "x", "value": "a lot"}, "value"),
        ({"title": "x", "value": "-1"}, "value"),
        ({"title": "x", "currency": "ZZZ"}, "currency"),
        ({"title": "x", "expected_close": "31.02.2026"}, "expected_close"),
        ({"title": "x", "people": "nobody@nowhere.example"}, "people"),
    ],
)
def test_a_deal_that_can_not_be_is_refused_at_its_field(
    priya: Person, mailed: Seeded, typed: dict[str, str], field: str
) -> None:
    assert f'id="{field}-error"' in priya.post("/deals/new", 422, **{"stage": "", "owner": "", **typed})


def test_a_deal_moves_with_history_and_back(priya: Person, service: Service, mailed: Seeded) -> None:
    page = priya.get(f"/deals/{mailed.deal}")
    stages = {name.strip(): number for number, name in re.findall(r'name="stage" value="(\d+)"[^>]*>([^<]+)<', page)}
    lost = stages["Mark as lost"]
    page = priya.post(f"/deals/{mailed.deal}/move", follow=True, stage=lost, lost_reason="too dear")
    assert "Lost: <span" in page
    assert "too dear" in page
    undo = re.search(r'action="(/deals/\d+/move-back[^"]+)"', page)
    assert undo
    page = priya.post(undo[1].replace("&amp;", "&"), follow=True)
    assert "too dear" not in page
    assert page.count("Lost") >= 2, "the history keeps both moves"
    priya.post(f"/deals/{mailed.deal}/move", 404, stage="9999")


def test_calls_and_notes_are_in_the_log_of_the_record_and_can_be_taken_back(
    priya: Person, jonas: Person, mailed: Seeded
) -> None:
    path = f"/write/call/contact/{mailed.erik}"
    page = priya.post(
        path, follow=True, text="Wants pricing for two sites.", minutes="14", outcome="reached", at="2026-03-04T11:00"
    )
    assert "Call, 14 min" in page
    assert "Wants pricing for two sites." in jonas.get(f"/companies/{mailed.nordhavn}")
    undo = re.search(r'action="(/write/\d+/delete[^"]+)"', page)
    assert undo
    jonas.post(undo[1].replace("&amp;", "&"), 404)
    assert "Call, 14 min" not in priya.post(undo[1].replace("&amp;", "&"), follow=True)
    assert 'id="minutes-error"' in priya.post(path, 422, text="x", minutes="abc", outcome="")
    priya.get("/write/call/contact/9999", 404)


def test_a_task_is_done_put_off_and_open_again(priya: Person, mailed: Seeded, team: Team) -> None:
    page = priya.post(
        f"/tasks/new?on=contact:{mailed.erik}",
        follow=True,
        title="Ring Erik",
        due="2026-03-04",
        type="call",
        owner=str(team.priya),
    )
    number = re.search(r'href="/tasks/(\d+)[?"][^>]*><b>Ring Erik', page)
    assert number
    assert "Ring Erik" in priya.get(f"/contacts/{mailed.erik}")
    page = priya.post(f"/tasks/{number[1]}/done", follow=True)
    assert "Done: Ring Erik" in page
    assert "Ring Erik" in priya.get("/tasks?tab=done")
    priya.post(f"/tasks/{number[1]}/reopen")
    priya.post(f"/tasks/{number[1]}/snooze", days="3")
    assert "Ring Erik" not in priya.get("/tasks")
    assert priya.post(f"/tasks/{number[1]}/done", back="https://evil.example").partition("?")[0] == "/tasks"


@pytest.fixture
def mailed(service: Service, team: Team, mail_template: tuple[Path, Seeded]) -> Seeded:
    """The seeded mail."""
    return mail_template[1]
