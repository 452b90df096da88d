"""Segments on the pages: saved from a list, seen by whom they are for, a table that leaves out who wants no mail, a
task for each with one undo."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest

from crm import contacts, tasks
from crm.privacy import Viewer
from sync.service import Service
from tests.web.conftest import NOW, Person, Team
from tests.web.seed import Seeded

CLIENTS = {"lifecycle": "client", "newer": "7"}


def test_a_filter_of_a_list_is_saved_with_a_name_and_says_how_many_fit(priya: Person, mailed: Seeded) -> None:
    link = found(r'href="(/segments/new\?noun=contact[^"]*)"', priya.get("/contacts?lifecycle=client"))
    page = priya.get(link)
    assert "<b>1 contact</b>" in page
    assert "Erik Dahl" in page
    page = priya.post("/segments/new?noun=contact", follow=True, name="Our clients", lifecycle="client")
    assert "<h1>" in page
    assert "Erik Dahl" in page
    listing = priya.get("/segments")
    assert "Our clients" in listing
    assert '<span class="chip">1</span>' in listing


def test_a_filter_of_deals_is_saved_as_it_stands(priya: Person, mailed: Seeded) -> None:
    link = found(r'href="(/segments/new\?noun=deal[^"]*)"', priya.get("/deals?q=pilot&status=open"))
    page = priya.get(link)
    assert "<b>1 deal</b>" in page
    assert "Nordhavn pilot" in page
    assert "/segments/new" not in priya.get("/deals?q=pilot&period=month"), "a part of it would be lost"


def test_ones_own_segment_is_nobody_elses_and_a_shared_one_is_the_teams_to_read(
    priya: Person, jonas: Person, mina: Person, admin: Person, stranger: Person, mailed: Seeded
) -> None:
    own, shared = save(priya, "Mine", **CLIENTS), save(priya, "Ours", shared="1", **CLIENTS)
    for other in (jonas, mina, admin):
        for path in (f"/segments/{own}", f"/segments/{own}/edit", f"/segments/{own}.csv"):
            other.get(path, 404)
        for verb in ("edit", "delete", "tasks"):
            other.post(f"/segments/{own}/{verb}", 404, name="x", title="x")
        assert "Ours" in other.get(f"/segments/{shared}")
        assert "Mine" not in other.get("/segments")
    jonas.get(f"/segments/{shared}/edit", 403)
    jonas.post(f"/segments/{shared}/delete", 403)
    mina.post(f"/segments/{shared}/edit", name="Ours, all", shared="1")
    assert "Ours, all" in jonas.get("/segments")
    assert stranger.client.get(f"/segments/{shared}").status_code == 303


def test_a_touch_one_may_not_see_puts_nobody_into_ones_segment(
    priya: Person, jonas: Person, service: Service, mailed: Seeded
) -> None:
    jonas.post("/write/call/contact/2", text="Between us.", private="y")
    number = save(priya, "Touched", shared="1", q="Sofia", newer="7")
    assert "Sofia Berg" in jonas.get(f"/segments/{number}")
    page = priya.get(f"/segments/{number}")
    assert "Sofia Berg" not in page
    assert "Nobody fits now" in page


def test_what_can_not_be_is_said_at_its_field_and_the_form_stays_filled(priya: Person, mailed: Seeded) -> None:
    for noun, given, field in (
        ("contact", {"older": "soon"}, "older"), ("contact", {"older": "30", "newer": "7"}, "newer"),
        ("deal", {"least": "5", "most": "4"}, "most"), ("contact", {"name": ""}, "name"),
    ):  # fmt: skip
        page = priya.post(f"/segments/new?noun={noun}", 422, **{"name": "X", "source": "fair", **given})
        assert f'id="{field}-error"' in page, field
        assert 'value="fair"' in page
    priya.get("/segments/new?noun=nonsense&older=x")
    priya.get("/segments/9999", 404)


def test_the_table_leaves_out_who_wants_no_mail_and_quotes_formulas(
    priya: Person, service: Service, mailed: Seeded
) -> None:
    with service.db.transaction() as session:
        contacts.create(session, name="=HYPERLINK(1)", emails=["evil@x.example"], now=NOW, actor_id=None)
        contacts.update(session, mailed.erik, {"opt_out": True}, actor_id=None, now=NOW)
    number = save(priya, "All")
    page = priya.get(f"/segments/{number}")
    assert "1 person here does not want to be written to. The CSV leaves them out." in page
    assert "no mail</span>" in page
    answer = priya.client.get(f"/segments/{number}.csv")
    assert answer.mimetype == "text/csv"
    lines = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    names = [line["name"] for line in lines]
    assert "Erik Dahl" not in names
    assert "'=HYPERLINK(1)" in names
    assert next(line for line in lines if line["name"] == "Sofia Berg")["email"] == "sofia@nordhavn.example"


def test_a_task_is_made_for_each_and_taken_back_at_once(
    priya: Person, jonas: Person, service: Service, team: Team, mailed: Seeded
) -> None:
    number = save(priya, "Nordhavn", company="nordhavn")
    page = priya.post(f"/segments/{number}/tasks", follow=True, title="Check in", due="2026-03-10", who="owners")
    assert "3 tasks made." in page
    undo = found(r'action="(/segments/tasks/undo\?number=\d+)"', page)
    with service.db.reading() as session:
        rows = tasks.page(session, viewer(team), tasks.Filter(text="Check in"), now=NOW)
    assert {(row.contact, row.owner) for row in rows} == {
        ("Erik Dahl", "Priya Raman"), ("Sofia Berg", "Priya Raman"), ("Anna Lind", "Priya Raman")
    }  # fmt: skip
    jonas.post(undo, 404)
    assert "3 tasks taken back." in priya.post(undo, follow=True)
    with service.db.reading() as session:
        assert tasks.page(session, viewer(team), tasks.Filter(text="Check in"), now=NOW) == []
    for bad in ({"title": ""}, {"title": "x", "due": "soon"}):
        assert "No task was made." in priya.post(f"/segments/{number}/tasks", follow=True, **bad)


def test_a_removed_segment_comes_back_and_one_over_a_field_that_is_gone_still_opens(
    priya: Person, admin: Person, mailed: Seeded
) -> None:
    admin.post("/fields", noun="contact", label="Seats", type="number")
    number = save(priya, "Large", field1="seats", op1="least", value1="9")
    field = found(r'href="/fields/(\d+)"', admin.get("/fields"))
    admin.post(f"/fields/{field}/remove")
    priya.get(f"/segments/{number}")
    page = priya.post(f"/segments/{number}/delete", follow=True)
    priya.get(f"/segments/{number}", 404)
    again = priya.post(found(r'action="(/segments/\d+/restore)"', page))
    assert "Large" in priya.get(again)
    priya.post(f"/segments/{number}/restore")


def save(person: Person, name: str, noun: str = "contact", **given: str) -> int:
    return int(person.post(f"/segments/new?noun={noun}", name=name, **given).rpartition("/")[2])


def viewer(team: Team) -> Viewer:
    return Viewer(team.priya, "rep")


def found(pattern: str, page: str) -> str:
    match = re.search(pattern, page.replace("&amp;", "&"))
    assert match, f"no {pattern}"
    return match[1]


@pytest.fixture
def mailed(service: Service, team: Team, mail_template: tuple[Path, Seeded]) -> Seeded:
    """The seeded mail."""
    return mail_template[1]
