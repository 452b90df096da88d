"""docs/connect.md against the code: every sentence that asks a person or an admin to act is in it, as it is said."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from connectors.google import failures, oauth
from connectors.microsoft import identity

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "connect.md").read_text(encoding="utf-8")
ASKS = {"NeedsPerson", "TokenRejected"}
OURS = "identity.py", "oauth.py", "session.py", "failures.py"


def test_every_sentence_of_google_and_microsoft_that_asks_a_person_to_act_is_explained() -> None:
    said = {
        *oauth.MISSING.values(), *_said("google"), *_said("microsoft"),
        failures.PERSON["access_denied"], failures.PERSON["admin_policy_enforced"], *failures.OPERATOR_SAYS.values(),
        *(identity.PERSON_SENTENCES[name] for name in EXPLAINED),
    }  # fmt: skip
    assert sorted(sentence for sentence in said - RARE if sentence not in PAGE) == []


def _said(package: str) -> Iterator[str]:
    for name in OURS:
        path = ROOT / "connectors" / package / name
        tree = ast.parse(path.read_text(encoding="utf-8")) if path.exists() else ast.Module([], [])
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ASKS):
                continue
            if node.args and isinstance(node.args[0], ast.Constant):
                yield str(node.args[0].value)


EXPLAINED = (
    "access_denied", "consent_required", "basic_action", "message_only", "user_password_expired", "token_expired"
)  # fmt: skip
RARE = {
    "The code has expired: begin again.", "The sign-in was declined.", "This account has no mailbox address.",
    "This sign-in does not fit the one you began: start again.", "This account has no sign-in stored: reconnect it.",
    "The stored sign-in of this account cannot be read: reconnect it.",
}  # fmt: skip
"""Device codes, which no page offers, and sentences that name their mend and are seen by nobody in normal running."""
