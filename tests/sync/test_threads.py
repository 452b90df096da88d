"""Threads join across mailboxes and in any order of arrival; subjects never join; the provider's thread is only a
hint.
"""

from __future__ import annotations

import itertools

import pytest

from tests.rig.office import Office, mail

CHAIN = {
    "<1@x.example>": "", "<2@x.example>": "<1@x.example>", "<3@x.example>": "<2@x.example>",
    "<4@x.example>": "<9@lost.example>",
    "<5@x.example>": "<9@lost.example>",
}  # fmt: skip


@pytest.mark.parametrize("order", list(itertools.permutations(["<1@x.example>", "<2@x.example>", "<3@x.example>"])))
def test_a_thread_is_one_whatever_came_first(lite: Office, order: tuple[str, ...]) -> None:
    box = lite.mailbox()
    for name in order:
        lite.deliver(box, mail(id=name, subject=f"Subject {name}", replies=CHAIN[name]))
        lite.sync()
    assert len(_threads(lite)) == 1


def test_a_thread_joins_across_mailboxes(office: Office) -> None:
    first, second = office.mailbox(), office.mailbox("ben")
    office.deliver(first, mail(id="<1@x.example>"))
    office.deliver(second, mail(id="<2@x.example>", replies="<1@x.example>", subject="Changed"))
    office.sync()
    assert _threads(office) == [{"<1@x.example>", "<2@x.example>"}]


def test_two_answers_to_a_mail_nobody_has_are_one_thread(office: Office) -> None:
    box = office.mailbox()
    for name in ("<4@x.example>", "<5@x.example>"):
        office.deliver(box, mail(id=name, subject=name, replies=CHAIN[name]))
    office.sync()
    assert len(_threads(office)) == 1


def test_a_mail_that_bridges_two_threads_makes_them_one_links_and_all(office: Office) -> None:
    box = office.mailbox()
    office.contact("jane@acme.example")
    office.deliver(box, mail(id="<1@x.example>"))
    office.deliver(box, mail("Bo <bo@y.example>", id="<2@x.example>", subject="Other"))
    office.sync()
    assert len(_threads(office)) == 2
    office.deliver(box, mail(id="<3@x.example>", replies="<1@x.example> <2@x.example>", subject="Both"))
    office.sync()
    assert len(_threads(office)) == 1


def test_equal_subjects_do_not_join(office: Office) -> None:
    box = office.mailbox()
    office.deliver(box, mail(id="<1@x.example>", subject="Invoice"))
    office.deliver(box, mail("Bo <bo@y.example>", id="<2@x.example>", subject="Re: Invoice"))
    office.sync()
    assert len(_threads(office)) == 2


def test_the_providers_thread_serves_where_headers_say_nothing(office: Office) -> None:
    box, other = office.mailbox(), office.mailbox("ben")
    office.deliver(box, mail(id="<1@x.example>"), thread_id="T")
    office.deliver(box, mail("Bo <bo@y.example>", id="<2@x.example>", subject="No references"), thread_id="T")
    office.deliver(other, mail("Cy <cy@z.example>", id="<3@x.example>", subject="Another account's T"), thread_id="T")
    office.sync()
    assert sorted(len(t) for t in _threads(office)) == [1, 2]


def _threads(office: Office) -> list[set[str]]:
    found: dict[str, set[str]] = {}
    for line in office.log():
        found.setdefault(line["thread"], set()).add(line["message_id"])
    return list(found.values())
