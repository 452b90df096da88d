"""A real Dovecot on a high loopback port with a private configuration, for tests and the bench.

Runs as root or as anyone else; everything lies under one temporary folder and stops with the process that started it.
Any username signs in with ``PASSWORD``; each has a Maildir of its own, so tests share a server and no mail. Mails are
delivered by writing Maildir files, which takes 5,000 in about a second; flags, moves and expunges go over IMAP.
"""

from __future__ import annotations

import contextlib
import getpass
import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import imapclient
import pytest
import trustme

PASSWORD = "correct-horse"
_PARTS = ("cur", "new", "tmp")
_BINARIES = ("/usr/sbin", "/usr/bin", "/usr/local/sbin")

_CONFIG = """
base_dir = {root}/run
state_dir = {root}/state
log_path = {root}/log
protocols = imap
listen = 127.0.0.1
default_internal_user = {internal}
default_internal_group = {group}
default_login_user = {login}
first_valid_uid = 0
first_valid_gid = 0
mail_uid = {uid}
mail_gid = {gid}
mail_location = maildir:{root}/mail/%u/Maildir
disable_plaintext_auth = {disable_plaintext}
auth_mechanisms = plain login {mechanisms}
auth_failure_delay = 0
auth_cache_size = 0
mail_max_userip_connections = {connections}
mail_fsync = never
mailbox_idle_check_interval = 1 s
ssl = {ssl}
{ssl_files}
{capability}
service imap-login {{
  chroot =
  service_count = 0
  process_min_avail = 1
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
service imap {{
  client_limit = 1
  service_count = 50
}}
{oauth}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={root}/mail/%u
}}
namespace inbox {{
  inbox = yes
  prefix = {prefix}
  separator = {separator}
  mailbox Sent {{
    special_use = \\Sent
    auto = create
  }}
  mailbox Drafts {{
    special_use = \\Drafts
    auto = create
  }}
  mailbox Junk {{
    special_use = \\Junk
    auto = create
  }}
  mailbox Trash {{
    special_use = \\Trash
    auto = create
  }}
}}
"""


@dataclass
class Dovecot:
    """A running server. ``port`` speaks plain IMAP and STARTTLS, ``tls_port`` IMAP over TLS (with ``tls``)."""

    root: Path
    port: int
    tls_port: int
    ca: str = ""
    prefix: str = ""
    process: subprocess.Popen[bytes] | None = None
    _count: int = field(default=0)

    def config(self, username: str, **more: Any) -> dict[str, Any]:
        """A connector's configuration for one user."""
        return {
            "host": "127.0.0.1", "port": self.port, "username": username, "security": "none", "timeout": 20, **more
        }  # fmt: skip

    def path(self, username: str, folder: str = "INBOX") -> Path:
        """The folder's Maildir."""
        home = self.root / "mail" / username / "Maildir"
        if folder.upper() == "INBOX":
            return home
        name = folder.removeprefix(self.prefix)
        return home / f".{imapclient.imap_utf7.encode(name).decode('ascii')}"

    def deliver(
        self, username: str, mails: Collection[bytes], folder: str = "INBOX", received: datetime | None = None
    ) -> None:
        """Write mails into the folder, in order: each gets a higher UID than those before it."""
        target = self.path(username, folder)
        for path in (self.root / "mail" / username, self.path(username), target, *(target / part for part in _PARTS)):
            path.mkdir(exist_ok=True)
            _own(path)
        if folder.upper() != "INBOX":
            (target / "maildirfolder").touch()
            _own(target / "maildirfolder")
        for data in mails:
            self._count += 1
            name = f"{1_700_000_000 + self._count}.M{self._count:06d}P1.rig,S={len(data)}"
            (target / "tmp" / name).write_bytes(data)
            _own(target / "tmp" / name)
            if received is not None:
                stamp = received.timestamp()
                os.utime(target / "tmp" / name, (stamp, stamp))
            os.rename(target / "tmp" / name, target / "new" / name)

    @contextlib.contextmanager
    def admin(self, username: str) -> Iterator[imapclient.IMAPClient]:
        """An ordinary mail client of that user, to change things with."""
        client = imapclient.IMAPClient("127.0.0.1", self.port, ssl=False, timeout=20)
        client.login(username, PASSWORD)
        try:
            yield client
        finally:
            with contextlib.suppress(Exception):
                client.logout()

    def stop(self) -> None:
        """Stop the server and what it started."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)  # a group of its own; nothing here is worth a clean end
            self.process.wait(10)
        shutil.rmtree(self.root, ignore_errors=True)


def binary() -> str | None:
    """Where Dovecot is, or None."""
    return shutil.which("dovecot", path=os.pathsep.join((*_BINARIES, os.environ.get("PATH", ""))))


def start(
    *,
    tls: bool = False,
    connections: int = 100,
    prefix: str = "",
    capability: str = "",
    oauth_url: str = "",
    plaintext: bool = True,
    base: Path | None = None,
) -> Dovecot:
    """Start a server in a folder of its own under ``base`` (default: in memory where there is room). ``capability``
    replaces the announced one (e.g. without CONDSTORE). Skips the test loudly where Dovecot is not installed;
    raises RuntimeError with its log when it does not come up."""
    found = binary()
    if found is None:
        pytest.skip("Dovecot is not installed (apt-get install dovecot-imapd)")
    root = Path(tempfile.mkdtemp(prefix="rig-dovecot-", dir=base or _fast_folder()))
    root.chmod(0o755)
    for part in ("run", "state", "mail"):
        (root / part).mkdir()
    _own(root / "mail")
    port, tls_port = _free_ports(2)
    server = Dovecot(root, port, tls_port, prefix=prefix)
    files = _certificate(server) if tls else ""
    text = _CONFIG.format(
        root=root,
        port=port,
        tls_port=tls_port if tls else 0,
        ssl="yes" if tls else "no",
        ssl_files=files,
        connections=connections,
        prefix=prefix,
        separator="." if prefix else "/",
        capability=f"imap_capability = {capability}" if capability else "",
        mechanisms="xoauth2 oauthbearer" if oauth_url else "",
        oauth=_oauth(root, oauth_url) if oauth_url else "",
        disable_plaintext="no" if plaintext else "yes",
        password=PASSWORD,
        **_identity(),
    )
    (root / "dovecot.conf").write_text(text)
    server.process = subprocess.Popen(
        [*_dying_with_us(), found, "-F", "-c", str(root / "dovecot.conf")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    _await(server)
    return server


def _dying_with_us() -> list[str]:
    """Has the kernel end the server when a test process is killed and cannot."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM"] if setpriv else []


