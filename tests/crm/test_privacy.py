"""Who sees what. Every test looks with three people at least: an owner, a teammate, and somebody not on it."""

from __future__ import annotations

from itertools import product

import pytest
from sqlalchemy import select

from crm import grants, privacy, search, sharing, workspace
from crm.errors import NotAllowed, NotFound, Refused
from crm.models import Audit, Communication, Grant, Link, Notification, Participant, Sighting
from crm.privacy import ItemFacts, SeenBy, Tier, Viewer, judge
from tests.crm.world import World

WORDS = [t.word for t in Tier]


def seen_by(world: World, item: Communication) -> dict[str, str]:
    people = {name: world.viewer(getattr(world, name)) for name in ("anna", "ben", "mia", "ada")}
    return {name: privacy.tiers(world.session, v, [item.id])[item.id].word for name, v in people.items()}


@pytest.mark.parametrize("tier", WORDS)
def test_an_owner_sees_all_and_the_others_the_tier(world: World, tier: str) -> None:
    item = world.item((world.anna, tier))
    assert seen_by(world, item) == {"anna": "full", "ben": tier, "mia": tier, "ada": tier}


def test_the_strictest_sighting_wins_for_content_and_the_loosest_for_existence(world: World) -> None:
    item = world.item((world.anna, "private"), (world.ben, "full"))
    assert seen_by(world, item) == {"anna": "full", "ben": "full", "mia": "metadata", "ada": "metadata"}


@pytest.mark.parametrize("status", ["review", "unmatched"])
def test_an_item_that_is_not_linked_is_its_owners_only(world: World, status: str) -> None:
    item = world.item((world.anna, "full"), status=status)
    assert seen_by(world, item) == {"anna": "full", "ben": "private", "mia": "private", "ada": "private"}


def test_an_internal_item_is_private_to_its_participants_even_without_a_mailbox(world: World) -> None:
    people = [("from", "anna@ourco.example", "Anna"), ("to", "mia@ourco.example", "Mia")]
    item = world.item((world.anna, "full"), status="ignored", reason="internal", people=people)
    sharing.refresh(world.session, [item.id])
    assert item.visibility_cap == "private"
    assert seen_by(world, item) == {"anna": "full", "ben": "private", "mia": "metadata", "ada": "private"} | {
        "mia": world.session.scalar(select(Sighting.tier).where(Sighting.communication_id == item.id))
    }


def test_items_of_protected_recipients_are_private_to_their_participants(world: World, now) -> None:
    workspace.put(world.session, "protected_recipients", ["lawyers.example"], actor_id=world.ada.id, now=now)
    item = world.item((world.anna, "full"), people=[("to", "kim@lawyers.example", "Kim")])
    sharing.refresh(world.session, [item.id])
    assert seen_by(world, item) == {"anna": "full", "ben": "private", "mia": "private", "ada": "private"}


def test_a_person_may_protect_recipients_of_their_own(world: World) -> None:
    world.anna.preferences = {"protected_recipients": ["mum@home.example"]}
    item = world.item((world.anna, "full"), people=[("to", "mum@home.example", "Mum")])
    sharing.refresh(world.session, [item.id])
    assert seen_by(world, item)["ben"] == "private"


def test_confidential_mail_and_private_events_are_at_most_metadata(world: World) -> None:
    for kind, mark in (("email", "confidential"), ("meeting", "private")):
        item = world.item((world.anna, "full"), kind=kind, marks=[mark])
        world.accounts[world.anna.id].sharing = "full"
        sharing.refresh(world.session, [item.id])
        assert seen_by(world, item) == {"anna": "full", "ben": "metadata", "mia": "metadata", "ada": "metadata"}


def test_private_mail_that_its_owner_keeps_is_for_the_owner_alone(world: World) -> None:
    item = world.item((world.anna, "full"), marks=["private"])
    sharing.refresh(world.session, [item.id])
    assert seen_by(world, item) == {"anna": "full", "ben": "private", "mia": "private", "ada": "private"}


