"""docs/capabilities.md tells the truth: each test it names is there, each picture too, and no row that was promised is
missing."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

PAGE = Path("docs/capabilities.md")
PROMISED = {*range(1, 17), *range(22, 28), *range(33, 40), 41, *range(45, 54), 67, 68, 71, 76}
TEST = re.compile(r"`(tests/[^`]+)`")
PICTURE = re.compile(r"\]\((screenshots/[^)]+)\)")


def rows() -> dict[int, str]:
    """The rows by number, up to the table of what is not here."""
    shown = PAGE.read_text().partition("## Not here")[0]
    return {int(found[1]): found[0] for found in re.finditer(r"^\| (\d+) \|.*$", shown, re.M)}


@cache
def names(path: Path) -> frozenset[str]:
    """Functions and classes of a module."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    return frozenset(node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds))


@pytest.mark.parametrize("number", sorted(rows()))
def test_each_test_and_picture_of_a_row_is_there(number: int) -> None:
    row = rows()[number]
    nodes = TEST.findall(row)
    assert nodes, f"row {number} names no test"
    for node in nodes:
        path, _, name = node.partition("::")
        assert Path(path).is_file(), node
        assert name in names(Path(path)), node
    for picture in PICTURE.findall(row):
        assert (PAGE.parent / picture).is_file(), picture


def test_no_promised_row_is_missing() -> None:
    assert rows().keys() >= PROMISED
