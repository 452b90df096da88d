"""The address of a person's outgoing calendar feed: who has one, what signs it, and how it is taken back.

Calendar programs cannot sign in, so the address itself is the secret. It is signed with the vault's key over a nonce
that the person's preferences hold: a new nonce, or none, ends every address given out before. The signature is never
stored. Facts: RFC 2104 (HMAC), compared in constant time.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from crm import audit, profile
from crm.models import User
from crm.vault import Vault

PREFERENCE: Final = "feed"
_NOBODY: Final = "nobody"


def open_(session: Session, user_id: int, *, now: datetime) -> None:
    """Make a fresh address; the one before, if any, stops working at once. Raises NotFound for no such user."""
    profile.remember(session, user_id, PREFERENCE, secrets.token_hex(16))
    audit.record(session, actor_id=user_id, action="feed.open", subject_kind="user", subject_id=user_id, now=now)


def close(session: Session, user_id: int, *, now: datetime) -> None:
    """Take the address back. Raises NotFound for no such user."""
    profile.remember(session, user_id, PREFERENCE, None)
    audit.record(session, actor_id=user_id, action="feed.close", subject_kind="user", subject_id=user_id, now=now)


def signature(session: Session, vault: Vault, user_id: int) -> str | None:
    """What the person's address is signed with; None when they have none, or left."""
    user = session.get(User, user_id)
    nonce = user.preferences.get(PREFERENCE) if user is not None and user.active else None
    return _signed(vault, user_id, nonce) if nonce else None


def reader(session: Session, vault: Vault, user_id: int, signed: str) -> User | None:
    """Whose feed a signed address opens; None for a wrong, old or foreign one. Takes equally long for any."""
    right = signature(session, vault, user_id)
    wanted = right or _signed(vault, user_id, _NOBODY)
    same = hmac.compare_digest(wanted.encode(), signed.encode("utf-8", "replace"))
    return session.get(User, user_id) if same and right is not None else None


def _signed(vault: Vault, user_id: int, nonce: str) -> str:
    return vault.keyed_hash(f"calendar feed of {user_id}: {nonce}")
