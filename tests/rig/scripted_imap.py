"""An IMAP server that does what real ones will not: any answer to any command, and a small plain folder otherwise.

``on`` maps the start of a command ("EXAMINE", "UID FETCH", "AUTHENTICATE") to what to send instead: bytes with
``{tag}`` in them, a function of the command, or a list of these used up one by one (``None``: answer as usual).
``CLOSE`` inside the bytes ends the connection there, ``STALL`` goes silent, ``FLOOD`` sends without end, ``LINES`` does
so in proper lines, ``DRIP`` a few bytes at a time. Loopback only, a thread per connection. ``commands`` records what
the client asked.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

CLOSE = b"<<close>>"
STALL = b"<<stall>>"
FLOOD = b"<<flood>>"
LINES = b"<<lines>>"
DRIP = b"<<drip>>"

BASIC = "IMAP4rev1 AUTH=PLAIN SASL-IR"
CONDSTORE = f"{BASIC} ENABLE CONDSTORE ESEARCH"
QRESYNC = f"{CONDSTORE} QRESYNC"
GMAIL = f"{CONDSTORE} SPECIAL-USE LIST-EXTENDED LIST-STATUS X-GM-EXT-1 UNSELECT"

Answer = bytes | Callable[["Command"], bytes | None] | None


@dataclass
class Command:
    """One command as it came: ``text`` is all after the tag."""

    tag: str
    text: str
    server: ScriptedImap


@dataclass
class Held:
    """A message of the folder. ``extra`` is put into its facts verbatim (e.g. X-GM-MSGID)."""

    data: bytes
    flags: str = ""
    date: str = "04-Mar-2026 09:12:00 +0000"
    modseq: int = 1
    extra: str = ""
    structure: str = ""


@dataclass
class ScriptedImap:
    """``with ScriptedImap(...) as server: connect to server.port``. The folder is called INBOX."""

    capabilities: str = BASIC
    mails: dict[int, Held] = field(default_factory=dict)
    uidvalidity: int = 7
    uidnext: int = 0
    modseq: int = 1
    on: Mapping[str, Answer | Sequence[Answer]] = field(default_factory=dict)
    greeting: bytes = b"* OK ready\r\n"
    folders: Sequence[str] = ('(\\HasNoChildren) "/" INBOX',)
    port: int = 0
    commands: list[str] = field(default_factory=list)
    connections: int = 0

    def __enter__(self) -> ScriptedImap:
        self._used: dict[str, int] = {}
        self._stopped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread in accept, which would keep the port open
        self._listener.close()

    def config(self, **more: Any) -> dict[str, Any]:
        """A connector's configuration."""
        basic = {"host": "127.0.0.1", "port": self.port, "username": "rep", "security": "none", "timeout": 1.0}
        return {**basic, **more}

    def count(self, start: str) -> int:
        """How many commands began so."""
        return sum(command.startswith(start) for command in self.commands)

    # -- serving --------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                near, _address = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with near, contextlib.suppress(OSError):
            if not self._send(near, self.greeting):
                return
            for line in near.makefile("rb"):
                tag, _, text = line.decode("utf-8", "replace").rstrip("\r\n").partition(" ")
                if not text:
                    continue  # the empty answer to a challenge, DONE
                self.commands.append(text)
                if not self._send(near, self._answer(Command(tag, text, self))):
                    return

    def _send(self, near: socket.socket, data: bytes) -> bool:
        """False when the connection ends here."""
        found = re.search(b"|".join((CLOSE, STALL, FLOOD, LINES, DRIP)), data)
        near.sendall(data[: found.start()] if found else data)
        if found is None:
            return True
        if found.group() == STALL:
            self._stopped.wait(30)
        endless = {FLOOD: b"x" * 65536, LINES: b"* OK still here\r\n" * 4000, DRIP: b"* OK\r\n"}.get(found.group())
        while endless and not self._stopped.wait(0.02 if found.group() == DRIP else 0):
            near.sendall(endless)
        return False

    def _answer(self, command: Command) -> bytes:
        for start, scripted in self.on.items():
            if command.text.upper().startswith(start):
                answer = self._next(start, scripted)
                told = answer(command) if callable(answer) else answer
                if told is not None:
                    return told.replace(b"{tag}", command.tag.encode())
        return self._usual(command)

    def _next(self, start: str, scripted: Answer | Sequence[Answer]) -> Answer:
        if scripted is None or isinstance(scripted, bytes) or callable(scripted):
            return scripted
        at = self._used.get(start, 0)
        self._used[start] = at + 1
        return scripted[at] if at < len(scripted) else None

    # -- the usual behaviour --------------------------------------------------------------------------------------

    def _usual(self, command: Command) -> bytes:
        verb = command.text.upper()
        lines: list[bytes] = []
        if verb.startswith("CAPABILITY"):
            lines = [f"* CAPABILITY {self.capabilities}".encode()]
        elif verb.startswith("LIST"):
            lines = [f"* LIST {folder}".encode() for folder in self.folders]
        elif verb.startswith("EXAMINE"):
            lines = self.examined()
        elif verb.startswith("UID SEARCH"):
            lines = [self.found(command.text)]
        elif verb.startswith("UID FETCH"):
            return self.fetched(command.text) + f"{command.tag} OK done\r\n".encode()
        elif verb.startswith("LOGOUT"):
            return f"* BYE\r\n{command.tag} OK\r\n".encode() + CLOSE
        return b"".join(line + b"\r\n" for line in lines) + f"{command.tag} OK done\r\n".encode()

    def examined(self) -> list[bytes]:
        """The untagged answers of EXAMINE."""
        after = self.uidnext or max(self.mails, default=0) + 1
        lines = [
            f"* {len(self.mails)} EXISTS", f"* OK [UIDVALIDITY {self.uidvalidity}] ok", f"* OK [UIDNEXT {after}] ok"
        ]  # fmt: skip
        if "CONDSTORE" in self.capabilities:
            lines.append(f"* OK [HIGHESTMODSEQ {self.modseq}] ok" if self.modseq else "* OK [NOMODSEQ] ok")
        return [line.encode() for line in lines]

    def found(self, text: str) -> bytes:
        """The answer of UID SEARCH: everything, or a UID range."""
        given = re.search(r"UID (\d+):(\d+|\*)", text[4:])
        low = int(given.group(1)) if given else 1
        high = int(given.group(2)) if given and given.group(2) != "*" else 1 << 32
        uids = sorted(uid for uid in self.mails if low <= uid <= high)
        if given and not uids and self.mails:
            uids = [max(self.mails)]  # n:* always names the last message
        if "RETURN" in text:
            return b'* ESEARCH (TAG "x") UID' + (b" ALL " + ",".join(map(str, uids)).encode() if uids else b"")
        return ("* SEARCH " + " ".join(map(str, uids))).encode()

    def fetched(self, text: str, only: Callable[[int], bool] = lambda _uid: True) -> bytes:
        """The untagged answers of UID FETCH."""
        wanted = _uids(text.split(" ")[2], max(self.mails, default=0))
        since = re.search(r"CHANGEDSINCE (\d+)", text)
        out = b""
        for seq, uid in enumerate(sorted(self.mails), 1):
            held = self.mails[uid]
            if uid in wanted and only(uid) and (since is None or held.modseq > int(since.group(1))):
                out += f"* {seq} FETCH (UID {uid}".encode() + _items(held, text) + b")\r\n"
        return out


