"""The world of the corpus: small independent scenes, each with its own companies, people, deals and conversation.

Truth is written by the scene that made the situation, out of who really is whom and what the rulings say can be
known; the matcher is never asked. A scene is a function of its number and the seed alone, so that any size can be
streamed.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.corpus import people

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)
OUR_DOMAIN = "ourco.example"
OUR_NAMES = (
    "Rita Rep",
    "Sam Seller",
    "Tessa Team",
    "Uwe Umsatz",
    "Vera Vertrieb",
    "Will Wins",
    "Xenia Xu",
    "Yusuf Yıldız",
)
REPS = tuple((f"{name.split()[0].lower()}@{OUR_DOMAIN}", name) for name in OUR_NAMES)
DROPBOX = f"log@{OUR_DOMAIN}"
SHARED = f"sales@{OUR_DOMAIN}"
BLOCKED = "counsel@lawyers.example"
BLOCKED_DOMAIN = "clinic.example"
Seat = tuple[str, str]


@dataclass(slots=True)
class Company:
    """A company; ``listed`` are the domains its directory row has, empty when it is in no row."""

    name: str
    domain: str
    listed: list[str] = field(default_factory=list)

    @property
    def label(self) -> str:
        return self.listed[0] if self.listed else f"name:{self.name}"


@dataclass(slots=True)
class Person:
    """Somebody outside. ``address`` is what they write from by default; ``known`` says that a directory row exists;
    ``rows`` are its addresses."""

    name: str
    shown: str
    address: str
    company: Company | None = None
    known: bool = True
    rows: list[str] = field(default_factory=list)
    phone: str = ""
    title: str = ""

    @property
    def seat(self) -> Seat:
        return self.address, self.shown

    @property
    def label(self) -> str:
        return self.rows[0] if self.rows else f"name:{self.name}"


@dataclass(slots=True)
class Deal:
    title: str
    company: Company
    contacts: list[Person]
    created: datetime
    closed: datetime | None = None
    number: str = ""
    product: str = ""
    won: bool = True


@dataclass(slots=True)
class Mail:
    """A mail to be written, and its row of truth."""

    message_id: str
    at: datetime
    sender: Seat
    to: list[Seat]
    cc: list[Seat]
    subject: str
    body: str
    headers: list[tuple[str, str]]
    parents: list[str]
    truth: dict[str, Any]
    calendar: str = ""


@dataclass(slots=True)
class Meeting:
    """A calendar object to be written, and the rows of truth of its instances."""

    uid: str
    ics: str
    truth: list[dict[str, Any]]


class Scene:
    """One scene being made. ``number`` makes everything in it unique."""

    def __init__(self, seed: int, number: int) -> None:
        self.rng = random.Random(f"{seed}:{number}")
        self.number = number
        self.companies: list[Company] = []
        self.people: list[Person] = []
        self.deals: list[Deal] = []
        self.mails: list[Mail] = []
        self.meetings: list[Meeting] = []
        self.trap = ""
        self._count = 0
        self.start = NOW - timedelta(days=self.rng.uniform(60, 700))
        self.rep: Seat = self.rng.choice(REPS)
        self.other_rep: Seat = self.rng.choice([rep for rep in REPS if rep != self.rep])

    def next(self) -> int:
        """A number unique within the corpus."""
        self._count += 1
        return self.number * 100 + self._count

    def company(self, *, listed: bool = True, more: int = 0) -> Company:
        """A company with its own domain, in the directory when ``listed``, with ``more`` further domains."""
        name, domain = people.company(self.rng, self.next())
        found = Company(name, domain)
        if listed:
            extra = [f"{domain.split('.')[0]}{at}.example" for at in range(more)]
            found.listed = [domain, *extra]
            self.companies.append(found)
        return found

    def person(
        self, company: Company | None = None, *, known: bool = True, host: str = "", rows: list[str] | None = None
    ) -> Person:
        """Somebody at a company, or with a private address (``host``). ``rows`` replaces the addresses the directory
        knows."""
        first, last, script = people.name(self.rng)
        number = self.next()
        local = people.local_part(first, last, script, number, self.rng)
        domain = host or (company.domain if company else self.rng.choice(people.FREEMAIL))
        address = f"{local}.{number}@{domain}" if host or company is None else f"{local}@{domain}"
        if any(address == other.address for other in self.people):
            address = f"{local}{number}@{domain}"
        full = people.full(first, last, script)
        shown = people.header_form(first, last, script, self.rng)
        phone = f"+44 20 7{number % 1000:03d} {number // 1000 % 10000:04d}"
        found = Person(full, shown, address, company, known, [], phone, self.rng.choice(people.TITLES))
        if known:
            found.rows = [address] if rows is None else rows
        self.people.append(found)
        return found

    def deal(self, company: Company, contacts: list[Person], *, days: float = -30, closed: float | None = None) -> Deal:
        """A deal made ``days`` after the scene's start (negative: before), closed ``closed`` days after it, if at
        all."""
        number = self.next()
        made = {deal.title for deal in self.deals}
        things = ("renewal", "rollout", "pilot", "framework agreement", "migration", "expansion")
        thing = self.rng.choice([thing for thing in things if f"{company.name} {thing}" not in made])
        deal = Deal(
            f"{company.name} {thing}", company, contacts, self.start + timedelta(days=days),
            None if closed is None else self.start + timedelta(days=closed), f"D-{number}", won=self.rng.random() < 0.6,
        )  # fmt: skip
        self.deals.append(deal)
        return deal

    def mail(
        self,
        sender: Seat | Person,
        to: list[Any],
        *,
        after: float = 0,
        cc: list[Any] | None = None,
        subject: str = "",
        reply: Mail | None = None,
        status: str = "linked",
        contacts: list[Person] | None = None,
        companies: list[Company] | None = None,
        deals: list[Deal] | None = None,
        about: dict[str, list[str]] | None = None,
        headers: list[tuple[str, str]] | None = None,
        text: str = "",
        signature: str = "",
        chain: bool = True,
    ) -> Mail:
        """Write a mail ``after`` days from the scene's start. ``companies`` None takes those of ``contacts``.
        ``chain`` False leaves the references out."""
        contacts = contacts or []
        if companies is None:
            companies = [person.company for person in contacts if person.company]
        number = self.next()
        truth: dict[str, Any] = {
            "message_id": f"<m{number}@mail.example>",
            "status": status,
            "contacts": sorted({person.label for person in contacts}),
            "companies": sorted({company.label for company in companies}),
            "deals": sorted({deal.title for deal in deals or []}),
            "trap": self.trap,
        }
        if about:
            truth["about"] = about
        mail = Mail(
            str(truth["message_id"]), self.start + timedelta(days=after, minutes=self._count), _seat(sender),
            [_seat(one) for one in to], [_seat(one) for one in cc or []],
            subject or (f"Re: {_base(reply.subject)}" if reply else self.topic()),
            self._body(text, signature, reply), headers or [],
            [*reply.parents, reply.message_id] if reply and chain else [], truth,
        )  # fmt: skip
        self.mails.append(mail)
        return mail

    def topic(self) -> str:
        """A subject that names no deal."""
        return self.rng.choice(
            ("Question about delivery", "Your visit next week", "Rückfrage zum Angebot", "Précisions sur le devis",
             "Invoice details", "Quick call?", "見積もりの件", "Вопрос по договору", "Next steps", "Introduction"),
        ) + f" {self.next()}"  # fmt: skip

    def _body(self, text: str, signature: str, reply: Mail | None) -> str:
        body = text or self.rng.choice(
            ("Thanks, that works for us.", "Could you send the figures?", "Anbei die Unterlagen.",
             "Merci pour votre retour.",
             "ありがとうございます。", "Спасибо, ждём ответа.", "Let us speak on Thursday."),
        )  # fmt: skip
        if signature:
            body += f"\n\n-- \n{signature}"
        if reply is not None and self.rng.random() < 0.6:
            quoted = "\n".join("> " + line for line in reply.body.splitlines()[:6])
            body += f"\n\nOn {reply.at:%a, %d %b %Y at %H:%M}, {reply.sender[1]} <{reply.sender[0]}> wrote:\n{quoted}"
        return body

    def signed(self, person: Person) -> str:
        """A signature block."""
        return f"{person.name}\n{person.title}\n{person.phone}"


def _seat(one: Seat | Person) -> Seat:
    return one.seat if isinstance(one, Person) else one


def _base(subject: str) -> str:
    return subject.removeprefix("Re: ")
