"""An office whose people have Google and Microsoft accounts: the model servers, the service that points at them, one
clock for
all. In this process, through the real flow; the servers listen on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crm.database import Database
from sync import accounts, google_accounts, microsoft_accounts
from sync.accounts import AccountSpec
from tests.emulators import google, microsoft
from tests.rig.office import Clock, Office

REP = "rep@ourco.example"


def environ(settings: dict[str, Any]) -> dict[str, str]:
    """Connector settings of a model server as the process's settings (contract.md)."""
    return {f"CRM_SYNC_{name.upper()}": str(value) for name, value in settings.items() if value}


@dataclass(eq=False)
class Cloud:
    """The office and its two providers."""

    office: Office
    google: google.Server
    microsoft: microsoft.Server

    def gmail(self, address: str = REP) -> Any:
        """The person at Google, made when new."""
        world = self.google.world
        return world.people.get(address) or world.add_user(address)

    def add_google(self, address: str = REP, **more: Any) -> int:
        """Connect the person's Google account as ``account add google --token-json`` does; its id."""
        self.gmail(address)
        token = json.dumps(self.google.world.token_json(address))
        found, secret, config = google_accounts.identify(self.office.service, token)
        return self._add("google", found, config, secret, **more)

    def add_microsoft(self, address: str = REP, *, app_only: bool = False, **more: Any) -> int:
        """Connect the person's Microsoft account as ``account add microsoft`` does; its id."""
        self.microsoft.user(address)
        token = json.dumps({"refresh_token": self.microsoft.identity.issue_refresh(address)})
        found, secret, config = microsoft_accounts.identify(
            self.office.service, "" if app_only else token, app_only=app_only, address=address if app_only else None
        )
        return self._add("microsoft", found, config, secret, **more)

    def _add(self, provider: str, address: str, config: dict[str, Any], secret: str, **more: Any) -> int:
        spec = AccountSpec(provider, more.pop("owner", REP), address, config, secret, **more)
        return accounts.add(self.office.service, spec, actor_id=None)


@contextmanager
def cloud(database: Database, folder: Path, **more: str) -> Iterator[Cloud]:
    """Both model servers and an office that reaches them; the servers' answers are held against their schemas at the
    end."""
    clock = Clock()
    world = google.World(lambda: clock.at.timestamp())
    with google.Server(world) as first, microsoft.Server(tls_dir=folder / "tls", now=clock) as second:
        given = environ({**first.settings(), "ca_bundle": None} | second.settings()) | more
        office = Office.open(database, folder, **given)
        office.service.now = office.clock = clock
        yield Cloud(office, first, second)
        assert world.model_faults == []
        assert second.problems == []