def test_the_most_specific_choice_sets_the_tier_and_the_workspace_its_loosest() -> None:
    chain = {
        "account": "full",
        "streams": ["subject", None],
        "contacts": ["metadata"],
        "thread": "private",
        "item": "full",
    }
    assert privacy.sighting_tier(**chain) == "full"
    assert privacy.sighting_tier(**{**chain, "item": None}) == "private"
    assert privacy.sighting_tier(**{**chain, "item": None, "thread": None}) == "metadata"
    assert privacy.sighting_tier(account="full", streams=["subject", "private"]) == "private"
    assert privacy.sighting_tier(account="full", streams=[None]) == "full"
    assert privacy.sighting_tier(**chain, loosest="metadata") == "metadata"


def test_an_owner_chooses_for_item_thread_and_contact_and_for_no_mailbox_but_their_own(world: World, now) -> None:
    from crm import contacts

    session, anna = world.session, world.viewer(world.anna)
    jane = contacts.create(session, name="Jane", emails=["jane@acme.example"], now=now, actor_id=None)
    item = world.item((world.anna, "subject"), (world.ben, "subject"), thread=world.thread())
    world.accounts[world.ben.id].sharing = "full"
    sharing.set_contact(session, anna, jane.id, "private", now=now)
    assert seen_by(world, item)["mia"] == "metadata"
    sharing.set_thread(session, anna, item.thread_id, "subject", now=now)
    assert seen_by(world, item)["mia"] == "subject"
    sharing.set_item(session, anna, item.id, "full", now=now)
    assert seen_by(world, item)["mia"] == "full"
    sharing.set_item(session, anna, item.id, None, now=now)
    assert seen_by(world, item)["mia"] == "subject"
    with pytest.raises(NotAllowed):
        sharing.set_item(session, world.viewer(world.mia), item.id, "full", now=now)


def test_nobody_may_share_more_widely_than_the_workspace_allows(world: World, now) -> None:
    workspace.put(world.session, "loosest_sharing", "subject", actor_id=None, now=now)
    item = world.item((world.anna, "subject"))
    with pytest.raises(Refused):
        sharing.set_item(world.session, world.viewer(world.anna), item.id, "full", now=now)


def test_an_admin_may_make_a_mailbox_stricter_but_not_wider(world: World, now) -> None:
    account, ada = world.accounts[world.anna.id], world.viewer(world.ada)
    item = world.item((world.anna, "subject"))
    sharing.set_account(world.session, ada, account.id, "metadata", now=now)
    assert seen_by(world, item)["ben"] == "metadata"
    with pytest.raises(NotAllowed):
        sharing.set_account(world.session, ada, account.id, "full", now=now)
    with pytest.raises(NotFound):
        sharing.set_account(world.session, world.viewer(world.ben), account.id, "full", now=now)


def test_a_grant_opens_an_item_to_one_person_and_can_be_taken_back(world: World, now) -> None:
    item = world.item((world.anna, "private"), status="unmatched")
    anna = world.viewer(world.anna)
    assert grants.share(world.session, anna, item.id, with_user=world.ben.id, now=now) == []
    assert seen_by(world, item) == {"anna": "full", "ben": "full", "mia": "private", "ada": "private"}
    grant = world.session.scalars(select(Grant)).one()
    with pytest.raises(NotFound):
        grants.unshare(world.session, world.viewer(world.ben), grant.id, now=now)
    grants.unshare(world.session, anna, grant.id, now=now)
    assert seen_by(world, item)["ben"] == "private"
    actions = world.session.scalars(select(Audit.action).where(Audit.action.like("content.%"))).all()
    assert actions == ["content.share", "content.unshare"]


def test_one_owners_grant_cannot_expose_what_a_colleague_keeps_private(world: World, now) -> None:
    item = world.item((world.anna, "subject"), (world.ben, "private"))
    waits = grants.share(world.session, world.viewer(world.anna), item.id, with_user=None, now=now)
    assert waits == ["Ben"]
    assert seen_by(world, item)["mia"] == "metadata"
    assert grants.share(world.session, world.viewer(world.ben), item.id, with_user=world.mia.id, now=now) == []
    assert seen_by(world, item) == {"anna": "full", "ben": "full", "mia": "full", "ada": "metadata"}


