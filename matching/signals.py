"""One decorated function for each signal. To add one: write a function here, give its weight in
``matching.evidence``.

A signal looks at one counterparty and yields findings; it knows nothing of the other signals, of thresholds or of
questions. Cheap signals come first; those marked ``costly`` run only while the person is not certain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from matching import explain, names, signature
from matching.addresses import Sort, family, host_of, sort
from matching.directory import AddressEntry, ContactRecord
from matching.domains import parents, registrable
from matching.evidence import WEIGHTS, evidence
from matching.ground import Look, Settled
from matching.types import Evidence, Target

SIMILAR = 0.9


class Finding(NamedTuple):
    """A target with one reason for it."""

    target: Target
    reason: Evidence


Signal = Callable[[Look], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Registered:
    """A signal as registered: what it reaches, and whether it runs only when the person is still uncertain."""

    name: str
    reaches: str
    costly: bool
    run: Signal


SIGNALS: list[Registered] = []


def signal(name: str, reaches: str = "contact", *, costly: bool = False) -> Callable[[Signal], Signal]:
    """Register a signal under a name of the weights table. Raises ValueError for a name the table does not have."""
    if name not in WEIGHTS:
        raise ValueError(f"no weight for signal {name}")

    def register(function: Signal) -> Signal:
        SIGNALS.append(Registered(name, reaches, costly, function))
        return function

    return register


def _contact(contact: int, name: str, says: str) -> Finding:
    return Finding(Target("contact", contact), evidence(name, says))


def _company(company: int, name: str, says: str) -> Finding:
    return Finding(Target("company", company), evidence(name, says))


def people(entries: Iterable[AddressEntry]) -> tuple[int, ...]:
    """The contacts behind address entries, each once, in the order of ids."""
    return tuple(sorted({entry.contact for entry in entries}))


def valid_entries(look: Look) -> list[AddressEntry]:
    """The contacts' entries for exactly this address that hold on the item's day."""
    return [entry for entry in look.directory.entries(look.party.address) if entry.is_valid(look.day)]


@signal("decided")
def decided(look: Look) -> Iterator[Finding]:
    """A person said who this is: for the item or thread, for the address, or for everybody of the domain."""
    if look.said is not None:
        yield Finding(look.said.target, evidence("decided", explain.decided(look.said.by, look.said.at)))
    places = [("address", look.party.address), *(("domain", parent) for parent in parents(look.host) if parent)]
    for scope, value in places:
        for ruling in look.directory.rulings(scope, value):
            if (
                ruling.verdict == "attach"
                and ruling.target
                and ruling.target.kind != "deal"
                and _applies(ruling.mailboxes, look)
            ):
                yield Finding(ruling.target, evidence("decided", explain.decided(ruling.by, ruling.at)))


def _applies(mailboxes: frozenset[str], look: Look) -> bool:
    return not mailboxes or not mailboxes.isdisjoint(look.item.mailboxes)


@signal("address")
def address(look: Look) -> Iterator[Finding]:
    """The address is exactly one contact's on that day."""
    found = people(valid_entries(look))
    if len(found) == 1:
        yield _contact(found[0], "address", explain.exact(look.party.address))


@signal("shared-address")
def shared_address(look: Look) -> Iterator[Finding]:
    """The address is several contacts'; the header's name may tell which."""
    found = people(valid_entries(look))
    if len(found) < 2:
        return
    labels = [look.directory.contact(contact).label for contact in found]
    for contact in found:
        yield _contact(contact, "shared-address", f"{look.party.address} is shared by {explain.listed(labels)}")
    same = [c for c in found if names.equal(look.directory.contact(c).name, look.party.name)]
    if len(same) == 1:
        yield _contact(same[0], "shared-name", explain.shared_name(look.party.address, names.clean(look.party.name)))
    elif not same:
        yield from _first_name(look, found)


def _first_name(look: Look, found: tuple[int, ...]) -> Iterator[Finding]:
    """One word of a name ("Jane"), or a likeness, suggests the only one it fits."""
    given = set(names.words(look.party.name))
    fits = [c for c in found if given and given <= set(names.words(look.directory.contact(c).name))]
    fits = fits or [c for c in found if names.likeness(look.directory.contact(c).name, look.party.name) >= SIMILAR]
    if len(fits) == 1:
        yield _contact(fits[0], "similar-name", f"the name {names.clean(look.party.name)} fits")


