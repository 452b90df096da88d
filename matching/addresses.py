"""E-mail addresses: one canonical form, a family key for comparing, and which addresses are not people.

Facts: RFC 5321 2.3.11 and 4.1.2 (mailbox syntax), RFC 5322 3.4.1 (quoted local parts), RFC 5890 (A- and U-labels),
RFC 6068 (mailto), RFC 5233 (sub-addressing with ``+``). Pure text work: nothing is looked up, nothing is stored. The
family key is for comparing only and must never be shown or kept as somebody's address.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

import idna

from matching.tables import table
from matching.types import Party

MAX_LENGTH: Final = 998  # one header line (RFC 5322 2.1.1); anything longer is not an address
GOOGLE_FREEMAIL: Final = frozenset({"gmail.com", "googlemail.com"})


class Sort(StrEnum):
    """What stands behind an address. PERSON and ROLE can be counterparties, the rest cannot."""

    PERSON = "person"
    ROLE = "role"
    NO_REPLY = "no_reply"
    BOUNCE = "bounce"
    RELAY = "relay"
    RESOURCE = "resource"
    X500 = "x500"


_X500 = re.compile(r"^(?:/o=|imceaex-)|/cn=recipients/", re.IGNORECASE)
_BOUNCE = re.compile(
    r"^(?:bounces?|bounced)(?:$|[-+=._].*)|^mailer-?daemon$|^(?:verp|prvs|msprvs\d?|srs[01]|btv1)[-+=].*"
    r"|^(?:returns?|rp)[-+=](?=.*[=\d]{4}).*|^[\w.+-]+-bounces?(?:$|[-+=].*)|^owner-.+"
    r"|[-+][^@=]+=[^@=]+\.[a-z]{2,}$|^[0-9a-f]{16}[0-9a-f-]{16,}$"
)
_RELAY = re.compile(
    r"^(?:reply|replies)[+]\S{6,}$|^(?:inbound|incoming|ticket|case|comment|notification|unsubscribe)[+](?=\S*\d)\S{8,}$"
    r"|^(?:reply|replies)[-_.=](?=\S*\d)[0-9a-z_=.-]{10,}$"
)
_ROOM = re.compile(
    r"^(?:room|meeting-?room|conf(?:erence)?-?room|boardroom|besprechungsraum|konferenzraum|salle-?de-?reunion"
    r"|sala-?de-?reuni\w+|vergaderzaal|projector|beamer)(?:$|[-._\d].*)"
)
_CALENDAR_HOST = re.compile(
    r"(?:^|\.)(?:resource|group|group\.v|import)\.calendar\.google\.com$|^calendar\.google\.com$"
)
_SQUEEZE = re.compile(r"[-._]")
_VIA = re.compile(r"^(?P<name>.*?)[\"']?\s+(?:via|vía|über|par le biais de|through|per conto di)\s+\S", re.IGNORECASE)


@lru_cache(maxsize=200_000)
def canonical(address: str) -> str:
    """The one form of an address: lower case, Unicode domain, NFC local part; "" when it is no address at all.

    Exchange X500 names (``/O=...``) have no domain and come back lower-cased, so that ``sort`` can tell them.
    """
    text = address.strip()
    if not text or len(text) > MAX_LENGTH:
        return ""
    if _X500.search(text):
        return text.lower()
    local, at, domain = _bare(text).rpartition("@")
    local, domain = _plain_local(local), _one_domain(domain)
    return f"{local}@{domain}" if at and local and domain else ""


def _bare(text: str) -> str:
    """Without angle brackets, ``mailto:`` and its query, and quotes around the whole."""
    if "<" in text and text.endswith(">"):
        text = text[text.rindex("<") + 1 : -1]
    text = text.strip().strip("<>").strip()
    if text[:7].lower() == "mailto:":
        text = unquote(text[7:].split("?", 1)[0])
    if len(text) > 1 and text[0] in "'\"" and text[-1] == text[0]:
        text = text[1:-1]
    return text.strip()


def _plain_local(local: str) -> str:
    """RFC 5322 3.4.1: the quotes of a quoted local part are not part of it."""
    local = local.strip().strip("'")
    if len(local) > 1 and local[0] == local[-1] == '"':
        local = re.sub(r"\\(.)", r"\1", local[1:-1])
    local = unicodedata.normalize("NFC", local).lower()
    return "" if any(ord(char) < 32 for char in local) else local


@lru_cache(maxsize=100_000)
def _one_domain(domain: str) -> str:
    domain = domain.strip().rstrip(".").strip("'\"").lower()
    if domain.isascii() and "xn--" not in domain:
        return domain if domain and not re.search(r"[\s@<>,;\"]", domain) else ""
    try:
        return idna.decode(idna.encode(domain, uts46=True)).lower()
    except (idna.IDNAError, UnicodeError):
        return unicodedata.normalize("NFC", domain)


def one_domain(domain: str) -> str:
    """The one form of a domain (lower case, Unicode labels, no dot at the end, no leading ``@``); "" when it is
    none."""
    return _one_domain(domain.strip().removeprefix("@"))


def host_of(address: str) -> str:
    """The domain of a canonical address, "" when it has none."""
    return address.rpartition("@")[2] if "@" in address else ""


@lru_cache(maxsize=200_000)
def family(address: str) -> str:
    """The family key of a canonical address: plus-tag off; for Google-run freemail dots off and one domain."""
    local, at, domain = address.rpartition("@")
    if not at:
        return address
    stem = local.split("+", 1)[0] or local
    if domain in GOOGLE_FREEMAIL:
        return f"{stem.replace('.', '') or stem}@gmail.com"
    return f"{stem}@{domain}"


@lru_cache(maxsize=200_000)
def sort(address: str) -> Sort:
    """What stands behind a canonical address, by its form alone."""
    if _X500.search(address):
        return Sort.X500
    local, _, host = address.rpartition("@")
    if _CALENDAR_HOST.search(host) or _ROOM.match(local):
        return Sort.RESOURCE
    if _BOUNCE.search(local):
        return Sort.BOUNCE
    if _is_no_reply(local):
        return Sort.NO_REPLY
    if _RELAY.match(local):
        return Sort.RELAY
    return Sort.ROLE if is_role(address) else Sort.PERSON


def _is_no_reply(local: str) -> bool:
    stem = _SQUEEZE.sub("", local.split("+", 1)[0])
    words = table("no_reply")
    return stem in words or any(len(word) > 6 and (stem.startswith(word) or stem.endswith(word)) for word in words)


def is_role(address: str) -> bool:
    """True for an address of a function (info@, vertrieb@, billing-de@), used by whoever is on duty."""
    local = address.rpartition("@")[0].split("+", 1)[0]
    words = table("roles")
    return local in words or _SQUEEZE.sub("", local) in words or _SQUEEZE.split(local, 1)[0] in words - table("names")


def is_person(address: str) -> bool:
    """True when the address can be somebody's, or a team's that somebody reads."""
    return sort(address) in (Sort.PERSON, Sort.ROLE)


def real_sender(parties: Sequence[Party]) -> Party | None:
    """Who wrote it: From, unless a list rewrote From ("Jane via List"); then X-Original-From, then Reply-To.

    The returned party keeps the role it was found under, and carries the person's own name.
    """
    by_role = {party.role: party for party in reversed(parties)}
    written = by_role.get("from") or by_role.get("sender")
    if written is None:
        return None
    original = by_role.get("original_from")
    if original is not None and original.address:
        return original
    via = _VIA.match(written.name)
    reply = by_role.get("reply_to")
    if via and reply is not None and is_person(reply.address) and reply.address != written.address:
        return Party("reply_to", reply.address, reply.name or via["name"].strip("\"' "), reply.is_person)
    return written
