"""Every page with mail in it: it opens, says why, hides what is another's, and costs a constant number of
statements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event, select

from crm.models import Communication
from sync import outbox, passes
from sync.service import Service
from tests.web import seed
from tests.web.conftest import NOW, Person, Team
from tests.web.seed import HOSTILE, Seeded


def test_every_page_opens_and_carries_nothing_inline(
    priya: Person, admin: Person, pages: list[str], mailed: Seeded
) -> None:
    for path in pages:
        text = priya.get(path)
        assert " style=" not in text, path
        assert "<style" not in text, path
        assert " onclick=" not in text, path
    for path in ("/people", "/settings", "/audit", "/accounts", f"/accounts/{mailed.accounts[0]}"):
        admin.get(path)


def test_the_log_says_why_each_item_is_where_it_is(priya: Person, mailed: Seeded) -> None:
    text = priya.get("/log")
    assert "exact address erik@nordhavn.example" in text
    assert "domain brightwell.example belongs to Brightwell" in text
    assert "seen in 2 mailboxes" in text
    assert "山田 太郎" in text


def test_what_lies_ahead_stands_apart_on_top(priya: Person, mailed: Seeded) -> None:
    for path in ("/log", f"/contacts/{mailed.erik}", f"/companies/{mailed.nordhavn}"):
        ahead, _, past = priya.get(path).partition("Ahead")[2].partition("March 2026")
        assert "Kick-off in Malmö" in ahead, path
        assert "Kick-off" not in past.partition("Before you meet")[0], path
    assert "Kick-off" not in priya.get("/search?q=Malm%C3%B6")


def test_filters_of_the_log_narrow_it_and_stay_in_the_address(priya: Person, mailed: Seeded) -> None:
    assert "Newsletter 20" in priya.get("/log?status=ignored&reason=bulk")
    assert "Newsletter" not in priya.get("/log?status=linked")
    assert "Pilot in Malmö" in priya.get("/log?q=Malm%C3%B6")
    assert "Nothing fits" in priya.get("/log?q=nowhere-to-be-found")
    priya.get("/log?kind=nonsense&direction=x&user=abc&days=12&since=notadate")


def test_what_one_does_not_share_is_a_sentence_for_others_and_nothing_unlinked_is_seen(
    priya: Person, jonas: Person, mailed: Seeded, ids: Callable[[str], int]
) -> None:
    budget, marc = ids("Between us: the budget"), ids("Second try")
    page = priya.get(f"/log/{budget}")
    assert "Request access" in page
    assert "the budget" not in page
    assert "keep this between us" not in page
    assert "keep this between us" in jonas.get(f"/log/{budget}")
    for path in (f"/log/{marc}", f"/log/{marc}/html"):
        priya.get(path, 404)
    for path in (
        "/log",
        "/log?q=budget",
        "/search?q=budget",
        "/search?q=Second",
        f"/contacts/{mailed.erik}",
        "/review",
        "/log/why?q=Second",
    ):
        text = priya.get(path)
        assert "Between us" not in text, path
        assert "Second try" not in text, path


def test_a_request_for_access_is_answered_by_the_owner_and_can_be_taken_back(
    priya: Person, jonas: Person, mailed: Seeded, ids: Callable[[str], int]
) -> None:
    budget = ids("Between us: the budget")
    priya.post(f"/log/{budget}/request")
    page = jonas.get(f"/log/{budget}")
    answer = page.partition(f"/log/{budget}/answer/")[2].partition('"')[0]
    jonas.post(f"/log/{budget}/answer/{answer}", answer="yes")
    assert "keep this between us" in priya.get(f"/log/{budget}")
    grant = jonas.get(f"/log/{budget}").partition(f"/log/{budget}/unshare/")[2].partition('"')[0]
    jonas.post(f"/log/{budget}/unshare/{grant}")
    assert "keep this between us" not in priya.get(f"/log/{budget}")


def test_an_admin_sees_accounts_of_others_as_numbers_and_manages_no_sharing(
    admin: Person, priya: Person, mailed: Seeded, ids: Callable[[str], int]
) -> None:
    mine, other = mailed.accounts
    admin.get(f"/accounts/{other}")
    assert "budget" not in admin.get(f"/accounts/{other}/ledger")
    admin.get(f"/accounts/{other}/reconnect", 404)
    admin.post(f"/accounts/{other}/sharing", 404, sharing="full")
    admin.get(f"/log/{ids('Second try')}", 404)
    for path in (
        f"/accounts/{other}",
        f"/accounts/{other}/ledger",
        f"/accounts/{other}/remove",
        f"/accounts/{other}/progress",
    ):
        priya.get(path, 404)
    for verb in ("pause", "resume", "remove", "folders", "sharing"):
        priya.post(f"/accounts/{other}/{verb}", 404, log="purge")
    priya.get(f"/accounts/{mine}")


def test_hostile_names_subjects_and_html_stay_text(priya: Person, mailed: Seeded, ids: Callable[[str], int]) -> None:
    item = ids(HOSTILE)
    for path in (
        "/log",
        "/review",
        f"/log/{item}",
        "/review?at=address:h@hostile.example",
        "/search?q=%3Cscript%3Ealert(2)",
    ):
        text = priya.get(path)
        assert "<script>alert" not in text, path
        assert "<img src=x" not in text, path
    response = priya.client.get(f"/log/{item}/html")
    assert b"<script" not in response.data
    assert b"onerror" not in response.data
    assert b"t.example" not in response.data
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy
    assert response.headers["X-Frame-Options"] == "SAMEORIGIN"


def test_a_thread_is_one_page_with_quoted_text_folded(priya: Person, mailed: Seeded, ids: Callable[[str], int]) -> None:
    link = (
        priya.get(f"/log/{ids('Re: Pilot in Malmö, next steps')}").partition('href="/log/thread/')[2].partition('"')[0]
    )
    page = priya.get(f"/log/thread/{link}")
    assert page.count("<details") >= 6
    assert "quoted history" in page
    assert "We would like to start in May." in page


def test_why_is_it_not_here_knows_ids_and_words(priya: Person, mailed: Seeded) -> None:
    assert "list or newsletter mail" in priya.get("/log/why?q=m20@mail.example")
    assert "No connected account" in priya.get("/log/why?q=unknown-thing@x.example")
    assert "Pilot in Malm" in priya.get("/log/why?q=Malm%C3%B6")


def test_detaching_stays_and_can_be_undone(priya: Person, mailed: Seeded, ids: Callable[[str], int]) -> None:
    item = ids("Pilot in Malmö")
    page = priya.post(f"/log/{item}/detach?target=contact:{mailed.erik}", follow=True)
    assert "Took 1 item off" in page
    undo = page.partition("/review/undo?ids=")[2].partition('"')[0]
    assert f"target=contact:{mailed.erik}" not in page
    priya.post(f"/review/undo?ids={undo}")
    assert f"target=contact:{mailed.erik}" in priya.get(f"/log/{item}")


def test_another_persons_item_can_not_be_decided_about(
    priya: Person, mailed: Seeded, ids: Callable[[str], int]
) -> None:
    marc = ids("Second try")
    priya.post(f"/log/{marc}/attach?target=contact:{mailed.erik}", 404)
    priya.post(f"/log/{marc}/detach?target=contact:{mailed.erik}", 404)
    priya.post(f"/log/{marc}/share", 404)
    priya.post(f"/log/{marc}/request", 404)


@pytest.mark.parametrize(
    "path",
    [
        "/", "/log", "/review", "/pipeline", "/contacts", "/companies", "/deals", "/tasks", "/accounts",
        "/search?q=pilot",
    ],
)
def test_a_page_costs_the_same_however_much_there_is(
    path: str, service: Service, priya: Person, mailed: Seeded, more: Callable[[], None], statements: Callable[..., int]
) -> None:
    before = statements(lambda: priya.get(path))
    more()
    after = statements(lambda: priya.get(path))
    assert after == before
    assert after <= 40


def test_record_pages_cost_the_same_however_much_there_is(
    service: Service, priya: Person, mailed: Seeded, more: Callable[[], None], statements: Callable[..., int]
) -> None:
    paths = (f"/contacts/{mailed.erik}", f"/companies/{mailed.nordhavn}", f"/deals/{mailed.deal}")
    before = [statements(lambda p=path: priya.get(p)) for path in paths]
    more()
    assert [statements(lambda p=path: priya.get(p)) for path in paths] == before


def test_today_leads_a_newcomer_through_four_steps(stranger: Person, enter: Callable[[str], Person]) -> None:
    page = enter("priya").get("/")
    for step in ("Connect a mailbox", "Bring your contacts", "Settle the first question"):
        assert step in page


@pytest.fixture
def mailed(service: Service, team: Team, mail_template: tuple[Path, Seeded]) -> Seeded:
    """The seeded mail, synced once a process and copied."""
    return mail_template[1]


@pytest.fixture
def pages(mailed: Seeded, ids: Callable[[str], int]) -> list[str]:
    """One address of each page a rep has."""
    item = ids("Pilot in Malmö")
    return [
        "/", "/log", f"/log/{item}", "/log/thread/1", "/log/why", "/log/why?q=m20@mail.example", "/review",
        "/review?tab=deals",
        "/review?tab=conflicts", "/review?tab=snoozed", "/review/decided", "/review?at=address:anna.l@nordhavn.example",
        "/review/someone?key=address:anna.l@nordhavn.example&q=anna",
        "/review/create?key=address:anna.l@nordhavn.example",
        "/contacts", "/contacts/new", f"/contacts/{mailed.erik}", f"/contacts/{mailed.erik}/edit", "/companies",
        "/companies/new",
        f"/companies/{mailed.nordhavn}", f"/companies/{mailed.nordhavn}/edit", "/deals", "/deals/new",
        "/pipeline", "/pipeline?show=attention", f"/pipeline/card/{mailed.deal}",
        f"/deals/{mailed.deal}",
        f"/deals/{mailed.deal}/edit", "/tasks", "/tasks?tab=team", "/tasks?tab=done", "/tasks/new", "/tasks/1",
        f"/write/call/contact/{mailed.erik}", f"/write/note/deal/{mailed.deal}", "/import", "/accounts",
        f"/accounts/{mailed.accounts[0]}",
        f"/accounts/{mailed.accounts[0]}/ledger", f"/accounts/{mailed.accounts[0]}/remove",
        f"/accounts/{mailed.accounts[0]}/reconnect",
        "/accounts/new", "/accounts/new/imap", "/accounts/new/imap?address=a@gmail.com", "/search",
        "/search?q=nordhavn", "/me",
        "/help/keys", "/audit",
    ]  # fmt: skip


@pytest.fixture
def ids(service: Service) -> Callable[[str], int]:
    """The newest item with this subject."""

    def find(subject: str) -> int:
        with service.db.reading() as session:
            query = (
                select(Communication.id)
                .where(Communication.subject == subject)
                .order_by(Communication.occurred_at.desc())
            )
            found = session.scalars(query).first()
        assert found, subject
        return found

    return find


@pytest.fixture
def more(service: Service, mailed: Seeded, tmp_path: Path) -> Callable[[], None]:
    """Thirty more people who wrote twice, and twenty more mails of Erik, pulled by another account."""

    def pull() -> None:
        from sync import accounts
        from sync.accounts import AccountSpec

        folder = tmp_path / "more"
        for n in range(30):
            who = f"Person {n} <person{n}@firm{n}.example>"
            seed.mail(folder, 1000 + 2 * n, NOW, who=who, to=seed.PRIYA, subject=f"Hello {n}", hours=3 + n)
            seed.mail(folder, 1001 + 2 * n, NOW, who=who, to=seed.PRIYA, subject=f"Again {n}", hours=2 + n)
        for n in range(20):
            seed.mail(
                folder,
                2000 + n,
                NOW,
                who="Erik Dahl <erik@nordhavn.example>",
                to=seed.PRIYA,
                subject=f"Point {n}",
                hours=5 + n,
            )
        accounts.add(
            service,
            AccountSpec("archive", seed.PRIYA, seed.PRIYA, {"paths": [str(folder)]}, sharing="full"),
            actor_id=None,
        )
        passes.run(service, drain=True)
        outbox.drain(service)

    return pull


@pytest.fixture
def statements(service: Service) -> Callable[..., int]:
    """Counts the statements that a call sends to the database."""

    @contextmanager
    def counting() -> Iterator[list[str]]:
        seen: list[str] = []

        def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
            seen.append(statement)

        event.listen(service.db.engine, "before_cursor_execute", note)
        try:
            yield seen
        finally:
            event.remove(service.db.engine, "before_cursor_execute", note)

    def count(call: Callable[[], object]) -> int:
        with counting() as seen:
            call()
        return len(seen)

    return count
