"""Google's and Microsoft's sign-in through the web: what is said before, what every refusal says, and that it stores
nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from crm import export
from crm.models import Account
from sync import passes
from sync.service import Service
from tests.emulators import google, microsoft
from tests.rig.office import mail
from tests.web.conftest import Person
from tests.web.providers_rig import PRIYA, at_google, at_microsoft, consent, point

BASE = "http://127.0.0.1:8000"


def test_the_set_up_pages_name_the_redirect_address_to_paste_and_are_for_admins(admin: Person, priya: Person) -> None:
    for provider in ("google", "microsoft"):
        assert f"{BASE}/connect/{provider}/back</code>" in admin.get(f"/connect/{provider}/setup")
        priya.get(f"/connect/{provider}/setup", status=404)
        page = priya.get(f"/connect/{provider}")
        assert "An admin has to set this up first" in page and "never" not in page.split("Nothing is ever")[0][-200:]
    assert f"{BASE}/connect/microsoft/admin/back</code>" in admin.get("/connect/microsoft/setup")


def test_google_is_connected_with_the_choices_made_before_the_first_item(
    gmail: google.World, priya: Person, service: Service
) -> None:
    page = priya.get(consent(to(priya, "google")))
    assert accounts(service) == [], "nothing is stored before the choice"
    priya.post("/accounts/new/save", pending=token(page), sharing="metadata", window="90", folder=["mailbox", PRIYA])
    [account] = accounts(service)
    assert (account.address, account.provider, account.sharing) == (PRIYA, "google", "metadata")
    assert account.since is not None and account.secret and "1//" not in account.secret
    assert [r.state for r in passes.run(service, drain=True)] == ["level"]


def test_microsoft_is_connected_with_the_choices_made_before_the_first_item(
    graph: microsoft.Server, priya: Person, service: Service
) -> None:
    page = priya.get(consent(to(priya, "microsoft"), trust=graph.ca_bundle))
    assert accounts(service) == []
    priya.post("/accounts/new/save", pending=token(page), sharing="subject", window="0")
    [account] = accounts(service)
    assert (account.address, account.provider, account.sharing) == (PRIYA, "microsoft", "subject")
    assert [r.state for r in passes.run(service, drain=True)] == ["level"]


@pytest.mark.parametrize("provider", ["google", "microsoft"])
def test_a_callback_that_fits_no_sign_in_of_this_browser_is_refused_and_stores_nothing(
    provider: str, gmail: google.World, graph: microsoft.Server, priya: Person, jonas: Person, service: Service
) -> None:
    trust = graph.ca_bundle if provider == "microsoft" else True
    path = consent(to(priya, provider), trust=trust)
    assert "does not fit" in jonas.get(path, status=400)
    assert "does not fit" in priya.get(path.replace("state=", "state=x"), status=400)
    assert "does not fit" in priya.get(path, status=400), "what was kept is good for one try"
    assert accounts(service) == []


@pytest.mark.parametrize(
    ("provider", "says"), [("google", "You did not allow Google"), ("microsoft", "You did not agree at Microsoft")]
)
def test_a_consent_that_is_denied_says_so(
    provider: str, says: str, gmail: google.World, graph: microsoft.Server, priya: Person, service: Service
) -> None:
    trust = graph.ca_bundle if provider == "microsoft" else True
    page = priya.get(consent(to(priya, provider), answer="deny", trust=trust), status=422)
    assert says in page and "Start again" in page and accounts(service) == []


def test_narrowed_scopes_are_named_and_what_was_granted_is_connected(gmail: google.World, priya: Person) -> None:
    assert "You did not tick the box for Google Calendar" in priya.get(consent(to(priya, "google"), scopes="gmail"))
    assert "You did not tick the box for Gmail" in priya.get(consent(to(priya, "google"), scopes="calendar"))


def test_signing_in_again_as_somebody_else_is_said_and_changes_nothing(
    gmail: google.World, graph: microsoft.Server, priya: Person, service: Service
) -> None:
    for provider, trust in (("google", True), ("microsoft", graph.ca_bundle)):
        page = priya.get(consent(to(priya, provider), trust=trust))
        priya.post("/accounts/new/save", pending=token(page), sharing="subject", window="0")
        account = accounts(service)[-1]
        again = consent(to(priya, provider, account.id), user="jonas@ourco.example", trust=trust)
        assert "jonas@ourco.example" in priya.get(again, status=422)
        assert accounts(service)[-1].secret == account.secret


def test_label_rules_are_set_on_the_accounts_page_and_count_for_the_past(
    gmail: google.World, priya: Person, jonas: Person, service: Service
) -> None:
    box = gmail.people[PRIYA].mailbox
    box.deliver(mail(to=PRIYA, subject="Family"), ["INBOX", box.label("Private")])
    page = priya.get(consent(to(priya, "google")))
    priya.post("/accounts/new/save", pending=token(page), sharing="full", window="0", folder="mailbox")
    passes.run(service, drain=True)
    [account] = accounts(service)
    assert subjects(service) == ["Family"]
    jonas.post(f"/accounts/{account.id}/labels", status=404, exclude="Private")
    said = priya.post(f"/accounts/{account.id}/labels", follow=True, exclude="Private, ", include="")
    assert "1 item hidden" in said and 'value="Private"' in said
    assert subjects(service) == []
    priya.post(f"/accounts/{account.id}/labels", exclude="", include="")
    passes.run(service, drain=True)
    assert subjects(service) == ["Family"]


def test_an_account_of_somebody_else_cannot_be_signed_in_to(
    gmail: google.World, priya: Person, jonas: Person, admin: Person, service: Service
) -> None:
    priya.post("/accounts/new/save", pending=token(priya.get(consent(to(priya, "google")))), sharing="full", window="0")
    [account] = accounts(service)
    for other in (jonas, admin):
        other.get(f"/connect/google/go?account={account.id}", status=404)


def test_our_own_set_up_at_fault_is_told_in_full_to_admins_only(
    gmail: google.World, priya: Person, admin: Person, service: Service
) -> None:
    point(service, google_client_secret="of another day")
    said = priya.get(consent(to(priya, "google")), status=422)
    assert "An admin has to mend it" in said and "secret" not in said
    assert "check its id and secret" in admin.get(consent(to(admin, "google")), status=422)
    point(service, google_client_id=None)
    assert "CRM_SYNC_GOOGLE_CLIENT_ID" in admin.get("/connect/google/go", status=422)


def test_an_administrator_agrees_for_the_whole_organisation(
    graph: microsoft.Server, admin: Person, priya: Person
) -> None:
    priya.get("/connect/microsoft/admin", status=404)
    url = admin.client.get("/connect/microsoft/admin").headers["Location"]
    assert url.startswith(f"{graph.origin}/common/v2.0/adminconsent?")
    state = re.search(r"state=([^&]+)", url)
    assert state
    back = f"/connect/microsoft/admin/back?admin_consent=True&tenant=t&state={state.group(1)}"
    assert admin.client.get(back.replace("state=", "state=x")).status_code == 400
    admin.client.get("/connect/microsoft/admin")
    assert admin.client.get(back).status_code == 400, "a state is good once"


def to(person: Person, provider: str, account_id: int | None = None) -> str:
    """Where the browser is sent."""
    answer = person.client.get(f"/connect/{provider}/go" + (f"?account={account_id}" if account_id else ""))
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def token(page: str) -> str:
    found = re.search(r'name="pending" value="([^"]+)"', page)
    assert found, page[:2000]
    return found.group(1)


def subjects(service: Service) -> list[str]:
    with service.db.reading() as session:
        return [line["subject"] for line in export.log_lines(session)]


def accounts(service: Service) -> list[Account]:
    with service.db.reading() as session:
        return list(session.scalars(select(Account).order_by(Account.id)))


@pytest.fixture
def gmail(service: Service, enter: Callable[[str], Person]) -> Iterator[google.World]:
    with at_google(service) as world:
        yield world


@pytest.fixture
def graph(service: Service, enter: Callable[[str], Person], tmp_path: Path) -> Iterator[microsoft.Server]:
    with at_microsoft(service, tmp_path) as server:
        yield server
