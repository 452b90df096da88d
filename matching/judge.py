"""One counterparty judged: the signals' findings weighed, the certain kept, the rest proposed, what lost told why.

Pure. Knows nothing of deals, of status or of the item's other parties beyond what ``Look`` carries.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from matching import explain
from matching.addresses import Sort, sort
from matching.evidence import candidate, evidence
from matching.ground import Look
from matching.signals import SIGNALS, Finding
from matching.types import Candidate, Evidence, Question, Target

DISMISS = frozenset({"not_a_contact", "ignore"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one counterparty adds to the item. ``contact`` is certain or None; ``companies`` are certain;
    ``person_known`` says that the companies come from the person rather than from the domain alone. ``asks`` is why a
    person should look, ``dismissed`` that one already did."""

    look: Look
    contact: int | None = None
    companies: tuple[int, ...] = ()
    links: tuple[Candidate, ...] = ()
    suggestions: tuple[Candidate, ...] = ()
    lost: tuple[Candidate, ...] = ()
    questions: tuple[Question, ...] = ()
    dismissed: bool = False

    @property
    def is_open(self) -> bool:
        """True when nobody knows who this is."""
        return self.contact is None and not self.dismissed


def judge(look: Look) -> Verdict:
    """Weigh everything about one counterparty. In a crowd only exact addresses count."""
    tombstones = _detached(look)
    people = [c for c in _weigh(look, "contact") if c.target not in tombstones]
    decided = [c for c in people if c.method == "decided"]
    if not decided and is_dismissed(look, known=bool(people) and people[0].method == "address"):
        return Verdict(look, dismissed=True)
    certain, rest = _split(look, [c for c in people if c.target.kind == "contact"])
    verdict = Verdict(look, contact=certain.target.id if certain else None, links=(certain,) if certain else ())
    verdict = _with_companies(verdict, [c for c in decided if c.target.kind == "company"], tombstones)
    if look.cast.crowd:
        return replace(verdict, companies=(), links=verdict.links) if verdict.contact is None else verdict
    if certain is not None:
        return replace(verdict, lost=(*verdict.lost, *(replace(c, against=_why(certain)) for c in rest)))
    return _with_person_question(replace(verdict, suggestions=(*_proposed(look, rest), *verdict.suggestions)))


def _weigh(look: Look, reaches: str) -> list[Candidate]:
    """Candidates of the registered signals, best first; costly signals are spared once somebody is certain."""
    found: dict[Target, list[Evidence]] = defaultdict(list)
    link = look.ground.rules.link
    for registered in SIGNALS:
        if registered.reaches != reaches or (look.cast.crowd and registered.name not in ("address", "decided")):
            continue
        if registered.costly and any(reason.weight >= link for reasons in found.values() for reason in reasons):
            continue
        _add(found, registered.run(look))
    return sorted((candidate(t, reasons) for t, reasons in found.items()), key=lambda c: (-c.score, c.target))


def _add(found: dict[Target, list[Evidence]], findings: Iterable[Finding]) -> None:
    for finding in findings:
        found[finding.target].append(finding.reason)


def _split(look: Look, people: Sequence[Candidate]) -> tuple[Candidate | None, list[Candidate]]:
    """The certain person, if there is exactly one best, and the others."""
    if not people or people[0].score < look.ground.rules.link:
        return None, list(people)
    if len(people) > 1 and people[1].score == people[0].score:
        return None, list(people)
    return people[0], list(people[1:])


def _proposed(look: Look, rest: Sequence[Candidate]) -> tuple[Candidate, ...]:
    return tuple(c for c in rest if c.score >= look.ground.rules.suggest)


def _why(winner: Candidate) -> str:
    """Why a candidate lost to the one that was linked."""
    if winner.method == "decided":
        return "a person decided otherwise"
    if "shared-name" in {reason.signal for reason in winner.evidence}:
        return "the header has another name"
    return f"weaker than: {winner.evidence[0].says}" if winner.evidence else "weaker"


def is_dismissed(look: Look, *, known: bool) -> bool:
    """True when a person said that this address is nobody's, or its domain's strangers are not to be asked about."""
    if any(ruling.verdict in DISMISS for ruling in look.directory.rulings("address", look.party.address)):
        return True
    return not known and any(
        ruling.verdict in DISMISS for parent in _hosts(look) for ruling in look.directory.rulings("domain", parent)
    )


