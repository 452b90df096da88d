"""Rules, log quality and duplicates: what the pages say is so, and what they change can be taken back."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm import contacts, workspace
from crm.models import Link, Outbox, Ruling
from crm.privacy import Viewer
from crm.rulings import standing
from sync import rematch, simulate
from sync.service import Service
from tests.web.conftest import NOW, Person, Team
from tests.web.seed import Seeded

ANNA = "address:anna.l@nordhavn.example"
OURS = "nordhavn.example ourco.example"


def test_a_standing_answer_is_listed_with_its_hits_and_taken_back(
    priya: Person, service: Service, mailed: Seeded, team: Team
) -> None:
    assert "No standing answers yet" in priya.get("/rules")
    priya.post("/review/decide", verb="not_a_contact", key=ANNA)
    with service.db.reading() as session:
        [rule] = standing(session, Viewer(team.priya, "rep"))
    assert rule.hits > 0
    assert rule.last_at is not None
    assert (rule.by, rule.precision) == ("Priya Raman", 1.0)
    page = priya.get("/rules")
    assert "anna.l@nordhavn.example" in page
    assert re.search(r"100\s?%", page)
    priya.post(f"/review/undo?ids={rule.decision_id}")
    assert "No standing answers yet" in priya.get("/rules")


def test_a_later_correction_lowers_the_precision_of_an_answer(
    priya: Person, service: Service, mailed: Seeded, team: Team
) -> None:
    priya.post(f"/review/decide?target=company:{mailed.nordhavn}", verb="attach", key=ANNA, scope="domain")
    with service.db.transaction() as session:
        [rule] = standing(session, Viewer(team.priya, "rep"))
        links = select(Link).where(Link.target_kind == "company", Link.target_id == mailed.nordhavn)
        link = session.scalars(links).first()
        assert link is not None
        link.tombstoned, link.created_at = True, NOW.replace(hour=NOW.hour + 1)
    with service.db.reading() as session:
        [again] = standing(session, Viewer(team.priya, "rep"))
    assert (rule.corrected, again.corrected) == (0, 1)
    assert again.precision == pytest.approx(1 - 1 / again.hits)


def test_what_a_teammate_answered_is_not_listed_for_a_rep(
    priya: Person, enter: Callable[[str], Person], mailed: Seeded
) -> None:
    priya.post("/review/decide", verb="not_a_contact", key=ANNA)
    assert "anna.l@nordhavn.example" not in enter("jonas").get("/rules")
    assert "anna.l@nordhavn.example" in enter("ada").get("/rules")


def test_simulating_a_setting_shows_the_moves_and_saves_nothing(
    admin: Person, service: Service, mailed: Seeded
) -> None:
    with service.db.reading() as session:
        before = workspace.get(session, "internal_domains"), _links(session)
    page = admin.post("/rules/simulate/internal_domains", status=200, value=OURS)
    found = re.search(r"Attaches (\d+), moves (\d+), detaches (\d+)", page)
    assert found
    assert sum(map(int, found.groups())) > 0
    assert "Nordhavn AB" in page
    assert "Between us: the budget" not in page, "a subject that is not shared is not shown"
    with service.db.reading() as session:
        assert (workspace.get(session, "internal_domains"), _links(session)) == before
        assert not session.scalars(select(Outbox).where(Outbox.handled_at.is_(None))).all()
    admin.post("/rules/save/internal_domains", value=OURS)
    with service.db.reading() as session:
        assert workspace.get(session, "internal_domains") == OURS.split()
        assert _links(session) != before[1]


def test_the_moves_one_may_see_are_named(service: Service, mailed: Seeded, team: Team) -> None:
    def change(session: Session) -> rematch.Scope:
        workspace.put(session, "internal_domains", OURS.split(), actor_id=None, now=NOW)
        return rematch.everything(session)

    found = simulate.simulate(service, Viewer(team.priya, "rep"), change)
    assert any("Nordhavn AB" in move.loses for move in found.moves)
    assert len(found.moves) <= found.attached + found.moved + found.detached
    assert found.looked_at == found.groups


def test_a_bad_value_is_refused_and_a_rep_may_not_simulate(priya: Person, admin: Person, mailed: Seeded) -> None:
    assert "toast" in admin.post("/rules/simulate/link_threshold", follow=True, value="seven")
    priya.post("/rules/simulate/link_threshold", status=404, value="0.9")


def test_simulating_the_end_of_an_answer_leaves_it_standing(priya: Person, service: Service, mailed: Seeded) -> None:
    priya.post(f"/review/decide?target=company:{mailed.nordhavn}", verb="attach", key=ANNA, scope="domain")
    with service.db.reading() as session:
        rule = session.scalars(select(Ruling).where(Ruling.active.is_(True), Ruling.verdict == "attach")).one()
        before = _links(session)
    page = priya.post(f"/rules/simulate-end/{rule.decision_id}", status=200)
    assert "Take the answer back" in page
    with service.db.reading() as session:
        assert session.get_one(Ruling, rule.id).active
        assert _links(session) == before


def test_log_quality_counts_what_people_took_off_and_leads_to_the_items(
    priya: Person, service: Service, mailed: Seeded
) -> None:
    page = priya.get("/reports/log-quality")
    assert "Automatic share: of the items with a link" in page
    assert "<svg" in page
    assert "measure=corrected" not in page
    with service.db.reading() as session:
        item = session.scalars(select(Link.communication_id).where(Link.target_kind == "contact")).first()
        target = session.scalars(select(Link).where(Link.communication_id == item)).first()
        assert target is not None
    priya.post(f"/log/{item}/detach", target=f"{target.target_kind}:{target.target_id}")
    page = priya.get("/reports/log-quality")
    found = re.search(r'href="(/reports/log-quality/rows\?measure=corrected[^"]+)"', page)
    assert found
    assert f"/log/{item}" in priya.get(found.group(1).replace("&amp;", "&"))
    lines = priya.get("/reports/log-quality/log-quality.csv").splitlines()
    assert lines[0].startswith("week,items,filed")
    assert sum(int(line.split(",")[5]) for line in lines[1:]) == 1


def test_log_quality_counts_nothing_one_may_not_see(enter: Callable[[str], Person], mailed: Seeded) -> None:
    def items(name: str) -> int:
        lines = enter(name).get("/reports/log-quality/log-quality.csv").splitlines()
        return sum(int(line.split(",")[1]) for line in lines[1:])

    assert items("mina") < items("priya")
    enter("mina").get("/reports/log-quality/rows?measure=salary&week=2026-03-02", status=404)
    enter("mina").get("/reports/log-quality/rows?measure=corrected&week=soon", status=404)


def test_duplicates_are_merged_kept_apart_and_taken_back(priya: Person, service: Service, team: Team) -> None:
    with service.db.transaction() as session:
        left, right = (
            contacts.create(session, name="Erik Dahl", emails=[email], now=NOW, actor_id=None).id
            for email in ("erik.dahl@post.example", "erik.dahl+crm@post.example")
        )
    assert "Merge into Erik Dahl" in priya.get("/cleaning")
    page = priya.post("/cleaning/merge", follow=True, keep=left, gone=right)
    assert "No two contacts" in page
    priya.post(_undo(page))
    assert "Merge into Erik Dahl" in priya.get("/cleaning")
    page = priya.post("/cleaning/apart", follow=True, left=left, right=right)
    assert "No two contacts" in page
    priya.post(_undo(page))
    assert "Merge into Erik Dahl" in priya.get("/cleaning")


def test_addresses_nobody_reads_are_listed(priya: Person, service: Service, team: Team) -> None:
    with service.db.transaction() as session:
        contacts.create(session, name="Shop", emails=["no-reply@shop.example"], now=NOW, actor_id=None)
    assert "nobody reads mail at it" in priya.get("/cleaning")


def _undo(page: str) -> str:
    found = re.search(r'action="(/review/undo\?ids=[\d-]+)"', page)
    assert found
    return found.group(1)


def _links(session: Session) -> list[tuple[int, str, int]]:
    return sorted(
        (k.communication_id, k.target_kind, k.target_id) for k in session.scalars(select(Link))
    )


# -- fixtures


@pytest.fixture
def mailed(service: Service, team: Team, mail_template: tuple[Path, Seeded]) -> Seeded:
    """The seeded mail."""
    return mail_template[1]
