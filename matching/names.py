"""People's names in any script: one key for "is this the same name", and a likeness for "could it be".

The key forgets case, accents, order ("Doe, Jane"), titles and single initials, and nothing else; nicknames and
spelling variants only raise the likeness. A name alone never links anyone: callers combine it with other evidence.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache

import regex
from rapidfuzz.distance import JaroWinkler

from matching.tables import rows, table

MAX_NAME = 200
_PARENTHESES = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}")
_VIA = re.compile(r"\s(?:via|über|vía|on behalf of|im auftrag von|par)\s.*$", re.IGNORECASE)
_SEPARATOR = re.compile(r"\s[|/•·–—]\s.*$|\s-\s.*$")
_IDEOGRAPHIC = regex.compile(r"^[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}ー・]+$")
_LETTERS = regex.compile(r"[\p{L}\p{M}][\p{L}\p{M}'’]*")
_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "’": "'"})


def fold(text: str) -> str:
    """Case and accents forgotten; vowel signs of scripts that need them kept."""
    spread = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(char for char in spread if not "\u0300" <= char <= "\u036f")
    return unicodedata.normalize("NFC", bare).translate(_PLAIN)


@lru_cache(maxsize=200_000)
def clean(name: str) -> str:
    """A display name as a person would write it: "Dr. Doe, Jane (Acme)" gives "Jane Doe". "" for none or an address."""
    text = unicodedata.normalize("NFC", name[:MAX_NAME]).strip().strip("'\"“”„«»<>").strip()
    if "@" in text:
        return ""
    text = _SEPARATOR.sub("", _VIA.sub("", _PARENTHESES.sub(" ", text)))
    words = [word for word in _turned(text).split() if fold(word).strip(".,") not in table("titles")]
    return " ".join(word.strip(",;") for word in words if word.strip(",;."))


def _turned(text: str) -> str:
    """ "Last, First" the right way round; a trailing ", PhD" is a title, not a first name."""
    parts = [part.strip() for part in re.split(r"[,，、]", text) if part.strip()]
    named = [part for part in parts if any(fold(w).strip(".") not in table("titles") for w in part.split())]
    return " ".join([*named[1:], named[0]]) if len(named) > 1 else " ".join(parts)


@lru_cache(maxsize=200_000)
def words(name: str) -> tuple[str, ...]:
    """The folded words of a cleaned name, in order, initials left out where two other words remain."""
    found = [fold(word) for word in _LETTERS.findall(clean(name))]
    full = [word for word in found if len(word) > 1]
    return tuple(full if len(full) > 1 and not _is_ideographic(found) else found)


def _is_ideographic(found: list[str]) -> bool:
    return bool(found) and all(_IDEOGRAPHIC.match(word) for word in found)


@lru_cache(maxsize=200_000)
def key(name: str) -> str:
    """Equal for equal names in any order; "" for a name too short to tell people apart (one word)."""
    found = list(words(name))
    if _is_ideographic(found):
        joined = "".join(found)
        return "".join(sorted(joined)) if len(joined) > 1 else ""
    return " ".join(sorted(found)) if len(found) > 1 else ""


def equal(left: str, right: str) -> bool:
    """True when both are full names and the same, whatever the order, case, accents and titles."""
    return bool(key(left)) and key(left) == key(right)


@cache
def _nicknames() -> dict[str, frozenset[str]]:
    groups: dict[str, set[str]] = {}
    for row in rows("nicknames"):
        forms = row.split()
        for form in forms:
            groups.setdefault(form, set()).update(forms)
    return {form: frozenset(found) for form, found in groups.items()}


def _same_first(left: str, right: str) -> bool:
    return left == right or right in _nicknames().get(left, ()) or (len(left) == 1 and right.startswith(left))


def likeness(left: str, right: str) -> float:
    """How alike two names are, 0..1. 1.0 for equal names, at least 0.93 for a nickname with the same surname."""
    if equal(left, right):
        return 1.0
    one, two = _unumlauted(left), _unumlauted(right)
    if len(one) < 2 or len(two) < 2:
        return 0.0
    if one[-1] == two[-1] and (_same_first(one[0], two[0]) or _same_first(two[0], one[0])):
        return 0.95
    return float(JaroWinkler.normalized_similarity(" ".join(sorted(one)), " ".join(sorted(two)))) * 0.92


def _unumlauted(name: str) -> tuple[str, ...]:
    """German digraphs of umlauts as the bare vowel, so that Mueller is like Müller."""
    return tuple(re.sub(r"(?<=[aou])e(?=[^aeiou]|$)", "", word) for word in words(name))


def fits_address(name: str, address: str) -> bool:
    """True when the local part is built from the name: jane.doe, doej, j.doe, jdoe77."""
    local = re.sub(r"[^a-z]", "", fold(address.partition("@")[0].split("+")[0]))
    found = words(name)
    if len(found) < 2 or len(local) < 4:
        return False
    first, last = re.sub(r"[^a-z]", "", found[0]), re.sub(r"[^a-z]", "", found[-1])
    if len(first) < 2 or len(last) < 2:
        return False
    return local in (first + last, last + first, first[0] + last, last + first[0], first + last[0])
