"""The folders of an account: which there are, what each is for, and its state where the server tells it in one go.

Roles come from special use (RFC 6154); where no folder carries one, from its name, by the table of localised names in
``folder_names.json``. Names are modified UTF-7 (RFC 9051 appendix A; one broken name must not hide the others). The
states come from LIST-STATUS (RFC 5819), so that one command answers for all folders whether anything changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any

from imapclient.imap_utf7 import decode as utf7_decode
from imapclient.imap_utf7 import encode as utf7_encode

from connectors.imap.answers import Answer, Refused
from connectors.imap.items import words
from connectors.imap.session import NONE, Session
from connectors.types import Stream, StreamKind, StreamRole

MAX_FOLDERS = 10_000
_SPECIAL = {
    b"\\all": StreamRole.ALL,
    b"\\allmail": StreamRole.ALL,
    b"\\archive": StreamRole.ARCHIVE,
    b"\\drafts": StreamRole.DRAFTS,
    b"\\junk": StreamRole.JUNK,
    b"\\spam": StreamRole.JUNK,
    b"\\sent": StreamRole.SENT,
    b"\\trash": StreamRole.TRASH,
}
_OFF = frozenset({StreamRole.DRAFTS, StreamRole.JUNK, StreamRole.TRASH, StreamRole.ALL})


@dataclass(frozen=True, slots=True)
class State:
    """STATUS of a folder: what a cursor's ``level`` is compared with."""

    uidvalidity: int
    messages: int
    uidnext: int
    modseq: int


@dataclass(frozen=True, slots=True)
class Folder:
    """``raw`` is the name on the wire, ``name`` the decoded path."""

    raw: bytes
    name: str
    delimiter: str = ""
    role: StreamRole = StreamRole.OTHER
    default_on: bool = True
    state: State | None = None

    def stream(self) -> Stream:
        """As the rest of the world sees it."""
        count = self.state.messages if self.state else None
        return Stream(self.name, self.name, StreamKind.MAIL, self.role, self.default_on, count)


def without_state(folder: Folder) -> Folder:
    """The folder after its state was used: states are used once."""
    return replace(folder, state=None)


def encoded(name: str) -> bytes:
    """A decoded path as modified UTF-7."""
    raw: bytes = utf7_encode(name)
    return raw


def decoded(raw: bytes) -> str:
    """The path for people. A name that is not valid modified UTF-7 is taken as UTF-8, then as it stands."""
    try:
        name: str = utf7_decode(raw)
        if encoded(name) == raw:
            return name
    except (ValueError, LookupError):
        pass  # not modified UTF-7: an old or careless client made it
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def listing(session: Session) -> list[Folder]:
    """Every folder that can hold messages, with role and default. Costs one round trip. Raises ConnectorError.

    The open folder is left first: servers tell its state as this connection last saw it."""
    tags = session.leave()
    if session.has("NAMESPACE"):
        tags.append(session.send("NAMESPACE"))
    stale = session.opened_name
    answer = _list(session)
    foreign = _foreign_prefixes(answer)
    for tag in tags:
        session.wire.forget(tag)
    folders = [replace(folder, state=None) if folder.raw == stale else folder for folder in _with_states(answer)]
    return _with_defaults(_with_named_roles(folders), session, foreign)


def _list(session: Session) -> Answer:
    """LIST, with special use and states where the server can; falls back when it cannot after all."""
    if session.has("LIST-EXTENDED") and session.has("LIST-STATUS"):
        wanted = b"MESSAGES UIDNEXT UIDVALIDITY" + (b" HIGHESTMODSEQ" if session.tier != NONE else b"")
        special = b"SPECIAL-USE " if session.has("SPECIAL-USE") else b""
        try:
            return session.ask("LIST", b'"" "*" RETURN (%sSTATUS (%s))' % (special, wanted))
        except Refused as refused:
            if refused.status != "BAD":
                raise session.error(refused) from refused
            session.disable("LIST-STATUS")
    return session.call("LIST", b'"" "*"')


def _rows(answer: Answer) -> list[Folder]:
    folders: dict[bytes, Folder] = {}
    for _number, kind, rest, literals in answer.untagged:
        if kind != "LIST" or len(folders) >= MAX_FOLDERS:
            continue
        found = _row(rest, literals)
        if found is not None:
            folders.setdefault(found.raw, found)
    return _distinct(folders.values())


