"""How often strangers wrote, were written to, or met us, counted over a set of items. The in-memory equal of
``crm.correspondence``.

Crowds, and whatever is kept out of review, do not count. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from matching.cast import cast
from matching.directory import Correspondence, Directory
from matching.ground import group_of
from matching.memory import Facts
from matching.rules import Rules
from matching.screening import reason_to_ignore
from matching.strangers import added, counted_of
from matching.types import Item


def facts_of(items: Iterable[Item], directory: Directory, rules: Rules) -> Facts:
    """Totals by address, and by address and thread, of everybody who is no contact."""
    total: dict[str, Correspondence] = {}
    in_thread: dict[tuple[str, str], Correspondence] = {}
    for item in items:
        parts = cast(item, directory, rules)
        if parts.crowd or reason_to_ignore(item, parts, directory, rules):
            continue
        for address, counted in counted_of(item, parts):
            if not directory.entries(address):
                total[address] = added(total.get(address, Correspondence()), counted)
                key = (address, group_of(item))
                in_thread[key] = added(in_thread.get(key, Correspondence()), counted)
    return Facts(total, in_thread)
