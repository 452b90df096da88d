"""Why it is here and why it is not: every place an item can be has its sentence, and nobody learns what they may
not see.
"""

from __future__ import annotations

from typing import Any

from crm.privacy import Viewer
from sync import decisions
from sync.explain import REASONS, explain
from tests.rig.office import Office, mail


def test_a_linked_mail_names_its_evidence_and_its_rows(office: Office) -> None:
    box = office.mailbox()
    office.contact("jane@acme.example")
    office.follow()
    office.deliver(box, mail(id="<a@x.example>"))
    office.sync()
    found = _explain(office, "a@x.example")
    assert found["where"] == "log"
    assert "jane@acme.example" in found["says"]
    assert found["items"][0]["links"][0]["target"] == "contact:Jane Doe"
    assert found["ledger"][0] | {"says": ""} == {
        "account": "rep@ourco.example", "stream": "INBOX", "remote_id": "1:1", "state": "stored", "reason": None,
        "stage": "apply", "attempts": 1, "says": "",
    }  # fmt: skip


def test_what_a_person_took_off_is_told(office: Office) -> None:
    box = office.mailbox()
    jane = office.contact("jane@acme.example")
    office.follow()
    office.deliver(box, mail(id="<a@x.example>"))
    office.sync()
    with office.service.db.transaction() as session:
        item = office.log()[0]["id"]
        decisions.detach(session, office.viewer(), [item], ("contact", jane), now=office.clock())
    found = _explain(office, "<a@x.example>")["items"][0]
    assert (found["links"], found["taken_off"]) == ([], ["contact:Jane Doe"])


def test_a_never_logged_mail_is_found_by_its_id_though_nothing_of_it_is_kept(office: Office) -> None:
    box = office.mailbox()
    office.setting("never_log", ["acme.example"])
    office.deliver(box, mail(id="<secret@x.example>"))
    office.sync()
    found = _explain(office, "<secret@x.example>")
    assert (found["where"], found["says"]) == ("ledger", REASONS["never_log"])
    assert found["ledger"][0]["state"] == "skipped"


def test_nobody_learns_of_mail_they_may_not_see(office: Office) -> None:
    box = office.mailbox(sharing="private")
    office.deliver(box, mail(id="<a@x.example>"))
    office.sync()
    mine, others = _explain(office, "<a@x.example>"), _explain(office, "<a@x.example>", office.viewer("ben"))
    unseen = _explain(office, "<b@x.example>", office.viewer("ben"))
    assert mine["where"] == "log"
    assert {k: v for k, v in others.items() if k != "query"} == {k: v for k, v in unseen.items() if k != "query"}


def test_every_state_of_a_row_has_a_sentence(lite: Office) -> None:
    box = lite.mailbox()
    lite.deliver(box, mail("ben@ourco.example", id="<in@x.example>"))
    gone = lite.deliver(box, mail(id="<gone@x.example>"))
    lite.sync()
    lite.boxes[box].delete("INBOX", gone)
    lite.sync()
    assert _explain(lite, "<in@x.example>")["says"] == REASONS["internal"]
    assert _explain(lite, "<gone@x.example>")["ledger"][0]["says"] == REASONS["gone"]


def _explain(office: Office, query: str, viewer: Viewer | None = None) -> dict[str, Any]:
    with office.service.db.reading() as session:
        return explain(session, viewer or office.viewer(), office.service.vault, query)
