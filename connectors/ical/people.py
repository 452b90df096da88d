"""ORGANIZER and ATTENDEE (RFC 5545 section 3.8.4) as Attendee values, with what exporters make of addresses: X500
paths, mail hidden in EMAIL or behind a principal path, rooms marked only by their address."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from connectors.ical.lines import Property
from connectors.ical.values import text
from connectors.types import Attendee

MAX_NAME: Final = 200
MAX_ADDRESS: Final = 320

_ROLES: Final = {
    "REQ-PARTICIPANT": "required",
    "OPT-PARTICIPANT": "optional",
    "NON-PARTICIPANT": "non-participant",
    "CHAIR": "chair",
}
_RESPONSES: Final = frozenset({"accepted", "declined", "tentative", "needs-action", "delegated"})
_DONE: Final = {"completed": "accepted", "in-process": "accepted"}
_KINDS: Final = frozenset({"individual", "group", "resource", "room", "unknown"})
_ADDRESS: Final = re.compile(r"[^\s<>\"',;:()]+@[^\s<>\"',;:()@]+")
_RESOURCES: Final = ("@resource.calendar.google.com", "@group.calendar.google.com", "@import.calendar.google.com")


def attendee(found: Property) -> Attendee:
    """The person or thing named. Without a usable address, ``address`` is "" - but an Exchange X500 path is kept as it
    is, because it tells an internal person from a guest without an address."""
    params = found.params
    address = address_of(found.value) or address_of(params.get("EMAIL", "")) or address_of(params.get("X-EMAIL", ""))
    name = text(params.get("CN", "").strip("\"'"), MAX_NAME)
    if not address and found.value.lower().removeprefix("mailto:").startswith("/o="):
        address = found.value[:MAX_ADDRESS]
        address = address[7:] if address.lower().startswith("mailto:") else address
    if not address and not name:
        name = _name_in(found.value)
    return Attendee(
        address=address,
        name="" if name.lower().removeprefix("mailto:") == address.lower() else name,
        role=_ROLES.get(params.get("ROLE", "").upper(), "required"),
        response=_response(params.get("PARTSTAT", "")),
        kind=_kind(params.get("CUTYPE", ""), address),
        sent_by=address_of(params.get("SENT-BY", "")),
    )


def address_of(value: str) -> str:
    """The mail address within a calendar address, "" when there is none. ``invalid:nomail`` is none."""
    plain = unquote(value[:2000]) if "%40" in value else value[:2000]
    if plain.lower().startswith(("invalid:", "http:", "https:", "urn:", "/o=", "mailto:/o=")):
        return ""
    match = _ADDRESS.search(re.sub(r"^\s*\"?mailto:\s*", "", plain, flags=re.I))
    address = match[0].strip(".") if match else ""
    return address if 3 <= len(address) <= MAX_ADDRESS and not address.lower().endswith(("@nomail", ".invalid")) else ""


def _name_in(value: str) -> str:
    """Lotus writes ``CN=Jane Doe/O=Acme`` where the address belongs; others write just a name."""
    plain = re.sub(r"^\s*(mailto|invalid):", "", value, flags=re.I).strip("\"' ")
    match = re.search(r"CN=([^/,;]+)", plain, re.I)
    name = match[1] if match else plain
    return "" if name.lower() in ("", "nomail") or "/" in name or ":" in name else text(name, MAX_NAME)


def _response(value: str) -> str:
    lowered = value.lower()
    return lowered if lowered in _RESPONSES else _DONE.get(lowered, "needs-action")


def _kind(value: str, address: str) -> str:
    if address.lower().endswith(_RESOURCES):
        return "resource"
    lowered = value.lower()
    if not lowered:
        return "individual"
    return lowered if lowered in _KINDS else "unknown"
