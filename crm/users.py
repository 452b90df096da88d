"""People who sign in: creation, passwords (argon2id), and roles. Leaving is ``crm.leaving``.

Never logs a password and never says whether an address is known. Facts: RFC 9106 (argon2), NIST SP 800-63B 5.1.1
(length is the only composition rule).
"""

from __future__ import annotations

from datetime import datetime
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm import audit
from crm.errors import NotFound, Refused
from crm.models import User
from crm.privacy import Viewer
from matching.addresses import canonical

ROLES = ("admin", "manager", "rep")
PASSWORD_MIN = 10
PASSWORD_MAX = 1024


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@cache
def _decoy() -> str:
    """Verified for unknown users, so that the answer takes as long as for known ones."""
    return _hasher().hash("nobody has this password")


def create(
    session: Session, *, email: str, name: str, role: str, password: str | None, now: datetime, actor_id: int | None
) -> User:
    """Add a user. Without a password they can't sign in until one is set. Raises Refused for a bad or taken value."""
    address = canonical(email)
    if "@" not in address:
        raise Refused(f"{email!r} is not an e-mail address.", "email")
    if session.scalar(select(User.id).where(User.email == address)):
        raise Refused(f"There is a user {address} already.", "email")
    _check_role(role)
    user = User(
        email=address, name=name.strip() or address, role=role, created_at=now,
        password_hash=_hash(password) if password is not None else None,
    )  # fmt: skip
    session.add(user)
    session.flush()
    audit.record(
        session, actor_id=actor_id, action="user.create", subject_kind="user", subject_id=user.id,
        detail={"role": role}, now=now,
    )  # fmt: skip
    return user


def authenticate(session: Session, email: str, password: str, now: datetime) -> User | None:
    """The active user with this address and password, or None. Takes the same time whether the address is known or
    not.

    Renews the hash when argon2's parameters were raised since, so it needs a writing session."""
    user = session.scalar(select(User).where(User.email == canonical(email)))
    known = user.password_hash if user is not None and user.active else None
    if not _matches(known or _decoy(), password) or user is None or known is None:
        return None
    if _hasher().check_needs_rehash(known):
        user.password_hash = _hasher().hash(password)
        audit.record(session, actor_id=user.id, action="user.rehash", subject_kind="user", subject_id=user.id, now=now)
    return user


def set_password(session: Session, user_id: int, password: str, *, actor_id: int | None, now: datetime) -> None:
    """Give a new password; all sessions of the user end. Raises Refused for one too short or too long."""
    user = by_id(session, user_id)
    user.password_hash = _hash(password)
    user.session_epoch += 1
    audit.record(session, actor_id=actor_id, action="user.password", subject_kind="user", subject_id=user_id, now=now)


def set_role(session: Session, user_id: int, role: str, *, actor_id: int | None, now: datetime) -> None:
    """Change what a user may do. Raises Refused for the last admin."""
    _check_role(role)
    user = by_id(session, user_id)
    if user.role == "admin" and role != "admin":
        _keep_one_admin(session, user_id)
    detail = {"from": user.role, "to": role}
    user.role = role
    user.session_epoch += 1
    audit.record(
        session, actor_id=actor_id, action="user.role", subject_kind="user", subject_id=user_id, detail=detail, now=now
    )


def first_run(session: Session) -> bool:
    """Whether nobody has been created yet."""
    return session.scalar(select(User.id).limit(1)) is None


def by_id(session: Session, user_id: int) -> User:
    """The user. Raises NotFound."""
    user = session.get(User, user_id)
    if user is None:
        raise NotFound("There is no such user.")
    return user


def by_email(session: Session, email: str) -> User | None:
    """The user with this address, however it is written."""
    return session.scalar(select(User).where(User.email == canonical(email)))


def all_(session: Session, *, active_only: bool = True) -> list[User]:
    """Users by name."""
    query = select(User).order_by(User.name, User.id)
    return list(session.scalars(query.where(User.active) if active_only else query))


def viewer(user: User) -> Viewer:
    """The viewer that the user is, for every reading function."""
    return Viewer(user.id, user.role)


def check_may_leave(session: Session, user: User) -> None:
    """Raises Refused for the last admin. Leaving itself is ``crm.leaving``."""
    if user.role == "admin":
        _keep_one_admin(session, user.id)


def _keep_one_admin(session: Session, user_id: int) -> None:
    others = select(func.count()).where(User.role == "admin", User.active, User.id != user_id)
    if not session.scalar(others):
        raise Refused("This is the last administrator; make somebody else one first.", "role")


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise Refused(f"{role!r} is not one of {', '.join(ROLES)}.", "role")


def _hash(password: str) -> str:
    if len(password) < PASSWORD_MIN:
        raise Refused(f"A password needs at least {PASSWORD_MIN} characters.", "password")
    if len(password) > PASSWORD_MAX:
        raise Refused(f"A password may have at most {PASSWORD_MAX} characters.", "password")
    return _hasher().hash(password)


def _matches(known: str, password: str) -> bool:
    if len(password) > PASSWORD_MAX:
        return False
    try:
        return _hasher().verify(known, password)
    except (VerificationError, InvalidHashError):
        return False