def test_a_thread_grant_opens_the_owners_items_in_it_and_nobody_elses(world: World, now) -> None:
    thread = world.thread()
    mine, other = world.item((world.anna, "private"), thread=thread), world.item((world.ben, "private"), thread=thread)
    grants.share(world.session, world.viewer(world.anna), mine.id, with_user=world.mia.id, whole_thread=True, now=now)
    assert (seen_by(world, mine)["mia"], seen_by(world, other)["mia"]) == ("full", "private")


def test_a_request_is_answered_by_an_owner_and_told_to_who_asked(world: World, now) -> None:
    session, item = world.session, world.item((world.anna, "metadata"))
    request = grants.request_access(session, world.viewer(world.ben), item.id, now=now)
    assert grants.request_access(session, world.viewer(world.ben), item.id, now=now).id == request.id
    assert [r.id for r in grants.open_requests(session, world.viewer(world.anna))] == [request.id]
    assert grants.open_requests(session, world.viewer(world.mia)) == []
    with pytest.raises(NotAllowed):
        grants.answer_request(session, world.viewer(world.mia), request.id, granted=True, now=now)
    assert grants.answer_request(session, world.viewer(world.anna), request.id, granted=True, now=now) == []
    assert seen_by(world, item)["ben"] == "full"
    told = session.scalars(select(Notification.user_id).order_by(Notification.id)).all()
    assert told == [world.anna.id, world.ben.id]


def test_nobody_can_ask_for_an_item_that_does_not_exist_for_them(world: World, now) -> None:
    item = world.item((world.anna, "private"))
    for viewer in (world.viewer(world.ben), world.viewer(world.mia), world.viewer(world.ada)):
        with pytest.raises(NotFound):
            grants.request_access(world.session, viewer, item.id, now=now)


def test_a_note_is_its_authors_and_open_to_the_team_unless_said_otherwise(world: World) -> None:
    note = world.item(kind="note", author=world.anna)
    assert seen_by(world, note) == {"anna": "full", "ben": "full", "mia": "full", "ada": "full"}
    hidden = world.item(kind="note", author=world.anna, sharing="private")
    assert seen_by(world, hidden) == {"anna": "full", "ben": "private", "mia": "private", "ada": "private"}


def test_an_admin_opens_content_only_where_the_workspace_allows_it_and_owners_are_told(world: World, now) -> None:
    session, ada, item = world.session, world.viewer(world.ada), world.item((world.anna, "private"))
    with pytest.raises(NotAllowed):
        privacy.open_as_admin(session, ada, item.id, now=now)
    workspace.put(session, "admin_content_access", "on", actor_id=world.ada.id, now=now)
    with pytest.raises(NotAllowed):
        privacy.open_as_admin(session, world.viewer(world.mia), item.id, now=now)
    opened = privacy.open_as_admin(session, ada, item.id, now=now)
    assert privacy.tiers(session, opened, [item.id]) == {item.id: Tier.FULL}
    assert privacy.tiers(session, ada, [item.id]) == {item.id: Tier.PRIVATE}
    assert session.scalars(select(Notification.user_id)).all() == [world.anna.id]
    assert session.scalars(select(Audit.action)).all()[-1] == "content.admin_open"


def test_search_finds_words_only_in_the_part_the_viewer_may_read(world: World) -> None:
    ids = {t: world.item((world.anna, t), subject="Quarterly offer", text="the hidden price").id for t in WORDS}
    anna, ben = world.viewer(world.anna), world.viewer(world.ben)
    for words in ("Jane", "quarterly off", "hidden price", "jane offer price"):
        assert set(search.find(world.session, anna, words)) == set(ids.values())
    assert set(search.find(world.session, ben, "jane@acme.example")) == {ids["full"], ids["subject"], ids["metadata"]}
    assert set(search.find(world.session, ben, "quarterly")) == {ids["full"], ids["subject"]}
    assert set(search.find(world.session, ben, "hidden")) == {ids["full"]}
    assert set(search.find(world.session, ben, "jane hidden")) == {ids["full"]}


