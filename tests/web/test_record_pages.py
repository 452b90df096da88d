"""What a record's page lets people do: files, pins, fields, conversions, what may belong here; each with its undo, and
nothing of it for who may not see."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from crm import contacts, fields, record_lists
from crm.models import Communication, Link
from sync.service import Service
from tests.web.conftest import NOW, Person, Team
from tests.web.seed import Seeded

PDF = b"%PDF-1.7 a quote"


def test_the_head_says_owner_last_touch_and_next_step(priya: Person, mailed: Seeded) -> None:
    for path, step in ((f"/contacts/{mailed.erik}", "Send the agreement to Erik"),
                       (f"/companies/{mailed.nordhavn}", "meeting")):  # fmt: skip
        standing = part(priya.get(path), '<p class="standing">', "</p>")
        for word in ("owner", "Priya Raman", "last touch", "next step", step):
            assert word in standing, (path, word)
    standing = part(priya.get(f"/deals/{mailed.deal}"), '<p class="standing">', "</p>")
    assert "plan one" in standing


def test_one_page_shows_the_whole_of_a_person_and_a_newcomer_reads_what_happened(
    priya: Person, mina: Person, service: Service, mailed: Seeded
) -> None:
    with service.db.transaction() as session:
        fields.add(session, noun="contact", label="Tier", type="text", actor_id=None, now=NOW)
        contacts.update(session, mailed.erik, {"custom": {"tier": "gold"}}, actor_id=None, now=NOW)
    for who in (priya, mina):
        page = who.get(f"/contacts/{mailed.erik}")
        for words in ("Managing Director", "Nordhavn AB", "erik@nordhavn.example", "+46 40 555 01 20", "they wrote",
                      "we wrote", "last met", "next meeting", "knows them best", "relation (", "Re: Pilot in Malmö",
                      "Kick-off in Malmö", "Nordhavn pilot", "Nordhavn renewal", "Send the agreement to Erik",
                      "People around", "Sofia Berg", "Anna Lind", "Tier", "gold", "Before you meet"):  # fmt: skip
            assert words in page, words


def test_who_else_is_in_touch_is_said_with_how_much(priya: Person, jonas: Person, mailed: Seeded) -> None:
    page = priya.get(f"/contacts/{mailed.erik}")
    assert re.search(r"Priya Raman <small[^>]*>\d items</small>", page)
    assert 'also in touch: <span dir="auto">Jonas Weber</span>' in page
    jonas.post(f"/accounts/{mailed.accounts[1]}/sharing", sharing="private")
    page = priya.get(f"/contacts/{mailed.erik}")
    assert "Jonas Weber" not in part(page, 'class="facts"', "</details>")
    assert "also in touch" in jonas.get(f"/contacts/{mailed.erik}")


def test_a_file_is_put_on_each_record_opened_as_a_download_and_taken_back(
    priya: Person, jonas: Person, stranger: Person, mailed: Seeded
) -> None:
    for noun, plural, number in records(mailed):
        page = upload(priya, noun, number, "Angebot – Müller.pdf", PDF, follow=True)
        assert "Angebot – Müller.pdf" in page
        link = found(r'href="(/files/\d+)"', page)
        answer = jonas.client.get(link)
        assert answer.data == PDF
        assert answer.headers["Content-Disposition"].startswith("attachment;")
        assert "filename*=UTF-8''Angebot" in answer.headers["Content-Disposition"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert stranger.client.get(link).status_code == 303
        page = jonas.post(f"{link}/delete", follow=True)
        priya.get(link, 404)
        jonas.post(found(r'action="(/files/\d+/restore)"', page))
        assert "Angebot" in priya.get(f"/{plural}/{number}")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("tool.exe", b"MZ", "of a kind that is not kept"), ("quote.pdf", b"<html>", "its content is something else"),
        ("big.txt", b"a" * 10_000_001, "10 MB at most"), ("empty.txt", b"", "this one is empty"),
    ],
)  # fmt: skip
def test_a_file_that_can_not_be_kept_is_refused_at_the_field(
    priya: Person, mailed: Seeded, name: str, content: bytes, says: str
) -> None:
    page = upload(priya, "deal", mailed.deal, name, content, status=422)
    assert says in part(page, 'id="file-error">', "</span>")


def test_a_file_far_too_big_and_a_record_there_is_not_are_refused(priya: Person, mailed: Seeded) -> None:
    page = upload(priya, "deal", mailed.deal, "big.txt", b"a" * 12_000_000, follow=True)
    assert "10 MB at most" in part(page, 'id="file-error">', "</span>")
    upload(priya, "deal", 9999, "a.txt", b"a", status=404)
    priya.get("/files/new/task/1", 404)
    priya.get("/files/9999", 404)
    priya.post("/files/9999/delete", 404)


def test_a_note_is_pinned_on_top_and_unpinned_by_its_undo(priya: Person, jonas: Person, mailed: Seeded) -> None:
    priya.post(f"/write/note/contact/{mailed.erik}", text="Signs contracts himself.")
    page = jonas.get(f"/contacts/{mailed.erik}")
    assert "Pinned" not in page
    pin = found(r'action="(/pins/\d+/contact/\d+\?pinned=1)"', page)
    page = jonas.post(pin, follow=True)
    assert "Signs contracts himself." in part(page, ">Pinned<", "Ahead")
    undo = found(r'action="(/pins/\d+/contact/\d+\?pinned=0)"', page)
    assert "Pinned<" not in priya.post(undo, follow=True)


def test_an_item_of_somebody_else_can_not_be_pinned(priya: Person, service: Service, mailed: Seeded) -> None:
    priya.post(f"/pins/{item(service, 'Second try')}/contact/{mailed.erik}?pinned=1", 404)
    priya.post(f"/pins/99999/contact/{mailed.erik}?pinned=1", 404)


def test_a_lead_becomes_a_client_in_one_press_with_its_log_and_back(
    priya: Person, service: Service, team: Team, mailed: Seeded
) -> None:
    before = priya.get(f"/contacts/{mailed.erik}")
    page = priya.post(f"/contacts/{mailed.erik}/convert", follow=True, to="past_client")
    assert "Erik Dahl is a past client now." in page
    assert page.count("data-row") == before.count("data-row")
    assert "past client</b>" in page
    page = priya.post(found(r'action="(/contacts/\d+/convert-back\?change=\d+)"', page), follow=True)
    assert "a client again" in page
    with service.db.reading() as session:
        assert [c.after for c in record_lists.of_contact(session, mailed.erik).conversions] == ["client"]
    assert "can&#39;t be taken back" in priya.post(f"/contacts/{mailed.erik}/convert-back?change=999", follow=True)
    priya.post(f"/contacts/{mailed.erik}/convert", 422, to="friend")


def test_who_does_not_want_mail_has_a_banner_and_preferences_are_shown(priya: Person, mailed: Seeded) -> None:
    form = {"name": "Erik Dahl", "emails": "erik@nordhavn.example", "lifecycle": "client", "owner": ""}
    page = priya.post(
        f"/contacts/{mailed.erik}/edit", follow=True, channel="phone", preferences="Mornings, in Swedish.", opt_out="y",
        **form,
    )  # fmt: skip
    assert "Does not want to be written to." in part(page, 'role="note"', "</p>")
    assert "prefers the phone" in page
    assert "Mornings, in Swedish." in page
    priya.post(f"/contacts/{mailed.erik}/edit", **form)
    page = priya.get(f"/contacts/{mailed.erik}")
    assert "Does not want" not in page
    assert "Mornings, in Swedish." in page, "a form that does not ask for it leaves it alone"


def test_custom_fields_are_asked_checked_at_the_field_and_shown_on_each_record(
    admin: Person, priya: Person, service: Service, mailed: Seeded
) -> None:
    for noun, plural, number in records(mailed):
        admin.post("/fields", noun=noun, label=f"Seats of {noun}", type="number", options="")
        path = f"/{plural}/{number}"
        page = priya.get(f"{path}/edit")
        name = found(r'name="(custom-\d+)"', page)
        form: dict[str, Any] = {
            "name": "Erik Dahl", "title": "Nordhavn pilot", "lifecycle": "client", "owner": "", "custom": "1",
            "version": (re.search(r'name="version" value="(\d+)"', page) or ["", ""])[1],
        }  # fmt: skip
        page = priya.post(f"{path}/edit", 422, **form, **{name: "a lot"})
        assert "is a number such as" in part(page, f'id="{name}-error">', "</span>")
        assert 'value="a lot"' in page
        page = priya.post(f"{path}/edit", follow=True, **form, **{name: "1,250"})
        assert "1250" in part(page, f"Seats of {noun}", "</div>")


def test_fields_are_an_admins_to_define_and_a_removed_one_comes_back_with_its_values(
    admin: Person, priya: Person, mina: Person, service: Service, mailed: Seeded
) -> None:
    for other in (priya, mina):
        other.get("/fields", 404)
        other.post("/fields", 404, noun="contact", label="X", type="text")
    page = admin.post("/fields", follow=True, noun="contact", label="Tier", type="choice", options="gold\nsilver")
    number = int(found(r'href="/fields/(\d+)"', page))
    assert "from 2 to 50 options" in admin.post("/fields", 422, noun="deal", label="Y", type="choice", options="one")
    with service.db.transaction() as session:
        contacts.update(session, mailed.erik, {"custom": {"tier": "gold"}}, actor_id=None, now=NOW)
    assert ">gold<" in priya.get(f"/contacts/{mailed.erik}")
    for verb in ("", "/remove", "/move", "/restore"):
        priya.post(f"/fields/{number}{verb}", 404)
    page = admin.post(f"/fields/{number}/remove", follow=True)
    assert ">gold<" not in priya.get(f"/contacts/{mailed.erik}")
    admin.post(found(r'action="(/fields/\d+/restore)"', page))
    admin.post(f"/fields/{number}", label="Level", options="gold\nsilver\nbronze")
    assert "Level" in priya.get(f"/contacts/{mailed.erik}")
    with service.db.reading() as session:
        assert [f.label for f in fields.of(session, "contact")] == ["Level"]


def test_messages_that_may_belong_to_a_deal_are_attached_with_one_press_and_back(
    priya: Person, service: Service, mailed: Seeded
) -> None:
    path = f"/deals/{mailed.deal}"
    page = priya.get(path)
    offered = part(page, "May belong here", "</section>")
    assert "Re: Pilot in Malmö, next steps" in offered
    number = int(found(rf'action="/offers/deal/{mailed.deal}/(\d+)"', offered))
    page = priya.post(f"/offers/deal/{mailed.deal}/{number}", follow=True, answer="attach")
    assert "Re: Pilot in Malmö, next steps" in part(page, 'class="tl"', "</main>").partition("<aside")[0]
    assert on_deal(service, mailed.deal) >= 4
    undo = found(r'action="(/review/undo\?ids=[\d-]+)"', page)
    priya.post(undo)
    assert on_deal(service, mailed.deal) == 0
    page = priya.post(f"/offers/deal/{mailed.deal}/{number}", follow=True, answer="no")
    assert "Re: Pilot in Malmö, next steps" not in page.partition("May belong here")[2].partition("</section>")[0]
    priya.post(found(r'action="(/review/undo\?ids=[\d-]+)"', page))
    assert "Re: Pilot in Malmö, next steps" in part(priya.get(path), "May belong here", "</section>")


def test_a_namesakes_mail_is_offered_to_its_owner_and_their_address_becomes_the_contacts(
    priya: Person, jonas: Person, mina: Person, service: Service, mailed: Seeded
) -> None:
    with service.db.transaction() as session:
        marc = contacts.create(session, name="Marc Oyelaran", now=NOW, actor_id=None).id
    for other in (priya, mina):
        page = other.get(f"/contacts/{marc}")
        assert "May belong here" not in page
        assert "gmail" not in page
    offered = part(jonas.get(f"/contacts/{marc}"), "May belong here", "</section>")
    assert "2 items from <bdi>marc.oye@gmail.com</bdi>" in offered
    number = int(found(rf'action="/offers/contact/{marc}/(\d+)"', offered))
    given = {"answer": "attach", "address": "marc.oye@gmail.com", "name": "Marc Oyelaran"}
    priya.post(f"/offers/contact/{marc}/{number}", 404, **given)
    jonas.post(f"/offers/contact/{marc}/{number}", 404, **{**given, "address": "anna.l@nordhavn.example"})
    page = jonas.post(f"/offers/contact/{marc}/{number}", follow=True, **given)
    assert "Second try" in page
    assert "marc.oye@gmail.com" in page
    page = jonas.post(found(r'action="(/review/undo\?ids=[\d-]+)"', page), follow=True)
    assert "2 items from" in jonas.get(f"/contacts/{marc}")


def test_the_log_of_a_record_is_narrowed_by_kind_words_and_day_and_says_when_nothing_fits(
    priya: Person, mailed: Seeded
) -> None:
    path = f"/contacts/{mailed.erik}"
    page = rows(priya.get(f"{path}?kind=meeting"))
    assert "Pilot in Malmö" not in page
    assert "Pilot in Malmö" in rows(priya.get(f"{path}?q=Tuesday"))
    assert "today" not in rows(priya.get(f"{path}?on=2026-02-28"))
    for query in ("?kind=call", "?q=nowhere", "?on=2020-01-01"):
        assert "Nothing fits" in priya.get(path + query), query
    priya.get(f"{path}?kind=x&on=31.02.2026&before=")
    priya.get(f"{path}?on=9999-12-31")
    priya.get(f"{path}?before=nonsense", 422)


def test_a_call_is_logged_with_its_outcome_in_two_presses(priya: Person, mailed: Seeded) -> None:
    page = priya.get(f"/contacts/{mailed.erik}")
    form = priya.get(found(r'href="(/write/call/contact/\d+)"', page))
    assert 'name="outcome" value="no_answer"' in form
    page = priya.post(f"/write/call/contact/{mailed.erik}", follow=True, outcome="no_answer")
    assert "no answer" in rows(page)
    assert "Write what was said" in priya.post(f"/write/call/contact/{mailed.erik}", 422, text="", outcome="")


def test_a_company_marks_people_of_other_domains_and_has_their_mail(
    priya: Person, service: Service, mailed: Seeded
) -> None:
    by = {"now": NOW, "actor_id": None}
    with service.db.transaction() as session:
        contacts.create(session, name="Taro", emails=["taro.yamada@kitayama.example"], company_id=mailed.nordhavn, **by)
    from sync import outbox

    outbox.drain(service)
    page = priya.get(f"/companies/{mailed.nordhavn}")
    assert "other domain: kitayama.example" in page
    assert "お見積りの件" in page


def records(mailed: Seeded) -> list[tuple[str, str, int]]:
    numbers = (mailed.erik, mailed.nordhavn, mailed.deal)
    return list(zip(("contact", "company", "deal"), ("contacts", "companies", "deals"), numbers, strict=True))


def upload(
    person: Person, on: str, number: int, name: str, content: bytes, *, status: int = 303, follow: bool = False
) -> str:
    data = {"csrf_token": person.token(), "file": (BytesIO(content), name)}
    answer = person.client.post(f"/files/new/{on}/{number}", data=data, follow_redirects=follow)
    assert answer.status_code == (200 if follow else status), answer.text[:500]
    return answer.text


def part(page: str, start: str, end: str) -> str:
    assert start in page, f"no {start!r} in {page[:2000]}"
    return page.partition(start)[2].partition(end)[0]


def rows(page: str) -> str:
    return part(page, 'class="tl"', "<aside") if 'class="tl"' in page else ""


def found(pattern: str, page: str) -> str:
    match = re.search(pattern, page.replace("&amp;", "&"))
    assert match, f"no {pattern}"
    return match[1]


def item(service: Service, subject: str) -> int:
    with service.db.reading() as session:
        return session.scalars(select(Communication.id).where(Communication.subject == subject)).one()


def on_deal(service: Service, deal: int) -> int:
    with service.db.reading() as session:
        live = Link.target_kind == "deal", Link.target_id == deal, Link.tombstoned.is_(False)
        return len(session.scalars(select(Link.id).where(*live)).all())


@pytest.fixture
def mailed(service: Service, team: Team, mail_template: tuple[Path, Seeded]) -> Seeded:
    """The seeded mail."""
    return mail_template[1]
