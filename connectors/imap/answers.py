"""What comes back from a command, and how one is written: answers, refusals, lost connections, quoted strings.

Plain values that every module of this package may use; reading and writing is done in ``wire``. Facts: RFC 9051
sections 4.3 (strings) and 7.1 (status responses), RFC 5530 (response codes).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_CODE = re.compile(r"\[([A-Za-z0-9-]+)(?: ([^\]]*))?\]")


class Closed(Exception):
    """The connection is gone or cannot be trusted any more: end of file, reset, time out, BYE, or an answer beyond all
    bounds. ``reason`` is one of eof, timeout, bye, flood, garbage; the text is the server's last word, if any."""

    def __init__(self, reason: str, text: str = "") -> None:
        super().__init__(text or reason)
        self.reason = reason
        self.text = text


class Refused(Exception):
    """The server answered NO or BAD. ``code`` is the response code in upper case ("" for none), ``text`` what it
    said."""

    def __init__(self, status: str, text: str, command: str = "") -> None:
        super().__init__(f"{status} {text}")
        self.status = status
        self.text = text
        self.command = command
        found = _CODE.search(text)
        self.code = found.group(1).upper() if found else ""
        self.argument = (found.group(2) or "") if found else ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A command's tagged OK: its text, and the untagged responses before it as (number, name, rest, literals)."""

    text: str
    untagged: tuple[tuple[int, str, bytes, tuple[bytes, ...]], ...]

    def named(self, name: str) -> list[bytes]:
        """The untagged responses of that name, e.g. "SEARCH"; literals follow their line as imaplib gives them."""
        return [rest for _number, kind, rest, _literals in self.untagged if kind == name]


def quoted(text: str | bytes) -> bytes:
    """A quoted string. Raises ValueError for line breaks and NUL, which would end the command."""
    raw = text.encode("utf-8") if isinstance(text, str) else text
    if any(byte in raw for byte in (b"\r", b"\n", b"\0")):
        raise ValueError("a line break where none may be")
    return b'"' + raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
