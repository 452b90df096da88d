"""Scenes in which it is hard to tell who somebody is: variants, shared addresses, movers, namesakes, strangers."""

from __future__ import annotations

from tests.corpus import calendars, people
from tests.corpus.scenes import scene
from tests.corpus.world import Scene


@scene(3, "address variants")
def variants(s: Scene) -> None:
    """Plus-tags anywhere; dots and googlemail at Google only; case; the same domain in punycode."""
    company = s.company()
    person = s.person(company)
    local, _, domain = person.address.partition("@")
    s.mail((f"{local}+news@{domain}", person.shown), [s.rep], contacts=[person])
    s.mail((f"{local.upper()}@{domain.upper()}", ""), [s.rep], contacts=[person])
    s.mail((f"{local}@{domain.encode('idna').decode()}", ""), [s.rep], contacts=[person])
    private = s.person(company, host="gmail.com")
    stem = private.address.partition("@")[0].replace(".", "")
    s.mail((f"{stem}@googlemail.com", private.shown), [s.rep], contacts=[private])


@scene(2, "gmx has no dots to forget")
def not_gmail(s: Scene) -> None:
    """Dots mean something elsewhere: another address, another person."""
    company = s.company()
    person = s.person(company, host="gmx.de")
    stem = person.address.partition("@")[0].replace(".", "")
    s.mail((f"x{stem}@gmx.de", ""), [s.rep], status="unmatched")


@scene(3, "private address in their own thread")
def private_address(s: Scene) -> None:
    company = s.company()
    person = s.person(company)
    deal = s.deal(company, [person])
    first = s.mail(s.rep, [person], contacts=[person], deals=[deal])
    home = f"user{s.next()}@{s.rng.choice(people.FREEMAIL)}"
    s.mail((home, person.shown), [s.rep], after=1, reply=first, contacts=[person], deals=[deal])


@scene(2, "private address without a name")
def private_nameless(s: Scene) -> None:
    company = s.company()
    person = s.person(company)
    first = s.mail(s.rep, [person], contacts=[person])
    home = f"user{s.next()}@{s.rng.choice(people.FREEMAIL)}"
    s.mail((home, ""), [s.rep], after=1, reply=first, status="review", about={"contacts": [person.label]})


@scene(2.5, "shared address, name in the header")
def shared_named(s: Scene) -> None:
    company = s.company()
    one, two = s.person(company), s.person(company)
    box = f"kontor{s.next()}@{company.domain}"
    one.rows.append(box)
    two.rows.append(box.upper())
    s.mail((box, one.shown), [s.rep], contacts=[] if one.name == two.name else [one], companies=[company],
           about={"contacts": [one.label]})  # fmt: skip


@scene(2.5, "shared address, no name")
def shared_nameless(s: Scene) -> None:
    company = s.company()
    several = [s.person(company) for _ in range(s.rng.choice((2, 3)))]
    box = f"info@{company.domain}"
    for person in several:
        person.rows.append(box)
    s.mail((box, company.name), [s.rep], companies=[company], about={"contacts": [p.label for p in several]})


@scene(2, "shared private address")
def shared_private(s: Scene) -> None:
    """A couple's mailbox, two customers: nothing is certain."""
    one, two = s.company(), s.company()
    box = f"family{s.next()}@{s.rng.choice(people.FREEMAIL)}"
    left, right = s.person(one), s.person(two)
    left.rows.append(box)
    right.rows.append(box)
    s.mail((box, ""), [s.rep], status="review", about={"contacts": [left.label, right.label]})


@scene(2.5, "freemail contact at a known company")
def freemail_contact(s: Scene) -> None:
    company = s.company()
    person = s.person(company, host=s.rng.choice(people.FREEMAIL))
    s.mail(person, [s.rep], contacts=[person], companies=[company])


@scene(3, "job changer")
def mover(s: Scene) -> None:
    old, new = s.company(), s.company()
    person = s.person(new)
    before = f"{person.address.partition('@')[0]}@{old.domain}"
    person.rows = [person.address, before]
    s.mail((before, person.shown), [s.rep], after=-400, contacts=[person], companies=[old])
    s.mail(s.rep, [person], contacts=[person], companies=[new])


@scene(3, "unknown person at a known company")
def unknown_colleague(s: Scene) -> None:
    company = s.company()
    buyer, stranger = s.person(company), s.person(company, known=False)
    deal = s.deal(company, [buyer])
    if stranger.name == buyer.name:
        return
    s.mail(stranger, [s.rep], companies=[company], about={"deals": [deal.title]})


