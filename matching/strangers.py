"""Strangers: what an item adds to the correspondence with them, and when they are worth a question. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from matching.cast import Cast
from matching.directory import NOTHING, Correspondence
from matching.ground import group_of
from matching.judge import Verdict
from matching.rules import Rules
from matching.types import Item, Question


def counted_of(item: Item, parts: Cast) -> Iterator[tuple[str, Correspondence]]:
    """What one item adds to the correspondence with each of its counterparties: they wrote, we wrote, or we met."""
    for party in parts.counterparties:
        if not party.address or party.role == "sender":
            continue
        if item.kind == "meeting":
            yield party.address, Correspondence(meetings=1)
        elif parts.direction == "outbound" and party.role != "forwarded":
            yield party.address, Correspondence(outbound=1)
        elif party.role in ("from", "forwarded"):
            yield party.address, Correspondence(inbound=1)


def added(one: Correspondence, two: Correspondence) -> Correspondence:
    """The sum of two counts."""
    return Correspondence(one.inbound + two.inbound, one.outbound + two.outbound, one.meetings + two.meetings)


class Strangers:
    """Which unknown counterparties of one thread are worth a question: those we wrote to, met, heard from twice, or
    whose mail our side put into the log. A newcomer in a thread that is all questions joins the first of them."""

    def __init__(self, counted: Iterable[tuple[Item, Cast]], verdicts: Sequence[Verdict], rules: Rules) -> None:
        """``counted`` are the thread's items that count (no crowd, nothing kept out), ``verdicts`` all of the
        thread."""
        self._rules = rules
        self._here: dict[str, Correspondence] = {}
        for item, parts in counted:
            for address, more in counted_of(item, parts):
                self._here[address] = added(self._here.get(address, NOTHING), more)
        keys = (question.key for verdict in verdicts for question in verdict.questions)
        self._asked = "" if any(verdict.links for verdict in verdicts) else next(keys, "")

    def question(self, verdict: Verdict) -> Question | None:
        """The question for somebody nobody knows, or None below the threshold."""
        look, address = verdict.look, verdict.look.party.address
        if not verdict.is_open or verdict.questions or not address or verdict.companies or look.cast.crowd:
            return None
        if look.cast.logged_for_us and look.is_sender:
            return Question("person", f"address:{address}", "forwarded_by_colleague")
        elsewhere = look.directory.correspondence(address, group_of(look.item))
        facts = added(self._here.get(address, NOTHING), elsewhere)
        if facts.outbound or facts.meetings or facts.inbound >= self._rules.inbound_before_question:
            return Question("person", f"address:{address}", "new_domain")
        return Question("person", self._asked, "low_confidence_thread") if self._asked else None
