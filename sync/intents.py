"""What plan decides and apply does: one intent for each change, each with its reason. Values only."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.types import Upsert
from sync.arrive import Arrival


@dataclass(frozen=True, slots=True)
class Insert:
    """A real-world message that the log does not hold yet. ``key`` is its identity."""

    arrival: Arrival
    key: str
    because: str = "new"


@dataclass(frozen=True, slots=True)
class Update:
    """The log holds it: note this sighting, these flags. ``key`` names one inserted earlier in the same batch,
    ``communication_id`` one stored before; both unset for an item of this very remote id."""

    upsert: Upsert
    arrival: Arrival | None = None
    communication_id: int | None = None
    key: str = ""
    because: str = "known"


@dataclass(frozen=True, slots=True)
class Meeting:
    """A calendar object arrived or changed."""

    arrival: Arrival
    because: str = "calendar"


@dataclass(frozen=True, slots=True)
class Invite:
    """A mail that is a meeting's: invitation, answer, cancellation."""

    arrival: Arrival
    because: str = "invitation"


@dataclass(frozen=True, slots=True)
class Skip:
    """Not for the log. ``because`` is the ledger reason; ``arrival`` is kept for the keyed hash only."""

    upsert: Upsert
    because: str
    arrival: Arrival | None = None


@dataclass(frozen=True, slots=True)
class Pend:
    """Known to exist, content not fetched: a later pass fetches it."""

    upsert: Upsert
    because: str = "no_content"


@dataclass(frozen=True, slots=True)
class Tombstone:
    """Left this stream. Membership only."""

    remote_id: str
    because: str = "gone"


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Cannot be read. Kept by name, tried again later."""

    remote_id: str
    because: str
    error: str
    upsert: Upsert | None = None


Intent = Insert | Update | Meeting | Invite | Skip | Pend | Tombstone | Quarantine
