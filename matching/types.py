"""The words of matching: what is judged (Item), what is known (Directory), what comes out (Decision).

Everything is immutable and comparable, so that two runs over the same input can be compared with ``==``. Nothing here
reads a clock or a database; the SQL side of ``Directory`` lives in ``crm.directory``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Status(StrEnum):
    """What a rep sees of an item. LINKED as soon as one link is certain; questions may stand beside it."""

    LINKED = "linked"
    REVIEW = "review"
    UNMATCHED = "unmatched"
    IGNORED = "ignored"


class Mark(StrEnum):
    """Classifying facts of a mail, set by the parser's reader (sync), never by matching."""

    AUTOMATIC = "automatic"  # Auto-Submitted other than no, delivery report, out-of-office
    BULK = "bulk"  # List-Id, List-Unsubscribe, Precedence bulk/list/junk
    OWN_LIST = "own_list"  # List-Id of an internal domain
    PRIVATE = "private"  # Sensitivity: Private or Personal
    CONFIDENTIAL = "confidential"  # Sensitivity: Company-Confidential
    RSVP = "rsvp"  # an iTIP answer (METHOD REPLY)
    INVITATION = "invitation"  # any other iTIP mail
    DROPBOX = "dropbox"  # own side sent it with the logging address in Bcc/To/Cc
    PERSONAL = "personal"  # list mail that a person wrote: a reply, a discussion list, no signs of a campaign
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Party:
    """One participant. ``address`` is canonical ("" for a guest known by name only). ``role`` is from, sender,
    reply_to, to, cc, bcc, organizer, attendee, original_from, resent_from, resent_to or forwarded (the sender of a
    forwarded original)."""

    role: str
    address: str
    name: str = ""
    is_person: bool = True


@dataclass(frozen=True, slots=True)
class Item:
    """One mail, meeting, call or note to be judged. ``id`` is the caller's. ``thread`` groups items that are decided
    together. ``mailboxes`` are the canonical addresses of the accounts that saw it. ``message_id``, ``in_reply_to``
    and ``references`` are normalised. ``body`` is the new part of the text, ``signature`` the block cut from it.
    ``list_host`` is the domain of List-Id."""

    id: int
    kind: str
    occurred_at: datetime
    parties: tuple[Party, ...]
    subject: str = ""
    thread: str = ""
    message_id: str = ""
    parents: tuple[str, ...] = ()
    ical_uid: str = ""
    marks: frozenset[Mark] = frozenset()
    mailboxes: tuple[str, ...] = ()
    body: str = ""
    signature: str = ""
    list_host: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """A record an item can be about. ``kind`` is contact, company or deal; ``id`` its key in the directory."""

    kind: str
    id: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """One reason. ``signal`` names the row of the weights table; ``says`` is a sentence a rep understands."""

    signal: str
    weight: float
    says: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A target with its reasons. ``score`` is the documented combination of the weights, 0..1. ``against`` says why
    it lost, for candidates that did."""

    target: Target
    score: float
    evidence: tuple[Evidence, ...]
    against: str = ""

    @property
    def method(self) -> str:
        """The strongest signal's name."""
        return max(self.evidence, key=lambda e: e.weight).signal if self.evidence else ""


@dataclass(frozen=True, slots=True)
class Question:
    """What a person should settle. ``kind`` is person, company or deal; ``key`` groups equal questions
    ("address:a@b", "domain:b", "thread:t", "name:N"); ``reason`` is the chip on the review page."""

    kind: str
    key: str
    reason: str
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """The whole answer for one item. ``reason`` says why it is ignored (internal, bulk, automatic, private,
    never_log, invitation) or unmatched; ``direction`` is inbound, outbound, internal, or "" for meetings. ``lost``
    are candidates that were considered and rejected, each with ``against``."""

    item: int
    status: Status
    direction: str
    links: tuple[Candidate, ...] = ()
    suggestions: tuple[Candidate, ...] = ()
    questions: tuple[Question, ...] = ()
    lost: tuple[Candidate, ...] = ()
    reason: str = ""
