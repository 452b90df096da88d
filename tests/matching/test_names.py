"""Names in any script: equal, alike, or neither."""

from __future__ import annotations

import pytest

from matching.names import clean, equal, fits_address, key, likeness


@pytest.mark.parametrize(
    ("shown", "name"),
    [
        ("Doe, Jane", "Jane Doe"),
        ('"Dr. Jane Doe (Acme GmbH)"', "Jane Doe"),
        ("Jane Doe | Acme", "Jane Doe"),
        ("Jane Doe, PhD", "Jane Doe"),
        ("Frau Prof. Dr. Käthe Müller", "Käthe Müller"),
        ("Jane Doe via Sales", "Jane Doe"),
        ("jane@acme.example", ""),
        ("", ""),
    ],
)
def test_a_display_name_is_cleaned(shown: str, name: str) -> None:
    assert clean(shown) == name


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Jane Doe", "DOE, Jane"),
        ("José García", "Jose Garcia"),
        ("Jane Q. Doe", "Jane Doe"),
        ("山田 太郎", "山田太郎"),
        ("김민수", "민수 김"),
        ("Иванова, Анна", "Анна Иванова"),
        ("Søren Ødegård", "Soren Odegard"),
        ("محمد حداد", "حداد محمد"),
        ("Weiß, Jörg", "Jörg Weiss"),
    ],
)
def test_equal_names(left: str, right: str) -> None:
    assert equal(left, right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Jane Doe", "Jane Roe"),
        ("Jane", "Jane"),
        ("", ""),
        ("राज शर्मा", "रजु शर्मा"),
        ("王伟", "王芳"),
        ("Sales Team", "Jane Doe"),
    ],
)
def test_different_or_too_short_names_are_not_equal(left: str, right: str) -> None:
    assert not equal(left, right)


def test_one_word_is_no_key_but_two_ideographs_are() -> None:
    assert key("Jane") == ""
    assert key("王伟") != ""


@pytest.mark.parametrize(
    ("left", "right", "alike"),
    [
        ("Bob Smith", "Robert Smith", True),
        ("Jörg Müller", "Joerg Mueller", True),
        ("Jane Doe", "J. Doe", True),
        ("Jane Doe", "Jane Deo", True),
        ("Jane Doe", "John Roe", False),
        ("Jane Doe", "Petra Schulz", False),
    ],
)
def test_likeness_knows_nicknames_digraphs_initials_and_slips(left: str, right: str, alike: bool) -> None:
    assert (likeness(left, right) >= 0.85) is alike


def test_a_local_part_made_of_the_name_fits_it() -> None:
    assert fits_address("Jane Doe", "jdoe@acme.example")
    assert fits_address("Jane Doe", "jane.doe77@gmx.de")
    assert not fits_address("Jane Doe", "sales@acme.example")
