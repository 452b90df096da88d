"""Domains: the registrable part, which domains belong to nobody in particular, and which company a host is.

Facts: the public suffix list (publicsuffix.org) as shipped with ``publicsuffixlist``, offline. Freemail, ISP and
school tables are ours (``matching/data``). Nothing here asks DNS.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache

import idna
from publicsuffixlist import PublicSuffixList

from matching.tables import table

_SCHOOL = re.compile(
    r"\.edu$|\.(?:edu|ac|sch)\.[a-z]{2}$|\.k12\.[a-z]{2}\.us$"
    r"|(?:^|\.)(?:uni|univ|tu|universitaet|universite)-[^.]+\.(?:de|fr|at|ch|it|es|be|nl)$"
)


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList(accept_unknown=True, only_icann=False)


@lru_cache(maxsize=100_000)
def registrable(host: str) -> str:
    """The registrable domain of a host (public suffix plus one label), "" for none.

    Domains whose subdomains are rented out to others (``data/hosted.txt``) count as public suffixes. A host that is
    itself a suffix is its own: mail of somebody at ``github.io`` is still of that host.
    """
    if not host or "." not in host:
        return host
    for parent in parents(host):
        if parent in table("hosted"):
            return ".".join(host.split(".")[-(parent.count(".") + 2) :])
    found = _suffixes().privatesuffix(_ascii(host))
    return ".".join(host.split(".")[-(found.count(".") + 1) :]) if found else host


def _ascii(host: str) -> str:
    if host.isascii():
        return host
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return host


def parents(host: str) -> Iterator[str]:
    """The host and its parents, longest first, at most 12 labels deep: a.b.example, b.example, example."""
    labels = host.split(".")[-12:]
    for at in range(len(labels)):
        yield ".".join(labels[at:])


@lru_cache(maxsize=100_000)
def shared_kind(host: str) -> str:
    """Why a host says nothing about a company: freemail, isp, school, hosted, or "" for a work domain."""
    if host in table("hosted"):
        return "hosted"
    for parent in parents(host):
        for kind in ("freemail", "isp", "school"):
            if parent in table(kind):
                return kind
    return "school" if _SCHOOL.search(host) else ""


def is_within(host: str, domains: frozenset[str]) -> bool:
    """True when the host, or a parent of it, is in the set."""
    return host in domains or any(parent in domains for parent in parents(host))
