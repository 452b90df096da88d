"""The pipeline: the board's figures and cards, moving with reasons and undo, values, bulk edits, stages and rates."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.web.conftest import Person
from tests.web.seed import Seeded


def test_the_board_opens(priya: Person, admin: Person, mailed: Seeded) -> None:
    page = priya.get("/pipeline")
    assert "Nordhavn pilot" in page
    for path in ("/deals", "/deals/new", f"/pipeline/card/{mailed.deal}", f"/deals/{mailed.deal}/edit", f"/deals/{mailed.deal}"):
        priya.get(path)
    for path in ("/pipeline/stages", "/pipeline/currencies"):
        admin.get(path)
        priya.get(path, 404)


@pytest.fixture
def mailed(mail_template: tuple[Path, Seeded]) -> Seeded:
    """The team's mail, read in."""
    return mail_template[1]
