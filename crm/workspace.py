"""The settings a workspace keeps in its database, declared in one table: name, kind, default, meaning. Validates,
audits, and tells the outbox, which applies a change to the past where the setting means that. Settings of the process
are ``crm.settings``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import available_timezones

from babel.core import Locale
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm import audit, outbox
from crm.database import READING
from crm.errors import Refused
from crm.models import Account, Setting
from crm.privacy import Tier
from matching.addresses import canonical, host_of, one_domain
from matching.domains import shared_kind
from matching.rules import Rules

TIERS = tuple(t.word for t in reversed(Tier))
SECURITIES = ("starttls", "tls", "none")
POLICIES = ("none", "suggest", "wrote_to", "both_ways", "all")
LIST_MAX = 5_000
LOST_REASONS = ("Price", "No budget", "No decision", "Chose a competitor", "Timing", "Not a fit")


class BadValue(Refused):
    """A workspace setting is unknown or its value can't be taken. One sentence that starts with the name."""


@dataclass(frozen=True, slots=True)
class Declared:
    """One setting. ``parse`` turns the given strings into the stored JSON value, or raises ValueError with the end of
    a sentence. ``many``: a list."""

    name: str
    default: Any
    meaning: str
    parse: Callable[[list[str]], Any]
    many: bool = False
    choices: tuple[str, ...] = ()


def get(session: Session, name: str) -> Any:
    """The value in force: what was put, else the default. Raises BadValue for an unknown name."""
    declared = _declared(name)
    if READING in session.info:
        return _kept(session).get(name, declared.default)
    row = session.get(Setting, name)
    return declared.default if row is None else row.value


def _kept(session: Session) -> dict[str, Any]:
    """What was put, read once in a session that writes nothing: a page asks for many settings."""
    if "settings" not in session.info:
        session.info["settings"] = {row.name: row.value for row in session.scalars(select(Setting))}
    return dict(session.info["settings"])


def several(session: Session, *names: str) -> dict[str, Any]:
    """The values in force of these settings, in one statement. Raises BadValue for an unknown name."""
    declared = {name: _declared(name) for name in names}
    put_ = {row.name: row.value for row in session.scalars(select(Setting).where(Setting.name.in_(names)))}
    return {name: put_.get(name, one.default) for name, one in declared.items()}


def all_(session: Session) -> dict[str, Any]:
    """Every setting with its value in force, by name."""
    put_ = {row.name: row.value for row in session.scalars(select(Setting))}
    return {name: put_.get(name, declared.default) for name, declared in SETTINGS.items()}


def describe() -> list[Declared]:
    """All declared settings, in the order of their table."""
    return list(SETTINGS.values())


def put(session: Session, name: str, value: Any, *, actor_id: int | None, now: datetime) -> Any:
    """Set ``name``; ``value`` is a string, a number, a bool, None (back to the default) or a list of strings.
    Returns what is stored.

    Raises BadValue. The same value again changes nothing."""
    declared = _declared(name)
    stored = declared.default if value is None else _parsed(declared, value)
    row = session.get(Setting, name)
    before = declared.default if row is None else row.value
    if stored == before:
        return stored
    if row is None:
        session.add(Setting(name=name, value=stored, updated_at=now, updated_by=actor_id))
    else:
        row.value, row.updated_at, row.updated_by = stored, now, actor_id
    session.flush()
    audit.record(
        session, actor_id=actor_id, action="settings.put", subject_kind="setting",
        detail={"name": name, "from": before, "to": stored}, now=now,
    )  # fmt: skip
    outbox.emit(session, "settings.changed", {"name": name, "from": before, "to": stored}, now=now)
    return stored


def internal_domains(session: Session, configured: Iterable[str] = ()) -> list[str]:
    """Our own domains: the setting; else ``configured`` (the process setting); else those of the connected accounts,
    without freemail and other shared domains."""
    if chosen := get(session, "internal_domains"):
        return list(chosen)
    if given := sorted({d for d in map(one_domain, configured) if d}):
        return given
    addresses = session.scalars(select(Account.address).where(Account.removed_at.is_(None)))
    hosts = {host_of(canonical(address)) for address in addresses}
    return sorted(h for h in hosts if h and not shared_kind(h))


def _declared(name: str) -> Declared:
    if name not in SETTINGS:
        raise BadValue(f"{name}: no such setting; known are {', '.join(SETTINGS)}.", name)
    return SETTINGS[name]


def _parsed(declared: Declared, value: Any) -> Any:
    texts = [str(v) for v in value] if isinstance(value, list | tuple) else [str(value)]
    if not declared.many and len(texts) != 1:
        raise BadValue(f"{declared.name}: takes one value.", declared.name)
    try:
        return declared.parse(texts)
    except ValueError as error:
        raise BadValue(f"{declared.name}: {error}.", declared.name) from None


def _words(texts: list[str]) -> list[str]:
    """Values given one by one, or separated by commas, semicolons or blanks."""
    words = [w for text in texts for w in text.replace(",", " ").replace(";", " ").split()]
    if len(words) > LIST_MAX:
        raise ValueError(f"at most {LIST_MAX} entries")
    return words


def _lines(texts: list[str]) -> list[str]:
    """One value a line, each once, in their order."""
    found = list(dict.fromkeys(" ".join(line.split()) for text in texts for line in text.splitlines() if line.strip()))
    if len(found) > 50 or any(len(line) > 100 for line in found):
        raise ValueError("at most 50 lines of 100 characters")
    return found


def _domain(word: str) -> str:
    domain = one_domain(word)
    if "." not in domain or any(c in domain for c in " /@:"):
        raise ValueError(f"{word!r} is not a domain")
    return domain


