"""Scenes that are no rep's question, or that look so and are: lists, machines, side branches, forwards, forms,
crowds."""

from __future__ import annotations

from tests.corpus import people
from tests.corpus.scenes import scene
from tests.corpus.world import BLOCKED, BLOCKED_DOMAIN, DROPBOX, OUR_DOMAIN, SHARED, Scene

FORWARDS = (
    "FYI\n\n---------- Forwarded message ---------\nFrom: {name} <{address}>\nDate: Tue, 3 Mar 2026 at 09:12\n"
    "Subject: {subject}\nTo: <{to}>\n\nThe original text.",
    "FYI\n\n-----Original Message-----\nFrom: {name} <{address}>\nSent: Tuesday, March 3, 2026 9:12 AM\nTo: {to}\n"
    "Subject: {subject}\n\nThe original text.",
    "Zur Kenntnis\n\nVon: {name} <{address}>\nGesendet: Dienstag, 3. März 2026 09:12\nAn: {to}\nBetreff: {subject}\n\n"
    "Der ursprüngliche Text.",
    "Begin forwarded message:\n\nFrom: {name} <{address}>\nSubject: {subject}\nDate: 3 March 2026 at 09:12:00 GMT\n"
    "To: {to}\n\nThe original text.",
)


@scene(3, "forward to the log, and to a colleague")
def forwards(s: Scene) -> None:
    company = s.company()
    person = s.person(company)
    deal = s.deal(company, [person])
    original = s.mail(person, [s.rep], contacts=[person], deals=[deal])
    inner = s.rng.choice(FORWARDS).format(
        name=person.name, address=person.address, subject=original.subject, to=s.rep[0]
    )
    s.mail(
        s.rep, [(DROPBOX, "")], after=1, subject=f"Fwd: {original.subject}", contacts=[person], deals=[deal], text=inner
    )
    s.mail(s.rep, [s.rep], after=1, subject=f"Fwd: {original.subject}", contacts=[person], deals=[deal], text=inner)
    s.mail(s.rep, [s.other_rep], after=1, subject=f"Fwd: {original.subject}", status="ignored", text=inner)


@scene(2.5, "internal side branch of a customer thread")
def side_branch(s: Scene) -> None:
    company = s.company()
    person = s.person(company)
    first = s.mail(person, [s.rep], contacts=[person])
    aside = s.mail(s.rep, [s.other_rep], after=1, reply=first, status="ignored")
    s.mail(s.other_rep, [s.rep], after=1.2, reply=aside, status="ignored", cc=[(SHARED, "Sales")])
    s.mail(s.rep, [person], after=2, reply=first, contacts=[person])


@scene(2, "never-log address only in Cc")
def never_log(s: Scene) -> None:
    company = s.company()
    person = s.person(company)
    blocked = BLOCKED if s.rng.random() < 0.5 else f"user{s.next()}@ward.{BLOCKED_DOMAIN}"
    s.mail(person, [s.rep], cc=[(blocked, "")], status="ignored")
    s.mail(person, [s.rep], after=1, contacts=[person])


@scene(4, "machines")
def machines(s: Scene) -> None:
    """Newsletters, no-reply, out-of-office, bounces: customer domains included."""
    company = s.company()
    person = s.person(company)
    lists = [
        ("List-Unsubscribe", "<https://news.example/u>"),
        ("List-Id", f"<news.{company.domain}>"),
        ("Precedence", "bulk"),
    ]
    s.mail((f"news@{company.domain}", "News"), [s.rep], status="ignored", headers=lists)
    s.mail((f"no-reply@{company.domain}", company.name), [s.rep], status="ignored")
    s.mail(person, [s.rep], status="ignored", subject="Automatic reply: away",
           headers=[("Auto-Submitted", "auto-replied")])  # fmt: skip
    s.mail((f"bounces+{s.next()}=x@{company.domain}", "Mail Delivery"), [s.rep], status="ignored",
           headers=[("Auto-Submitted", "auto-replied")])  # fmt: skip
    s.mail((f"reply+{s.next():x}a9c3e5d7b1@notify.tool.example", "Jane (Tool)"), [s.rep], status="ignored")


