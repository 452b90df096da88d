"""Message-ID, In-Reply-To and References to lists of ``<left@right>``.

Facts: RFC 5322 3.6.4 and 4.5.4 (obsolete: phrases in In-Reply-To). Never raises. Case is kept.
"""

from __future__ import annotations

import re

MAX_ID = 900
MAX_IDS = 100

_ANGLE = re.compile(r"<\s*([^<>]{1,2000}?)\s*>")
_WORD = re.compile(r"[^\s<>\"',;]+@[^\s<>\"',;]+")
_BLANK = re.compile(r"\s+")


def message_id(value: str) -> str:
    """One id, normalised, or "" where there is none that can identify anything."""
    if not value:
        return ""
    for inner in _ANGLE.findall(value):
        one = _normal(inner)
        if one:
            return one
    word = _WORD.search(value)
    if word:
        return _normal(word[0])
    bare = value.strip(" \t<>\"'")
    return _normal(bare) if bare and not _BLANK.search(bare) else ""


def message_ids(value: str) -> tuple[str, ...]:
    """Every id of a reply header, first occurrence first, junk between them dropped.

    More than ``MAX_IDS`` keeps the first (the thread's root) and the last ones (the nearest parents).
    """
    if not value:
        return ()
    found = [_normal(inner) for inner in _ANGLE.findall(value)] or [_normal(word) for word in _WORD.findall(value)]
    unique = list(dict.fromkeys(one for one in found if one))
    if len(unique) > MAX_IDS:
        unique = unique[:1] + unique[-(MAX_IDS - 1) :]
    return tuple(unique)


def _normal(inner: str) -> str:
    inner = _BLANK.sub("", inner).strip("<>")
    return f"<{inner}>" if inner and inner != "@" and len(inner) <= MAX_ID else ""
