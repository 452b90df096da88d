"""What a signature block gives away: phone numbers, addresses, a job title. Suggestions only, never facts.

Facts: E.164 and national formats as in ``phonenumbers`` (Google's libphonenumber metadata). All scanning is bounded:
at most ``MAX_TEXT`` characters, ``MAX_PHONES`` numbers. Nothing is looked up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from phonenumbers import (
    Leniency,
    NumberParseException,
    PhoneNumberFormat,
    PhoneNumberMatcher,
    format_number,
    parse,
)

from matching.addresses import canonical, host_of, is_person
from matching.names import equal, fold
from matching.tables import table

MAX_TEXT = 2_000
MAX_PHONES = 6
_DIGITS = re.compile(r"\d")
_ADDRESS = re.compile(r"[\w.+%'-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_COUNTRIES = {"uk": "GB", "eu": "", "com": "", "net": "", "org": "", "io": "", "co": "", "ai": "", "example": ""}


@lru_cache(maxsize=100_000)
def phone_key(raw: str) -> str:
    """The last nine digits of a number, so that national and international spellings are equal; "" below seven
    digits."""
    text = re.sub(r"\(0\)", "", raw)
    digits = re.sub(r"\D", "", re.split(r"(?i)ext|x\d|durchwahl|;", text, maxsplit=1)[0]).lstrip("0")
    return digits[-9:] if len(digits) >= 7 else ""


def region_of(host: str, default: str = "") -> str:
    """The ISO 3166 country that numbers without a country code are read in, guessed from a country domain."""
    end = host.rpartition(".")[2]
    if end in _COUNTRIES:
        return _COUNTRIES[end] or default
    return end.upper() if len(end) == 2 and end.isascii() else default


def phones(text: str, region: str = "") -> Iterator[str]:
    """The phone numbers in a text as written, at most ``MAX_PHONES``. ``region`` reads numbers without a country
    code."""
    text = text[:MAX_TEXT]
    if len(_DIGITS.findall(text)) < 7:
        return
    matcher = PhoneNumberMatcher(text, region or "ZZ", leniency=Leniency.POSSIBLE, max_tries=20)
    for count, match in enumerate(matcher):
        if count == MAX_PHONES:
            return
        yield match.raw_string


def e164s(text: str, region: str = "") -> Iterator[str]:
    """The phone numbers of a text in E.164 form, for looking them up."""
    for raw in phones(text, region):
        try:
            yield format_number(parse(raw, region or None), PhoneNumberFormat.E164)
        except NumberParseException:
            continue


def addresses(text: str) -> Iterator[str]:
    """The canonical addresses of people in a text, each once."""
    seen: set[str] = set()
    for match in _ADDRESS.finditer(text[:MAX_TEXT]):
        address = canonical(match[0].strip(".'-"))
        if address and address not in seen and is_person(address) and host_of(address):
            seen.add(address)
            yield address


def title(text: str, name: str = "") -> str:
    """The line of a signature that reads like a job title, at most 80 characters; "" when none does."""
    for line in text[:MAX_TEXT].splitlines()[:12]:
        line = line.strip(" \t|-–—*_,")
        if not 3 <= len(line) <= 80 or "@" in line or len(_DIGITS.findall(line)) > 2 or equal(line, name):
            continue
        found = {word.strip(".,:;()") for word in re.split(r"[\s/&|,-]+", fold(line))}
        if found & table("job_words"):
            return re.split(r"\s[|•·]\s", line)[0].strip(" ,|-")
    return ""
