"""Fixtures for the tests of web: a service on a fresh database, three people, and clients signed in as them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from crm import settings as process_settings
from crm import users
from crm.database import Database
from sync.service import Service
from tests.rig.databases import sqlite_database, sqlite_template
from web.app import create_app

__all__ = ["sqlite_database", "sqlite_template"]

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
PASSWORD = "correct horse battery"


@dataclass
class Team:
    """Ids of the people of the tests."""

    admin: int
    priya: int
    jonas: int
    mina: int


class Person:
    """A test client that signs in, and posts forms with the token of the page."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def get(self, path: str, status: int = 200) -> str:
        response = self.client.get(path)
        assert response.status_code == status, (path, response.status_code, response.text[:2000])
        return response.text

    def token(self) -> str:
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.client.get("/help/keys").text or "") or re.search(
            r'name="csrf_token"[^>]*value="([^"]+)"', self.client.get("/sign-in", follow_redirects=True).text
        )
        assert found
        return found.group(1)

    def post(self, path: str, status: int = 303, follow: bool = False, **fields: object) -> str:
        data = {"csrf_token": self.token(), **fields}
        response = self.client.post(path, data=data, follow_redirects=follow)
        assert response.status_code == (200 if follow else status), (path, response.status_code, response.text[:3000])
        return response.text if follow else response.headers.get("Location", response.text)

    def sign_in(self, email: str) -> Person:
        self.post("/sign-in", email=email, password=PASSWORD)
        return self


@pytest.fixture
def service(sqlite_database: Database, tmp_path: Path) -> Service:
    """A service on a fresh SQLite database with a clock that stands still."""
    settings = process_settings.load(
        {
            "CRM_SYNC_DATA_DIR": str(tmp_path / "data"),
            "CRM_SYNC_SECRET_KEY": "k" * 40,
            "CRM_SYNC_ALLOW_PRIVATE_HOSTS": "1",
        },
        env_file=tmp_path / "none",
    )
    made = Service.build(settings, now=lambda: NOW)
    made.db = sqlite_database
    return made


@pytest.fixture
def app(service: Service) -> Flask:
    """The application in testing mode: exceptions propagate."""
    made = create_app(service)
    made.testing = True
    return made


@pytest.fixture
def stranger(app: Flask) -> Person:
    """Nobody is signed in."""
    return Person(app.test_client())


@pytest.fixture
def team(service: Service) -> Team:
    """An admin, two reps and a manager, all with one password."""
    with service.db.transaction() as session:
        made = [
            users.create(session, email=email, name=name, role=role, password=PASSWORD, now=NOW, actor_id=None).id
            for email, name, role in (
                ("ada@ourco.example", "Ada Admin", "admin"),
                ("priya@ourco.example", "Priya Raman", "rep"),
                ("jonas@ourco.example", "Jonas Weber", "rep"),
                ("mina@ourco.example", "Mina Okafor", "manager"),
            )
        ]
    return Team(*made)


@pytest.fixture
def enter(app: Flask, team: Team) -> Callable[[str], Person]:
    """Sign somebody in by first name."""
    return lambda name: Person(app.test_client()).sign_in(f"{name}@ourco.example")


@pytest.fixture
def admin(enter: Callable[[str], Person]) -> Person:
    return enter("ada")


@pytest.fixture
def priya(enter: Callable[[str], Person]) -> Person:
    return enter("priya")


@pytest.fixture
def jonas(enter: Callable[[str], Person]) -> Person:
    return enter("jonas")


@pytest.fixture
def mina(enter: Callable[[str], Person]) -> Iterator[Person]:
    return enter("mina")  # type: ignore[return-value]
