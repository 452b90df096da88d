"""Opening items to others: grants by owners, and requests for access that owners answer. Everything here is audited
and can be taken back. ``crm.privacy`` reads the grants; tiers that hold for everybody are ``crm.sharing``'s.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from crm import audit
from crm.errors import NotAllowed, NotFound, Refused
from crm.models import AccessRequest, Communication, Grant, Notification, Sighting, User
from crm.privacy import Tier, Viewer, owners, tier


def share(
    session: Session,
    viewer: Viewer,
    communication_id: int,
    *,
    with_user: int | None,
    whole_thread: bool = False,
    now: datetime,
) -> list[str]:
    """An owner opens an item, or all of theirs in its thread, to a person, or (``with_user`` None) to everybody.

    Returns the names of owners whose mailboxes still keep its content closed: each opens their own. Raises NotFound,
    NotAllowed."""
    must_own(session, viewer, communication_id)
    thread_id = session.scalar(select(Communication.thread_id).where(Communication.id == communication_id))
    subject = {"thread_id": thread_id} if whole_thread and thread_id else {"communication_id": communication_id}
    if with_user is not None and session.get(User, with_user) is None:
        raise NotFound("There is no such user.")
    session.execute(delete(Grant).filter_by(owner_id=viewer.user_id, user_id=with_user, **subject))
    session.add(Grant(owner_id=viewer.user_id, user_id=with_user, created_at=now, **subject))
    session.flush()
    _note(session, viewer, "content.share", communication_id, {"with": with_user, "thread": whole_thread}, now)
    return still_closed(session, communication_id, with_user)


def unshare(session: Session, viewer: Viewer, grant_id: int, *, now: datetime) -> None:
    """The owner takes a grant back. Raises NotFound for a grant of somebody else."""
    grant = session.get(Grant, grant_id)
    if grant is None or grant.owner_id != viewer.user_id:
        raise NotFound("There is no such share.")
    grant.revoked_at = now
    session.flush()
    detail = {"with": grant.user_id, "thread": grant.thread_id}
    _note(session, viewer, "content.unshare", grant.communication_id, detail, now)


def grants(session: Session, viewer: Viewer, communication_id: int) -> list[Grant]:
    """Live grants on an item and its thread, for its owners. Raises NotFound, NotAllowed."""
    must_own(session, viewer, communication_id)
    thread_id = session.scalar(select(Communication.thread_id).where(Communication.id == communication_id))
    either = (Grant.communication_id == communication_id) | (Grant.thread_id == thread_id)
    return list(session.scalars(select(Grant).where(either, Grant.revoked_at.is_(None)).order_by(Grant.id)))


def still_closed(session: Session, communication_id: int, user_id: int | None) -> list[str]:
    """Names of owners who did not open the item to ``user_id`` (None: everybody), and whose tier is not full."""
    item = session.get_one(Communication, communication_id)
    opened = select(Grant.owner_id).where(
        (Grant.communication_id == item.id) | (Grant.thread_id == item.thread_id),
        Grant.revoked_at.is_(None),
        Grant.user_id.is_(None) | (Grant.user_id == user_id),
    )
    query = (
        select(User.name)
        .join(Sighting, Sighting.owner_id == User.id)
        .where(Sighting.communication_id == item.id, User.id.not_in(opened))
    )
    if item.visibility_cap is None:
        query = query.where(Sighting.tier != "full")
    return sorted(set(session.scalars(query)))


def request_access(session: Session, viewer: Viewer, communication_id: int, *, now: datetime) -> AccessRequest:
    """Ask to see an item of which the viewer knows that it exists. Its owners are told. Asking twice is asking
    once."""
    if tier(session, viewer, communication_id) == Tier.FULL:
        raise Refused("You can see this item already.")
    asked = select(AccessRequest).where(
        AccessRequest.communication_id == communication_id, AccessRequest.user_id == viewer.user_id,
        AccessRequest.answered_at.is_(None),
    )  # fmt: skip
    if found := session.scalar(asked):
        return found
    made = AccessRequest(communication_id=communication_id, user_id=viewer.user_id, created_at=now)
    session.add(made)
    session.flush()
    name = session.scalar(select(User.name).where(User.id == viewer.user_id)) or "Somebody"
    for owner_id in owners(session, communication_id):
        _tell(session, owner_id, f"request:{made.id}", f"{name} asks to see one of your items.", communication_id, now)
    _note(session, viewer, "content.request", communication_id, {}, now)
    return made


def answer_request(session: Session, viewer: Viewer, request_id: int, *, granted: bool, now: datetime) -> list[str]:
    """Any owner answers. Refusing closes the request. Granting opens the owner's own mailbox; the request is closed
    when nobody else's keeps the content closed, else it waits for the owners whose names are returned."""
    request = session.get(AccessRequest, request_id)
    if request is None or request.answered_at is not None:
        raise NotFound("There is no such open request.")
    must_own(session, viewer, request.communication_id)
    waits: list[str] = []
    if granted:
        waits = share(session, viewer, request.communication_id, with_user=request.user_id, now=now)
    if not waits:
        request.answered_at, request.answered_by, request.granted = now, viewer.user_id, granted
        text = "You were given access to an item you asked for." if granted else "An item you asked for stays closed."
        _tell(session, request.user_id, f"answer:{request.id}", text, request.communication_id, now)
    _note(session, viewer, "content.answer", request.communication_id, {"granted": granted}, now)
    return waits


def open_requests(session: Session, viewer: Viewer) -> list[AccessRequest]:
    """Requests the viewer can answer, oldest first."""
    mine = select(Sighting.communication_id).where(Sighting.owner_id == viewer.user_id)
    authored = select(Communication.id).where(Communication.author_id == viewer.user_id)
    condition = AccessRequest.communication_id.in_(mine) | AccessRequest.communication_id.in_(authored)
    query = select(AccessRequest).where(AccessRequest.answered_at.is_(None), condition)
    return list(session.scalars(query.order_by(AccessRequest.id)))


def must_own(session: Session, viewer: Viewer, communication_id: int) -> None:
    """Raises NotFound where the item doesn't exist for the viewer, NotAllowed where they are none of its owners."""
    if viewer.user_id in owners(session, communication_id):
        return
    tier(session, viewer, communication_id)
    raise NotAllowed("Only an owner of the item can do that.")


def _tell(session: Session, user_id: int, key: str, text: str, communication_id: int, now: datetime) -> None:
    there = select(func.count()).where(Notification.user_id == user_id, Notification.key == key)
    if not session.scalar(there):
        row = Notification(user_id=user_id, key=key, kind="privacy", text=text, created_at=now)
        row.href = f"/log/{communication_id}"
        session.add(row)


def _note(
    session: Session, viewer: Viewer, action: str, item_id: int | None, detail: dict[str, Any], now: datetime
) -> None:
    audit.record(
        session, actor_id=viewer.user_id, action=action, subject_kind="communication", subject_id=item_id,
        detail=detail, now=now,
    )  # fmt: skip
