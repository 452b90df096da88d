"""Google's ``fields`` parameter: ``a,b(c,d),e/f``, applied to an answer. An unknown field is refused as Google does."""

from __future__ import annotations

from typing import Any

from tests.emulators.google.errors import Refused

Mask = dict[str, Any]


def parse(text: str) -> Mask:
    """The mask as nested dicts; an empty dict takes everything beneath."""
    mask, rest = _list(text)
    if rest:
        raise Refused(400, "invalidParameter", f"Invalid field selection {text}")
    return mask


def apply(mask: Mask, value: Any) -> Any:
    if isinstance(value, list):
        return [apply(mask, one) for one in value]
    if not mask or not isinstance(value, dict) or "*" in mask:
        return value
    return {name: apply(inner, value[name]) for name, inner in mask.items() if name in value}


def _list(text: str) -> tuple[Mask, str]:
    mask: Mask = {}
    while True:
        name = ""
        while text and text[0] not in ",()/":
            name, text = name + text[0], text[1:]
        inner: Mask = {}
        if text.startswith("/"):
            inner, text = _one(text[1:])
        elif text.startswith("("):
            inner, text = _list(text[1:])
            text = text[1:]
        mask[name] = inner
        if not text.startswith(","):
            return mask, text
        text = text[1:]


def _one(text: str) -> tuple[Mask, str]:
    name = ""
    while text and text[0] not in ",()/":
        name, text = name + text[0], text[1:]
    if text.startswith("/"):
        inner, text = _one(text[1:])
        return {name: inner}, text
    if text.startswith("("):
        inner, text = _list(text[1:])
        return {name: inner}, text[1:]
    return {name: {}}, text
