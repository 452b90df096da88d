"""Who asks the API, and with what: bearer tokens and their scopes, numbers and objects from the request. Raises
``Problem``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import g, request

from crm import tokens
from crm.privacy import Viewer
from web import door

if TYPE_CHECKING:
    from crm.models import User

LIMIT_MAX = 200


class Problem(Exception):
    """An answer that is no success: status, title, and a sentence."""

    def __init__(self, status: int, title: str, detail: str = "", *, field: str = "") -> None:
        super().__init__(detail or title)
        self.status, self.title, self.detail, self.field = status, title, detail, field


def admit(scope: str) -> None:
    """Let the bearer of a token with this scope in; sets who asks for the rest of the request."""
    kind, _, text = request.headers.get("Authorization", "").partition(" ")
    with door.transaction() as session:
        found = tokens.bearer(session, text.strip()) if kind.lower() == "bearer" else None
        if found is None:
            raise Problem(401, "Not signed in", "Send a token: Authorization: Bearer crm_...")
        tokens.touch(session, text.strip(), now=door.now())
    if scope not in found.scopes:
        raise Problem(403, "Not allowed", f"The token lacks the scope {scope}.")
    g.api_user = found.user


def user() -> User:
    """Who the token speaks for."""
    found: User = g.api_user
    return found


def viewer() -> Viewer:
    """The same for the privacy policy."""
    return Viewer(user().id, user().role)


def limit() -> int:
    """How many rows were asked for: 50 unless told, at most 200."""
    value = request.args.get("limit", "50")
    if not value.isdecimal() or not 1 <= int(value) <= LIMIT_MAX:
        raise Problem(422, "Bad parameter", f"limit is a number from 1 to {LIMIT_MAX}.", field="limit")
    return int(value)


def number(name: str) -> int | None:
    """A number in the query, if given."""
    value = request.args.get(name)
    if value is None:
        return None
    if not value.isdecimal():
        raise Problem(422, "Bad parameter", f"{name} is a number.", field=name)
    return int(value)


def body() -> dict[str, Any]:
    """The JSON object of the request."""
    found = request.get_json(silent=True)
    if not isinstance(found, dict):
        raise Problem(422, "Bad body", "Send a JSON object with Content-Type: application/json.")
    return found


def take(
    fields: dict[str, Any], name: str, kind: type | tuple[type, ...], *, required: bool = False, default: Any = None
) -> Any:
    """One member of the body, of its type."""
    value = fields.get(name)
    if value is None:
        if required:
            raise Problem(422, "Bad body", f"{name} is needed.", field=name)
        return default
    if not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool):
        raise Problem(422, "Bad body", f"{name} has the wrong type.", field=name)
    return value
