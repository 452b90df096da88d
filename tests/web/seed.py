"""A small team's mail, pulled through the real flow (archive connector, screen, match, apply), for the pages to
show."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

from crm import companies, contacts, deals, tasks
from sync import accounts, outbox, passes
from sync.accounts import AccountSpec
from sync.service import Service

PRIYA, JONAS = "priya@ourco.example", "jonas@ourco.example"
HOSTILE = '<img src=x onerror="alert(1)"><script>alert(2)</script>'


@dataclass
class Seeded:
    """Ids of what was made."""

    erik: int
    brightwell: int
    nordhavn: int
    deal: int
    accounts: list[int] = field(default_factory=list)


def mail(
    folder: Path, number: int, now: datetime, *, who: str, to: str, subject: str, text: str = "Hello.",
    hours: float = 1,
    cc: str = "", html: str = "", parent: int | None = None, **headers: str,
) -> None:  # fmt: skip
    """One .eml file. ``hours`` is its age."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = who, to, subject
    message["Date"] = format_datetime(now - timedelta(hours=hours))
    message["Message-ID"] = f"<m{number}@mail.example>"
    if cc:
        message["Cc"] = cc
    if parent is not None:
        message["In-Reply-To"] = message["References"] = f"<m{parent}@mail.example>"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{number}.eml").write_bytes(message.as_bytes())


def meeting(folder: Path, uid: str, now: datetime, *, title: str, who: str, hours: float) -> None:
    """One .ics file. ``hours`` from now on."""
    begin = now + timedelta(hours=hours)
    lines = [
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//tests//EN", "BEGIN:VEVENT", f"UID:{uid}", f"SUMMARY:{title}",
        f"DTSTAMP:{now:%Y%m%dT%H%M%SZ}", f"DTSTART:{begin:%Y%m%dT%H%M%SZ}",
        f"DTEND:{begin + timedelta(hours=1):%Y%m%dT%H%M%SZ}", f"ORGANIZER:mailto:{PRIYA}",
        f"ATTENDEE;PARTSTAT=ACCEPTED:mailto:{who}", "END:VEVENT", "END:VCALENDAR", "",
    ]  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{uid}.ics").write_text("\r\n".join(lines))


def records(service: Service, priya: int, jonas: int) -> Seeded:
    """What the team knows before any mail comes."""
    now = service.now()
    by = {"now": now - timedelta(days=90), "actor_id": priya}
    with service.db.transaction() as session:
        nordhavn = companies.create(
            session, name="Nordhavn AB", domains=["nordhavn.example"], industry="Shipping", owner_id=priya, **by
        )
        brightwell = companies.create(session, name="Brightwell", domains=["brightwell.example"], **by)
        erik = contacts.create(
            session, name="Erik Dahl", emails=["erik@nordhavn.example"], phones=["+46 40 555 01 20"],
            title="Managing Director",
            company_id=nordhavn.id, owner_id=priya, lifecycle="client", **by,
        )  # fmt: skip
        contacts.create(session, name="Sofia Berg", emails=["sofia@nordhavn.example"], company_id=nordhavn.id, **by)
        contacts.create(session, name="Anna Lind", emails=["alind@nordhavn.example"], company_id=nordhavn.id, **by)
        for name in ("Tom Hale", "Ruth Amsel", "Ivo Petrov"):
            contacts.create(session, name=name, emails=["info@brightwell.example"], company_id=brightwell.id, **by)
        deal = deals.create(
            session, title="Nordhavn pilot", company_id=nordhavn.id, contact_ids=[erik.id], value=Decimal(18000),
            owner_id=priya,
            expected_close=(now + timedelta(days=40)).date(), **by,
        )  # fmt: skip
        deals.create(
            session,
            title="Nordhavn renewal",
            company_id=nordhavn.id,
            contact_ids=[erik.id],
            value=Decimal(9500),
            owner_id=jonas,
            **by,
        )
        tasks.create(
            session,
            title="Send the agreement to Erik",
            owner_id=priya,
            contact_id=erik.id,
            due_at=now - timedelta(days=1),
            **by,
        )
        return Seeded(erik.id, brightwell.id, nordhavn.id, deal.id)


