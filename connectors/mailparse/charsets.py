"""Bytes to text where the declared charset may be absent, unknown or a lie.

Facts: WHATWG Encoding Standard (latin1 means windows-1252, gb2312 means gb18030, and so on), RFC 2046 4.1.2.
Never raises: what no charset explains is decoded with replacement characters, and the caller is told.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

from charset_normalizer import from_bytes

SAMPLE = 4096
"""Bytes shown to charset-normalizer, which is slow; only text that nothing else explains gets there."""

ALIASES = {
    "ascii": "cp1252", "us-ascii": "cp1252", "ansi_x3.4-1968": "cp1252", "iso-8859-1": "cp1252", "latin1": "cp1252",
    "iso8859-1": "cp1252", "latin-1": "cp1252", "iso_8859-1": "cp1252", "iso-8859-1-windows-3.1-latin-1": "cp1252",
    "iso-8859-9": "cp1254", "iso-8859-11": "cp874", "tis-620": "cp874", "windows-874": "cp874",
    "gb2312": "gb18030", "gbk": "gb18030", "x-gbk": "gb18030", "cp936": "gb18030", "gb_2312-80": "gb18030",
    "euc-kr": "cp949", "ks_c_5601-1987": "cp949", "ks_c_5601-1989": "cp949", "ksc5601": "cp949",
    "x-windows-949": "cp949",
    "shift_jis": "cp932", "shift-jis": "cp932", "sjis": "cp932", "x-sjis": "cp932", "windows-31j": "cp932",
    "big5": "big5hkscs", "x-x-big5": "big5hkscs", "x-euc-jp": "euc_jp", "iso-2022-jp": "iso2022_jp_ext",
    "unicode-1-1-utf-7": "utf-7", "x-unicode-2-0-utf-7": "utf-7", "unicode": "utf-16", "utf8mb4": "utf-8",
    "iso-8859-8-i": "iso8859_8", "iso-8859-8-e": "iso8859_8", "iso-8859-6-i": "iso8859_6", "macintosh": "mac_roman",
    "x-mac-roman": "mac_roman", "x-mac-cyrillic": "mac_cyrillic", "koi8": "koi8_r", "x-cp1250": "cp1250",
    "x-cp1251": "cp1251", "windows-1252http-equivcontent-type": "cp1252", "x-roman8": "hp_roman8",
}
UNTOLD = frozenset({"", "unknown", "unknown-8bit", "x-unknown", "x-user-defined", "8bit", "none", "default", "binary"})
ESCAPED = ("iso2022", "utf_7", "utf-7", "hz", "utf_16", "utf-16", "utf_32", "utf-32")
_JUNK = re.compile(r"[^a-z0-9._:+()-]")
_NOT_TEXT = frozenset({"hex", "base64", "bz2", "zlib", "quopri", "uu", "rot13", "idna", "punycode", "unicode_escape",
                       "raw_unicode_escape", "undefined", "mbcs", "oem"})


@lru_cache(maxsize=512)
def codec(declared: str) -> str:
    """The Python codec for a declared charset, or "" where none is meant or known."""
    name = _JUNK.sub("", declared.lower().split(";")[0].removeprefix("charset=").strip("\"' ")).strip("()")
    if name in UNTOLD:
        return ""
    name = ALIASES.get(name, name)
    for guess in (name, name.replace("windows-", "cp"), name.replace("cp-", "cp"), name.replace("_", "-")):
        try:
            found = codecs.lookup(guess).name
        except (LookupError, ValueError):
            continue
        if found not in _NOT_TEXT:
            return "cp1252" if found in ("iso8859-1", "ascii") else found
    return ""


def decode(data: bytes, declared: str = "") -> tuple[str, bool]:
    """``data`` as text and whether the declaration was honest.

    Order: what is declared; UTF-8, which is hardly ever right by accident; a guess; windows-1252.
    """
    name = codec(declared)
    if data.isascii() and not name.startswith(ESCAPED):
        return data.decode("ascii"), True
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) and len(data) % 2 == 0:
        name = "utf-16"
    if name in ("", "cp1252"):
        return _western(data, declared)
    try:
        return data.decode(name), True
    except (UnicodeError, ValueError):
        return _mended(data, name), False


def _western(data: bytes, declared: str) -> tuple[str, bool]:
    """Text that claims a western charset or none: often UTF-8 in truth."""
    try:
        return data.decode("utf-8"), codec(declared) == ""
    except UnicodeDecodeError:
        pass
    if codec(declared) == "":
        return _guessed(data), declared == ""
    return _cp1252(data), True


def _mended(data: bytes, name: str) -> str:
    """Text whose declared charset does not fit: a few bad bytes are replaced, more mean another charset."""
    loose = data.decode(name, "replace")
    bad = loose.count("\ufffd")
    if bad * 50 < len(loose) - len(data.decode("ascii", "ignore")) or bad <= 2 < _good(loose):
        return loose
    if not name.startswith("utf"):
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return loose
    return _guessed(data)


def _good(text: str) -> int:
    return sum(1 for c in text[:SAMPLE] if c > "\x7f" and c != "\ufffd")


def _guessed(data: bytes) -> str:
    """charset-normalizer where there is enough to judge by, else windows-1252."""
    high = sum(1 for b in data[:SAMPLE] if b > 0x7F)
    if high >= 24:
        best = from_bytes(data[:SAMPLE]).best()
        if best is not None:
            return data.decode(best.encoding, "replace")
    return _cp1252(data)


def _cp1252(data: bytes) -> str:
    """windows-1252 with its five holes read as latin-1, as browsers do."""
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return "".join(bytes((b,)).decode("cp1252", "ignore") or chr(b) for b in data)
