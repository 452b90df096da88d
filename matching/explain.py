"""The sentences: one for each reason, short enough for a timeline line, true without context. English, no ids, no
scores."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from matching.types import Candidate, Decision, Item

MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December")  # fmt: skip
IGNORED = {
    "never_log": "an address on it is never logged",
    "private": "marked private by its sender or owner",
    "invitation": "an invitation or its answer: it belongs to the meeting",
    "automatic": "sent by a machine",
    "internal": "nobody outside is on it",
    "bulk": "sent to a list or many at once",
    "not_a_contact": "a person said that nobody on it is a contact",
    "decided": "a person put this thread aside",
}


def on(day: date) -> str:
    """A day as a rep says it: "3 March 2026"."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def listed(labels: Sequence[str], word: str = "and") -> str:
    """ "A", "A and B", "A, B and C", at most four named."""
    shown = list(labels[:4]) + ([f"{len(labels) - 4} more"] if len(labels) > 4 else [])
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} {word} {shown[-1]}" if shown else ""


def decided(by: str, day: date | None) -> str:
    return " ".join(filter(None, [f"{by or 'a person'} said so", f"on {on(day)}" if day else ""]))


def exact(address: str) -> str:
    return f"exact address {address}"


def shared_name(address: str, name: str) -> str:
    return f"shared address {address}, name {name} in the header"


def relative(address: str, known: str) -> str:
    return f"{address} is a variant of {known}"


def reply(subject: Item, label: str) -> str:
    what = "the meeting" if subject.kind == "meeting" else "the thread"
    return f"reply in {what} of {on(subject.occurred_at.date())} with {label}"


def domain(name: str, company: str, *, known: bool) -> str:
    return f"domain {name} belongs to {company}" + ("" if known else "; the person is not known yet")


def sentence(decision: Decision) -> str:
    """Why an item is where it is, in one line."""
    if decision.links:
        return "Attached: " + (decision.links[0].evidence[0].says if decision.links[0].evidence else "by a person")
    if decision.reason in IGNORED:
        return "Kept out: " + IGNORED[decision.reason]
    if decision.questions or decision.suggestions:
        return "Waiting for a person: " + (
            _first(decision.suggestions) or decision.questions[0].reason.replace("_", " ")
        )
    return "Not matched: nobody on it is known, and it is below the review threshold"


def _first(candidates: Sequence[Candidate]) -> str:
    return candidates[0].evidence[0].says if candidates and candidates[0].evidence else ""