def _uids(text: str, highest: int) -> set[int]:
    out: set[int] = set()
    for piece in text.split(","):
        low, _, high = piece.partition(":")
        last = highest if high == "*" else int(high or low)
        out.update(range(int(low), min(last, highest) + 1))
    return out


def _items(held: Held, text: str) -> bytes:
    out = b""
    if "FLAGS" in text:
        out += f" FLAGS ({held.flags})".encode()
    if "INTERNALDATE" in text:
        out += f' INTERNALDATE "{held.date}" RFC822.SIZE {len(held.data)}'.encode()
        out += f" {held.extra}".encode() if held.extra else b""
    if "MODSEQ" in text:
        out += f" MODSEQ ({held.modseq})".encode()
    if "BODYSTRUCTURE" in text:
        plain = f'("text" "plain" NIL NIL NIL "7bit" {len(held.data)} 1)'
        out += f" BODYSTRUCTURE {held.structure or plain}".encode()
    head, _, body = held.data.partition(b"\r\n\r\n")
    for asked, value in (("[]", held.data), ("[HEADER]", head + b"\r\n\r\n"), ("[1]", body)):
        found = re.search(re.escape(f"BODY.PEEK{asked}") + r"(?:<0\.(\d+)>)?", text)
        if found:
            value = value[: int(found.group(1))] if found.group(1) else value
            origin = "<0>" if found.group(1) else ""
            out += f" BODY{asked}{origin} {{{len(value)}}}\r\n".encode() + value
    return out
