"""Raw mailbox lists to mailboxes: quoting, comments, groups, unquoted commas, semicolons, encoded words.

Facts: RFC 5322 3.4 and 4.4 (routes), RFC 2047 5 (3), RFC 6532. Lists are split while still encoded, names are
decoded afterwards. Never raises; pieces that hold no address at all are left out. The address is kept as written.
"""

from __future__ import annotations

import re

from connectors.mailparse.words import decoded
from connectors.types import Mailbox

MAX_MAILBOXES = 2_000
MAX_ADDRESS = 320

_PLAIN = re.compile(r"""\s*(?:"([^"\\<>]*)"|([^"<>@,;:()\\\[\]]*?))\s*<([^<>@\s,;:"()\\]+@[^<>@\s,;:"()\\]+)>\s*\Z""")
_BARE = re.compile(r"""\s*([^<>@\s,;:"()\\']+@[^<>@\s,;:"()\\']+)\s*\Z""")
_ONLY_ADDRESSES = re.compile(r"""(?:\s*[^<>@\s,;:"()\\']+@[^<>@\s,;:"()\\']+\s*(?:,|\Z))+(?<!,)\Z""")
_TOKEN = re.compile(r"""[^"(\\,;:<>]+|\\.|"(?:[^"\\]|\\.)*"|<[^<>]*>|.""", re.S)
_ANGLE = re.compile(r"<\s*([^<>]*?)\s*>")
_SPEC = re.compile(r"""(?:"(?:[^"\\]|\\.){1,200}"|[^\s<>@,;:"()\[\]]{1,200})\s*@\s*[^\s<>@,;:"()']+""")
_QUOTED_PAIR = re.compile(r"\\(.)")
_ROUTE = re.compile(r"^@[^:]*:")
_MACHINES = frozenset({"mailer-daemon", "postmaster"})
_WRAP = " \t'\"`<>"


def mailboxes(value: str) -> tuple[Mailbox, ...]:
    """Every mailbox of a header value, groups flattened, in order, at most ``MAX_MAILBOXES``."""
    if not value:
        return ()
    simple = _simple(value)
    if simple is not None:
        return (simple,)
    bare = _bare_list(value)
    if bare is not None:
        return bare
    if "@" not in value and "=?" in value:
        value = decoded(value)
    out: list[Mailbox] = []
    for piece in _joined(_pieces(value)):
        found = _mailbox(piece)
        if found is not None:
            out.append(found)
            if len(out) >= MAX_MAILBOXES:
                break
    return tuple(out)


def _simple(value: str) -> Mailbox | None:
    """The two forms nearly all headers have: ``Name <a@b>`` and ``a@b``."""
    found = _PLAIN.match(value)
    if found:
        return Mailbox(found[3], _name(found[1] or found[2] or "", found[3]))
    found = _BARE.match(value)
    return Mailbox(found[1]) if found else None


def _bare_list(value: str) -> tuple[Mailbox, ...] | None:
    """``a@b, c@d``: nothing but addresses and commas."""
    if not _ONLY_ADDRESSES.match(value):
        return None
    return tuple([Mailbox(one.strip()) for one in value.split(",")][:MAX_MAILBOXES])


def _pieces(value: str) -> list[str]:
    """Cut at commas and semicolons outside quotes, comments and angle brackets; group names are dropped."""
    out: list[str] = []
    piece: list[str] = []
    depth = 0
    for bit in _TOKEN.findall(value):
        if bit == "(":
            depth += 1
        elif depth and ")" in bit:
            depth = max(0, depth - bit.count(")"))
        if not depth and bit in ",;":
            out.append("".join(piece))
            piece = []
        elif not depth and bit == ":" and _opens_group("".join(piece)):
            piece = []
        else:
            piece.append(bit)
    out.append("".join(piece))
    return out


def _opens_group(text: str) -> bool:
    return "@" not in text and "<" not in text and text.strip().lower() != "mailto"


def _joined(pieces: list[str]) -> list[str]:
    """``Doe, Jane <jane@x>`` came apart at its unquoted comma: put the name back together."""
    out: list[str] = []
    loose = ""
    for piece in pieces:
        bare = "@" not in piece and "<" not in piece
        if bare and piece.strip() and not loose:
            loose = piece
            continue
        if loose:
            if "<" in piece and piece.split("<")[0].strip() and '"' not in piece:
                piece = f"{loose.strip()}, {piece.strip()}"
            else:
                out.append(loose)
            loose = ""
            if bare:
                loose = piece
                continue
        out.append(piece)
    if loose:
        out.append(loose)
    return out


def _mailbox(piece: str) -> Mailbox | None:
    """One mailbox of one piece, or None where it names nobody reachable."""
    piece = piece.strip()
    if not piece:
        return None
    angles = _ANGLE.findall(piece)
    if angles:
        inner = next((a for a in reversed(angles) if "@" in a), angles[-1])
        address = _address(inner)
        name = _name(_ANGLE.sub(" ", piece), address)
        return Mailbox(address, name) if address else None
    found = _SPEC.search(piece)
    if found:
        return Mailbox(_address(found[0]), _name(piece[: found.start()] + piece[found.end() :], found[0]))
    return Mailbox(piece) if piece.lower() in _MACHINES else None


def _address(text: str) -> str:
    """An address as written, without wrappers, routes, ``mailto:`` and stray blanks."""
    text = decoded(text) if "=?" in text else text
    text = text.strip(_WRAP) if not text.startswith('"') or text.endswith('"') else text.strip()
    if text[:7].lower() == "mailto:":
        text = text[7:]
    text = _ROUTE.sub("", text)
    if not text.startswith(("/", '"')):
        text = "".join(text.split())
    return text if len(text) <= MAX_ADDRESS else ""


def _name(text: str, address: str) -> str:
    """A display name for people: unquoted, decoded, comments opened; "" where it only repeats the address."""
    text = text.strip()
    if not text:
        return ""
    if (text[0] == '"' and text[-1] == '"' and len(text) > 1) or (text[0] == "(" and text[-1] == ")"):
        text = text[1:-1]
    else:
        text = text.replace('"', "")
    if "\\" in text:
        text = _QUOTED_PAIR.sub(r"\1", text)
    text = " ".join(decoded(text).split()).strip("\"'<> ")[:400]
    return "" if text.lower() == address.lower() else text
