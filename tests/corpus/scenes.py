"""The register of scenes, and the everyday ones: known people, ordinary threads, deals, meetings.

Each scene has a rate (its share of all scenes, in parts of the whole) and the name of its trap, which the rows of
truth carry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.corpus import calendars
from tests.corpus.world import Deal, Person, Scene

Make = Callable[[Scene], None]


@dataclass(frozen=True, slots=True)
class Registered:
    rate: float
    trap: str
    make: Make


SCENES: list[Registered] = []


def scene(rate: float, trap: str) -> Callable[[Make], Make]:
    """Register a scene under its trap's name."""

    def register(make: Make) -> Make:
        SCENES.append(Registered(rate, trap, make))
        return make

    return register


def talk(
    s: Scene, person: Person, length: int, *, deals: list[Deal] | None = None, subject: str = "", after: float = 0
) -> None:
    """An ordinary thread between the rep and a known person."""
    last = None
    for turn in range(length):
        ours = (turn + s.number) % 2 == 1
        sender, to = (s.rep, [person]) if ours else (person, [s.rep])
        cc = [s.other_rep] if s.rng.random() < 0.25 else []
        signature = s.signed(person) if not ours and s.rng.random() < 0.4 else ""
        last = s.mail(
            sender, to, after=after + turn * s.rng.uniform(0.1, 2), cc=cc, reply=last, contacts=[person], deals=deals,
            subject="" if last else subject, signature=signature,
        )  # fmt: skip


@scene(30, "plain")
def plain(s: Scene) -> None:
    """Known people of a known company, with no deal, one deal, or one of two named in the subject."""
    company = s.company(more=s.rng.choice((0, 0, 0, 1, 2)))
    person, colleague = s.person(company), s.person(company)
    kind = s.rng.random()
    deals: list[Deal] = []
    subject = ""
    if kind < 0.35:
        deals = [s.deal(company, [person])]
    elif kind < 0.45:
        deals, _ = [s.deal(company, [person])], s.deal(company, [person, colleague], days=-20)
        subject = f"{deals[0].title} {deals[0].number}"
    talk(s, person, s.rng.randint(1, 6), deals=deals, subject=subject)
    if s.rng.random() < 0.2:
        calendars.meeting(s, 8, [person], contacts=[person], deals=deals if kind < 0.35 else [])
    if kind > 0.7:
        s.mail(person, [s.rep, colleague], after=9, contacts=[person, colleague])


@scene(3, "two deals, none named")
def two_deals(s: Scene) -> None:
    company = s.company()
    person = s.person(company)
    one, two = s.deal(company, [person]), s.deal(company, [person], days=-12)
    about = {"deals": [one.title, two.title]}
    first = s.mail(person, [s.rep], contacts=[person], about=about)
    s.mail(s.rep, [person], after=1, reply=first, contacts=[person], about=about)


@scene(2, "deal named by its number in the reply")
def named_later(s: Scene) -> None:
    """The whole thread goes with the deal, both directions; the changed subject does not matter."""
    company = s.company()
    person = s.person(company)
    one, _ = s.deal(company, [person]), s.deal(company, [person])
    first = s.mail(person, [s.rep], contacts=[person], deals=[one])
    second = s.mail(
        s.rep, [person], after=1, reply=first, subject=f"Offer {one.number}", contacts=[person], deals=[one]
    )
    s.mail(person, [s.rep], after=2, reply=second, subject=s.topic(), contacts=[person], deals=[one])


@scene(1.5, "changed subject reply")
def changed_subject(s: Scene) -> None:
    company = s.company()
    person = s.person(company)
    one, _ = s.deal(company, [person]), s.deal(company, [person])
    first = s.mail(person, [s.rep], subject=one.title, contacts=[person], deals=[one])
    s.mail(person, [s.rep], after=3, reply=first, subject=s.topic(), contacts=[person], deals=[one])


@scene(2, "missing In-Reply-To")
def no_references(s: Scene) -> None:
    company = s.company()
    person = s.person(company)
    deal = s.deal(company, [person])
    first = s.mail(s.rep, [person], contacts=[person], deals=[deal])
    s.mail(person, [s.rep], after=1, reply=first, chain=False, contacts=[person], deals=[deal])


