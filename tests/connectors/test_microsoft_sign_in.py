"""Microsoft's rows of providers.md 3.4 (OAuth refresh), each as a test named after it, and connecting an account."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from connectors.errors import ConnectorError, NeedsPerson, OperatorFault, TryLater
from connectors.microsoft import oauth
from connectors.microsoft.identity import Identity, judge, read_secret
from tests.connectors.contract import mail
from tests.connectors.microsoft_account import ADDRESS, Account, Copy, accounts
from tests.emulators.microsoft import Server
from tests.emulators.microsoft.answers import Fault, Reply

BACK = "https://crm.example/oauth/microsoft"


@pytest.mark.parametrize("order", ["password_changed", "inactive", "disabled", "invalid_grant"])
def test_ms_invalid_grant_needs_a_person(account: Account, order: str) -> None:
    account.server.identity.ordered = [order]
    with pytest.raises(NeedsPerson) as caught:
        account.open()
    assert "reconnect" in str(caught.value)


@pytest.mark.parametrize("order", ["mfa", "consent", "conditional_access"])
def test_ms_interaction_required_and_its_suberrors_need_a_person_each_with_its_own_sentence(
    account: Account, order: str
) -> None:
    account.server.identity.ordered = [order]
    with pytest.raises(NeedsPerson) as caught:
        account.open()
    assert caught.value.code == {
        "mfa": "basic_action",
        "consent": "consent_required",
        "conditional_access": "message_only",
    }[order]


@pytest.mark.parametrize("suberror", ["consent_required", "basic_action", "message_only", "client_mismatch"])
def test_suberrors_have_sentences_of_their_own(suberror: str) -> None:
    plain = judge({"error": "invalid_grant"})
    special = judge({"error": "invalid_grant", "suberror": suberror})
    assert isinstance(special, NeedsPerson) and special.code == suberror
    assert str(special) != str(plain)


@pytest.mark.parametrize("order", ["bad_secret", "expired_secret", "unknown_app"])
def test_ms_invalid_client_and_unauthorized_client_are_the_operators_fault_and_flip_no_account(
    account: Account, order: str
) -> None:
    account.server.identity.ordered = [order]
    before = account.secret
    with pytest.raises(OperatorFault):
        account.open()
    assert account.secret == before
    account.open().close()


def test_a_wrong_client_secret_is_the_operators_fault(account: Account) -> None:
    account.settings["microsoft_client_secret"] = "wrong"
    with pytest.raises(OperatorFault):
        account.open()


def test_temporarily_unavailable_is_tried_later(account: Account) -> None:
    account.server.identity.ordered = ["unavailable"]
    with pytest.raises(TryLater):
        account.open()


@pytest.mark.parametrize("status", [500, 503, 429])
def test_5xx_and_429_of_the_identity_platform_are_tried_later(account: Account, status: int) -> None:
    busy = Reply(status, raw=b"<html>busy</html>", content_type="text/html")
    account.server.faults.add(Fault("oauth2/v2.0/token", busy))
    with pytest.raises(TryLater):
        account.open()


def test_an_identity_platform_that_cannot_be_reached_is_tried_later(account: Account) -> None:
    account.settings["microsoft_authority"] = "https://127.0.0.1:9"
    with pytest.raises(TryLater):
        account.open()


def test_a_token_response_with_a_new_refresh_token_is_saved_before_the_access_token_is_used(account: Account) -> None:
    first = read_secret(account.secret)["refresh_token"]
    account.open().close()
    assert account.server.statistics.requests == 0, "nothing was asked with the token yet"
    saved = read_secret(account.saved[0])
    assert saved["refresh_token"] not in ("", first)
    assert saved["access_token"]


def test_of_two_refreshers_one_wins_and_the_loser_reads_again(account: Account) -> None:
    before = account.secret
    account.open().close()
    account.secret, account.winner = before, account.secret
    loser = account.open()
    winners = read_secret(account.secret)["access_token"]
    account.server.identity.access = {winners: account.server.identity.access[winners]}
    Copy(account, account.folder()).sync(loser)
    assert account.server.identity.token_requests == 2, "the loser goes on with what the winner got"
    assert len(account.saved) == 1, "what the loser got is not stored"
    assert account.secret == account.saved[0]


def test_a_refresh_token_that_another_process_rotated_meanwhile_is_no_reason_to_ask_a_person(account: Account) -> None:
    account.server.identity.revoke_old = True
    stale = account.context()
    account.open().close()
    fresh = account.secret
    reads = iter([json.dumps({"refresh_token": "rt.rotated-away"})])

    identity = Identity(replace(stale, secret=lambda: next(reads, fresh)), app_only=False)
    assert identity.token() == read_secret(fresh)["access_token"]


def test_an_access_token_is_kept_between_runs_until_it_nears_its_end(account: Account) -> None:
    account.open().close()
    account.open().close()
    assert account.server.identity.token_requests == 1
    account.clock.time += timedelta(seconds=3400)
    account.open().close()
    assert account.server.identity.token_requests == 2


def test_the_rotated_token_of_a_forced_refresh_is_saved_as_well(account: Account) -> None:
    connector = account.open()
    account.server.identity.revoke()
    Copy(account, account.folder()).sync(connector)
    assert len(account.saved) == 2


def test_branching_is_on_error_and_suberror_never_on_numbers_or_text() -> None:
    text = {"error_description": "AADSTS50173 invalid_grant", "error_codes": [50173]}
    assert isinstance(judge({"error": "temporarily_unavailable", **text}), TryLater)


def test_instance_discovery_is_never_asked_of_an_authority_that_is_not_microsofts(account: Account) -> None:
    account.open().close()
    assert account.server.identity.instance_discoveries == 0


def test_a_server_whose_certificate_we_do_not_trust_is_the_operators_fault(account: Account) -> None:
    with Server() as other:
        account.settings["ca_bundle"] = other.ca_bundle
        with pytest.raises(OperatorFault) as caught:
            account.open()
    assert caught.value.code == "tls"


def test_proxies_and_bundles_of_the_environment_do_not_apply_where_a_ca_is_configured(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent.pem")
    Copy(account, account.folder()).sync()


def test_without_a_client_id_the_operator_is_told(account: Account) -> None:
    account.settings["microsoft_client_id"] = None
    with pytest.raises(OperatorFault) as caught:
        account.open()
    assert "CRM_SYNC_MICROSOFT_CLIENT_ID" in str(caught.value)


def test_app_only_access_reads_a_mailbox_by_its_address(account: Account) -> None:
    account.config["app_only"] = True
    account.secret = ""
    account.box.deliver("inbox", mail(1))
    connector = account.open()
    inbox = account.stream(connector, "Inbox")
    assert len(Copy(account, inbox).sync(connector).held) == 1
    assert oauth.signed_in(account.context()).address == ADDRESS


def test_a_headless_refresh_token_is_exchanged_at_once_and_tells_whose_mailbox_it_is(account: Account) -> None:
    account.config.clear()
    found = oauth.signed_in(account.context())
    assert (found.address, found.aliases) == (ADDRESS, ())
    assert read_secret(account.secret)["access_token"]


def test_an_msal_cache_blob_is_taken_as_well(account: Account) -> None:
    token = read_secret(account.secret)["refresh_token"]
    account.secret = json.dumps({"RefreshToken": {"key": {"secret": token, "home_account_id": "x"}}, "Account": {}})
    account.open().close()


def test_a_secret_that_is_no_json_needs_a_person(account: Account) -> None:
    account.secret = "oops"
    with pytest.raises(NeedsPerson):
        account.open()


def test_signing_in_with_pkce_and_state_gives_a_lasting_secret(account: Account) -> None:
    flow = oauth.begin(account.settings, BACK)
    asked = dict(parse_qsl(urlsplit(flow["auth_uri"]).query))
    assert asked["code_challenge_method"] == "S256" and asked["state"] == flow["state"]
    assert "Mail.Read" in asked["scope"] and "Write" not in asked["scope"] and "Send" not in asked["scope"]
    stored = json.loads(json.dumps(flow))
    granted = oauth.finish(account.settings, stored, _accept(account, flow["auth_uri"]), account.clock.now)
    account.secret = granted.secret
    assert oauth.signed_in(account.context()).address == ADDRESS


def test_access_denied_at_consent_needs_a_person(account: Account) -> None:
    flow = oauth.begin(account.settings, BACK)
    with pytest.raises(NeedsPerson) as caught:
        oauth.finish(account.settings, flow, _accept(account, flow["auth_uri"], "deny"), account.clock.now)
    assert caught.value.code == "access_denied"


def test_a_state_that_does_not_fit_stores_nothing(account: Account) -> None:
    flow = oauth.begin(account.settings, BACK)
    answer = {**_accept(account, flow["auth_uri"]), "state": "forged"}
    with pytest.raises(NeedsPerson) as caught:
        oauth.finish(account.settings, flow, answer, account.clock.now)
    assert caught.value.code == "state_mismatch"


def test_a_pkce_verifier_that_does_not_fit_is_refused(account: Account) -> None:
    flow = oauth.begin(account.settings, BACK)
    answer = _accept(account, flow["auth_uri"])
    with pytest.raises(ConnectorError):
        oauth.finish(account.settings, {**flow, "code_verifier": "x" * 43}, answer, account.clock.now)


def test_a_nonce_that_does_not_fit_is_refused(account: Account) -> None:
    flow = oauth.begin(account.settings, BACK)
    answer = _accept(account, flow["auth_uri"])
    with pytest.raises(NeedsPerson) as caught:
        oauth.finish(account.settings, {**flow, "nonce": "another"}, answer, account.clock.now)
    assert caught.value.code == "state_mismatch"


def test_admin_consent_names_the_application_and_comes_back_with_the_state(account: Account) -> None:
    url = oauth.admin_consent_url(account.settings, BACK, "st")
    answer = requests.get(url, allow_redirects=False, verify=account.server.ca_bundle, timeout=10)
    assert dict(parse_qsl(urlsplit(answer.headers["Location"]).query))["state"] == "st"


def test_device_flow_authorization_pending_waits_and_then_succeeds(account: Account) -> None:
    flow = oauth.begin_device(account.settings)
    with pytest.raises(TryLater) as caught:
        oauth.poll_device(account.settings, flow, account.clock.now)
    assert (caught.value.code, caught.value.retry_after) == ("authorization_pending", 5)
    account.server.identity.approve_device(ADDRESS)
    flow["latest_attempt_at"] = 0
    account.secret = oauth.poll_device(account.settings, flow, account.clock.now).secret
    account.open().close()


def test_device_flow_slow_down_waits_five_seconds_more(account: Account) -> None:
    flow = oauth.begin_device(account.settings)
    for device in account.server.identity.devices.values():
        device["state"] = "slow_down"
    with pytest.raises(TryLater) as caught:
        oauth.poll_device(account.settings, flow, account.clock.now)
    assert caught.value.retry_after == 10


@pytest.mark.parametrize(("state", "code"), [("expired_token", "expired_token"), ("authorization_declined",) * 2])
def test_device_flow_expired_or_declined_begins_again_or_stops(account: Account, state: str, code: str) -> None:
    flow = oauth.begin_device(account.settings)
    for device in account.server.identity.devices.values():
        device["state"] = state
    with pytest.raises(NeedsPerson) as caught:
        oauth.poll_device(account.settings, flow, account.clock.now)
    assert caught.value.code == code


def _accept(account: Account, url: str, answer: str = "accept") -> dict[str, str]:
    """Sign in on the model's page as a browser would; returns the callback's query."""
    asked = dict(parse_qsl(urlsplit(url).query))
    page = requests.get(url, verify=account.server.ca_bundle, timeout=10)
    assert "Sign in" in page.text
    back = requests.post(
        url.partition("?")[0],
        data={**asked, "user": account.address, "answer": answer},
        allow_redirects=False,
        verify=account.server.ca_bundle,
        timeout=10,
    )
    return dict(parse_qsl(urlsplit(back.headers["Location"]).query))


@pytest.fixture
def account() -> Iterator[Account]:
    yield from accounts()
