"""Tiers, viewers, and the pure rule of who sees what; no database. ``crm.privacy`` says the same in SQL, and is what
callers import.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import IntEnum


class Tier(IntEnum):
    """What someone sees of an item; greater sees more. ``word`` is the form kept in tables and settings."""

    PRIVATE = 0
    METADATA = 1
    SUBJECT = 2
    FULL = 3

    @property
    def word(self) -> str:
        """private, metadata, subject or full."""
        return self.name.lower()


def tier_of(word: str) -> Tier:
    """The tier a word means. Raises ValueError for another word."""
    try:
        return Tier[word.upper()]
    except KeyError:
        raise ValueError(f"{word!r} is not one of full, subject, metadata, private") from None


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who is looking. ``role`` is admin, manager, rep, or system (workers and the command line). ``opened`` are items
    an admin opened by name through ``open_as_admin``, which audits each."""

    user_id: int
    role: str
    opened: frozenset[int] = frozenset()

    @classmethod
    def system(cls) -> Viewer:
        """An administrator of the data: sees that everything exists, and no content that is private to its owners."""
        return cls(0, "system")

    @property
    def is_system(self) -> bool:
        """Whether no person is looking."""
        return self.role == "system"

    @property
    def is_admin(self) -> bool:
        """Whether they configure the workspace."""
        return self.role in ("admin", "system")

    @property
    def leads(self) -> bool:
        """Whether they may assign other people's work (admins and managers). It opens no content."""
        return self.role in ("admin", "manager", "system")


@dataclass(frozen=True, slots=True)
class SeenBy:
    """One sighting as ``judge`` reads it. ``granted``: its owner opened the item to the viewer."""

    owner_id: int
    tier: Tier
    granted: bool = False


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """All that decides who may see an item. ``participant``: the viewer takes part in it."""

    status: str
    cap: Tier = Tier.FULL
    sightings: tuple[SeenBy, ...] = field(default_factory=tuple)
    participant: bool = False


def judge(viewer: Viewer, facts: ItemFacts) -> Tier:
    """What the viewer sees of an item with these facts. Pure."""
    shown = [Tier.FULL if s.granted else min(s.tier, _cap(facts)) for s in facts.sightings]
    if viewer.is_system:
        return Tier.FULL if shown and min(shown) > Tier.PRIVATE else Tier.METADATA
    if any(s.owner_id == viewer.user_id for s in facts.sightings):
        return Tier.FULL
    if not shown or max(shown) == Tier.PRIVATE or not _reachable(facts):
        return Tier.PRIVATE
    return max(Tier.METADATA, min(shown))


def _cap(facts: ItemFacts) -> Tier:
    return Tier.FULL if facts.cap == Tier.PRIVATE and facts.participant else facts.cap


def _reachable(facts: ItemFacts) -> bool:
    """Unlinked items are their owners', unless granted, or capped to participants of whom the viewer is one."""
    if facts.status == "linked" or any(s.granted for s in facts.sightings):
        return True
    return facts.status == "ignored" and facts.cap == Tier.PRIVATE and facts.participant


def sighting_tier(
    *,
    account: str,
    streams: Iterable[str | None] = (),
    contacts: Iterable[str | None] = (),
    thread: str | None = None,
    item: str | None = None,
    loosest: str = "full",
) -> str:
    """The tier of one sighting: the most specific of item, thread, contact, stream and account, at most ``loosest``.
    Where an item lies in several folders, or has several contacts, with a choice each, the strictest of them counts.
    Pure."""
    for chosen in ([item], [thread], list(contacts), list(streams), [account]):
        if given := [tier_of(word) for word in chosen if word is not None]:
            return min(*given, tier_of(loosest)).word
    return "private"


def visibility_cap(
    marks: Collection[str], *, internal: bool, protected: bool, private_event: bool = False
) -> str | None:
    """What the kind of item allows at most to others: ``private`` (its participants only) for internal items and
    those of protected recipients, ``metadata`` for sensitive mail and private events, None for no cap. Pure."""
    if internal or protected:
        return "private"
    if private_event or {"private", "confidential"} & set(marks):
        return "metadata"
    return None
