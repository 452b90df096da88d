"""Every fixture trap of the field, once each, as mails and meetings: what users of comparable systems complain about.
Each is small, named, and found again by the check."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sync.demo.calendars import Meeting, at
from sync.demo.letters import Letter, signed, who
from sync.demo.world import DROPBOX, OWN, REPS, TEAM, Person, Rep, World

PRIYA, JONAS, MIA = REPS


@dataclass(slots=True)
class Traps:
    """Mails, and meetings with the team members in whose calendars they stand."""

    letters: list[Letter] = field(default_factory=list)
    meetings: list[tuple[Meeting, tuple[Rep, ...]]] = field(default_factory=list)


def build(world: World, now: datetime) -> Traps:
    """All traps, relative to ``now``."""
    traps = Traps()
    for number, letter in enumerate([*_identity(world, now), *_threads(world, now), *_noise(world, now), *_content(world, now)]):
        letter.message_id = letter.message_id or f"<trap{number}@{OWN}>"
        traps.letters.append(letter)
    _meetings(world, now, traps)
    return traps


def _in(rep: Rep, subject: str, body: str, sender: tuple[str, str], at_: datetime, key: str, **more: object) -> Letter:
    to = more.pop("to", [who(rep)])
    return Letter(sender, to, subject, body, at_, f"<{key}@traps.example>", boxes=[(rep, "INBOX")], **more)  # type: ignore[arg-type]


def _identity(world: World, now: datetime) -> Iterator[Letter]:
    """Addresses: shared, aliased, private, moved, unknown at a known company, agency, subsidiary."""
    erik, sofia = world.at("nordhavn.example")[:2]
    unknown = next(p for p in world.people if not p.known)
    for n in range(4):
        yield _in(PRIYA, f"Brightwell invoice {n + 1}", "Please see our question on the invoice.\n\nThe Brightwell team\n",
                  ("Brightwell", "info@brightwell.example"), now - timedelta(days=3 + n), f"role{n}")  # fmt: skip
    yield _in(PRIYA, "From my other address", signed(erik, "Writing from the plus address today."),
              (erik.name, erik.address.replace("@", "+pilot@")), now - timedelta(days=8), "plus")  # fmt: skip
    yield _in(PRIYA, "From the road", signed(erik, "My work mail is down, so from here."),
              (erik.name, "erik.dahl@gmail.example"), now - timedelta(days=5), "private-address")  # fmt: skip
    for n in range(5):
        letter = _in(PRIYA, "Pilot in Malmö, next steps" if n == 0 else "Re: Pilot in Malmö, next steps",
                     signed(unknown, "Tuesday works for us. Erik will bring the two site leads."), (unknown.name, unknown.address),
                     now - timedelta(days=6 - n, hours=3), f"unknown{n}", cc=[who(erik)])  # fmt: skip
        letter.references = tuple(f"<unknown{k}@traps.example>" for k in range(n))
        yield letter
    for n in range(3):
        yield _in(JONAS, ("Campaign for Solmar", "Campaign for Vinhas", "Both campaigns")[n], "Here are the drafts.\n\nP. Duarte\n",
                  ("P. Duarte", "pduarte@agencia-sol.example"), now - timedelta(days=4 + n), f"agency{n}")  # fmt: skip
    yield _in(MIA, "Order from our subsidiary", "We order through the daughter company from now on.\n",
              ("Office", "orders@se.nordhavn.example"), now - timedelta(days=9), "subsidiary")  # fmt: skip
    yield _in(JONAS, "Grüße aus Köln", signed(sofia, "Schöne Grüße, 皆様, и всем привет."),
              (sofia.name, sofia.address), now - timedelta(days=2), "scripts")  # fmt: skip
    yield _in(JONAS, "A cold offer", "We sell leads. Interested?\n", ("Pat Cold", "pat@cold-leads.example"),
              now - timedelta(days=11), "cold")  # fmt: skip


def _threads(world: World, now: datetime) -> Iterator[Letter]:
    """Replies with changed subject or missing headers, two customers on one thread, side branches, three mailboxes."""
    erik = world.at("nordhavn.example")[0]
    marc = world.at("telfa.example")[0]
    team = [PRIYA, JONAS, MIA]
    first = Letter(who(erik), [who(r) for r in team], "One mail for three of you", signed(erik, "Dear all, one question to the three of you."),
                   now - timedelta(days=7), "<three@nordhavn.example>", boxes=[(r, "INBOX") for r in team])  # fmt: skip
    yield first
    altered = Letter(who(erik), first.to, first.subject, first.body, first.at, "<three.rewritten@relay.example>", boxes=[(JONAS, "Archive")])
    yield altered
    changed = _in(PRIYA, "Something else entirely", signed(erik, "Changing the subject of our thread."), who(erik),
                  now - timedelta(days=6), "changed-subject")  # fmt: skip
    changed.references = ("<three@nordhavn.example>",)
    yield changed
    yield _in(PRIYA, "Re: One mail for three of you", signed(erik, "This client writes no In-Reply-To."), who(erik),
              now - timedelta(days=5, hours=5), "no-in-reply-to")  # fmt: skip
    yield Letter(who(PRIYA), [who(erik), who(marc)], "Introducing you two", signed(PRIYA, "Erik, meet Marc. Marc, meet Erik."),
                 now - timedelta(days=13), "<intro@harbourline.example>", boxes=[(PRIYA, "Sent")])  # fmt: skip
    side = Letter(who(JONAS), [who(PRIYA)], "Re: Something else entirely", signed(JONAS, "Internal: shall we offer the discount?"),
                  now - timedelta(days=5, hours=8), f"<side@{OWN}>", references=("<three@nordhavn.example>", "<changed-subject@traps.example>"),
                  boxes=[(JONAS, "Sent"), (PRIYA, "INBOX")])  # fmt: skip
    yield side
    forward = ("Please log this one.\n\n---------- Forwarded message ---------\n"
               f"From: {marc.name} <{marc.address}>\nDate: {now - timedelta(days=15):%a, %d %b %Y at %H:%M}\nSubject: Spare parts\n"
               f"To: Mia Clarke <{MIA.address}>\n\nWe need the spare parts by Friday.\n\n{marc.name}\n")  # fmt: skip
    yield Letter(who(MIA), [("Log", DROPBOX)], "Fwd: Spare parts", forward, now - timedelta(days=14), f"<forward@{OWN}>", boxes=[(MIA, "Sent")])
    yield Letter(who(MIA), [who(marc)], "Logged by Bcc", signed(MIA, "This one is logged by the Bcc address."), now - timedelta(days=12),
                 f"<bcc@{OWN}>", bcc=[("Log", DROPBOX)], boxes=[(MIA, "Sent")])  # fmt: skip
    halcyon = world.at("halcyon.example")[0]
    yield _in(halcyon.rep, "Thank you for the start", signed(halcyon, "Six days in, and all is well."), who(halcyon),
              now - timedelta(hours=20), "after-won")  # fmt: skip
    everyone = [who(p) for p in world.people[:30]]
    yield Letter(who(PRIYA), everyone, "Season's greetings", signed(PRIYA, "To all our customers: a good spring."), now - timedelta(days=20),
                 f"<crowd@{OWN}>", boxes=[(PRIYA, "Sent")])  # fmt: skip


def _noise(world: World, now: datetime) -> Iterator[Letter]:
    """Out-of-office, bounce, blocked in Cc, private, web form twice."""
    erik = world.at("nordhavn.example")[0]
    yield _in(PRIYA, "Automatic reply: One mail for three of you", "I am out of the office until Monday.\n", who(erik),
              now - timedelta(days=6, hours=20), "ooo", headers={"Auto-Submitted": "auto-replied", "X-Auto-Response-Suppress": "All"})  # fmt: skip
    yield _in(JONAS, "Undelivered Mail Returned to Sender", "The following address failed: nobody@ferrox.example\n",
              ("Mail Delivery System", "MAILER-DAEMON@mx.example"), now - timedelta(days=10), "bounce",
              headers={"Auto-Submitted": "auto-replied"})  # fmt: skip
    yield _in(MIA, "Advice", "Privileged and confidential.\n", who(erik), now - timedelta(days=10), "never-log",
              cc=[("Counsel", "counsel@secret-law.example")])  # fmt: skip
    yield _in(MIA, "A personal matter", "Just between us.\n", who(erik), now - timedelta(days=16), "sensitive",
              headers={"Sensitivity": "Private"})  # fmt: skip
    for n in range(2):
        yield Letter(("Website", f"web@{OWN}"), [("Log", DROPBOX), who(MIA)], "Website enquiry", "Name: Nina Vale\nMessage: please call me.\n",
                     now - timedelta(days=2, hours=n), f"<form{n}@{OWN}>", headers={"Reply-To": "Nina Vale <nina@valeworks.example>"},
                     boxes=[(MIA, "INBOX")])  # fmt: skip


def _content(world: World, now: datetime) -> Iterator[Letter]:
    """A body of two megabytes, HTML only, lying charset, no Date, no Message-ID, and one that is no mail."""
    marc = world.at("telfa.example")[0]
    yield _in(MIA, "A very long log file", "line of a log file\n" * 110_000, who(marc), now - timedelta(days=18), "two-megabytes")
    html = Letter(who(marc), [who(MIA)], "HTML only", "", now - timedelta(days=17), "<html-only@telfa.example>", boxes=[(MIA, "INBOX")])
    html.raw = (f"From: {marc.name} <{marc.address}>\nTo: {MIA.address}\nSubject: HTML only\nMessage-ID: <html-only@telfa.example>\n"
                f"Date: {now - timedelta(days=17):%a, %d %b %Y %H:%M:%S} +0000\nMIME-Version: 1.0\nContent-Type: text/html; charset=utf-8\n\n"
                "<html><body><p>Only <b>HTML</b> here.</p><img src='https://tracker.example/p.gif'></body></html>\n").encode()  # fmt: skip
    yield html
    lying = Letter(who(marc), [who(MIA)], "Charset", "", now - timedelta(days=19), "<charset@telfa.example>", boxes=[(MIA, "INBOX")])
    lying.raw = (f"From: {marc.address}\nTo: {MIA.address}\nSubject: A charset that lies\nMessage-ID: <charset@telfa.example>\n"
                 f"Date: {now - timedelta(days=19):%a, %d %b %Y %H:%M:%S} +0000\nContent-Type: text/plain; charset=utf-8\n\n").encode() + "Grüße für alle\n".encode("cp1252")  # fmt: skip
    yield lying
    bare = Letter(who(marc), [who(MIA)], "No id, no date", "", now - timedelta(days=21), "<none>", boxes=[(MIA, "INBOX")])
    bare.raw = f"From: {marc.address}\nTo: {MIA.address}\nSubject: Neither id nor date\n\nStill a mail.\n".encode()
    yield bare
    broken = Letter(who(marc), [who(MIA)], "", "", now - timedelta(days=22), "<broken>", boxes=[(MIA, "INBOX")])
    broken.raw = bytes(range(128, 256)) * 20
    yield broken


def _meetings(world: World, now: datetime, traps: Traps) -> None:
    """One in five calendars, a series with exceptions, a guest without address, private, all-day, cancelled, by
    invitation mail alone."""
    erik: Person = world.at("nordhavn.example")[0]
    today = now.date()
    team = tuple(TEAM)
    people = [(erik.name, erik.address, "ACCEPTED"), *((r.name, r.address, "ACCEPTED") for r in team)]
    begin = at(today - timedelta(days=today.weekday() + 7 * 22), 10)
    traps.meetings += [
        (Meeting("kickoff@harbourline.example", "Pilot kick-off, Malmö", at(today + timedelta(days=3), 10), 2, who(PRIYA), people), team),
        (Meeting("weekly@harbourline.example", "Weekly with Nordhavn", begin, 1, who(PRIYA),
                 [(erik.name, erik.address, "ACCEPTED")], rule="rrule:FREQ=WEEKLY",
                 moved=(begin + timedelta(days=14), begin + timedelta(days=15, hours=2)), dropped=begin + timedelta(days=28)), (PRIYA,)),
        (Meeting("guest@harbourline.example", "Walk-through with a guest", at(today - timedelta(days=9), 14), 1, who(JONAS),
                 [("Lars Nilsen", "", "ACCEPTED"), *((p.name, p.address, "ACCEPTED") for p in world.at("fjord-dairy.example")[:1])]), (JONAS,)),
        (Meeting("dentist@harbourline.example", "Dentist", at(today - timedelta(days=4), 8), 1, who(MIA), [], private=True), (MIA,)),
        (Meeting("fair@harbourline.example", "Trade fair", today - timedelta(days=12), 24, who(MIA),
                 [(p.name, p.address, "ACCEPTED") for p in world.at("emberly.example")[:1]]), (MIA,)),
        (Meeting("cancelled@harbourline.example", "Called off", at(today - timedelta(days=5), 15), 1, who(JONAS),
                 [(p.name, p.address, "DECLINED") for p in world.at("ferrox.example")[:1]], cancelled=True), (JONAS,)),
    ]  # fmt: skip
    invitation = Meeting("invited@telfa.example", "Review at Telfa", at(today - timedelta(days=2), 11), 1,
                         who(world.at("telfa.example")[0]), [(MIA.name, MIA.address, "NEEDS-ACTION")])  # fmt: skip
    sender = world.at("telfa.example")[0]
    traps.letters.append(
        Letter(who(sender), [who(MIA)], "Invitation: Review at Telfa", "You are invited.\n", now - timedelta(days=6),
               "<invitation@telfa.example>", calendar=("REQUEST", invitation.ics(now - timedelta(days=6), "REQUEST")), boxes=[(MIA, "INBOX")])
    )
