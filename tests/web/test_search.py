"""Search on its page and as the palette asks for it: by name though mistyped, by address and number, with the reason,
and nothing of the log that is not the viewer's to see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sync.service import Service
from tests.web.conftest import Person, Team
from tests.web.seed import Seeded


@pytest.mark.parametrize(
    ("typed", "label", "name", "reason"),
    [
        ("Erick Dal", "People", "Erik Dahl", "a name like it"), ("erik d", "People", "Erik Dahl", ""),
        ("+46 40 555 01 20", "People", "Erik Dahl", "+46 40 555 01 20"),
        ("40 555 0120", "People", "Erik Dahl", "+46 40 555 01 20"),
        (" Erik@NORDHAVN.example", "People", "Erik Dahl", ""),
        ("Nordhaven", "Companies", "Nordhavn AB", "a name like it"),
        ("nordhvan pilot", "Deals", "Nordhavn pilot", "a name like it"),
        ("Tuesday works", "Log", "Re: Pilot in Malmö, next steps", ""),
    ],
)  # fmt: skip
def test_the_palette_finds_each_kind_and_says_why(
    priya: Person, mailed: Seeded, typed: str, label: str, name: str, reason: str
) -> None:
    groups = live(priya, typed)
    assert (groups[label][0]["name"], groups[label][0]["reason"]) == (name, reason)
    assert priya.client.get(groups[label][0]["href"]).status_code == 200


def test_what_of_the_log_one_may_not_see_is_not_found_by_anybody_else(
    priya: Person, jonas: Person, mina: Person, admin: Person, mailed: Seeded
) -> None:
    assert [hit["name"] for hit in live(jonas, "Between us the budget")["Log"]] == ["Between us: the budget"]
    assert live(jonas, "Second try")["Log"]
    for other in (priya, mina, admin):
        for words in ("Between us the budget", "keep this between us", "Second try"):
            assert "Log" not in live(other, words), words
            page = other.get(f"/search?q={words}")
            assert "Between us: " not in page
            assert "/log/" not in page.partition("<main")[2].replace("/log/why", ""), words


def test_nothing_typed_finds_nothing_and_a_stranger_gets_no_answer(
    priya: Person, stranger: Person, mailed: Seeded
) -> None:
    assert live(priya, "") == {}
    assert live(priya, "   ") == {}
    assert live(priya, "x" * 5000) == {}
    assert live(priya, "%") == {}
    assert stranger.client.get("/search/live?q=erik").status_code == 303


def test_the_page_groups_what_it_finds_and_says_why(priya: Person, mailed: Seeded) -> None:
    page = priya.get("/search?q=Nordhaven")
    assert "<h2>Companies</h2>" in page
    assert "a name like it" in page
    assert "Nothing found" in priya.get("/search?q=qqqqqq")


def live(person: Person, typed: str) -> dict[str, Any]:
    answer = person.client.get("/search/live", query_string={"q": typed})
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    return {group["label"]: group["hits"] for group in answer.json["groups"]}  # type: ignore[index]


@pytest.fixture
def mailed(service: Service, team: Team, mail_template: tuple[Path, Seeded]) -> Seeded:
    """The seeded mail."""
    return mail_template[1]
