"""Gmail's labels: their names, what a set of them says about a mail, and the ids that carry one.

Facts of users.labels: system labels have fixed upper-case ids; a user label's id ("Label_7") outlives its name.
Never decides whether a label is wanted: rules of inclusion work on the names, elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

INVISIBLE = ("TRASH", "SPAM", "DRAFT")
"""Labels whose mails get a ledger row and no content, in order of precedence."""

CHAT = "CHAT"

SKIPS = {"TRASH": "trash", "SPAM": "spam", "DRAFT": "draft"}


def skip_of(label_ids: Collection[str]) -> str:
    """The reason why a mail with these labels is not read, or ""."""
    return next((SKIPS[label] for label in INVISIBLE if label in label_ids), "")


def flags_of(label_ids: Collection[str]) -> frozenset[str]:
    """The IMAP flags that these labels amount to."""
    found = set() if "UNREAD" in label_ids else {"\\Seen"}
    if "STARRED" in label_ids:
        found.add("\\Flagged")
    if "DRAFT" in label_ids:
        found.add("\\Draft")
    return frozenset(found)


def names_of(label_ids: Iterable[str], names: Mapping[str, str]) -> tuple[str, ...]:
    """The names of labels, sorted; an id without a name stands for itself."""
    return tuple(sorted(names.get(label, label) for label in label_ids))
