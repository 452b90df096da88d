"""What the writer wrote, apart from the history below (or between) and the signature.

A judgement by line marks: quote signs, attribution lines ("On ... wrote:"), separators, header blocks of quoted
mails. Inline and bottom-posted answers keep their lines in order. The words lie in ``mailparse.phrases``.
Never raises, never loses a line: new + signature + quoted hold every non-blank line. Bounded: text beyond
``MAX_LINES`` lines is counted as quoted history without being judged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from connectors.mailparse import signatures
from connectors.mailparse.phrases import (
    ATTRIBUTION_START,
    FORWARDED,
    FROM,
    ORIGINAL,
    SENT,
    SUBJECT,
    TO,
    VERBS,
)

MAX_LINES = 20_000
ATTRIBUTION_LINES = 5

_ADDRESS = re.compile(r"[^\s<>@]+@[^\s<>@]+\.[^\s<>@]+")
_DIGIT = re.compile(r"\d")
_NOTES_DATE = re.compile(r"\d{1,2}[/.]\d{1,2}[/.]\d{2,4}\s+(?:at\s+)?\d{1,2}:\d\d")
_COLONS = frozenset({":", "："})
_AFTER_COLON = " \t*_\r\xa0\u200b"
_MARKS = frozenset(">-_=*~—–")
_VERB_ENDS = ("wrote", "wrote ----", "schrieb", "écrit", "escribió", "scritto", "escreveu", "schreef")
_NO_COLON = re.compile(r"^(?:-{2,}\s*)?(?:on|le|am|el|il|em|op)\s.{10,200}\s(?:wrote|schrieb|écrit|escribió|scritto|"
                       r"escreveu|schreef)\s*(?:-{2,})?$", re.I)
_BLANKS = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class Split:
    """``new`` is what was written for this mail, ``quoted`` the history, ``signature`` the block that ends ``new``."""

    new: str
    quoted: str
    signature: str


def split(text: str) -> Split:
    """Cut ``text`` (lines ended by LF, CRLF or CR) into its three parts, each without outer blank lines."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    marks = marked(lines)
    if "Q" not in marks and "S" not in marks:
        return Split(_tidy(text), "", "")
    return Split(_tidy(_join(lines, marks, "N")), _join(lines, marks, "Q").strip("\n"), _tidy(_join(lines, marks, "S")))


def marked(lines: list[str]) -> str:
    """One letter per line: N new, Q quoted, S signature."""
    marks = ["N"] * len(lines)
    near = _near_colons(lines[:MAX_LINES])
    done = 0
    for n, line in enumerate(lines):
        bare = line.strip() if n >= done else ""
        if not bare:
            continue
        if bare[0] == ">":
            done = _quoted_run(lines, n)
        elif n >= MAX_LINES:
            done = len(lines)
        elif n in near or bare[0] in _MARKS or ":" in bare or "：" in bare or bare.endswith(_VERB_ENDS):
            done = n + _opens(lines, n, bare, n in near)
            if done == len(lines) and n and _NOTES_DATE.match(bare):
                marks[n - 1] = "Q"  # the sender's name stands on its own line above the date
        marks[n:done] = "Q" * (done - n)
    _unmarked_history(lines, marks)
    _sign(lines, marks)
    return "".join(marks)


def _near_colons(lines: list[str]) -> frozenset[int]:
    """Lines that have a line ending in a colon within ``ATTRIBUTION_LINES``: attributions start there."""
    ends = [n for n, line in enumerate(lines)
            if (":" in line or "：" in line) and line.rstrip(_AFTER_COLON)[-1:] in _COLONS]
    return frozenset(k for n in ends for k in range(max(0, n - ATTRIBUTION_LINES + 1), n + 1))


def _join(lines: list[str], marks: str, mark: str) -> str:
    return "\n".join([line for line, m in zip(lines, marks, strict=True) if m == mark]) if mark in marks else ""


def _tidy(text: str) -> str:
    """Without trailing blanks, outer blank lines and runs of blank lines."""
    if " \n" in text or "\t\n" in text or text[-1:] in " \t":
        text = "\n".join([line.rstrip() for line in text.split("\n")])
    text = text.strip("\n")
    return _BLANKS.sub("\n\n", text) if "\n\n\n" in text else text


def _quoted_run(lines: list[str], n: int) -> int:
    """Where the run of lines with quote signs that starts at ``n`` ends, wrapped ends of quoted lines included."""
    count = len(lines)
    while True:
        n += 1
        while n < count and lines[n].lstrip()[:1] == ">":
            n += 1
        if n + 1 >= count or not _wrapped(lines[n - 1].rstrip(), lines[n].strip(), lines[n + 1]):
            return n


def _wrapped(above: str, line: str, below: str) -> bool:
    """``line`` is the broken-off end of a long quoted line."""
    return len(above) >= 60 and above[-1] not in ".?!:" and line != "" and below.startswith(">")


