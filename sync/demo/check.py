"""The demo check: starts the service as a customer would, signs in over HTTP and asserts that the log is right. Knows
the files that were written and nothing of the database."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import requests

from sync.demo.build import Written
from sync.demo.world import PASSWORD, TEAM
from sync.passes import AccountReport
from sync.service import Service

START_WITHIN = 90.0
_TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


@dataclass(slots=True)
class Findings:
    """What held and what did not."""

    passed: int = 0
    failed: list[str] = field(default_factory=list)

    def that(self, says: str, holds: bool) -> None:
        """Note one assertion."""
        print(f"{'ok  ' if holds else 'FAIL'} {says}", file=sys.stderr)  # noqa: T201 - this is the command's output
        if holds:
            self.passed += 1
        else:
            self.failed.append(says)


def run(service: Service, written: Written, reports: Sequence[AccountReport], *, host: str, port: int) -> int:
    """Returns the exit status: 0 when everything held."""
    port = port or _free_port(host)
    process = subprocess.Popen([sys.executable, "-m", "sync", "up", "--host", host, "--port", str(port)], env=dict(os.environ))
    found = Findings()
    base = f"http://{host}:{port}"
    try:
        found.that("the service is ready", _wait(f"{base}/readyz", process))
        _pulled(found, written, reports)
        _http(found, base, written)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
    found.that("it stops cleanly on SIGTERM", status == 0)
    _exports(found, written)
    print(f"{found.passed} passed, {len(found.failed)} failed", file=sys.stderr)  # noqa: T201
    return 1 if found.failed else 0


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _wait(url: str, process: subprocess.Popen[bytes]) -> bool:
    end = time.monotonic() + START_WITHIN
    while time.monotonic() < end and process.poll() is None:
        try:
            if requests.get(url, timeout=5).status_code == 200:
                return True
        except requests.ConnectionError:
            time.sleep(0.3)
    return False


def _pulled(found: Findings, written: Written, reports: Sequence[AccountReport]) -> None:
    for report in reports:
        mails = [s.counts for s in report.streams.values() if s.kind == "mail"]
        listed = sum(c.stored + sum(c.skipped.values()) + c.quarantined for c in mails)
        wanted = written.boxes[report.account]
        found.that(f"{report.account}: {wanted} mails written, {listed} accounted for", report.state == "level" and listed == wanted)


def _sign_in(base: str, email: str) -> requests.Session:
    session = requests.Session()
    page = session.get(f"{base}/sign-in", timeout=20).text
    token = _TOKEN.search(page)
    form = {"email": email, "password": PASSWORD, "csrf_token": token[1] if token else ""}
    session.post(f"{base}/sign-in", data=form, timeout=20)
    return session


def _http(found: Findings, base: str, written: Written) -> None:
    found.that("health answers", requests.get(f"{base}/healthz", timeout=10).status_code == 200)
    found.that("a stranger is sent to sign in", "sign-in" in requests.get(f"{base}/log", timeout=20).url)
    people = {rep.address: _sign_in(base, rep.address) for rep in TEAM}
    priya, jonas, mia, alex = (people[rep.address] for rep in TEAM)

    def page(session: requests.Session, path: str) -> str:
        answer = session.get(base + path, timeout=60)
        return answer.text if answer.status_code == 200 else ""

    found.that("the log shows the three-mailbox mail once", _times(page(priya, "/log?q=three+of+you"), "One mail for three of you") >= 1)
    found.that("it says that three mailboxes saw it", "3 mailboxes" in page(priya, "/log?q=%22question+to+the+three%22"))
    found.that("names in other scripts are there", "山田 太郎" in page(priya, "/contacts?q=%E5%B1%B1%E7%94%B0"))
    found.that("a contact has a page with facts", "they wrote" in _contact(page, priya, "Erik Dahl").lower())
    found.that("review asks about the unknown person at a known company", "Lindqvist" in page(priya, "/review") or "unknown" in page(priya, "/review"))
    found.that("never-log mail is nowhere", "Privileged" not in page(mia, "/log?q=Advice"))
    found.that("private mail is nowhere", "Just between us" not in page(mia, "/log?q=personal+matter"))
    found.that("a private event shows no content to a colleague", "Dentist" not in page(jonas, "/log?kind=meeting"))
    found.that("the manager sees the team's shared log", "Nordhavn" in page(alex, "/companies?q=Nordhavn"))
    found.that("accounts say how they are", "priya@" in page(priya, "/accounts"))
    today = " ".join(re.sub(r"<[^>]+>", " ", page(priya, "/")).split())
    found.that("Today reads of twelve deals in Proposal worth £90,000", "12 deals in Proposal worth £90,000" in today)
    found.that("Today reads of three leads not contacted in over a week", "3 leads not contacted in over a week" in today)


def _contact(page: Callable[[requests.Session, str], str], session: requests.Session, name: str) -> str:
    listing = page(session, f"/contacts?q={name.replace(' ', '+')}")
    link = re.search(r'href="(/contacts/\d+)"', listing)
    return page(session, link[1]) if link else ""


def _times(text: str, phrase: str) -> int:
    return text.count(phrase)


def _crm(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "sync", *arguments], capture_output=True, text=True, env=dict(os.environ), check=False)
    return done.stdout


def _exports(found: Findings, written: Written) -> None:
    """What programs read agrees with the files."""
    log = [json.loads(line) for line in _crm("log", "export").splitlines()]
    ledger = [json.loads(line) for line in _crm("ledger", "export").splitlines()]
    mail_rows = [row for row in ledger if "calendar" not in row["stream"]]
    found.that(f"the ledger has a row for each of {written.mails} mails", len(mail_rows) == written.mails)
    found.that("nothing is pending", not [r for r in ledger if r["state"] == "pending"])
    ids = [r["message_id"] for r in log if r["kind"] == "email" and r["message_id"]]
    found.that("no mail is in the log twice", len(ids) == len(set(ids)))
    three = [r for r in log if r["message_id"] == "<three@nordhavn.example>"]
    found.that("one mail in three mailboxes, one with altered id, is one", len(three) == 1 and len(three[0]["accounts"]) == 3)
    found.that("its rewritten copy is no mail of its own", "<three.rewritten@relay.example>" not in ids)
    kickoff = [r for r in log if r["ical_uid"] == "kickoff@harbourline.example"]
    found.that("a meeting in four calendars is one", len(kickoff) == 1 and len(kickoff[0]["accounts"]) == 4)
    invited = [r for r in log if r["ical_uid"] == "invited@telfa.example"]
    found.that("an invitation by mail is a meeting", len(invited) == 1 and invited[0]["kind"] == "meeting")
    linked = [r for r in log if r["status"] == "linked"]
    open_items = [r for r in log if r["status"] != "ignored"]
    found.that(f"{len(linked)} of {len(open_items)} items are linked on their own", len(linked) >= 0.9 * len(open_items))
    found.that("every link explains itself", all(r["evidence"] for r in linked))
    audit = json.loads(_crm("audit", "--json") or "{}")
    found.that("coverage is complete", audit.get("coverage") == 1.0 and audit.get("missing") == 0)
