"""Speaks SMTP to the workspace's own server, to send one plain text mail to one person of the team. Keeps nothing and
reads no clock.

Tells apart what was certainly not taken (``NotTaken``: nothing was accepted, so it may be tried again) from what was
cut off after the text went out (``Unsure``). Facts: RFC 5321 section 4.2 (4yz may pass, 5yz lasts), RFC 3207
(STARTTLS), RFC 3834 (Auto-Submitted, so that nobody's out-of-office answers)."""

from __future__ import annotations

import smtplib
import ssl
from datetime import datetime
from email import policy
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import format_datetime, formataddr

from crm.post import Server

TIMEOUT = 20.0
WIRE = policy.SMTP.clone(cte_type="7bit")
"""Lines end in CRLF (RFC 5321 section 2.3.8: servers refuse bare line feeds), and nothing has more than 7 bits."""


class NotTaken(Exception):
    """The server did not take it. ``str()`` is one sentence; ``lasting``: it will not take it later either."""

    def __init__(self, says: str, *, lasting: bool = False) -> None:
        super().__init__(says)
        self.lasting = lasting


class Unsure(Exception):
    """The line broke after the text went out: it may have been taken."""


def message(
    server: Server, *, to: str, subject: str, body: str, message_id: str, name: str, now: datetime
) -> EmailMessage:
    """The mail. Line breaks in a subject are blanks."""
    made = EmailMessage(policy=WIRE)
    made["From"] = formataddr((name, server.sender or server.username))
    made["To"] = to
    made["Subject"] = " ".join(subject.split())
    made["Date"] = format_datetime(now)
    made["Message-ID"] = message_id
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(body)
    return made


def send(server: Server, mail: EmailMessage, *, ca_bundle: str | None = None) -> None:
    """Hand it over. Raises NotTaken, Unsure."""
    connection = _connect(server, _trusted(ca_bundle))
    try:
        try:
            if server.username:
                connection.login(server.username, server.password)
            code, answer = connection.mail(_address(str(mail["From"])))
            if code >= 300:
                raise NotTaken(f"The server refused the sender: {_text(answer)}", lasting=code >= 500)
            code, answer = connection.rcpt(str(mail["To"]))
            if code >= 300:
                raise NotTaken(f"The server refused {mail['To']}: {_text(answer)}", lasting=code >= 500)
        except smtplib.SMTPAuthenticationError as error:
            raise NotTaken(f"The server did not accept the name and password ({error.smtp_code}).") from None
        except (smtplib.SMTPException, OSError) as error:
            raise NotTaken(f"The server did not go on ({_kind(error)}).") from None
        _data(connection, mail)
    finally:
        connection.close()


def _connect(server: Server, context: ssl.SSLContext) -> smtplib.SMTP:
    """Open the line, made private as the setting says: never silently in the clear."""
    connection: smtplib.SMTP | None = None
    try:
        if server.security == "tls":
            connection = smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT, context=context)
        else:
            connection = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT)
        connection.ehlo()
        if server.security == "starttls":
            connection.starttls(context=context)
            connection.ehlo()
    except (smtplib.SMTPException, OSError) as error:
        if connection is not None:
            connection.close()
        where = f"{server.host}:{server.port}"
        raise NotTaken(f"No line to {where} with {server.security} ({_kind(error)}).") from None
    return connection


def _data(connection: smtplib.SMTP, mail: EmailMessage) -> None:
    try:
        code, answer = connection.data(mail.as_bytes())
    except smtplib.SMTPDataError as error:
        lasting = error.smtp_code >= 500
        raise NotTaken(f"The server did not take the text: {_text(error.smtp_error)}", lasting=lasting) from None
    except MessageError as error:
        raise NotTaken(f"The mail can't be written ({_kind(error)}).", lasting=True) from None
    except (smtplib.SMTPException, OSError) as error:
        raise Unsure(_kind(error)) from None
    if code != 250:
        raise NotTaken(f"The server did not take it: {_text(answer)}", lasting=code >= 500)


def _trusted(ca_bundle: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_bundle is not None:
        context.load_verify_locations(cafile=ca_bundle)
    return context


def _address(value: str) -> str:
    return value.rpartition("<")[2].rstrip(">")


def _text(answer: bytes | str) -> str:
    """What a server said, cut short."""
    shown = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return " ".join(shown.split())[:200]


def _kind(error: BaseException) -> str:
    return type(error).__name__