def _opens(lines: list[str], n: int, line: str, near: bool) -> int:
    """How many lines from ``n`` on are history, 0 for none. ``line`` is stripped; ``near`` says that a line ending in
    a colon is close."""
    rest = len(lines) - n
    if line[0] in _MARKS and _separator(lines, n, line):
        return rest
    if near and line[-1] in _COLONS and len(line) < 80 and _holds(line, FORWARDED):
        return rest
    colon = line.find(":", 0, 40) if ":" in line else line.find("：", 0, 40)
    if colon > 0 and _header_block(lines, n, line[:colon]):
        return rest
    if _NOTES_DATE.search(line) and _notes_head(lines, n):
        return rest
    length = 1 if line.endswith(_VERB_ENDS) and _NO_COLON.match(line) and _says_who_wrote(line) else 0
    length = length or (_attribution(lines, n, line) if near else 0)
    return length if not length or _quote_follows(lines, n + length) else rest


def _separator(lines: list[str], n: int, line: str) -> bool:
    """``-----Original Message-----`` and its kin, or a rule right above a quoted mail's header block."""
    words = line.strip("-_=*~— \t>:")
    if words and _NO_COLON.match(line):
        return True
    if words:
        return len(words) < 120 and (line.startswith(("--", "__", "==", "**", "—", "*")) or line.endswith("--")) and (
            _holds(words, ORIGINAL) or _holds(words, FORWARDED))
    if len(line) < 4:
        return False
    following = _next(lines, n)
    if following < 0:
        return False
    head, found, _ = lines[following].strip().replace("：", ":").partition(":")
    return bool(found) and _header_block(lines, following, head)


def _holds(text: str, phrases: tuple[str, ...]) -> bool:
    text = text.lower()
    for phrase in phrases:  # noqa: SIM110 - a third of the time that any() over a generator takes
        if phrase in text:
            return True
    return False


def _next(lines: list[str], n: int) -> int:
    """The next line that is not blank, within three; -1 where there is none."""
    for k in range(n + 1, min(n + 4, len(lines))):
        if lines[k].strip():
            return k
    return -1


def _key(head: str) -> str:
    return head.strip(" \t*_>#|").lower()


def _header_block(lines: list[str], n: int, head: str) -> bool:
    """A From line with two more header lines close below: the head of a quoted mail."""
    key = _key(head)
    if key in FROM:
        return _kinds(lines, n) >= 3 or (_kinds(lines, n) == 2 and _ADDRESS.search(lines[n]) is not None)
    if key in SENT or key in SUBJECT:
        return _kinds(lines, n) >= 3 and any(
            _key(line.replace("：", ":").partition(":")[0]) in FROM for line in lines[n : n + 5])
    return False


def _notes_head(lines: list[str], n: int) -> bool:
    """Lotus Notes' head: a date (with or without the sender's name before it), then To, cc and Subject."""
    following = _next(lines, n)
    return following > 0 and lines[following].lstrip()[:3].lower() == "to:" and _kinds(lines, following, 40) >= 2


def _kinds(lines: list[str], n: int, span: int = 8) -> int:
    """How many kinds of header (from, sent, to, subject) stand on the lines from ``n`` on."""
    kinds = set()
    for line in lines[n : n + span]:
        head, found, _ = line.replace("：", ":").partition(":")
        if found and len(head) < 30:
            key = _key(head)
            for kind, names in enumerate((FROM, SENT, TO, SUBJECT)):
                if key in names:
                    kinds.add(kind)
    return len(kinds)


def _attribution(lines: list[str], n: int, line: str) -> int:
    """How many lines (at most five) ``On <date>, <who> wrote:`` takes from ``n`` on, 0 where there is none."""
    if not ATTRIBUTION_START.match(line) and "@" not in line and not _holds(line, VERBS):
        return 0
    joined = ""
    for k in range(n, min(n + ATTRIBUTION_LINES, len(lines))):
        piece = lines[k].strip()
        joined = f"{joined} {piece}"
        if not piece or len(joined) > 500:
            return 0
        if piece.rstrip(_AFTER_COLON)[-1:] in _COLONS and _says_who_wrote(joined):
            return k - n + 1
    return 0


def _says_who_wrote(line: str) -> bool:
    """A verb of writing with a date or an address; or a date with an address alone."""
    address = "@" in line and _ADDRESS.search(line) is not None
    if _holds(line, VERBS):
        return address or _DIGIT.search(line) is not None
    return address and _DIGIT.search(line) is not None and ATTRIBUTION_START.match(line) is not None and "<" in line


def _quote_follows(lines: list[str], n: int) -> bool:
    for line in lines[n : n + 4]:
        if line.strip():
            return line.lstrip().startswith(">")
    return False


def _sign(lines: list[str], marks: list[str]) -> None:
    """Mark the signature: the tail of the new lines from a delimiter, a "sent from", or a closing phrase on."""
    new = [n for n, mark in enumerate(marks) if mark == "N" and lines[n].strip()]
    begin = signatures.start(lines, new)
    if begin is None:
        return
    for n in range(begin, len(lines)):
        if marks[n] == "N":
            marks[n] = "S"


def _unmarked_history(lines: list[str], marks: list[str]) -> None:
    """What stands below a lone "Sent from my ..." line is history that a mobile client left unmarked."""
    for n, (before, line, after) in enumerate(zip(lines, lines[1:], lines[2:], strict=False), 1):
        lone = (not before or before.isspace()) and (not after or after.isspace()) and 6 < len(line) < 120
        if lone and marks[n] == "N" and signatures.sent_from(line.strip()) and any(map(str.strip, lines[n + 2 :])):
            marks[n] = "S"
            marks[n + 1 :] = "Q" * (len(marks) - n - 1)
            return
