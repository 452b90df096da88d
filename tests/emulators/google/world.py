"""All the state of the model: people with mailboxes and calendars, tokens, faults to come, requests seen."""

from __future__ import annotations

import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.emulators.google.calendars import Calendar
from tests.emulators.google.errors import Refused
from tests.emulators.google.mailbox import Mailbox
from tests.emulators.google.quota import Quota

READ_MAIL = "https://www.googleapis.com/auth/gmail.readonly"
READ_CALENDAR = "https://www.googleapis.com/auth/calendar.readonly"
CLIENT_ID = "model.apps.googleusercontent.com"
CLIENT_SECRET = "model-secret"


@dataclass
class Fault:
    """What goes wrong with the next ``times`` calls whose name is ``method`` ("*" for all; "messages.get" also inside
    batches). ``kind``: status, truncate, reset, html. ``skip`` lets that many calls pass first. ``target`` narrows it
    to calls whose path contains that text."""

    method: str
    kind: str = "status"
    times: int = 1
    status: int = 500
    reason: str = "backendError"
    message: str = ""
    retry_after: int | None = None
    details: bool = False
    skip: int = 0
    target: str = ""


@dataclass
class Person:
    """``broken`` is an OAuth error that every refresh gets; ``enabled`` says whether the account has Gmail."""

    mailbox: Mailbox
    calendars: dict[str, Calendar] = field(default_factory=dict)
    broken: dict[str, Any] | None = None
    has_gmail: bool = True
    has_calendar: bool = True
    send_as: dict[str, str] = field(default_factory=dict)
    unit: str = "/"
    suspended: bool = False
    admin: bool = False


@dataclass
class Grant:
    user: str
    scopes: frozenset[str]
    ends: float = 0.0


class World:
    """Guarded by ``lock``: the server takes it for each request, tests that reach in may take it too."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.people: dict[str, Person] = {}
        self.faults: list[Fault] = []
        self.quota = Quota(clock)
        self.refresh_tokens: dict[str, Grant] = {}
        self.access_tokens: dict[str, Grant] = {}
        self.codes: dict[str, dict[str, Any]] = {}
        self.rotate = False
        self.token_life = 3599
        self.batch_limit = 100
        self.channels: dict[str, dict[str, Any]] = {}
        self.notifications: list[dict[str, Any]] = []
        self.push_url = ""
        self.seen: list[str] = []
        self.model_faults: list[str] = []
        self.counts: dict[str, int] = defaultdict(int)
        self._numbers = itertools.count(1)

    def add_user(self, address: str, *, calendar: bool = True) -> Person:
        """A person with an empty mailbox and, as everyone, a primary calendar called by the address."""
        person = Person(Mailbox(address))
        if calendar:
            person.calendars[address] = Calendar(address, address, primary=True)
        self.people[address] = person
        return person

    def token_json(self, address: str, scopes: tuple[str, ...] = (READ_MAIL, READ_CALENDAR)) -> dict[str, Any]:
        """Credentials in google-auth's authorized-user format, with a live refresh token."""
        return {"type": "authorized_user", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
                "refresh_token": self.new_refresh(Grant(address, frozenset(scopes)))}  # fmt: skip

    def new_refresh(self, grant: Grant) -> str:
        token = f"1//model-{next(self._numbers):06d}"
        self.refresh_tokens[token] = grant
        return token

    def new_access(self, grant: Grant) -> str:
        token = f"ya29.model-{next(self._numbers):06d}"
        self.access_tokens[token] = Grant(grant.user, grant.scopes, self.clock() + self.token_life)
        return token

    def revoke(self, address: str) -> None:
        """The person takes the consent back: all tokens die."""
        for tokens in (self.refresh_tokens, self.access_tokens):
            for token in [t for t, grant in tokens.items() if grant.user == address]:
                del tokens[token]

    def who(self, header: str) -> Grant:
        """The grant of a bearer token. Raises 401."""
        grant = self.access_tokens.get(header.removeprefix("Bearer ").strip())
        if grant is None or grant.ends < self.clock():
            raise Refused(401, "authError", "Invalid Credentials")
        return grant

    def fault_for(self, method: str, path: str) -> Fault | None:
        """The fault that this call meets, used up by it."""
        for fault in self.faults:
            if fault.method not in ("*", method) or fault.target not in path:
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            fault.times -= 1
            if fault.times <= 0:
                self.faults.remove(fault)
            return fault
        return None

    def count(self, method: str, path: str) -> None:
        self.counts[method] += 1
        self.seen.append(path)

    def notify(self, address: str, calendar: str = "") -> None:
        """Queue what push would say; nothing is sent before ``control.flush``."""
        person = self.people[address]
        if not calendar and person.mailbox.watch:
            self.notifications.append({"mail": address, "historyId": person.mailbox.now})
        for channel in self.channels.values():
            if calendar and channel["calendar"] == calendar and channel["user"] == address:
                self.notifications.append({"channel": channel["id"]})