@signal("former-address")
def former_address(look: Look) -> Iterator[Finding]:
    """The address was somebody's, but not on that day."""
    if not valid_entries(look):
        for entry in look.directory.entries(look.party.address):
            yield _contact(entry.contact, "former-address", f"{look.party.address} was theirs at another time")


@signal("address-family")
def address_family(look: Look) -> Iterator[Finding]:
    """A plus-tag or dot variant of one contact's address; an exact address, valid or not, beats it."""
    if not look.party.address or look.directory.entries(look.party.address):
        return
    entries = [e for e in look.directory.relatives(family(look.party.address)) if e.is_valid(look.day)]
    found = people(entries)
    for contact in found:
        known = next(e.address for e in entries if e.contact == contact)
        name = "address-family" if len(found) == 1 else "shared-address"
        yield _contact(contact, name, explain.relative(look.party.address, known))


@signal("forwarded-by-us")
def forwarded_by_us(look: Look) -> Iterator[Finding]:
    """Our side forwarded a contact's message to the log or to themselves."""
    found = people(valid_entries(look))
    if look.cast.logged_for_us and look.party.role in ("forwarded", "resent_from") and len(found) == 1:
        label = look.directory.contact(found[0]).label
        yield _contact(found[0], "forwarded-by-us", f"our side forwarded a message of {label} to the log")


@signal("dropbox")
def dropbox(look: Look) -> Iterator[Finding]:
    """Our side put the logging address on a mail to the contact."""
    found = people(valid_entries(look))
    if look.cast.dropbox and not look.cast.logged_for_us and len(found) == 1:
        yield _contact(found[0], "dropbox", "our side put the logging address on it")


@signal("name-at-company", costly=True)
def name_at_company(look: Look) -> Iterator[Finding]:
    """The header's name is one contact's at the company of the domain, who has no address there; else it is merely
    similar."""
    companies = look.place.companies if look.party.address else look.companies
    if not companies or not look.party.name or _known(look) or sort(look.party.address) is Sort.ROLE:
        return
    equal = {c for company in companies for c in look.directory.named(company, names.key(look.party.name))}
    equal -= look.present
    if len(equal) == 1:
        contact = look.directory.contact(equal.pop())
        label = look.directory.company(companies[0]).label
        taken = bool(look.host) and any(
            registrable(host_of(e.address)) == registrable(look.host) for e in contact.addresses
        )
        if taken:
            yield _contact(contact.id, "similar-name", f"same name as {contact.label} at {label}, with another address")
        else:
            yield _contact(contact.id, "name-at-company", f"same name as {contact.label} at {label}")
    elif not equal and look.party.address:
        yield from _similar(look, companies)


def _similar(look: Look, companies: tuple[int, ...]) -> Iterator[Finding]:
    scored = [
        (
            max(
                names.likeness(look.party.name, contact.name),
                SIMILAR if names.fits_address(contact.name, look.party.address) else 0,
            ),
            -c,
        )
        for company in companies
        for c in look.directory.colleagues(company)
        if c not in look.present and (contact := look.directory.contact(c)).name
    ]
    if scored and (best := max(scored))[0] >= SIMILAR:
        contact = look.directory.contact(-best[1])
        yield _contact(contact.id, "similar-name", f"similar name to {contact.label} at the same company")


@signal("thread-person", costly=True)
def thread_person(look: Look) -> Iterator[Finding]:
    """A contact of the thread writes from an address we don't know: certain when the header has their name."""
    if _known(look) or not look.party.address or sort(look.party.address) is Sort.ROLE:
        return
    sources = {c: settled for settled in look.thread.ancestors(look.item) for c in sorted(settled.contacts)}
    records = [look.directory.contact(c) for c in sorted(sources) if c not in look.present]
    records = [record for record in records if _may_be(look, record)]
    same = [record for record in records if names.equal(record.name, look.party.name)]
    if len(same) == 1:
        found = same[0]
        yield _contact(found.id, "thread-person", explain.reply(sources[found.id].item, found.label))
        if not look.place.companies:
            yield _contact(
                found.id, "name-in-thread", f"name {names.clean(look.party.name)} of the thread in the header"
            )
    elif not same and look.is_sender:
        yield from _guess(look, records, sources)