def _hosts(look: Look) -> Iterable[str]:
    labels = look.host.split(".") if look.host else []
    return (".".join(labels[at:]) for at in range(len(labels)))


def _detached(look: Look) -> frozenset[Target]:
    rulings = look.directory.rulings("address", look.party.address)
    return frozenset(r.target for r in rulings if r.verdict == "detach" and r.target is not None)


def _with_companies(verdict: Verdict, decided: Sequence[Candidate], tombstones: frozenset[Target]) -> Verdict:
    """The companies: decided by a person, else of the certain contact at that date, else of the domain or the
    thread."""
    if decided:
        return replace(verdict, companies=tuple(c.target.id for c in decided), links=(*verdict.links, *decided))
    if verdict.contact is not None:
        return _employed(verdict, tombstones)
    found = _shared_employer(verdict.look) or _weigh(verdict.look, "company")
    found = [c for c in found if c.target not in tombstones]
    certain = tuple(c for c in found if c.score >= verdict.look.ground.rules.link)
    if verdict.look.cast.crowd:
        certain = ()
    if len(certain) > 1:
        certain = ()
    if certain or not found:
        lost = tuple(replace(c, against=_why(certain[0])) for c in found if c not in certain)
        return replace(
            verdict, companies=tuple(c.target.id for c in certain), links=(*verdict.links, *certain), lost=lost
        )
    return replace(
        verdict,
        suggestions=tuple(found),
        questions=(_company_question(verdict.look, found),),
    )


def _company_question(look: Look, found: Sequence[Candidate]) -> Question:
    shared = any(reason.signal == "shared-domain" for c in found for reason in c.evidence)
    key = f"domain:{look.place.domain}" if shared else f"address:{look.party.address}"
    return Question("company", key, "several_companies" if shared else "low_confidence_thread", tuple(found))


def _employed(verdict: Verdict, tombstones: frozenset[Target]) -> Verdict:
    look = verdict.look
    contact = look.directory.contact(verdict.contact or 0)
    companies = look.ground.employers(contact, look.day, look.host)
    labels = {company: look.directory.company(company).label for company in companies}
    found = tuple(
        candidate(Target("company", c), [evidence("employer", f"{contact.label} was at {labels[c]} then")])
        for c in companies
        if Target("company", c) not in tombstones
    )
    if len(companies) < 2:
        return replace(verdict, companies=tuple(c.target.id for c in found), links=(*verdict.links, *found))
    asked = tuple(
        candidate(
            c.target,
            [evidence("shared-domain", f"{contact.label} may stand for {explain.listed(list(labels.values()), 'or')}")],
        )
        for c in found
    )
    return replace(verdict, suggestions=asked, questions=(_company_question(look, asked),))


def _shared_employer(look: Look) -> list[Candidate]:
    """For an address of several contacts: the company that all of them were at, when it is one."""
    entries = [entry for entry in look.directory.entries(look.party.address) if entry.is_valid(look.day)]
    people = sorted({entry.contact for entry in entries})
    if len(people) < 2 or look.place.companies:
        return []
    sets = [look.ground.employers(look.directory.contact(c), look.day, look.host) for c in people]
    common = set(sets[0]).intersection(*sets[1:])
    if len(common) != 1 or any(len(found) != 1 for found in sets):
        return []
    company = common.pop()
    says = f"all who share {look.party.address} were at {look.directory.company(company).label} then"
    return [candidate(Target("company", company), [evidence("employer", says)])]


def _with_person_question(verdict: Verdict) -> Verdict:
    """Ask who it is where the address is several people's, the name fits somebody, or the company is known."""
    look = verdict.look
    people = tuple(c for c in verdict.suggestions if c.target.kind == "contact")
    signals = {reason.signal for c in people for reason in c.evidence}
    if not look.party.address:
        reason = "name_only_guest" if people else ""
    elif "shared-address" in signals:
        reason = "shared_address"
    elif sort(look.party.address) is Sort.ROLE and not people:
        reason = ""
    elif verdict.companies or (people and look.place.companies):
        reason = "unknown_at_company"
    elif look.party.role == "forwarded" and people:
        reason = "forwarded_by_colleague"
    else:
        reason = "low_confidence_thread" if people else ""
    if not reason:
        return verdict
    key = f"address:{look.party.address}" if look.party.address else f"name:{look.party.name}"
    return replace(verdict, questions=(*verdict.questions, Question("person", key, reason, people)))