def _row(rest: bytes, literals: tuple[bytes, ...]) -> Folder | None:
    try:
        flags, delimiter, raw, *_more = words(rest, literals)
        attributes = {bytes(flag).lower() for flag in flags or ()}
    except (ValueError, TypeError):
        return None  # one unreadable line must not hide the other folders; the count shown to people tells
    if attributes & {b"\\noselect", b"\\nonexistent"}:
        return None
    raw = raw if isinstance(raw, bytes) else str(raw).encode("ascii")
    role = next((_SPECIAL[flag] for flag in sorted(attributes) if flag in _SPECIAL), StreamRole.OTHER)
    if raw.upper() == b"INBOX":
        role = StreamRole.INBOX
    cut = delimiter.decode("latin-1") if isinstance(delimiter, bytes) else ""
    return Folder(raw, decoded(raw), cut, role)


def _distinct(folders: Iterable[Folder]) -> list[Folder]:
    """Two names that decode alike must stay two streams: the second is shown as it stands."""
    taken: set[str] = set()
    out = []
    for folder in folders:
        name = folder.name if folder.name not in taken else folder.raw.decode("latin-1")
        taken.add(name)
        out.append(replace(folder, name=name))
    return out


def _with_states(answer: Answer) -> list[Folder]:
    states: dict[bytes, State] = {}
    for _number, kind, rest, literals in answer.untagged:
        if kind == "STATUS":
            states.update(_state(rest, literals))
    return [replace(folder, state=states.get(folder.raw)) for folder in _rows(answer)]


def _state(rest: bytes, literals: tuple[bytes, ...]) -> dict[bytes, State]:
    try:
        raw, pairs, *_more = words(rest, literals)
        told = {bytes(pairs[at]).upper(): int(pairs[at + 1]) for at in range(0, len(pairs) - 1, 2)}
    except (ValueError, TypeError):
        return {}
    raw = raw if isinstance(raw, bytes) else str(raw).encode("ascii")
    if not {b"UIDVALIDITY", b"MESSAGES", b"UIDNEXT"} <= told.keys():
        return {}
    return {raw: State(told[b"UIDVALIDITY"], told[b"MESSAGES"], told[b"UIDNEXT"], told.get(b"HIGHESTMODSEQ", 0))}


@cache
def _names() -> dict[str, StreamRole]:
    table: dict[str, list[str]] = json.loads(
        resources.files("connectors.imap").joinpath("folder_names.json").read_text("utf-8")
    )
    return {name.casefold(): StreamRole(role) for role, names in table.items() for name in names}


def _with_named_roles(folders: list[Folder]) -> list[Folder]:
    """Give a role by name where special use named no folder for that role."""
    told = {folder.role for folder in folders}
    out = []
    for folder in folders:
        leaf = folder.name.rpartition(folder.delimiter)[2] if folder.delimiter else folder.name
        depth = folder.name.count(folder.delimiter) if folder.delimiter else 0
        role = _names().get(leaf.casefold(), StreamRole.OTHER)
        fits = folder.role is StreamRole.OTHER and role not in told and depth <= 1
        out.append(replace(folder, role=role) if fits else folder)
    return out


def _with_defaults(folders: list[Folder], session: Session, foreign: tuple[str, ...]) -> list[Folder]:
    """On: INBOX, Sent, archives and the user's own folders. On Gmail: All Mail instead, since labels repeat it. Off:
    drafts, junk, trash, and what belongs to other people."""
    all_mail = session.gmail and any(folder.role is StreamRole.ALL for folder in folders)
    out = []
    for folder in folders:
        on = folder.role is StreamRole.ALL if all_mail else folder.role not in _OFF
        out.append(replace(folder, default_on=on and not folder.name.startswith(foreign)))
    return out


def _foreign_prefixes(answer: Answer) -> tuple[str, ...]:
    """Prefixes of other people's and of shared folders (RFC 2342): the second and third group."""
    found: list[str] = []
    for rest in answer.named("NAMESPACE"):
        try:
            groups: tuple[Any, ...] = words(rest)
        except ValueError:
            continue
        for group in groups[1:3]:
            found.extend(decoded(bytes(entry[0])) for entry in group or () if isinstance(entry[0], bytes) and entry[0])
    return tuple(found)
