"""People who sign in: passwords, roles, leaving with a hand-over."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm import audit, companies, contacts, deals, leaving, pipelines, tasks, users
from crm.errors import NotFound, Refused
from crm.models import Audit, User
from tests.crm.world import World

PASSWORD = "correct horse battery"


def test_the_first_run_ends_with_the_first_user(session: Session, now) -> None:
    assert users.first_run(session)
    add(session, now)
    assert not users.first_run(session)


def test_sign_in_works_however_the_address_is_written_and_only_with_the_password(session: Session, now) -> None:
    user = add(session, now)
    assert users.authenticate(session, " Anna@OurCo.example ", PASSWORD, now) is user
    for email, password in (
        ("anna@ourco.example", "wrong"),
        ("nobody@ourco.example", PASSWORD),
        ("", ""),
        ("anna@ourco.example", "x" * 5000),
    ):
        assert users.authenticate(session, email, password, now) is None
    assert PASSWORD not in (user.password_hash or "")


def test_a_user_without_a_password_or_deactivated_cannot_sign_in(session: Session, now) -> None:
    add(session, now, email="root@ourco.example", role="admin")
    user = add(session, now, password=None)
    assert users.authenticate(session, user.email, "", now) is None
    users.set_password(session, user.id, PASSWORD, actor_id=None, now=now)
    assert users.authenticate(session, user.email, PASSWORD, now) is user
    leaving.leave(session, user.id, {}, now=now, actor_id=None)
    assert users.authenticate(session, user.email, PASSWORD, now) is None


def test_a_new_password_or_role_ends_all_sessions(session: Session, now) -> None:
    user, epochs = add(session, now), []
    epochs.append(user.session_epoch)
    users.set_password(session, user.id, "another long one", actor_id=None, now=now)
    epochs.append(user.session_epoch)
    users.set_role(session, user.id, "manager", actor_id=None, now=now)
    epochs.append(user.session_epoch)
    assert epochs == sorted(set(epochs))


@pytest.mark.parametrize(
    "values",
    [
        {"email": "no address"},
        {"email": "anna@ourco.example"},
        {"role": "boss"},
        {"password": "short"},
        {"password": "x" * 2000},
    ],
)
def test_bad_values_are_refused(session: Session, now, values) -> None:
    add(session, now)
    with pytest.raises(Refused):
        add(session, now, **{"email": "b@ourco.example", **values})


def test_the_last_admin_stays(session: Session, now) -> None:
    admin = add(session, now, role="admin")
    with pytest.raises(Refused):
        users.set_role(session, admin.id, "rep", actor_id=None, now=now)
    with pytest.raises(Refused):
        leaving.leave(session, admin.id, {}, now=now, actor_id=None)
    add(session, now, email="second@ourco.example", role="admin")
    users.set_role(session, admin.id, "rep", actor_id=None, now=now)


def test_who_leaves_hands_over_in_one_step_and_the_log_stays(world: World, now) -> None:
    session, anna, ben = world.session, world.anna, world.ben
    pipelines.ensure_default(session)
    contact = contacts.create(session, name="C", owner_id=anna.id, now=now, actor_id=None)
    company = companies.create(session, name="C", owner_id=anna.id, now=now, actor_id=None)
    deal = deals.create(session, title="D", owner_id=anna.id, now=now, actor_id=None)
    task = tasks.create(session, title="T", owner_id=anna.id, now=now, actor_id=None)
    done = tasks.create(session, title="Done", owner_id=anna.id, now=now, actor_id=None)
    tasks.done(session, done.id, actor_id=None, now=now)
    item = world.item((anna, "subject"), to=[("contact", contact.id)])
    before = leaving.of(session, anna.id)
    assert (before.contacts, before.companies, before.deals, before.tasks, before.mailboxes) == (1, 1, 1, 1, 1)
    step = leaving.leave(session, anna.id, dict.fromkeys(leaving.NOUNS, ben.id), now=now, actor_id=world.ada.id)
    session.expire_all()
    assert {contact.owner_id, company.owner_id, deal.owner_id, task.owner_id} == {ben.id}
    assert done.owner_id == anna.id
    assert world.accounts[anna.id].stage == "paused"
    from crm import item as items

    assert items.item(session, world.viewer(ben), item.id).row.subject == "Secret subject"
    tasks.assign(session, [task.id], world.mia.id, actor_id=None, now=now)
    undone = leaving.come_back(session, step.id, actor_id=world.ada.id, now=now)
    assert {contact.owner_id, company.owner_id, deal.owner_id} == {anna.id}
    assert (task.owner_id, undone.kept) == (world.mia.id, 1), "what was given on since stays"
    assert (anna.active, anna.deactivated_at, world.accounts[anna.id].stage) == (True, None, "new")
    assert leaving.last(session, anna.id) is None


def test_who_leaves_may_hand_over_each_sort_to_somebody_else(world: World, now) -> None:
    session, anna = world.session, world.anna
    pipelines.ensure_default(session)
    contact = contacts.create(session, name="C", owner_id=anna.id, now=now, actor_id=None)
    deal = deals.create(session, title="D", owner_id=anna.id, now=now, actor_id=None)
    task = tasks.create(session, title="T", owner_id=anna.id, now=now, actor_id=None)
    leaving.leave(session, anna.id, {"contacts": world.ben.id, "deals": world.mia.id}, now=now, actor_id=None)
    assert (contact.owner_id, deal.owner_id, task.owner_id) == (world.ben.id, world.mia.id, None)
    with pytest.raises(Refused):
        leaving.leave(session, anna.id, {}, now=now, actor_id=None)


def test_a_hand_over_needs_somebody_active_and_else(world: World, now) -> None:
    for successor in (world.anna.id, 999_999):
        with pytest.raises((Refused, NotFound)):
            leaving.leave(world.session, world.anna.id, {"tasks": successor}, now=now, actor_id=None)


def test_changes_of_users_are_audited_and_read_by_admins_only(world: World, now) -> None:
    users.set_role(world.session, world.ben.id, "manager", actor_id=world.ada.id, now=now)
    (row, *_) = audit.page(world.session, world.viewer(world.ada), action="user.role")
    assert (row.actor, row.subject_kind, row.subject_id, row.detail) == (
        "Ada",
        "user",
        world.ben.id,
        {"from": "rep", "to": "manager"},
    )
    for user in (world.anna, world.mia):
        assert audit.page(world.session, world.viewer(user)) == []


def test_no_audit_row_holds_a_password(session: Session, now) -> None:
    add(session, now)
    assert PASSWORD not in str([a.detail for a in session.scalars(select(Audit))])


def add(session: Session, now, **values) -> User:  # type: ignore[no-untyped-def]
    given = {"email": "anna@ourco.example", "name": "Anna", "role": "rep", "password": PASSWORD, **values}
    return users.create(session, **given, now=now, actor_id=None)