def _guess(look: Look, records: list[ContactRecord], sources: dict[int, Settled]) -> Iterator[Finding]:
    """Without an equal name: the one contact the local part or a similar name points at, else the only one there is."""
    likely = [
        r
        for r in records
        if names.fits_address(r.name, look.party.address) or names.likeness(r.name, look.party.name) >= SIMILAR
    ]
    if len(likely) == 1:
        yield _contact(likely[0].id, "thread-person", explain.reply(sources[likely[0].id].item, likely[0].label))
        yield _contact(likely[0].id, "similar-name", f"the address or name is like {likely[0].label}")
    elif len(records) == 1 and not names.key(look.party.name) and not look.ground.is_work(look.host):
        yield _contact(records[0].id, "thread-person", explain.reply(sources[records[0].id].item, records[0].label))


def _may_be(look: Look, contact: ContactRecord) -> bool:
    """A work address of another known company speaks against a contact."""
    companies = look.place.companies
    return not companies or not look.ground.relations(contact).isdisjoint(companies)


def _known(look: Look) -> bool:
    """True when the address itself says who it is, or who it may be."""
    return bool(look.directory.entries(look.party.address) or look.directory.relatives(family(look.party.address)))


@signal("signature", costly=True)
def in_signature(look: Look) -> Iterator[Finding]:
    """A phone number or address in the signature block is one contact's."""
    if not look.is_sender or not look.item.signature or (sort(look.party.address) is Sort.ROLE and _known(look)):
        return
    found: dict[int, str] = {}
    for written in signature.addresses(look.item.signature):
        owners = people(look.directory.entries(written)) if written != look.party.address else ()
        found.update({owners[0]: written} if len(owners) == 1 else {})
    region = signature.region_of(look.host, look.ground.rules.region)
    for phone in signature.phones(look.item.signature, region):
        owners = tuple(sorted(set(look.directory.phoned(signature.phone_key(phone)))))
        found.update({owners[0]: phone} if len(owners) == 1 else {})
    if len(found) == 1:
        (contact, what), *_ = found.items()
        yield _contact(contact, "signature", f"{what} in the signature is {look.directory.contact(contact).label}'s")


@signal("domain", reaches="company")
def domain(look: Look) -> Iterator[Finding]:
    """The registrable domain, or a listed one, belongs to exactly one company; or to several, which asks."""
    place = look.place
    labels = [look.directory.company(company).label for company in place.companies]
    for company, label in zip(place.companies, labels, strict=True):
        if len(place.companies) == 1:
            yield _company(company, "domain", explain.domain(place.domain, label, known=bool(_known(look))))
        else:
            yield _company(company, "shared-domain", f"domain {place.domain} belongs to {explain.listed(labels)}")


@signal("thread", reaches="company")
def thread(look: Look) -> Iterator[Finding]:
    """A newcomer in a thread with one company: of the same work domain, or on the thread before."""
    if len(look.place.companies) == 1 or not look.party.address:
        return
    sources: dict[int, Settled] = {}
    for settled in look.thread.ancestors(look.item):
        sources.update({company: settled for company in settled.hosts if _is_plausible(look, settled, company)})
    if look.place.companies:
        sources = {company: settled for company, settled in sources.items() if company in look.place.companies}
    for company, settled in sorted(sources.items(), key=lambda pair: pair[0]):
        kind = "meeting" if settled.item.kind == "meeting" else "thread"
        name = kind if len(sources) == 1 else "several-companies"
        yield _company(company, name, explain.reply(settled.item, look.directory.company(company).label))


def _is_plausible(look: Look, settled: Settled, company: int) -> bool:
    if look.party.address in settled.addresses:
        return True
    return look.ground.is_work(look.host) and registrable(look.host) in settled.hosts[company]
