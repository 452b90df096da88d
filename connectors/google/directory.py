"""The people of a Google Workspace, for admins who connect them all by domain-wide delegation.

Reads names and addresses only, as the administrator that the service account acts for. Source: Admin SDK Directory API,
users.list (developers.google.com/workspace/admin/directory/reference/rest/v1/users/list). Never reads a mailbox.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connectors.errors import BadItem, NeedsPerson, OperatorFault, StreamGone
from connectors.google import endpoints
from connectors.google.calls import Calls
from connectors.google.http import Transport
from connectors.google.session import Session, read_secret
from connectors.protocol import Context

SCOPE = "https://www.googleapis.com/auth/admin.directory.user.readonly"
PAGE = 500
MAX_PAGES = 400


@dataclass(frozen=True, slots=True)
class Member:
    """Someone with an account. ``aliases`` are further addresses of the same mailbox; ``unit`` is the path of the
    organisational unit ("/Sales")."""

    address: str
    name: str
    unit: str = "/"
    aliases: tuple[str, ...] = ()


def members(
    settings: Mapping[str, Any],
    service_account_json: str,
    *,
    admin: str,
    query: str = "",
    now: Callable[[], datetime],
    sleep: Callable[[float], None],
) -> Iterator[Member]:
    """Everyone with a mailbox, suspended and archived people left out; ``query`` narrows it in Google's own syntax,
    such as ``orgUnitPath=/Sales``. ``admin`` is an administrator's address.

    Raises NeedsPerson, OperatorFault, TryLater."""
    secret = json.dumps({**read_secret(service_account_json), "subject": admin, "scopes": [SCOPE]})
    context = Context(
        now=now, sleep=sleep, config={}, secret=lambda: secret, save_secret=lambda _new: True,
        acquire=lambda _key, _units: None, memory={}, remember=lambda _key, _value: None, settings=settings,
    )  # fmt: skip
    session = Session(context)
    transport = Transport(settings, session.token)
    calls = Calls(context, transport, lambda: "")
    try:
        yield from _pages(calls, endpoints.service(settings, "admin", transport).users(), query)
    except StreamGone as error:
        says = "Google does not let this person list the people of the organisation: name an administrator."
        raise NeedsPerson(says, code="not_admin") from error
    except BadItem as error:
        raise OperatorFault("Google does not accept this filter of people.", code="bad_filter") from error
    finally:
        transport.close()
        session.close()


def _pages(calls: Calls, users: Any, query: str) -> Iterator[Member]:
    token = ""
    for _ in range(MAX_PAGES):
        given: dict[str, Any] = {"customer": "my_customer", "maxResults": PAGE, "orderBy": "email"}
        given |= {"query": query} if query else {}
        given |= {"pageToken": token} if token else {}
        answer = calls.directory(users.list(**given))
        for entry in answer.get("users") or ():
            if isinstance(entry, dict) and entry.get("primaryEmail") and _has_mail(entry):
                yield _member(entry)
        token = str(answer.get("nextPageToken") or "")
        if not token:
            return


def _has_mail(entry: dict[str, Any]) -> bool:
    hidden = entry.get("suspended") is True or entry.get("archived") is True
    return not hidden and entry.get("isMailboxSetup") is not False


def _member(entry: dict[str, Any]) -> Member:
    name = entry.get("name")
    full = str(name.get("fullName") or "") if isinstance(name, dict) else ""
    aliases = entry.get("aliases")
    others = tuple(str(one) for one in aliases) if isinstance(aliases, list) else ()
    return Member(str(entry["primaryEmail"]), full, str(entry.get("orgUnitPath") or "/"), others)