def _address(word: str) -> str:
    address = canonical(word)
    if "." not in host_of(address):
        raise ValueError(f"{word!r} is not an e-mail address")
    return address


def _domains(texts: list[str]) -> list[str]:
    return sorted({_domain(w) for w in _words(texts)})


def _own_domains(texts: list[str]) -> list[str]:
    found = _domains(texts)
    for domain in found:
        if kind := shared_kind(domain):
            raise ValueError(f"{domain} is a {kind} domain and can't be internal")
    return found


def _addresses_or_domains(texts: list[str]) -> list[str]:
    return sorted({_address(w) if "@" in w.strip("@") else _domain(w) for w in _words(texts)})


def _maybe_address(texts: list[str]) -> str | None:
    return _address(texts[0]) if texts[0].strip() else None


def _choice(*choices: str) -> Callable[[list[str]], str]:
    def parse(texts: list[str]) -> str:
        word = texts[0].strip().lower()
        if word not in choices:
            raise ValueError(f"{texts[0]!r} is not one of {', '.join(choices)}")
        return word

    return parse


def _number(least: float, most: float) -> Callable[[list[str]], float]:
    def parse(texts: list[str]) -> float:
        try:
            value = float(texts[0])
        except ValueError:
            raise ValueError(f"{texts[0]!r} is not a number") from None
        if not least <= value <= most:
            raise ValueError(f"must be from {least:g} to {most:g}")
        return value

    return parse


def _whole(least: int, most: int) -> Callable[[list[str]], int]:
    number = _number(least, most)

    def parse(texts: list[str]) -> int:
        value = number(texts)
        if value != int(value):
            raise ValueError(f"{texts[0]!r} is not a whole number")
        return int(value)

    return parse


def _flag(texts: list[str]) -> bool:
    word = texts[0].strip().lower()
    if word in ("1", "true", "yes", "on"):
        return True
    if word in ("0", "false", "no", "off", ""):
        return False
    raise ValueError("must be on or off")


def _zone(texts: list[str]) -> str:
    if texts[0] not in available_timezones():
        raise ValueError(f"{texts[0]!r} is not a time zone such as Europe/London")
    return texts[0]


def _currency(texts: list[str]) -> str:
    code = texts[0].strip().upper()
    if code not in Locale("en").currencies:
        raise ValueError(f"{texts[0]!r} is not a currency code such as GBP")
    return code


def _region(texts: list[str]) -> str:
    code = texts[0].strip().upper()
    if code and code not in Locale("en").territories:
        raise ValueError(f"{texts[0]!r} is not a country code such as GB")
    return code


def _text(texts: list[str]) -> str:
    text = " ".join(texts[0].split())
    if not 0 < len(text) <= 200:
        raise ValueError("must have 1 to 200 characters")
    return text


def _maybe_text(texts: list[str]) -> str | None:
    return _text(texts) if texts[0].strip() else None


def _table(*rows: Declared) -> dict[str, Declared]:
    return {row.name: row for row in rows}


_DEFAULT = Rules()

SETTINGS: dict[str, Declared] = _table(
    Declared("workspace_name", "crm-sync", "What the workspace is called on pages and in mails.", _text),
    Declared("internal_domains", [], "Our own domains; empty means those of the accounts.", _own_domains, True),
    Declared("never_log", [], "Addresses and domains whose items are never stored.", _addresses_or_domains, True),
    Declared("dropbox_address", None, "The address that logs a mail put in Bcc, or forwarded to it.", _maybe_address),
    Declared("creation_policy", "suggest", "When contacts are created.", _choice(*POLICIES), False, POLICIES),
    Declared("default_sharing", "subject", "The tier a new account starts with.", _choice(*TIERS), False, TIERS),
    Declared("loosest_sharing", "full", "The loosest tier anyone may choose.", _choice(*TIERS), False, TIERS),
    Declared("protected_recipients", [], "Addresses and domains whose items only their participants see (legal, HR).",
             _addresses_or_domains, True),
    Declared("admin_content_access", False, "May an admin open content? Each use is audited, owners are told.", _flag),
    Declared("shared_domains", [], "More domains that belong to no one company.", _domains, True),
    Declared("time_zone", "UTC", "The zone of reports and of people who chose none.", _zone),
    Declared("currency", "GBP", "The currency of values given without one, and of sums.", _currency),
    Declared("phone_region", "", "The country of phone numbers written without one, such as GB.", _region),
    Declared("link_threshold", _DEFAULT.link, "Score from which a link is made.", _number(0.5, 1.0)),
    Declared("suggest_threshold", _DEFAULT.suggest, "Score from which a candidate is suggested.", _number(0.0, 1.0)),
    Declared("review_after", _DEFAULT.inbound_before_question, "Mails of a stranger until we ask.", _whole(1, 100)),
    Declared("store_bodies", True, "Is mail text kept? Off: subject, people and times only.", _flag),
    Declared("smtp_host", None, "The server that sends our mails to the team; empty: none are sent.", _maybe_text),
    Declared("smtp_port", 587, "Its port.", _whole(1, 65535)),
    Declared("smtp_security", "starttls", "How the line is kept private.", _choice(*SECURITIES), False, SECURITIES),
    Declared("smtp_username", None, "The name it is signed in to with; empty: none.", _maybe_text),
    Declared("smtp_from", None, "The address these mails come from.", _maybe_address),
    Declared("silent_days", 7, "Days without contact after which a lead counts as silent.", _whole(1, 365)),
    Declared("lost_reasons", list(LOST_REASONS), "Why deals are lost, one a line; offered where a deal is lost.",
             _lines, True),
)  # fmt: skip
