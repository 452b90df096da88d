"""Fixtures for the tests of web: a service on a fresh database, three people, and clients signed in as them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from crm import pipelines, users
from crm import settings as process_settings
from crm.database import Database
from sync.service import Service
from tests.rig.databases import sqlite_template
from tests.web import seed
from tests.web.seed import Seeded
from web import settle
from web.app import create_app

__all__ = ["sqlite_template"]

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


@pytest.fixture(scope="session")
def team_template(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Team]:
    """A database with the four people in it: passwords are slow to hash, so it is made once a process."""
    path = tmp_path_factory.mktemp("team") / "team.db"
    shutil.copyfile(sqlite_template, path)
    made = Database(f"sqlite:///{path}")
    with made.transaction() as session:
        pipelines.ensure_default(session)
        ids = [
            users.create(session, email=email, name=name, role=role, password=PASSWORD, now=NOW, actor_id=None).id
            for email, name, role in (
                ("ada@ourco.example", "Ada Admin", "admin"),
                ("priya@ourco.example", "Priya Raman", "rep"),
                ("jonas@ourco.example", "Jonas Weber", "rep"),
                ("mina@ourco.example", "Mina Okafor", "manager"),
            )
        ]
    _settle(made)
    return path, Team(*ids)


@pytest.fixture(scope="session")
def mail_template(team_template: tuple[Path, Team], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Seeded]:
    """The same with the mail of ``tests.web.seed`` pulled through the real flow, once a process."""
    folder = tmp_path_factory.mktemp("mail")
    shutil.copyfile(team_template[0], folder / "mail.db")
    made = _service(folder, folder / "mail.db")
    seeded = seed.everything(made, folder / "boxes", team_template[1].priya, team_template[1].jonas)
    _settle(made.db)
    return folder / "mail.db", seeded


@pytest.fixture
def service(sqlite_template: Path, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    """A service on a fresh SQLite database with a clock that stands still."""
    wanted = (
        "mail_template"
        if "mailed" in request.fixturenames
        else "team_template"
        if "team" in request.fixturenames
        else ""
    )
    template = request.getfixturevalue(wanted)[0] if wanted else sqlite_template
    shutil.copyfile(template, tmp_path / "crm.db")
    made = _service(tmp_path, tmp_path / "crm.db")
    yield made
    made.db.dispose()


def _service(folder: Path, database: Path) -> Service:
    settings = process_settings.load(
        {
            "CRM_SYNC_DATA_DIR": str(folder / "data"),
            "CRM_SYNC_DATABASE_URL": f"sqlite:///{database}",
            "CRM_SYNC_SECRET_KEY": "k" * 40,
            "CRM_SYNC_ALLOW_PRIVATE_HOSTS": "1",
        },
        env_file=folder / "none",
    )
    return Service.build(settings, now=lambda: NOW)


def _settle(database: Database) -> None:
    """Put everything into the one file, so that it can be copied."""
    with database.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    database.dispose()


@pytest.fixture
def app(service: Service, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """The application in testing mode: exceptions propagate, and what follows a change is not cut short on a busy
    machine."""
    monkeypatch.setattr(settle, "SECONDS", 60.0)
    made = create_app(service)
    made.testing = True
    return made


@pytest.fixture
def stranger(app: Flask) -> Person:
    """Nobody is signed in."""
    return Person(app.test_client())


@pytest.fixture
def team(team_template: tuple[Path, Team]) -> Team:
    """An admin, two reps and a manager, all with one password."""
    return team_template[1]


@pytest.fixture
def enter(app: Flask, team: Team) -> Callable[[str], Person]:
    """Sign somebody in by first name. The cookie is made here, because checking a password is slow on purpose."""

    def signed_in(name: str) -> Person:
        person = Person(app.test_client())
        with person.client.session_transaction() as cookie:
            cookie.update(user=getattr(team, {"ada": "admin"}.get(name, name)), epoch=0)
        return person

    return signed_in


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
