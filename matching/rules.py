"""The settings of matching: thresholds with measured defaults (docs/matching.md), and what an admin forbade or
added."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from matching.addresses import canonical, family, host_of, one_domain
from matching.domains import is_within


@dataclass(frozen=True, slots=True)
class Rules:
    """``link`` and ``suggest`` are scores from which a candidate is attached or proposed. ``crowd`` is the number of
    counterparties above which an item is a crowd. ``deal_window`` runs before a deal's creation and after its close.
    ``inbound_before_question`` is how often a stranger writes as a person before we ask. ``never_log`` holds
    canonical addresses and domains; ``dropbox`` the logging addresses; ``shared_domains`` what an admin added to the
    tables. ``keep_private`` are the mailboxes whose owners keep private items for themselves. ``region`` is the ISO
    3166 country of phone numbers written without one."""

    link: float = 0.85
    suggest: float = 0.3
    crowd: int = 25
    deal_window: timedelta = timedelta(days=14)
    inbound_before_question: int = 2
    never_log: frozenset[str] = frozenset()
    dropbox: frozenset[str] = frozenset()
    shared_domains: frozenset[str] = frozenset()
    keep_private: frozenset[str] = frozenset()
    region: str = ""

    def forbids(self, address: str) -> bool:
        """True when the address, its family or its domain (with all subdomains) is never to be logged."""
        if not self.never_log or not address:
            return False
        return address in self.never_log or family(address) in self.never_log or self.forbids_host(host_of(address))

    def forbids_host(self, host: str) -> bool:
        """True when the domain or a parent of it is never to be logged."""
        return bool(host) and is_within(host, self.never_log)

    def is_shared(self, host: str) -> bool:
        """True when an admin marked the domain, or a parent of it, as belonging to nobody in particular."""
        return bool(self.shared_domains) and is_within(host, self.shared_domains)


def forbidden(entries: list[str]) -> frozenset[str]:
    """Never-log entries as a person writes them ("Jane@Acme.example", "acme.example", "@acme.example") in their one
    form."""
    cleaned = (canonical(entry) if "@" in entry.strip()[1:] else one_domain(entry) for entry in entries)
    return frozenset(entry for entry in cleaned if entry)
