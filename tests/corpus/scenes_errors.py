"""Scenes in which the directory is wrong or silent, so that no matcher can be right: they keep the figures honest.
Truth is still who it really was."""

from __future__ import annotations

from tests.corpus import people
from tests.corpus.scenes import scene
from tests.corpus.world import Scene


@scene(0.3, "successor uses the old address")
def successor(s: Scene) -> None:
    """Nobody told the directory that the mailbox has a new owner, who is not in it."""
    company = s.company()
    person, heir = s.person(company), s.person(company, known=False)
    s.mail((person.address, heir.shown), [s.rep], companies=[company])


@scene(0.3, "newsletter without list headers")
def bare_newsletter(s: Scene) -> None:
    company = s.company()
    s.person(company)
    s.mail((f"offers@{company.domain}", company.name), [s.rep], status="ignored", text="View in your browser. Offers!")


@scene(0.3, "subject names the wrong deal")
def wrong_subject(s: Scene) -> None:
    """An old subject taken for a new matter."""
    company = s.company()
    person = s.person(company)
    one, two = s.deal(company, [person]), s.deal(company, [person], days=-20)
    s.mail(person, [s.rep], subject=f"Re: {one.title}", contacts=[person], deals=[two])


@scene(0.3, "assistant with the boss's signature")
def assistant(s: Scene) -> None:
    company = s.company()
    boss, helper = s.person(company), s.person(company, known=False)
    if helper.name != boss.name:
        s.mail(helper, [s.rep], companies=[company], signature=s.signed(boss))


@scene(0.2, "father and son")
def same_name_in_thread(s: Scene) -> None:
    """Another person of the same name answers from a private address."""
    person = s.person(s.company())
    first = s.mail(s.rep, [person], contacts=[person])
    home = f"user{s.next()}@{s.rng.choice(people.FREEMAIL)}"
    s.mail((home, person.shown), [s.rep], after=1, reply=first, status="review")


@scene(0.3, "one person in two rows")
def two_rows(s: Scene) -> None:
    """Imported twice, with one address in common: asked, never guessed."""
    company = s.company()
    person, double = s.person(company), s.person(company)
    double.name, double.shown = person.name, person.shown
    double.rows = [double.address, person.address]
    s.mail(person, [s.rep], companies=[company], about={"contacts": [person.label, double.label]})


@scene(0.5, "mover the directory has lost")
def lost_mover(s: Scene) -> None:
    """Writes from the new employer, unknown to us: nothing can be known yet."""
    person = s.person(s.company())
    new = s.company(listed=False)
    s.mail((f"user{s.next()}@{new.domain}", person.shown), [s.rep], status="unmatched")
