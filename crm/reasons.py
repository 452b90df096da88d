"""Why an item is where it is, as far as the viewer may read it: evidence counts as content when it quotes content."""

from __future__ import annotations

from typing import Any

from crm.privacy import Tier

# What a reason may give away: signals not named here are shown with all of the content only.
LEAST = {
    "signature": Tier.FULL, "forwarded-by-us": Tier.FULL, "deal-subject": Tier.SUBJECT,
    **dict.fromkeys(
        ("decided", "address", "shared-name", "address-family", "dropbox", "employer", "domain", "thread", "meeting",
         "name-at-company", "name-in-thread", "thread-person", "similar-name", "shared-address", "former-address",
         "shared-domain", "several-companies", "deal-thread", "deal-only", "deal-company-only", "deal-open"),
        Tier.METADATA,
    ),
}  # fmt: skip
HIDDEN = {
    "signature": "by what its signature says", "deal-subject": "by its subject", "forwarded-by-us": "a forwarded mail",
}  # fmt: skip
SET_ASIDE = {
    "internal": "only our own side is on it", "bulk": "list or newsletter mail", "automatic": "an automatic mail",
    "private": "marked private", "never_log": "on the never-log list", "invitation": "the meeting's invitation",
}  # fmt: skip


def readable(evidence: list[Any], tier: Tier) -> list[dict[str, Any]]:
    """Evidence with its sentences, the strongest first; a sentence above the tier is replaced by what kind of reason
    it is."""
    rows = sorted(evidence, key=lambda e: -float(e.get("weight", 0)))
    return [{**row, "says": says(row, tier)} for row in rows]


def says(row: dict[str, Any], tier: Tier) -> str:
    """One reason's sentence for this tier."""
    signal = str(row.get("signal", ""))
    if tier >= LEAST.get(signal, Tier.FULL):
        return str(row.get("says", ""))
    return HIDDEN.get(signal, "by its content")


def why(evidence: list[Any], method: str, *, pinned: bool, tier: Tier) -> str:
    """One line for a link."""
    if shown := readable(evidence, tier):
        return str(shown[0]["says"])
    return "attached by a person" if pinned else method


def why_not(status: str, reason: str | None) -> str:
    """One line for an item that is attached to nothing."""
    if status == "ignored":
        return SET_ASIDE.get(reason or "", reason or "set aside")
    if status == "review":
        return "nothing certain yet; it waits in review"
    return "nobody on it is known" if status == "unmatched" else ""