@scene(2, "closed deal, mail within and after 14 days")
def after_close(s: Scene) -> None:
    company = s.company()
    person = s.person(company)
    deal = s.deal(company, [person], days=-90, closed=-5)
    s.mail(person, [s.rep], after=0, contacts=[person], deals=[deal])
    s.mail(person, [s.rep], after=30, contacts=[person])


@scene(1.5, "deal made after the thread")
def made_later(s: Scene) -> None:
    company = s.company()
    person = s.person(company)
    deal = s.deal(company, [person], days=40)
    first = s.mail(person, [s.rep], contacts=[person], deals=[deal])
    s.mail(s.rep, [person], after=45, reply=first, contacts=[person], deals=[deal])


@scene(1.5, "before a deal's time")
def before_its_time(s: Scene) -> None:
    """Another thread, long before the deal: nothing of it."""
    company = s.company()
    person = s.person(company)
    s.deal(company, [person], days=60)
    s.mail(person, [s.rep], contacts=[person])


@scene(2, "company's only deal")
def company_deal(s: Scene) -> None:
    """The contact has no deal of their own; the company has one."""
    company = s.company()
    person, buyer = s.person(company), s.person(company)
    deal = s.deal(company, [buyer])
    s.mail(person, [s.rep], contacts=[person], deals=[deal])


@scene(2, "two customers in one thread")
def two_customers(s: Scene) -> None:
    one, two = s.company(), s.company()
    left, right = s.person(one), s.person(two)
    mine, theirs = s.deal(one, [left]), s.deal(two, [right])
    first = s.mail(s.rep, [left], cc=[right], contacts=[left, right], deals=[mine, theirs])
    s.mail(left, [s.rep], after=1, reply=first, contacts=[left], deals=[mine])


@scene(2, "thread on a deal wins over another only deal")
def thread_wins(s: Scene) -> None:
    company = s.company()
    person = s.person(company)
    old = s.deal(company, [person], days=-60, closed=-3)
    first = s.mail(person, [s.rep], after=-20, subject=old.title, contacts=[person], deals=[old])
    fresh = s.deal(company, [person], days=8)
    s.mail(s.rep, [person], after=7, reply=first, contacts=[person], deals=[old])
    s.mail(person, [s.rep], after=30, contacts=[person], deals=[fresh])


@scene(2, "former company's deal")
def former_company(s: Scene) -> None:
    """A mover's old deal stays with the old company."""
    old, new = s.company(), s.company()
    person = s.person(new)
    before = f"{person.address.partition('@')[0]}@{old.domain}"
    person.rows = [person.address, before]
    s.deal(old, [person], days=-200)
    s.mail((before, person.shown), [s.rep], after=-300, contacts=[person], companies=[old])
    s.mail(person, [s.rep], contacts=[person], companies=[new])


@scene(3, "meetings")
def meetings(s: Scene) -> None:
    company = s.company()
    person = s.person(company)
    deal = s.deal(company, [person], days=-10)
    calendars.series(s, 3, [person], contacts=[person], deals=[deal])
    calendars.meeting(s, 5, [person], contacts=[person], deals=[deal], rooms=["room-4@resource.calendar.google.com"])
    calendars.meeting(s, 6, [person], "CLASS:PRIVATE", status="ignored")
    calendars.meeting(s, 7, [s.other_rep], status="ignored")


@scene(2, "guest without an address")
def name_only_guest(s: Scene) -> None:
    company = s.company()
    person, silent = s.person(company), s.person(company)
    calendars.meeting(
        s, 2, [person, ("", silent.name)], contacts=[person], about={"contacts": [silent.label]},
    )  # fmt: skip


@scene(2, "invitation mail")
def invitation(s: Scene) -> None:
    """The invitation and its answer are the meeting's."""
    company = s.company()
    person = s.person(company)
    uid = f"i{s.next()}@cal.example"
    at = s.start.replace(minute=0, second=0, microsecond=0)
    body = calendars.event(uid, at, s.topic(), person.seat, [s.rep, person.seat])
    request = s.mail(person, [s.rep], after=-3, status="ignored")
    request.calendar = calendars.calendar(body, method="REQUEST")
    request.truth["companies"] = []
    answer = s.mail(s.rep, [person], after=-2, status="ignored", subject="Accepted: meeting", reply=request)
    answer.calendar = calendars.calendar(body, method="REPLY")
    s.meetings.append(calendars.Meeting(uid, "", [calendars.truth(s, uid, contacts=[person])]))
    s.mail(person, [s.rep], after=-1, reply=request, contacts=[person])