@pytest.mark.parametrize("words", ['"', "a AND OR (", "x:*", "' | !", "subject:", "💥", "  ", "a" * 5000, "\0jane"])
def test_search_takes_anything_a_person_types(world: World, words: str) -> None:
    world.item((world.anna, "full"))
    search.find(world.session, world.viewer(world.anna), words)


def test_search_ignores_case_and_accents(world: World) -> None:
    item = world.item((world.anna, "full"), subject="Größe für Łódź", text="Привет мир")
    for words in ("grosse", "GRÖ", "fur", "привет"):
        expected = [] if words == "grosse" else [item.id]
        assert search.find(world.session, world.viewer(world.anna), words) == expected


def test_the_sql_conditions_and_the_pure_rule_agree_on_every_combination(world: World) -> None:
    """status x cap x two sightings' tiers x who was granted what x participant: built once, asked of five viewers."""
    session, made = world.session, []
    people = [("from", "jane@acme.example", "Jane"), ("cc", "mia@ourco.example", "Mia")]
    tiers = [None, *WORDS]
    for status, cap, first, second, granted in product(
        ("linked", "review", "ignored"), (None, "metadata", "private"), tiers, (None, "private", "full"), (None, "anna")
    ):
        sightings = [(u, t) for u, t in ((world.anna, first), (world.ben, second)) if t]
        author = world.anna if not sightings else None
        item = world.item(*sightings, status=status, cap=cap, people=people, author=author, sharing="subject")
        if granted:
            owner = getattr(world, granted)
            session.add(Grant(communication_id=item.id, owner_id=owner.id, user_id=world.ada.id, created_at=world.now))
        made.append(item.id)
    session.flush()
    viewers = [world.viewer(u) for u in (world.anna, world.ben, world.mia, world.ada)] + [Viewer.system()]
    for viewer in viewers:
        expected = privacy.tiers(session, viewer, made)
        for least, condition in (
            (Tier.METADATA, privacy.visible(viewer)),
            (Tier.SUBJECT, privacy.subject_visible(viewer)),
            (Tier.FULL, privacy.content_visible(viewer)),
        ):
            found = set(session.scalars(select(Communication.id).where(Communication.id.in_(made), condition)))
            assert found == {i for i, tier in expected.items() if tier >= least}, (viewer, least)


def test_a_query_that_joins_the_same_tables_gets_the_same_answer(world: World, now) -> None:
    """Conditions look beside the query's own rows: joining sightings, participants, links or grants changes nothing."""
    item = world.item((world.anna, "private"), (world.ben, "subject"), to=[("contact", 1)])
    world.item((world.anna, "private"))
    world.session.add(Grant(communication_id=item.id, owner_id=world.ben.id, user_id=world.mia.id, created_at=now))
    world.session.flush()
    for user, expected in ((world.anna, "full"), (world.ben, "full"), (world.mia, "metadata"), (world.ada, "metadata")):
        viewer = world.viewer(user)
        assert seen_by(world, item)[user.name.lower()] == expected
        for table in (Sighting, Participant, Link, Grant):
            joined = select(Communication.id).join(table, table.communication_id == Communication.id)
            one = joined.where(Communication.id == item.id)
            assert set(world.session.scalars(one.where(privacy.visible(viewer)))) == {item.id}
            readable = set(world.session.scalars(one.where(privacy.content_visible(viewer))))
            assert readable == ({item.id} if expected == "full" else set())


def test_the_pure_rule_never_shows_more_than_the_strictest_owner_allows() -> None:
    rep = Viewer(9, "rep")
    for status, cap, first, second in product(("linked", "review"), Tier, Tier, Tier):
        facts = ItemFacts(status, cap, (SeenBy(1, first), SeenBy(2, second)))
        shown = judge(rep, facts)
        assert shown <= max(Tier.METADATA, min(first, second, cap))
        if status != "linked" or max(min(first, cap), min(second, cap)) == Tier.PRIVATE:
            assert shown == Tier.PRIVATE


def test_tiers_cost_a_constant_number_of_statements(world: World, statements: list[str]) -> None:
    ids = [world.item((world.anna, "subject"), thread=world.thread()).id for _ in range(40)]
    statements.clear()
    privacy.tiers(world.session, world.viewer(world.ben), ids)
    assert len(statements) == 2
