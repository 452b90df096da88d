"""CSV import in the browser's way: preview row by row, run, take back; bad files are named and nothing is stored."""

from __future__ import annotations

import io
import re

import pytest

from crm import contacts
from crm.privacy import Viewer
from sync.service import Service
from tests.web.conftest import Person, Team

FILE = """email,name,company,company_domain
erik@nordhavn.example,Erik Dahl,Nordhavn AB,nordhavn.example
not an address,Bad Row,,
"""


def test_the_preview_counts_and_names_bad_rows_and_stores_nothing(
    priya: Person, service: Service, viewer: Viewer
) -> None:
    page = _preview(priya, FILE)
    assert "Import 1 row" in page
    assert "line 3" in page
    assert _count(service, viewer) == 0


def test_what_was_previewed_is_imported_and_can_be_taken_back(priya: Person, service: Service, viewer: Viewer) -> None:
    page = _preview(priya, FILE)
    token = re.search(r'name="token" value="([^"]+)"', page)
    assert token
    done = priya.post("/import/run", follow=True, kind="contacts", name="c.csv", token=token[1])
    assert "Imported 1 new row" in done
    assert _count(service, viewer) == 1
    undo = re.search(r'action="(/import/\d+/undo)"', done)
    assert undo
    assert "taken back" in priya.post(undo[1], follow=True)
    assert _count(service, viewer) == 0


@pytest.mark.parametrize(
    "content", [b"", b"\x00\x01\x02\x03", b"nonsense", b"name\n"], ids=["empty", "binary", "no columns", "no rows"]
)
def test_a_file_of_no_use_is_refused_at_the_field(
    priya: Person, service: Service, viewer: Viewer, content: bytes
) -> None:
    data = {"csrf_token": priya.token(), "kind": "deals", "file": (io.BytesIO(content), "x.csv")}
    response = priya.client.post("/import/preview", data=data)
    assert response.status_code == 422 or "Import 0 rows" in response.text
    assert _count(service, viewer) == 0


def test_another_persons_preview_can_not_be_run(priya: Person, jonas: Person, service: Service, viewer: Viewer) -> None:
    token = re.search(r'name="token" value="([^"]+)"', _preview(priya, FILE))
    assert token
    assert "Nothing was imported" in jonas.post(
        "/import/run", follow=True, kind="contacts", name="c.csv", token=token[1]
    )
    assert _count(service, viewer) == 0


def _preview(person: Person, text: str) -> str:
    data = {"csrf_token": person.token(), "kind": "contacts", "file": (io.BytesIO(text.encode()), "c.csv")}
    response = person.client.post("/import/preview", data=data)
    assert response.status_code == 200, response.text[:2000]
    return response.text


def _count(service: Service, viewer: Viewer) -> int:
    with service.db.reading() as session:
        return contacts.count(session, viewer)


@pytest.fixture
def viewer(team: Team) -> Viewer:
    """Anybody of the team."""
    return Viewer(team.priya, "rep")
