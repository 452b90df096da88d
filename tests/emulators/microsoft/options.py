"""OData options of the model: ``$select``, ``$expand``, ``$filter``, ``$orderby``, paging, as far as Graph has them for
mail. What Graph refuses is refused here: unknown properties, other filters and orders in a delta."""

from __future__ import annotations

import re
from typing import Any

from tests.emulators.microsoft import schema
from tests.emulators.microsoft.answers import Refusal

_CLAUSE = re.compile(r"^receivedDateTime (ge|gt|le|lt) (\S+)$")
NOT_DEFAULT = ("internetMessageHeaders",)
"""Properties that are returned on ``$select`` only."""


def selected(kind: str, item: dict[str, Any], select: str, expand: str = "") -> dict[str, Any]:
    """The properties of ``item`` that ``$select`` and ``$expand`` leave; ``id`` and annotations always."""
    wanted = [one.strip() for one in select.split(",") if one.strip()]
    if bad := schema.unknown(kind, wanted):
        raise Refusal(400, "RequestBroker--ParseUri", f"Could not find a property named '{bad}'")
    expanded = item.get("attachments") if "attachments" in expand else None
    names = {one.rsplit("/", 1)[-1] for one in wanted}
    plain = {k: v for k, v in item.items() if k != "attachments"}
    if wanted:
        plain = {k: v for k, v in plain.items() if k in names or k == "id" or k.startswith("@")}
    else:
        plain = {k: v for k, v in plain.items() if k not in NOT_DEFAULT}
    if expanded is not None:
        inner = re.search(r"attachments\(\$select=([^)]*)\)", expand)
        fields = set((inner.group(1) if inner else "").split(",")) - {""}
        plain["attachments"] = [
            {k: v for k, v in one.items() if not fields or k in fields or k.startswith("@")} for one in expanded
        ]
    return plain


def received_filter(text: str, *, delta: bool) -> list[tuple[str, str]]:
    """The clauses of a ``$filter`` on receivedDateTime. A delta knows one, ``ge`` or ``gt``."""
    clauses = []
    for part in filter(None, text.split(" and ")):
        found = _CLAUSE.match(part.strip())
        if not found:
            raise Refusal(400, "ErrorInvalidUrlQueryFilter", "The query filter contains one or more invalid nodes.")
        clauses.append((found.group(1), found.group(2)))
    if delta and (len(clauses) > 1 or any(op not in ("ge", "gt") for op, _ in clauses)):
        raise Refusal(400, "ErrorInvalidUrlQueryFilter", "Change tracking supports ge and gt on receivedDateTime.")
    return clauses


def matches(value: str, clauses: list[tuple[str, str]]) -> bool:
    """Whether a timestamp satisfies all clauses (both sides in Graph's own form, so text compares)."""
    checks = {"ge": value.__ge__, "gt": value.__gt__, "le": value.__le__, "lt": value.__lt__}
    return all(checks[op](bound) for op, bound in clauses)


def newest_first(order: str, *, delta: bool) -> bool | None:
    """True and False for descending and ascending receivedDateTime, None for no order. A delta knows descending."""
    if not order:
        return None
    found = re.match(r"^receivedDateTime(?: (asc|desc))?$", order.strip())
    if not found or (delta and found.group(1) != "desc"):
        raise Refusal(400, "ErrorInvalidUrlQuery", "The orderby expression is not supported.")
    return found.group(1) == "desc"
