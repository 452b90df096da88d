"""Sends the mails that wait for people of the team (``crm.post`` says how often and why never twice). No session is
open while a server is spoken to."""

from __future__ import annotations

import logging
from collections.abc import Callable
from email.utils import make_msgid

from connectors.errors import NeedsPerson
from crm import post, users, workspace
from crm.errors import Refused
from crm.post import BASE, Claimed, Server
from crm.vault import CannotOpen
from sync import hosts, smtp
from sync.service import Service

log = logging.getLogger(__name__)

AT_ONCE = 100


def deliver(service: Service, *, limit: int = AT_ONCE, over: Callable[[], bool] = lambda: False) -> int:
    """Send what is due. Returns how many went out. A server that is not to be had ends the round."""
    with service.db.reading() as session:
        name, idle = str(workspace.get(session, "workspace_name")), post.idle(session, now=service.now())
    if idle:
        return 0
    with service.db.transaction() as session:
        post.sweep(session, now=service.now())
    out = 0
    for _ in range(limit):
        if over() or service.stopping.is_set():
            break
        with service.db.transaction() as session:
            if not post.configured(session):
                break
            mail = post.claim(session, now=service.now())
        if mail is None:
            break
        word = _one(service, mail, name)
        out += word == "sent"
        if word == "later":
            break
    return out


def test(service: Service, user_id: int) -> None:
    """Send a test mail to a user now. Raises Refused with one sentence."""
    with service.db.reading() as session:
        user, name = users.by_id(session, user_id), str(workspace.get(session, "workspace_name"))
    mail = Claimed(0, user.id, "test", user.email, f"Test from {name}", f"Mail works.\n\n{BASE}/\n", 1)
    try:
        _send(service, mail, name)
    except smtp.NotTaken as error:
        raise Refused(str(error)) from None
    except smtp.Unsure:
        raise Refused("The line broke after the text went out; look whether it arrived.") from None


def _one(service: Service, mail: Claimed, name: str) -> str:
    """Send one claimed mail and write down what became of it: sent, later, or never."""
    try:
        _send(service, mail, name)
    except smtp.NotTaken as error:
        log.warning("mail %s was not taken", mail.id)
        with service.db.transaction() as session:
            post.not_taken(session, mail, str(error), lasting=error.lasting, now=service.now())
        return "never" if error.lasting else "later"
    except smtp.Unsure:
        log.warning("mail %s may have gone out", mail.id)
        with service.db.transaction() as session:
            post.unsure(session, mail.id, now=service.now())
        return "never"
    with service.db.transaction() as session:
        post.sent(session, mail, now=service.now())
    return "sent"


def _send(service: Service, mail: Claimed, name: str) -> None:
    server = _server(service)
    _check(service, server)
    base = service.settings.base_url.rstrip("/")
    domain = (server.sender or server.username).rpartition("@")[2] or "localhost"
    made = smtp.message(
        server, to=mail.to, subject=mail.subject.replace(BASE, base), body=mail.body.replace(BASE, base),
        message_id=make_msgid(f"crm-sync-{mail.id}", domain), name=name, now=service.now(),
    )  # fmt: skip
    smtp.send(server, made, ca_bundle=service.settings.ca_bundle)


def _server(service: Service) -> Server:
    try:
        with service.db.reading() as session:
            server = post.server(session, service.vault)
    except CannotOpen:
        raise smtp.NotTaken("The password can't be opened with the present key; enter it again.") from None
    if server is None:
        raise smtp.NotTaken("No mail server is set.")
    if not (server.sender or server.username):
        raise smtp.NotTaken("Say which address the mails come from.")
    return server


def _check(service: Service, server: Server) -> None:
    """The host is one that may be spoken to, as for mailboxes."""
    try:
        hosts.check({"host": server.host}, allow_private=service.settings.allow_private_hosts)
    except NeedsPerson as error:
        raise smtp.NotTaken(str(error)) from None