def _fast_folder() -> str | None:
    """Memory, where there is half a gigabyte of it: thousands of small files are slow to make and to remove on disk."""
    shm = Path("/dev/shm")
    if shm.is_dir() and os.access(shm, os.W_OK) and shutil.disk_usage(shm).free > 500_000_000:
        return str(shm)
    return None


def _mail_owner() -> tuple[int, int]:
    """Who owns the mail: us, but never root, which Dovecot refuses."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _own(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, *_mail_owner())


def _identity() -> dict[str, Any]:
    """As root Dovecot wants its own users; as anyone else everything is that user."""
    root = os.geteuid() == 0
    me = getpass.getuser()
    uid, gid = _mail_owner()
    return {
        "internal": "dovecot" if root else me,
        "login": "dovenull" if root else me,
        "group": "dovecot" if root else grp.getgrgid(os.getegid()).gr_name,
        "uid": uid,
        "gid": gid,
    }


def _certificate(server: Dovecot) -> str:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(server.root / "ca.pem")
    issued.private_key_and_cert_chain_pem.write_to_path(server.root / "server.pem")
    server.ca = str(server.root / "ca.pem")
    return f"ssl_cert = <{server.root}/server.pem\nssl_key = <{server.root}/server.pem"


def _oauth(root: Path, url: str) -> str:
    (root / "oauth2.conf").write_text(
        f"introspection_mode = post\nintrospection_url = {url}\nusername_attribute = username\n"
        "active_attribute = active\nactive_value = true\n"
    )
    return f"passdb {{\n  driver = oauth2\n  mechanisms = xoauth2 oauthbearer\n  args = {root}/oauth2.conf\n}}\n"


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _await(server: Dovecot) -> None:
    for _ in range(200):
        if server.process is not None and server.process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", server.port), 1) as sock:
            sock.settimeout(2)
            if sock.recv(10).startswith(b"* OK"):
                return
        time.sleep(0.05)
    log = (server.root / "log").read_text() if (server.root / "log").exists() else ""
    said = server.process.stderr.read() if server.process and server.process.stderr and server.process.poll() else b""
    server.stop()
    raise RuntimeError(f"Dovecot did not start: {said!r} {log[-2000:]}")


class DovecotDriver:
    """``tests.connectors.contract.MailDriver`` over a Dovecot user."""

    can = frozenset({"flags", "remove", "move", "old", "incremental"})
    main = "INBOX"

    def __init__(self, server: Dovecot, username: str, make_connector: Any) -> None:
        """``make_connector(config)`` opens a connector; it owns the clock."""
        self.server = server
        self.username = username
        self.other = f"{server.prefix}Customers"
        self._make = make_connector
        self.advance = make_connector.advance
        server.deliver(username, [], "INBOX")
        server.deliver(username, [], self.other)

    def open(self) -> Any:
        return self._make(self.server.config(self.username))

    def deliver(self, folder: str, data: bytes, *, received: datetime | None = None) -> None:
        self.server.deliver(self.username, [data], folder, received)

    def deliver_many(self, folder: str, mails: Collection[bytes]) -> None:
        self.server.deliver(self.username, mails, folder)

    def flag(self, folder: str, message_id: str, flag: str) -> None:
        with self.server.admin(self.username) as client:
            client.add_flags(self._uids(client, folder, message_id), [flag])

    def delete(self, folder: str, message_id: str) -> None:
        with self.server.admin(self.username) as client:
            uids = self._uids(client, folder, message_id)
            client.delete_messages(uids)
            client.uid_expunge(uids)

    def move(self, folder: str, message_id: str, target: str) -> None:
        with self.server.admin(self.username) as client:
            client.move(self._uids(client, folder, message_id), target)

    def _uids(self, client: imapclient.IMAPClient, folder: str, message_id: str) -> list[int]:
        client.select_folder(folder)
        found: list[int] = client.search(["HEADER", "Message-ID", message_id])
        assert found, f"{message_id} is not in {folder}"
        return found


def at(year: int, month: int, day: int) -> datetime:
    """Noon UTC of a day."""
    return datetime(year, month, day, 12, tzinfo=UTC)
