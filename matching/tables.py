"""The word and domain lists of ``matching/data``: our own compilation, one entry a line, ``#`` starts a comment.

Read once and kept for the process; nothing is fetched. To extend one, add a line to its file.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def table(name: str) -> frozenset[str]:
    """The entries of ``matching/data/NAME.txt``, lower-cased. Raises FileNotFoundError for an unknown name."""
    return frozenset(rows(name))


@cache
def rows(name: str) -> tuple[str, ...]:
    """The entries of a list in the file's order."""
    text = files("matching").joinpath("data", f"{name}.txt").read_text(encoding="utf-8")
    lines = (line.split("#", 1)[0].strip().lower() for line in text.splitlines())
    return tuple(line for line in lines if line)
