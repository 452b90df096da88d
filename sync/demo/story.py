"""The demo's everyday traffic: threads between the team and its customers over half a year, newsletters, automatic
mail, internal talk."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from sync.demo.letters import Letter, quoted, signed, who
from sync.demo.world import OWN, REPS, TEAM, Person, Rep, World

THREADS = 520
DAYS = 180
TOPICS = (
    ("Pilot, next steps", "Tuesday works for us. Could you send the agreement ahead of it, so that legal can have a look?"),
    ("Delivery in spring", "We would need the first batch by the end of the month. Is that still realistic?"),
    ("Questions on the quote", "Thank you for the quote. Two positions are not clear to us; may we talk them through?"),
    ("Site visit", "Two of our site leads would like to see a reference installation before we decide."),
    ("Contract draft", "Attached is our mark-up. The payment terms in section four are the main point."),
    ("Invoice question", "The purchase order number is missing on the last invoice. Could you correct it?"),
    ("Training dates", "We can offer the second week for the training. How many people would come?"),
    ("Support hours", "Which hours does the support desk cover during the roll-out?"),
    ("お見積りの件", "お見積りありがとうございます。来週中にご返事いたします。"),
    ("Angebot für das zweite Werk", "vielen Dank für das Angebot. Wir melden uns nächste Woche mit einer Rückmeldung."),
)
ANSWERS = (
    "Thanks, that helps. I will come back to you by Thursday.",
    "Understood. I have put it to the team and expect an answer tomorrow.",
    "That works for us. Shall we fix a call to close the open points?",
    "Here is the document we spoke about. Tell me if anything is missing.",
    "Sorry for the delay. The answer is yes, from next month on.",
)


def everyday(world: World, now: datetime) -> Iterator[Letter]:
    """Threads of one to six mails; each lies in the inbox or Sent folder of everyone of the team on it."""
    draw = world.random
    known = [p for p in world.people if p.known]
    for number in range(THREADS):
        person = known[number % len(known)] if number < len(known) * 3 else draw.choice(known)
        topic, opening = TOPICS[draw.randrange(len(TOPICS))]
        length = draw.choice((1, 2, 2, 3, 4, 5, 6))
        begin = now - timedelta(days=draw.uniform(0.3, DAYS), hours=draw.uniform(0, 8))
        colleague = draw.choice([t for t in TEAM if t is not person.rep]) if draw.random() < 0.3 else None
        subject = f"{topic} - {person.company}" if topic.isascii() else topic
        yield from thread(world, person, colleague, subject, opening, begin, length, f"t{number}", now)
    yield from _newsletters(world, now)
    yield from _internal(world, now)


def thread(
    world: World, person: Person, colleague: Rep | None, subject: str, opening: str, begin: datetime, length: int, key: str,
    now: datetime,
) -> Iterator[Letter]:  # fmt: skip
    """One conversation, alternating; the customer or we begin."""
    draw, at, before = world.random, begin, None
    references: tuple[str, ...] = ()
    theirs = draw.random() < 0.5
    for step in range(length):
        if at >= now:
            return
        text = opening if step == 0 else draw.choice(ANSWERS)
        message_id = f"<{key}.{step}@{person.domain if theirs else OWN}>"
        sender = person if theirs else person.rep
        letter = Letter(
            who(sender), [who(person.rep if theirs else person)], subject if step == 0 else f"Re: {subject}",
            signed(sender, text) + (quoted(before.body, before.sender, before.at) if before else ""), at, message_id,
            references=references,
        )  # fmt: skip
        if colleague is not None:
            letter.cc = [who(colleague)]
            letter.boxes.append((colleague, "INBOX"))
        letter.boxes.append((person.rep, "INBOX" if theirs else "Sent"))
        if step == 1 and draw.random() < 0.15:
            letter.attachment = ("offer.pdf", "application/pdf", b"%PDF-1.4\n" + b"0" * 3000)
        yield letter
        references, before = (*references, message_id), letter
        at += timedelta(hours=draw.uniform(2, 60))
        theirs = not theirs


def _newsletters(world: World, now: datetime) -> Iterator[Letter]:
    for number in range(120):
        rep = REPS[number % 3]
        at = now - timedelta(days=world.random.uniform(1, DAYS))
        yield Letter(
            ("Trade Weekly", "news@tradeweekly.example"), [who(rep)], f"This week in trade, no. {number}",
            "Ten stories you should not miss.\n", at, f"<news{number}@tradeweekly.example>",
            headers={"List-Id": "<weekly.tradeweekly.example>", "List-Unsubscribe": "<mailto:off@tradeweekly.example>",
                     "Precedence": "bulk"},
            html="<html><body><h1>This week</h1><p>Ten stories you should not miss.</p></body></html>",
            boxes=[(rep, "INBOX")],
        )  # fmt: skip
    for number in range(60):
        rep = REPS[number % 3]
        at = now - timedelta(days=world.random.uniform(1, DAYS))
        yield Letter(
            ("Parcel service", "no-reply@parcels.example"), [who(rep)], f"Your parcel {4000 + number} is on its way",
            "This message was sent automatically.\n", at, f"<parcel{number}@parcels.example>",
            headers={"Auto-Submitted": "auto-generated"}, boxes=[(rep, "INBOX")],
        )  # fmt: skip


def _internal(world: World, now: datetime) -> Iterator[Letter]:
    for number in range(110):
        sender, reader = TEAM[number % 4], TEAM[(number + 1) % 4]
        at = now - timedelta(days=world.random.uniform(0.5, DAYS))
        yield Letter(
            who(sender), [who(reader)], f"Numbers for week {number % 26 + 1}", signed(sender, "Could you check the attached sheet?"),
            at, f"<internal{number}@{OWN}>", boxes=[(sender, "Sent"), (reader, "INBOX")],
        )  # fmt: skip