@scene(2, "campaign from a known contact's address")
def campaign(s: Scene) -> None:
    person = s.person(s.company())
    headers = [
        ("List-Unsubscribe", "<mailto:u@lists.example>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("Precedence", "bulk"),
    ]
    s.mail(person, [s.rep], status="ignored", headers=headers, text="View in your browser. Our summer offers!")


@scene(2, "known contact writes through a list")
def discussion(s: Scene) -> None:
    person = s.person(s.company())
    name = f"partners{s.next()}"
    headers = [
        ("List-Id", f"<{name}.lists.example>"),
        ("List-Post", f"<mailto:{name}@lists.example>"),
        ("Precedence", "list"),
    ]
    s.mail(person, [(f"{name}@{OUR_DOMAIN}", "Partners")], contacts=[person], headers=headers)
    stranger = s.person(s.company(listed=False), known=False)
    s.mail(stranger, [(f"{name}@{OUR_DOMAIN}", "Partners")], status="ignored", headers=headers)


@scene(2, "own list rewrites the sender")
def own_list(s: Scene) -> None:
    person = s.person(s.company())
    headers = [
        ("List-Id", f"<sales.lists.{OUR_DOMAIN}>"),
        ("X-Original-From", f"{person.address}"),
        ("Precedence", "list"),
    ]
    s.mail((SHARED, f"{person.name} via Sales"), [(SHARED, "Sales")], contacts=[person], headers=headers)
    s.mail((f"dse{s.next()}@docs.tool.example", f"{person.name} via Tool"), [s.rep], after=1, contacts=[person],
           headers=[("Reply-To", person.address)])  # fmt: skip


@scene(2, "web form")
def web_form(s: Scene) -> None:
    """Our own address with a foreign Reply-To; the same form twice."""
    person = s.person(s.company())
    for after in (0, 30):
        s.mail(
            (f"forms@{OUR_DOMAIN}", "Website"), [(SHARED, "")], after=after, contacts=[person],
            subject="Contact form", headers=[("Reply-To", person.address)],
        )  # fmt: skip


@scene(2.5, "logged by Bcc")
def bcc(s: Scene) -> None:
    company = s.company()
    person = s.person(company)
    s.mail(s.rep, [person], contacts=[person], headers=[("Bcc", DROPBOX)])


@scene(1, "crowd")
def crowd(s: Scene) -> None:
    """Above 25 counterparties: exact addresses only."""
    company = s.company()
    sender = s.person(company)
    s.deal(company, [sender])
    named = s.person(s.company())
    others = [(f"user{s.next()}@{company.domain}", "") for _ in range(28)]
    s.mail(sender, [s.rep, named, *others], contacts=[sender, named])


@scene(2, "same mail in three mailboxes, one with another id")
def altered_id(s: Scene) -> None:
    company = s.company()
    person = s.person(company)
    deal = s.deal(company, [person])
    text = "The very same text."
    subject = s.topic()
    first = s.mail(person, [s.rep, s.other_rep], contacts=[person], deals=[deal], text=text, subject=subject)
    copy = s.mail(person, [s.rep, s.other_rep], contacts=[person], deals=[deal], text=text, subject=subject)
    copy.at = first.at


@scene(2, "sensitivity")
def sensitivity(s: Scene) -> None:
    person = s.person(s.company())
    s.mail(person, [s.rep], status="ignored", headers=[("Sensitivity", s.rng.choice(("Private", "Personal")))])
    s.mail(person, [s.rep], contacts=[person], headers=[("Sensitivity", "Company-Confidential")])


@scene(1.5, "Exchange names only")
def x500(s: Scene) -> None:
    """RFC 5322 has no room for them in addresses; gateways write them as IMCEAEX."""
    odd = f"IMCEAEX-_o=First+20Org_ou=Exchange+20Administrative+20Group_cn=Recipients_cn=user{s.next()}@relay.example"
    s.mail(s.rep, [(odd, "Someone")], status="ignored")


@scene(1.5, "freelancer in Cc by a private address")
def private_cc(s: Scene) -> None:
    """A known person by their private address, copied: theirs is linked too, with the present company."""
    company = s.company()
    person, free = s.person(company), s.person(company, host=s.rng.choice(people.FREEMAIL))
    s.mail(person, [s.rep], cc=[free], contacts=[person, free], companies=[company])
