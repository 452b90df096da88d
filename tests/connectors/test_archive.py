"""The archive connector passes the contract suite as mbox, Maildir, folder of .eml and zip."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from connectors.protocol import Connector
from connectors.providers.archive import PROVIDER
from tests.connectors.contract import NOON, ConnectorContract, make_context


class ArchiveDriver:
    """What all kinds share: a folder with two containers in it, and a clock for the files' times."""

    can: Collection[str] = ("remove", "move", "old", "incremental")
    main = "mail/Inbox"
    other = "mail/Clients"

    def __init__(self, root: Path) -> None:
        self.root = root / "mail"
        self.root.mkdir()
        self.time = NOON
        for folder in (self.main, self.other):
            self.create(self.path(folder))

    def path(self, folder: str) -> Path:
        return self.root.parent / folder

    def open(self) -> Connector:
        return PROVIDER.open(make_context({"paths": [str(self.root)]}))

    def deliver(self, folder: str, data: bytes, *, received: datetime | None = None) -> None:
        self.time += timedelta(seconds=1)
        if received is not None:
            data = b"Received: by mx; " + received.strftime("%d %b %Y %H:%M:%S +0000").encode() + b"\r\n" + data
        self.write(self.path(folder), data)

    def deliver_many(self, folder: str, mails: Collection[bytes]) -> None:
        for data in mails:
            self.deliver(folder, data)

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)

    def create(self, path: Path) -> None:
        raise AssertionError("each kind says how")

    def write(self, path: Path, data: bytes) -> None:
        raise AssertionError("each kind says how")

    def touch(self, path: Path) -> None:
        os.utime(path, (self.time.timestamp(), self.time.timestamp()))


class EmlDriver(ArchiveDriver):
    def create(self, path: Path) -> None:
        path.mkdir()

    def write(self, path: Path, data: bytes) -> None:
        file = path / f"{len(os.listdir(path)):06d}.eml"
        file.write_bytes(data)
        self.touch(file)

    def find(self, folder: str, message_id: str) -> Path:
        return next(file for file in self.path(folder).rglob("*") if file.is_file() and _holds(file, message_id))

    def delete(self, folder: str, message_id: str) -> None:
        self.find(folder, message_id).unlink()

    def move(self, folder: str, message_id: str, target: str) -> None:
        found = self.find(folder, message_id)
        shutil.move(found, self.path(target) / f"moved-{found.name}")


class MaildirDriver(EmlDriver):
    can = ("flags", "remove", "move", "old", "incremental")

    def create(self, path: Path) -> None:
        for part in ("cur", "new", "tmp"):
            (path / part).mkdir(parents=True)

    def write(self, path: Path, data: bytes) -> None:
        file = path / "new" / f"{int(self.time.timestamp())}.M{len(os.listdir(path / 'new'))}.host"
        file.write_bytes(data)
        self.touch(file)

    def flag(self, folder: str, message_id: str, flag: str) -> None:
        found = self.find(folder, message_id)
        found.rename(found.parent.parent / "cur" / f"{found.name}:2,{flag[1]}")

    def move(self, folder: str, message_id: str, target: str) -> None:
        found = self.find(folder, message_id)
        shutil.move(found, self.path(target) / "cur" / f"{found.name}:2,")


class MboxDriver(ArchiveDriver):
    can = ("old", "incremental")

    def create(self, path: Path) -> None:
        path.with_suffix(".mbox").touch()

    def write(self, path: Path, data: bytes) -> None:
        with path.with_suffix(".mbox").open("ab") as file:
            file.write(b"From jane@acme.example Wed Mar  4 09:12:00 2026\n" + data + b"\n")


class ZipDriver(ArchiveDriver):
    """Zips of two mbox files; to append is to write the zip again."""

    can = ("old", "incremental")
    main = "mail/all.zip/Inbox"
    other = "mail/all.zip/Clients"

    def __init__(self, root: Path) -> None:
        self.held = {"Inbox": b"", "Clients": b""}
        super().__init__(root)

    def create(self, path: Path) -> None:
        self.pack()

    def write(self, path: Path, data: bytes) -> None:
        self.held[path.name] += b"From jane@acme.example Wed Mar  4 09:12:00 2026\n" + data + b"\n"

    def pack(self) -> None:
        with zipfile.ZipFile(self.root / "all.zip", "w", zipfile.ZIP_DEFLATED) as packed:
            for name, content in self.held.items():
                packed.writestr(f"{name}.mbox", content)

    def open(self) -> Connector:
        self.pack()
        return super().open()

    def deliver(self, folder: str, data: bytes, *, received: datetime | None = None) -> None:
        super().deliver(folder, data, received=received)
        self.pack()

    def deliver_many(self, folder: str, mails: Collection[bytes]) -> None:
        for data in mails:
            super().deliver(folder, data)
        self.pack()


class TestEml(ConnectorContract):
    @pytest.fixture
    def driver(self, tmp_path: Path) -> ArchiveDriver:
        return EmlDriver(tmp_path)


class TestMaildir(ConnectorContract):
    @pytest.fixture
    def driver(self, tmp_path: Path) -> ArchiveDriver:
        return MaildirDriver(tmp_path)


class TestMbox(ConnectorContract):
    @pytest.fixture
    def driver(self, tmp_path: Path) -> ArchiveDriver:
        return MboxDriver(tmp_path)


class TestZip(ConnectorContract):
    @pytest.fixture
    def driver(self, tmp_path: Path) -> ArchiveDriver:
        return ZipDriver(tmp_path)


def _holds(file: Path, message_id: str) -> bool:
    return f"Message-ID: {message_id}\r\n".encode() in file.read_bytes()