@scene(2, "new colleague joins the thread")
def joins(s: Scene) -> None:
    """A newcomer of the same domain in a thread on a deal: the company and the deal are certain, the person is not."""
    company = s.company()
    buyer, stranger = s.person(company), s.person(company, known=False)
    deal = s.deal(company, [buyer])
    first = s.mail(buyer, [s.rep], cc=[stranger], contacts=[buyer], deals=[deal])
    s.mail(stranger, [s.rep], after=1, reply=first, companies=[company], deals=[deal])


@scene(2, "consultant copied, then writes")
def consultant(s: Scene) -> None:
    """On the thread before, with an address of nobody: the thread's company."""
    company = s.company()
    buyer, outsider = s.person(company), s.person(None, known=False)
    first = s.mail(buyer, [s.rep], cc=[outsider], contacts=[buyer])
    s.mail(outsider, [s.rep], after=1, reply=first, companies=[company])


@scene(2.5, "known name, new work address")
def new_work_address(s: Scene) -> None:
    """The directory knows a private address only; the work address is theirs: proposed, and certain once the thread
    agrees."""
    company = s.company()
    person = s.person(company)
    person.rows = [f"user{s.next()}@{s.rng.choice(people.FREEMAIL)}"]
    s.mail(person, [s.rep], companies=[company], about={"contacts": [person.label]})
    first = s.mail(s.rep, [(person.rows[0], person.shown)], after=3, contacts=[person], companies=[company])
    s.mail(person, [s.rep], after=4, reply=first, contacts=[person], companies=[company])


@scene(2, "phone in the signature")
def by_phone(s: Scene) -> None:
    company = s.company()
    person = s.person(company)
    known = s.person(company, rows=[f"user{s.next()}@{s.rng.choice(people.FREEMAIL)}"])
    if person.name == known.name:
        return
    s.mail((known.address, known.shown), [s.rep], contacts=[known], companies=[company], signature=s.signed(known))
    s.mail((f"mobile{s.next()}@{s.rng.choice(people.FREEMAIL)}", ""), [s.rep], after=9, status="review",
           about={"contacts": [person.label]}, signature=s.signed(person))  # fmt: skip


@scene(2, "subsidiary's listed subdomain")
def subsidiary(s: Scene) -> None:
    parent, child = s.company(), s.company()
    child.listed.append(f"eu.{parent.domain}")
    at_child, at_parent = f"user{s.next()}@eu.{parent.domain}", f"user{s.next()}@us.{parent.domain}"
    s.mail((at_child, "Office Europe"), [s.rep], companies=[child])
    s.mail((at_parent, "Office America"), [s.rep], companies=[parent])


@scene(2, "domain of two companies")
def agency(s: Scene) -> None:
    one, two = s.company(), s.company()
    shared = f"group{s.next()}.example"
    one.listed.append(shared)
    two.listed.append(shared)
    member = s.person(one)
    member.address = f"user{s.next()}@{shared}"
    member.rows.append(member.address)
    s.mail(member, [s.rep], contacts=[member], companies=[one])
    s.mail((f"user{s.next()}@{shared}", "Somebody New"), [s.rep], status="review",
           about={"companies": [one.label, two.label]})  # fmt: skip


@scene(2, "school and ISP domains")
def schools(s: Scene) -> None:
    """Listed or not, they say nothing of a company."""
    company = s.company()
    company.listed.append(f"college{s.next()}.edu")
    s.mail((f"user{s.next()}@{company.listed[-1]}", "A Student"), [s.rep], status="unmatched")
    s.mail((f"user{s.next()}@t-online.de", "Ein Kunde"), [s.rep], status="unmatched")


@scene(3, "strangers, below and above the threshold")
def strangers(s: Scene) -> None:
    cold, twice, ours, met = (s.person(s.company(listed=False), known=False) for _ in range(4))
    s.mail(cold, [s.rep], status="unmatched")
    s.mail(twice, [s.rep], status="review")
    s.mail(twice, [s.rep], after=20, status="review")
    s.mail(s.rep, [ours], status="review")
    calendars.meeting(s, 3, [met], status="review")


@scene(1.5, "namesakes at two companies")
def namesakes(s: Scene) -> None:
    """Never on the name alone."""
    one, two = s.company(), s.company()
    person = s.person(one)
    s.mail((f"user{s.next()}@{two.domain}", person.shown), [s.rep], companies=[two])
    s.mail((f"user{s.next()}@{s.rng.choice(people.FREEMAIL)}", person.shown), [s.rep], status="unmatched")


@scene(1.5, "colleague with a similar name")
def similar(s: Scene) -> None:
    """An alias of somebody at the company: proposed only."""
    company = s.company()
    person = s.person(company)
    alias = f"mobile.{person.address.partition('@')[0]}{s.next()}@{company.domain}"
    s.mail((alias, person.shown), [s.rep], companies=[company], about={"contacts": [person.label]})
