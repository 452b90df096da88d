"""From bytes to a tree of components with their property lines (RFC 5545 section 3.1), leniently and within limits.

What real exporters get wrong is mended here: charsets, lone CR or LF, folds without the leading blank, the quoted
printable of vCalendar 1.0, BEGIN without END. It knows no property's meaning and raises nothing but BadItem for
what is not a calendar at all.
"""

from __future__ import annotations

import codecs
import quopri
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from icalendar.parser import Contentline

from connectors.errors import BadItem

MAX_BYTES: Final = 50_000_000
MAX_COMPONENTS: Final = 50_000
MAX_LINES: Final = 5_000
MAX_LINE: Final = 1_000_000
MAX_DEPTH: Final = 4

# A bare upper-case name is a property too: old Mozilla calendars fold before the colon.
_PROPERTY: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*\s*[;:]|[A-Z][A-Z0-9-]+\s*$")
_BREAKS: Final = re.compile("\r\n|\n|\r")
# Never looked at, and often large: inline attachments, HTML twins of the description.
_IGNORED: Final = ("ATTACH", "X-ALT-DESC", "X-MOZ-", "X-APPLE-STRUCTURED-DATA", "PHOTO", "IMAGE")
_CHARSETS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass(frozen=True, slots=True)
class Property:
    """One property: name in upper case, parameters (names in upper case, several values joined by a comma), and the
    value as written, still escaped."""

    name: str
    params: Mapping[str, str]
    value: str


@dataclass(slots=True)
class Component:
    """BEGIN to END. ``closed`` is False where the file ended first. ``dropped`` counts lines that made no sense or
    went past the limit."""

    name: str
    lines: list[str] = field(default_factory=list)
    children: list[Component] = field(default_factory=list)
    closed: bool = False
    dropped: int = 0

    def properties(self) -> Iterator[Property]:
        """The properties in order; lines that are none are counted in ``dropped``."""
        for line in self.lines:
            found = property_of(line)
            if found is None:
                self.dropped += 1
            else:
                yield found

    def named(self, name: str) -> Iterator[Component]:
        """Children of that name, at any depth within the limit."""
        for child in self.children:
            if child.name == name:
                yield child
            else:
                yield from child.named(name)


@dataclass(frozen=True, slots=True)
class Tree:
    """What a file holds. ``truncated`` says that components past the limit were left out; ``unclosed`` that the
    file ended within a component."""

    root: Component
    truncated: bool
    unclosed: bool


def read(ics: bytes) -> Tree:
    """The components of a file under one nameless root. Raises BadItem for what holds no component at all, or is
    larger than 50 MB."""
    if len(ics) > MAX_BYTES:
        raise BadItem(f"The calendar is larger than {MAX_BYTES // 1_000_000} MB.", code="too_large")
    tree = _grow(_unfolded(_decoded(ics)))
    if not tree.root.children:
        raise BadItem("The file holds no calendar (no BEGIN:VCALENDAR).", code="not_a_calendar")
    return tree


def _decoded(ics: bytes) -> str:
    for mark, charset in _CHARSETS:
        if ics.startswith(mark):
            return ics.decode(charset, "replace")
    try:
        return ics.decode("utf-8")
    except UnicodeDecodeError:
        return ics.decode("cp1252", "replace")


def _unfolded(text: str) -> Iterator[str]:
    """Logical lines. A line that begins no property continues the one before (Outlook and Lotus fold so)."""
    parts: list[str] = []
    size = 0
    for line in _BREAKS.split(text):
        if not line.strip():
            continue
        if parts and _continues(line, parts):
            size += len(line)
            if _soft(parts):
                parts[-1] = parts[-1][:-1]
            elif line[0] in " \t":
                line = line[1:]
            if size <= MAX_LINE:
                parts.append(line)
            continue
        if parts:
            yield "".join(parts)
        parts, size = [line], len(line)
    if parts:
        yield "".join(parts)


def _continues(line: str, parts: list[str]) -> bool:
    if line[0] in " \t" or _soft(parts):
        return True
    return not _PROPERTY.match(line) and not parts[0].upper().startswith(("BEGIN:", "END:"))


def _soft(parts: list[str]) -> bool:
    """Whether a quoted-printable value goes on in the next line (vCalendar 1.0)."""
    return parts[-1].endswith("=") and "QUOTED-PRINTABLE" in parts[0][:200].upper()


def _grow(lines: Iterator[str]) -> Tree:
    root = Component("", closed=True)
    stack, count, truncated = [root], 0, False
    for line in lines:
        upper = line[:40].upper().replace(" ", "")
        if upper.startswith("BEGIN:"):
            count += 1
            truncated = truncated or count > MAX_COMPONENTS
            _begin(stack, upper[6:], keep=count <= MAX_COMPONENTS)
        elif upper.startswith("END:"):
            _end(stack, upper[4:])
        elif not upper.startswith(_IGNORED):
            _add(stack[-1], line)
    return Tree(root, truncated, len(stack) > 1)


def _begin(stack: list[Component], name: str, *, keep: bool) -> None:
    # A second VEVENT inside a VEVENT means that an END was lost: they are siblings.
    while len(stack) > 1 and stack[-1].name == name:
        stack.pop()
    child = Component(name.strip())
    if keep and len(stack) <= MAX_DEPTH:
        stack[-1].children.append(child)
    stack.append(child)


def _end(stack: list[Component], name: str) -> None:
    names = [component.name for component in stack]
    if len(stack) > 1 and name.strip() in names:
        while stack[-1].name != name.strip():
            stack.pop()
        stack.pop().closed = True


def _add(component: Component, line: str) -> None:
    if component.name and len(component.lines) < MAX_LINES:
        component.lines.append(line[:MAX_LINE])
    else:
        component.dropped += 1


def property_of(line: str) -> Property | None:
    """The property a logical line holds, None when it makes no sense as one."""
    name, params, value = _split(line)
    if not name:
        return None
    if params.get("ENCODING", "").upper() == "QUOTED-PRINTABLE":
        raw = quopri.decodestring(value.encode("utf-8", "replace"))
        value = raw.decode("utf-8", "replace").replace("\r\n", "\n").replace("\n", "\\n")
    return Property(name, params, value.strip())


def _split(line: str) -> tuple[str, dict[str, str], str]:
    """Name, parameters and value; the name is empty for a line that makes no sense."""
    try:
        name, params, value = Contentline(line).raw_parts()  # type: ignore[no-untyped-call]
    except ValueError:
        return _split_roughly(line)
    return name.strip().upper(), {key.upper(): _joined(params[key]) for key in params}, value


def _split_roughly(line: str) -> tuple[str, dict[str, str], str]:
    """For parameters that break the grammar (unquoted colons, empty names): what can be told without it."""
    match = re.match(r"([A-Za-z0-9-]+)((?:;[^;:=]*=(?:\"[^\"]*\"?|[^;:]*)|;[^;:]*)*):(.*)", line, re.S)
    if match is None:
        return "", {}, ""
    pairs = (part.partition("=") for part in match[2].split(";")[1:])
    return match[1].upper(), {key.strip().upper(): value.strip().strip('"') for key, _, value in pairs}, match[3]


def _joined(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
