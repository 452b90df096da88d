"""Checks answers against the discovery documents that ship with google-api-python-client, unknown fields included."""

from __future__ import annotations

import functools
import json
from typing import Any

from googleapiclient import discovery_cache
from jsonschema import Draft202012Validator

VERSIONS = {"gmail": "v1", "calendar": "v3", "admin": "directory_v1"}
KEPT = ("type", "enum", "items", "properties", "additionalProperties", "$ref")


class Drift(Exception):
    """The model answered something that the API does not know."""


def check(api: str, schema: str, answer: dict[str, Any]) -> None:
    """Raises Drift, naming the first difference."""
    for error in _validator(api, schema).iter_errors(answer):
        raise Drift(f"{api} {schema} {list(error.absolute_path)}: {error.message[:200]}")


@functools.cache
def _validator(api: str, schema: str) -> Draft202012Validator:
    defs = {name: _converted(found) for name, found in _document(api)["schemas"].items()}
    return Draft202012Validator({"$ref": f"#/$defs/{schema}", "$defs": defs})


@functools.cache
def _document(api: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(discovery_cache.get_static_doc(api, VERSIONS[api]))
    return found


def _converted(given: dict[str, Any]) -> dict[str, Any]:
    """A discovery schema as JSON Schema: references renamed, "any" opened, objects closed."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name == "$ref":
            found["$ref"] = f"#/$defs/{value}"
        elif name == "properties":
            found[name] = {key: _converted(one) for key, one in value.items()}
        elif name in ("items", "additionalProperties"):
            found[name] = _converted(value)
        elif name in KEPT and value != "any":
            found[name] = value
    if given.get("type") == "object" and "properties" in given:
        found.setdefault("additionalProperties", False)
    return found
