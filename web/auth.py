"""Who is asking: the signed cookie, the gate before every view, and the brake on guessing passwords.

The cookie carries the user's id and session epoch only; raising the epoch (new password, role, deactivation) ends every
session at once. A view is behind the sign-in unless it says ``@public``; what a role may not open does not exist (404).
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ParamSpec, TypeVar

from flask import Flask, abort, current_app, g, redirect, request, session, url_for
from werkzeug.wrappers import Response

from crm import users
from crm.errors import NotFound
from crm.models import User
from crm.privacy import Viewer

P = ParamSpec("P")
R = TypeVar("R")

TRIES = 8
TRIES_FROM_ONE_PLACE = 40
WINDOW = timedelta(minutes=10)
WATCHED = 10_000


@dataclass(frozen=True, slots=True)
class Person:
    """The one signed in, as pages need them. ``zone`` is an IANA name."""

    id: int
    name: str
    email: str
    role: str
    zone: str

    @property
    def viewer(self) -> Viewer:
        """As the privacy policy wants it."""
        return Viewer(user_id=self.id, role=self.role)

    @property
    def admin(self) -> bool:
        """Whether settings, people and audit are theirs to open."""
        return self.role == "admin"


def public(view: Callable[P, R]) -> Callable[P, R]:
    """Mark a view as open to those not signed in."""
    view.public = True  # type: ignore[attr-defined]
    return view


def needs(*roles: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Mark a view as existing for these roles only; others get 404."""

    def mark(view: Callable[P, R]) -> Callable[P, R]:
        view.roles = roles  # type: ignore[attr-defined]
        return view

    return mark


def gate(app: Flask) -> None:
    """Put the check before every request of ``app``."""

    @app.before_request
    def check() -> Response | None:
        view: Any = current_app.view_functions.get(request.endpoint or "")
        if view is None or request.endpoint == "static" or getattr(view, "public", False):
            return None
        g.private = True
        g.person = _person()
        if g.person is None:
            return _to_sign_in()
        if (roles := getattr(view, "roles", None)) and g.person.role not in roles:
            abort(404)
        return None


def sign_in(user: User) -> None:
    """Start a fresh session for ``user``."""
    session.clear()
    session.permanent = True
    session["user"], session["epoch"] = user.id, user.session_epoch


def sign_out() -> None:
    """Forget who this was."""
    session.clear()


def _person() -> Person | None:
    """The user of the cookie, if still active and of the same epoch."""
    if not (user_id := session.get("user")):
        return None
    with current_app.extensions["crm_sync"].db.reading() as db:
        try:
            user: User | None = users.by_id(db, user_id)
        except NotFound:
            user = None
    if user is None or not user.active or user.session_epoch != session.get("epoch"):
        session.clear()
        return None
    return Person(user.id, user.name, user.email, user.role, user.time_zone or "UTC")


def _to_sign_in() -> Response:
    """Send to the sign-in and back afterwards; an htmx request gets the whole page moved instead of a fragment."""
    back = request.full_path.rstrip("?") if request.method == "GET" and not request.headers.get("HX-Request") else None
    target = url_for("auth.sign_in_page", back=back)
    if request.headers.get("HX-Request"):
        response = current_app.response_class(status=204)
        response.headers["HX-Redirect"] = target
        return response
    return redirect(target, 303)


class Brake:
    """Counts failed sign-ins per address and per place in a sliding window. Per process: several web processes allow as
    many times more. Keeps hashes only, and no more than ``WATCHED`` of them."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, deque[datetime]] = OrderedDict()
        self._lock = threading.Lock()

    def blocked(self, email: str, place: str, now: datetime) -> bool:
        """Whether one more try is one too many."""
        with self._lock:
            return (
                self._count(_key("who", email), now) >= TRIES
                or self._count(_key("place", place), now) >= TRIES_FROM_ONE_PLACE
            )

    def failed(self, email: str, place: str, now: datetime) -> None:
        """Remember a failure."""
        with self._lock:
            for key in (_key("who", email), _key("place", place)):
                self._failures.setdefault(key, deque(maxlen=TRIES_FROM_ONE_PLACE)).append(now)
                self._failures.move_to_end(key)
            while len(self._failures) > WATCHED:
                self._failures.popitem(last=False)

    def passed(self, email: str) -> None:
        """Forget the failures of one who got in."""
        with self._lock:
            self._failures.pop(_key("who", email), None)

    def _count(self, key: str, now: datetime) -> int:
        return sum(1 for at in self._failures.get(key, ()) if now - at < WINDOW)


def _key(kind: str, value: str) -> str:
    return hashlib.sha256(f"{kind}:{value.strip().lower()}".encode()).hexdigest()