def mailboxes(folder: Path, now: datetime) -> None:
    """Priya's and Jonas's mail."""
    p, j = folder / "priya", folder / "jonas"
    erik, anna = "Erik Dahl <erik@nordhavn.example>", "Anna Lindqvist <anna.l@nordhavn.example>"
    signature = "\n\n-- \nAnna Lindqvist\nHead of Operations\n+46 40 555 01 22"
    mail(p, 1, now, who=erik, to=PRIYA, subject="Pilot in Malmö", text="We would like to start in May.", hours=700)
    mail(
        p,
        2,
        now,
        who=PRIYA,
        to=erik[11:-1],
        subject="Re: Pilot in Malmö",
        text="Good news, thank you.",
        hours=690,
        parent=1,
    )
    text = "Hi Priya,\n\nTuesday works for us. Could you send the data processing agreement ahead of it?\n\nBest, Anna"
    for n in range(3, 7):
        quoted = "\n\nOn Monday Priya Raman wrote:\n> Shall we say Tuesday?\n> Best, Priya" if n == 6 else ""
        mail(
            p,
            n,
            now,
            who=anna,
            to=PRIYA,
            cc=erik,
            subject="Re: Pilot in Malmö, next steps",
            text=text + signature + quoted,
            hours=2 + (6 - n) * 30,
            parent=2,
        )
    mail(
        j,
        6,
        now,
        who=anna,
        to=PRIYA,
        cc=JONAS,
        subject="Re: Pilot in Malmö, next steps",
        text=text + signature,
        hours=2,
        parent=2,
    )
    mail(p, 10, now, who="info@brightwell.example", to=PRIYA, subject="Invoice question", hours=5)
    mail(p, 11, now, who="info@brightwell.example", to=PRIYA, subject="then: delivery in May", hours=4)
    taro = "山田 太郎 <taro.yamada@kitayama.example>"
    mail(p, 12, now, who=PRIYA, to=taro, subject="お見積りの件", text="はじめまして。", hours=60)
    mail(p, 13, now, who=taro, to=PRIYA, subject="Re: お見積りの件", text="ありがとうございます。", hours=30, parent=12)
    layla = "ليلى حداد <layla@almanar.example>"
    mail(
        p, 14, now, who=layla, to=PRIYA, subject="عرض السعر", text="مرحبا بريا،\nنحتاج إلى العرض قبل الخميس.", hours=50
    )
    mail(p, 15, now, who=layla, to=PRIYA, subject="عرض السعر", text="هل وصلكم طلبنا؟", hours=26)
    mail(
        p,
        16,
        now,
        who=f'"{HOSTILE}" <h@hostile.example>',
        to=PRIYA,
        subject=HOSTILE,
        text=HOSTILE,
        html=f"<p>hi</p>{HOSTILE}<img src='https://t.example/p.gif'>",
        hours=20,
    )
    mail(
        p,
        17,
        now,
        who=f'"{HOSTILE}" <h@hostile.example>',
        to=PRIYA,
        subject=HOSTILE,
        text=HOSTILE,
        html=f"<b onclick='x()'>hi</b>{HOSTILE}<img src='https://t.example/p.gif'>",
        hours=19,
    )
    for n in range(20, 32):
        mail(
            p,
            n,
            now,
            who=f"Weekly <news{n}@letters.example>",
            to=PRIYA,
            subject=f"Newsletter {n}",
            hours=n * 5,
            List_Unsubscribe="<mailto:u@letters.example>",
        )
    mail(p, 33, now, who=JONAS, to=PRIYA, subject="Lunch?", hours=8)
    mail(
        j, 40, now, who=erik, to=JONAS, subject="Between us: the budget", text="Please keep this between us.", hours=90
    )
    mail(
        j,
        41,
        now,
        who="Marc Oyelaran <marc.oye@gmail.com>",
        to=JONAS,
        subject="Fwd: contract, from my private address",
        hours=48,
    )
    mail(j, 42, now, who="Marc Oyelaran <marc.oye@gmail.com>", to=JONAS, subject="Second try", hours=24)

    meeting(p, "kickoff", now, title="Kick-off in Malmö", who="erik@nordhavn.example", hours=26)


def sync(service: Service, folder: Path, *, jonas_shares: str = "metadata") -> list[int]:
    """Connect both mailboxes and run the flow until it is level."""
    made = [
        accounts.add(
            service,
            AccountSpec("archive", address, address, {"paths": [str(folder / name)]}, sharing=tier),
            actor_id=None,
        )
        for name, address, tier in (("priya", PRIYA, "full"), ("jonas", JONAS, jonas_shares))
    ]
    passes.run(service, drain=True)
    outbox.drain(service)
    return made


def everything(service: Service, folder: Path, priya: int, jonas: int) -> Seeded:
    """Records and mail."""
    seeded = records(service, priya, jonas)
    mailboxes(folder, service.now())
    seeded.accounts = sync(service, folder)
    return seeded
