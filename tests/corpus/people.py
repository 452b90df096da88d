"""Invented people and companies for the corpus: names in many scripts, with the address they would have. No real
persons."""

from __future__ import annotations

import random
import unicodedata
from pathlib import Path


def _names() -> dict[tuple[str, str], list[str]]:
    lines = (Path(__file__).parent / "names.txt").read_text(encoding="utf-8").splitlines()
    rows = (line.split() for line in lines if line and not line.startswith("#"))
    return {(script, kind): names for script, kind, *names in rows}


NAMES = _names()
SCRIPTS = sorted({script for script, _ in NAMES} - {"latin", "company"})
TITLES = (
    "Head of Purchasing",
    "Sales Manager",
    "Geschäftsführer",
    "Directrice commerciale",
    "Procurement Lead",
    "Software Engineer",
    "Office Manager",
    "Responsable achats",
    "Chief Operating Officer",
    "Einkäuferin",
)
SUFFIXES = ("example", "example", "example", "test", "co.uk", "com.au", "de", "fr", "com.br", "co.jp", "io")
FREEMAIL = (
    "gmail.com",
    "gmx.de",
    "outlook.com",
    "yahoo.co.uk",
    "web.de",
    "proton.me",
    "orange.fr",
    "qq.com",
    "mail.ru",
)


def name(rng: random.Random) -> tuple[str, str, str]:
    """First name, last name and script; four in five are Latin."""
    script = "latin" if rng.random() < 0.8 else rng.choice(SCRIPTS)
    return rng.choice(NAMES[script, "first"]), rng.choice(NAMES[script, "last"]).replace("_", " "), script


def full(first: str, last: str, script: str) -> str:
    """The name as its bearer writes it: family name first where that is the custom."""
    if script in ("han", "japanese", "hangul"):
        return f"{last}{first}" if script != "japanese" else f"{last} {first}"
    return f"{first} {last}"


def header_form(first: str, last: str, script: str, rng: random.Random) -> str:
    """The name as mail programs show it: plain, "Last, First", or with a title."""
    form = rng.random()
    if script != "latin" or form < 0.7:
        return full(first, last, script)
    if form < 0.85:
        return f"{last}, {first}"
    return f"{rng.choice(('Dr.', 'Prof.', 'Mr', 'Frau'))} {first} {last}"


def local_part(first: str, last: str, script: str, number: int, rng: random.Random) -> str:
    """A local part as companies make them; for scripts without ASCII letters a romanised stand-in."""
    plain = _ascii(first), _ascii(last)
    if script != "latin" or not all(plain):
        return f"user{number}"
    return rng.choice((f"{plain[0]}.{plain[1]}", f"{plain[0][0]}{plain[1]}", f"{plain[1]}.{plain[0]}"))


def _ascii(text: str) -> str:
    table = str.maketrans({"ß": "ss", "ø": "o", "Ø": "o", "ł": "l", "Ł": "l", "þ": "th", "Þ": "th", "ı": "i"})
    plain = unicodedata.normalize("NFKD", text.translate(table)).encode("ascii", "ignore").decode().lower()
    return "".join(char for char in plain if char.isalnum())


def company(rng: random.Random, number: int) -> tuple[str, str]:
    """A company's name and main domain, unique by number; one in thirty has an international domain."""
    one, two = rng.choice(NAMES["company", "first"]), rng.choice(NAMES["company", "last"])
    if rng.random() < 0.03:
        return f"Müller & Söhne {number}", f"müller-{one}{number}.example"
    return f"{one.title()} {two.title()} {number}", f"{one}{two}{number}.{rng.choice(SUFFIXES)}"
