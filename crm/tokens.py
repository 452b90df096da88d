"""API tokens: made once and shown once, kept as a SHA-256 hash, with the scopes they open. Also the memory of answers
given to
posts with an Idempotency-Key, for a day. Facts: RFC 6750 (bearer tokens), the IETF draft "The Idempotency-Key HTTP
Header Field".
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from crm import audit
from crm.errors import Conflict, NotFound, Refused
from crm.models import ApiToken, IdempotencyKey, User

SCOPES = (
    "contacts:read",
    "contacts:write",
    "deals:read",
    "tasks:read",
    "tasks:write",
    "log:read",
    "log:write",
    "review:read",
)
PREFIX = "crm_"
KEPT = timedelta(days=1)
USED_EVERY = timedelta(minutes=5)
KEY_MAX = 255


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who a token speaks for, and what it may."""

    user: User
    scopes: frozenset[str]


def create(session: Session, user_id: int, *, name: str, scopes: Iterable[str], now: datetime) -> tuple[ApiToken, str]:
    """A token for a user, and its text, which is not kept. Raises Refused for no name or an unknown scope."""
    wanted = sorted(set(scopes))
    if not name.strip():
        raise Refused("Give the token a name.", "name")
    if not wanted or not set(wanted) <= set(SCOPES):
        raise Refused("Choose what the token may do.", "scopes")
    text = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken(user_id=user_id, name=name.strip()[:200], hash=_hash(text), scopes=wanted, created_at=now)
    session.add(token)
    session.flush()
    detail = {"scopes": wanted}
    audit.record(
        session,
        actor_id=user_id,
        action="token.create",
        subject_kind="token",
        subject_id=token.id,
        detail=detail,
        now=now,
    )
    return token, text


def of(session: Session, user_id: int) -> list[ApiToken]:
    """A user's live tokens, newest first."""
    query = select(ApiToken).where(ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None))
    return list(session.scalars(query.order_by(ApiToken.id.desc())))


def revoke(session: Session, user_id: int, token_id: int, *, now: datetime) -> None:
    """End a token of one's own. Raises NotFound."""
    token = session.get(ApiToken, token_id)
    if token is None or token.user_id != user_id or token.revoked_at is not None:
        raise NotFound("There is no such token.")
    token.revoked_at = now
    audit.record(session, actor_id=user_id, action="token.revoke", subject_kind="token", subject_id=token_id, now=now)


def bearer(session: Session, text: str) -> Bearer | None:
    """Who the text speaks for; None for unknown, revoked, and tokens of people who left."""
    query = select(ApiToken, User).join(User, User.id == ApiToken.user_id).where(ApiToken.hash == _hash(text))
    row = session.execute(query.where(ApiToken.revoked_at.is_(None), User.active)).first()
    return Bearer(row[1], frozenset(row[0].scopes)) if row else None


def touch(session: Session, text: str, *, now: datetime) -> None:
    """Note that the token was used, not more often than every five minutes."""
    token = session.scalar(select(ApiToken).where(ApiToken.hash == _hash(text)))
    if token is not None and (token.last_used_at is None or now - token.last_used_at > USED_EVERY):
        token.last_used_at = now


def recall(session: Session, user_id: int, key: str, request: bytes, *, now: datetime) -> tuple[int, str] | None:
    """The answer given to the same request before. Raises Conflict when the key was used for another request, Refused
    for a
    key too long."""
    if len(key) > KEY_MAX:
        raise Refused(f"An Idempotency-Key has at most {KEY_MAX} characters.", "Idempotency-Key")
    session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < now - KEPT))
    row = session.scalar(select(IdempotencyKey).where(IdempotencyKey.user_id == user_id, IdempotencyKey.key == key))
    if row is None:
        return None
    if row.request_hash != hashlib.sha256(request).hexdigest():
        raise Conflict("This Idempotency-Key was used for another request.")
    return row.status, row.body


def keep(session: Session, user_id: int, key: str, request: bytes, status: int, body: str, *, now: datetime) -> None:
    """Remember an answer; committed with what the request did."""
    digest = hashlib.sha256(request).hexdigest()
    session.add(IdempotencyKey(user_id=user_id, key=key, request_hash=digest, status=status, body=body, created_at=now))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
