"""The CSDL of Graph v1.0: what the model's answers and a client's ``$select`` are held against.

Reads ``../shared/corpora/graph`` from the repository root; where it is absent every check passes.
"""

from __future__ import annotations

import xml.etree.ElementTree as Tree
from functools import lru_cache
from pathlib import Path
from typing import Any

CSDL = (
    Path(__file__).resolve().parents[3].parent
    / "shared/corpora/graph/msgraph-csdl/clean_v10_metadata/cleanMetadata.xml"
)
EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
NUMBERS = {"Edm.Int32": int, "Edm.Int64": int, "Edm.Double": float, "Edm.Boolean": bool}


@lru_cache(maxsize=1)
def _types() -> dict[str, tuple[str, dict[str, str]]]:
    """Base type and properties by type name; empty where the corpus is absent."""
    if not CSDL.exists():
        return {}
    found: dict[str, tuple[str, dict[str, str]]] = {}
    for schema in Tree.parse(CSDL).getroot().iter(f"{EDM}Schema"):
        if schema.get("Namespace") != "microsoft.graph":
            continue
        for kind in (f"{EDM}EntityType", f"{EDM}ComplexType"):
            for node in schema.iter(kind):
                held = {p.get("Name", ""): p.get("Type", "") for p in node.iter(f"{EDM}Property")}
                held |= {p.get("Name", ""): p.get("Type", "") for p in node.iter(f"{EDM}NavigationProperty")}
                found[node.get("Name", "")] = (node.get("BaseType", "").removeprefix("graph."), held)
    return found


def available() -> bool:
    """Whether there is a schema to check against."""
    return bool(_types())


@lru_cache(maxsize=256)
def properties(name: str) -> dict[str, str]:
    """All properties of a type with their types, inherited ones included."""
    base, own = _types().get(name, ("", {}))
    return {**(properties(base) if base else {}), **own}


def unknown(name: str, wanted: list[str]) -> str:
    """The first of the wanted properties that the type does not have; "" when it has all."""
    if not available():
        return ""
    for one in wanted:
        held, _, last = one.rpartition("/")
        kind = held.rsplit(".", 1)[-1] if held.startswith("microsoft.graph.") else name
        if last not in properties(kind):
            return one
    return ""


def problems(name: str, item: dict[str, Any], where: str = "") -> list[str]:
    """What is wrong with an answer of this type: names the schema does not know, values of another type."""
    if not available():
        return []
    kind = str(item.get("@odata.type") or "").removeprefix("#microsoft.graph.") or name
    known, found = properties(kind), []
    for key, value in item.items():
        if key.startswith("@") or "@odata" in key or value is None:
            continue
        if key not in known:
            found.append(f"{where}{kind}.{key} is not in the schema")
        else:
            found += _value(known[key], value, f"{where}{kind}.{key}: ")
    return found


def _value(declared: str, value: Any, where: str) -> list[str]:
    if declared.startswith("Collection("):
        if not isinstance(value, list):
            return [f"{where}not a list"]
        return [problem for one in value for problem in _value(declared[11:-1], one, where)]
    if declared.startswith("graph.") and declared.removeprefix("graph.") in _types():
        if not isinstance(value, dict):
            return [f"{where}not an object"]
        return problems(declared.removeprefix("graph."), value, where)
    wanted: type = NUMBERS.get(declared, str)
    if wanted is int and isinstance(value, bool):
        return [f"{where}a boolean where a number belongs"]
    return [] if isinstance(value, wanted) else [f"{where}{type(value).__name__} where {declared} belongs"]
