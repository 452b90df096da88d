"""The Google rows of the OAuth table (providers.md 3.4), and a person's way through consent, over the model server."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from connectors.errors import ConnectorError, NeedsPerson, OperatorFault, TryLater
from connectors.google import oauth
from connectors.google.gmail import STREAM
from connectors.google.session import CALENDAR_SCOPE, GMAIL_SCOPE
from tests.connectors.google_rig import ADDRESS, Rig, drain, streams

BACK = "http://127.0.0.1:8000/accounts/google/callback"


# Refreshing


def test_invalid_grant_ends_at_once_with_one_request_and_a_sentence(rig: Rig) -> None:
    rig.world.revoke(ADDRESS)
    with pytest.raises(NeedsPerson, match="consent has ended") as caught:
        rig.open()
    assert caught.value.code == "invalid_grant"
    assert rig.world.counts["token"] == 1 and rig.slept == []


def test_invalid_rapt_names_the_organisations_policy(rig: Rig) -> None:
    rig.person.broken = {"error": "invalid_grant", "more": {"error_subtype": "invalid_rapt"}}
    with pytest.raises(NeedsPerson, match="organisation") as caught:
        rig.open()
    assert caught.value.code == "reauth_policy"


@pytest.mark.parametrize("error", ["invalid_client", "deleted_client", "unauthorized_client", "redirect_uri_mismatch"])
def test_a_faulty_client_is_the_operators_fault_and_flips_no_account(rig: Rig, error: str) -> None:
    rig.person.broken = {"error": error, "status": 401}
    with pytest.raises(OperatorFault) as caught:
        rig.open()
    assert caught.value.code == error


@pytest.mark.parametrize("error", ["access_denied", "admin_policy_enforced", "org_internal"])
def test_a_refusal_at_consent_shows_its_own_reason(error: str) -> None:
    problem = oauth.callback_error({"error": error, "state": "x"})
    assert isinstance(problem, NeedsPerson) and problem.code == error


def test_the_sentences_of_different_refusals_differ() -> None:
    errors = ["access_denied", "admin_policy_enforced", "org_internal", "redirect_uri_mismatch", "invalid_client"]
    sentences = {str(oauth.callback_error({"error": error})) for error in errors}
    assert len(sentences) == len(errors)
    assert oauth.callback_error({"code": "4/x"}) is None


@pytest.mark.parametrize(
    ("status", "reason"), [(500, "internal_failure"), (503, "backend"), (429, "rate"), (400, "internal_failure")]
)
def test_a_failing_token_endpoint_is_tried_later(rig: Rig, status: int, reason: str) -> None:
    rig.fault("token", status=status, reason=reason)
    with pytest.raises(TryLater):
        rig.open()


def test_the_account_stays_healthy_while_its_access_token_lives(rig: Rig) -> None:
    rig.deliver(1)
    connector = rig.open()
    rig.time += timedelta(seconds=3599 - 120)  # two minutes before its end: time to renew
    rig.fault("token", status=503, reason="backend", times=99)
    assert len(drain(connector, STREAM).content) == 1


def test_once_the_access_token_ended_a_failing_token_endpoint_stops_the_pass(rig: Rig) -> None:
    connector = rig.open()
    rig.time += timedelta(seconds=3700)
    rig.fault("token", status=503, reason="backend", times=99)
    with pytest.raises(TryLater):
        drain(connector, STREAM)


def test_a_rotated_refresh_token_is_saved_before_the_access_token_is_used(rig: Rig) -> None:
    rig.world.rotate = True
    order: list[str] = []

    def save(text: str) -> bool:
        order.append(f"saved after {sum(n for name, n in rig.world.counts.items() if name != 'token')} calls")
        return rig._save(text)

    rig.save = save
    before = json.loads(rig.secret)["refresh_token"]
    drain(rig.open(), STREAM)
    assert order == ["saved after 0 calls"]
    assert json.loads(rig.secret)["refresh_token"] != before
    drain(rig.open(), STREAM)


def test_of_two_refreshers_one_wins_and_the_other_reads_again(rig: Rig) -> None:
    rig.world.rotate = True
    winner = {"token": "", "refresh_token": ""}

    def save(text: str) -> bool:
        if not winner["token"]:  # another worker was first: it stored credentials of its own
            found = json.loads(text)
            grant = rig.world.refresh_tokens[found["refresh_token"]]
            winner.update(token=rig.world.new_access(grant), refresh_token=rig.world.new_refresh(grant))
            rig.secret = json.dumps({**found, **winner})
            return False
        return rig._save(text)

    rig.save = save
    rig.deliver(1)
    connector = rig.open()
    assert connector.session.token() == winner["token"]
    assert len(drain(connector, STREAM).content) == 1


def test_a_plain_refresh_saves_nothing(rig: Rig) -> None:
    drain(rig.open(), STREAM)
    assert rig.saved == []


def test_a_rotation_costs_no_second_look_at_whose_token_it_is(rig: Rig) -> None:
    streams(rig.open())
    rig.world.rotate = True
    rig.reset()
    streams(rig.open())
    assert rig.spent() == 0


def test_a_stored_token_that_still_lives_asks_nothing_of_the_token_endpoint(rig: Rig) -> None:
    connector = rig.open()
    rig.secret = json.dumps(connector.session._secret)
    rig.reset()
    drain(rig.open(), STREAM)
    assert rig.world.counts["token"] == 0


def test_a_token_uri_in_the_file_is_not_followed(rig: Rig) -> None:
    rig.secret = json.dumps({**json.loads(rig.secret), "token_uri": "http://127.0.0.1:9/steal"})
    rig.open()
    assert rig.world.counts["token"] == 1


def test_the_client_of_the_settings_serves_where_the_file_names_none(rig: Rig) -> None:
    found = json.loads(rig.secret)
    rig.secret = json.dumps({"refresh_token": found["refresh_token"]})
    rig.open()
    rig.settings["google_client_id"] = ""
    with pytest.raises(OperatorFault, match="CRM_SYNC_GOOGLE_CLIENT_ID"):
        rig.open()


@pytest.mark.parametrize("secret", ["", "no json", "[]", "null"])
def test_credentials_that_cannot_be_read_are_a_connector_error(rig: Rig, secret: str) -> None:
    rig.secret = secret
    with pytest.raises(ConnectorError):
        rig.open()


def test_no_token_and_no_secret_is_ever_logged(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    rig.world.rotate = True
    rig.deliver(1)
    drain(rig.open(), STREAM)
    tokens = [*rig.world.access_tokens, *rig.world.refresh_tokens, "model-secret"]
    assert not [token for token in tokens if token in caplog.text]


# Who it is, and what was granted


def test_another_google_user_than_the_accounts_is_refused(rig: Rig) -> None:
    rig.world.add_user("other@ourco.example")
    rig.secret = json.dumps(rig.world.token_json("other@ourco.example"))
    with pytest.raises(NeedsPerson, match=r"signed in to Google as other@ourco\.example") as caught:
        streams(rig.open())
    assert caught.value.code == "wrong_user"


def test_the_right_user_is_asked_for_once_and_remembered(rig: Rig) -> None:
    streams(rig.open())
    rig.reset()
    streams(rig.open())
    assert rig.spent() == 0


def test_a_token_file_without_an_access_token_tells_whose_it_is_and_survives_a_rotation(rig: Rig) -> None:
    rig.world.rotate = True
    before = rig.secret
    assert identify(rig) == ADDRESS
    assert json.loads(rig.secret)["refresh_token"] != json.loads(before)["refresh_token"]
    drain(rig.open(), STREAM)


def test_a_token_file_for_calendars_alone_tells_whose_it_is(rig: Rig) -> None:
    rig.secret = json.dumps(rig.world.token_json(ADDRESS, (CALENDAR_SCOPE,)))
    assert identify(rig) == ADDRESS


def test_mail_alone_may_be_granted_and_calendars_are_left_out(rig: Rig) -> None:
    rig.secret = json.dumps(rig.world.token_json(ADDRESS, (GMAIL_SCOPE,)))
    assert list(streams(rig.open())) == ["mailbox"]
    assert rig.world.counts["calendarList.list"] == 0


def test_calendars_alone_may_be_granted_and_mail_is_left_out(rig: Rig) -> None:
    rig.secret = json.dumps(rig.world.token_json(ADDRESS, (CALENDAR_SCOPE,)))
    assert list(streams(rig.open())) == [ADDRESS]


def test_a_revoked_consent_stops_and_a_new_one_goes_on_from_the_same_cursor(rig: Rig) -> None:
    rig.deliver(1)
    held = drain(rig.open(), STREAM)
    rig.world.revoke(ADDRESS)
    with pytest.raises(NeedsPerson):
        rig.open()
    for number in range(2, 5):
        rig.deliver(number)
    rig.secret = json.dumps(rig.world.token_json(ADDRESS))
    rig.reset()
    drain(rig.open(), STREAM, held)
    assert len(held.content) == 4
    assert rig.world.counts["messages.get"] == 3


def test_a_consent_revoked_while_a_pass_runs_ends_it_with_the_cursor_kept(rig: Rig) -> None:
    for number in range(120):
        rig.deliver(number)
    batches = rig.open().changes(STREAM, None)
    first = next(batches)
    rig.world.revoke(ADDRESS)
    with pytest.raises(NeedsPerson):
        list(batches)
    rig.secret = json.dumps(rig.world.token_json(ADDRESS))
    rest = [c.remote_id for batch in rig.open().changes(STREAM, first.cursor) for c in batch.changes]
    assert len(first.changes) == 50 and len(rest) == 70


# A service account that acts for the people of a domain


def test_a_service_account_reads_the_mail_of_its_subject(rig: Rig) -> None:
    rig.deliver(1)
    rig.secret = json.dumps(service_account())
    rig.config = {"subject": ADDRESS}
    assert len(drain(rig.open(), STREAM).content) == 1


def test_a_service_account_without_delegation_is_the_operators_fault(rig: Rig) -> None:
    rig.secret = json.dumps({**service_account(), "subject": "stranger@elsewhere.example"})
    with pytest.raises(OperatorFault, match="delegation"):
        rig.open()


def test_a_service_account_without_a_subject_or_key_says_so(rig: Rig) -> None:
    rig.config = {}
    rig.secret = json.dumps(service_account())
    with pytest.raises(OperatorFault, match="address"):
        rig.open()
    rig.config = {"subject": ADDRESS}
    rig.secret = json.dumps({**service_account(), "private_key": "none"})
    with pytest.raises(OperatorFault, match="key"):
        rig.open()


# Consent in the browser


def test_consent_leads_to_credentials_that_sync(rig: Rig) -> None:
    rig.deliver(1)
    asked = oauth.challenge()
    back = consent(rig, asked)
    assert back["state"] == asked.state
    rig.secret = exchange(rig, back["code"], asked)
    assert identify(rig) == ADDRESS
    assert oauth.missing_rights(rig.secret) == []
    assert len(drain(rig.open(), STREAM).content) == 1


def test_the_scopes_asked_for_only_read(rig: Rig) -> None:
    url = oauth.authorization_url(rig.settings, redirect_uri=BACK, state="s", code_challenge="c", login_hint=ADDRESS)
    given = parse_qs(urlsplit(url).query)
    assert all(scope.endswith(".readonly") for scope in given["scope"][0].split())
    assert given["access_type"] == ["offline"] and given["include_granted_scopes"] == ["true"]
    assert given["code_challenge_method"] == ["S256"] and given["login_hint"] == [ADDRESS]


def test_a_code_with_another_verifier_is_refused(rig: Rig) -> None:
    back = consent(rig, oauth.challenge())
    with pytest.raises(NeedsPerson, match="connect again"):
        exchange(rig, back["code"], oauth.challenge())


def test_a_code_is_good_once(rig: Rig) -> None:
    asked = oauth.challenge()
    back = consent(rig, asked)
    exchange(rig, back["code"], asked)
    with pytest.raises(NeedsPerson) as caught:
        exchange(rig, back["code"], asked)
    assert caught.value.code == "stale_code"


def test_a_code_for_another_redirect_address_is_the_operators_fault(rig: Rig) -> None:
    asked = oauth.challenge()
    back = consent(rig, asked)
    with pytest.raises(OperatorFault, match="redirect address"):
        exchange(rig, back["code"], asked, redirect_uri="http://127.0.0.1:1/other")


def test_a_denied_consent_comes_back_as_such(rig: Rig) -> None:
    back = consent(rig, oauth.challenge(), answer="deny")
    problem = oauth.callback_error(back)
    assert isinstance(problem, NeedsPerson) and "did not allow" in str(problem)


def test_narrowed_scopes_name_what_is_missing(rig: Rig) -> None:
    asked = oauth.challenge()
    back = consent(rig, asked, scopes=[CALENDAR_SCOPE])
    found = exchange(rig, back["code"], asked)
    assert [s for s in oauth.missing_rights(found) if "Gmail" in s]
    assert len(oauth.missing_rights(found)) == 1


def test_without_an_oauth_client_the_operator_is_told(rig: Rig) -> None:
    rig.settings["google_client_id"] = None
    with pytest.raises(OperatorFault, match="CRM_SYNC_GOOGLE_CLIENT_ID"):
        oauth.authorization_url(rig.settings, redirect_uri=BACK, state="s", code_challenge="c")


def test_revoking_ends_the_consent_at_google(rig: Rig) -> None:
    assert oauth.revoke(rig.settings, rig.secret)
    with pytest.raises(NeedsPerson):
        rig.open()
    assert oauth.revoke(rig.settings, rig.secret), "what is revoked already is no failure"


def consent(
    rig: Rig, asked: oauth.Challenge, *, answer: str = "allow", scopes: list[str] | None = None
) -> dict[str, str]:
    """Go through the model's form as a browser would; what comes back to the redirect address."""
    url = oauth.authorization_url(
        rig.settings, redirect_uri=BACK, state=asked.state, code_challenge=asked.code_challenge
    )
    page = requests.get(url, timeout=10).text
    form: dict[str, Any] = {"request": unescape(re.search(r'name="request" value="([^"]*)"', page).group(1))}
    offered = [unescape(s) for s in re.findall(r'name="scope" value="([^"]*)"', page)]
    form |= {"user": ADDRESS, "answer": answer, "scope": scopes if scopes is not None else offered}
    answered = requests.post(url, data=form, allow_redirects=False, timeout=10)
    assert answered.status_code == 302 and answered.headers["Location"].startswith(BACK)
    return {name: values[0] for name, values in parse_qs(urlsplit(answered.headers["Location"]).query).items()}


def identify(rig: Rig) -> str:
    """Whose credentials the rig holds; what is to be stored takes their place."""
    address, rig.secret = oauth.identify(rig.settings, rig.secret, now=lambda: rig.time, sleep=rig.sleep)
    return address


def exchange(rig: Rig, code: str, asked: oauth.Challenge, redirect_uri: str = BACK) -> str:
    return oauth.exchange_code(
        rig.settings, code=code, redirect_uri=redirect_uri, code_verifier=asked.code_verifier, now=lambda: rig.time
    )


def service_account() -> dict[str, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return {
        "type": "service_account", "client_email": "svc@model.iam.gserviceaccount.com", "private_key_id": "k1",
        "private_key": pem.decode(), "client_id": "1", "token_uri": "http://127.0.0.1:9/never",
    }  # fmt: skip


@pytest.fixture
def rig() -> Iterator[Rig]:
    with Rig() as made:
        yield made
