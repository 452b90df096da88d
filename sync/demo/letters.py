"""Writes the demo's mails: RFC 5322 bytes with the headers real clients set. Draws nothing; the caller says what is
in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, formataddr

from sync.demo.world import Person, Rep

Party = Person | Rep


@dataclass(slots=True)
class Letter:
    """One mail. ``boxes`` are the team members whose mailboxes hold it, with the folder it lies in."""

    sender: tuple[str, str]
    to: list[tuple[str, str]]
    subject: str
    body: str
    at: datetime
    message_id: str
    cc: list[tuple[str, str]] = field(default_factory=list)
    bcc: list[tuple[str, str]] = field(default_factory=list)
    references: tuple[str, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    html: str = ""
    attachment: tuple[str, str, bytes] | None = None
    calendar: tuple[str, str] | None = None
    boxes: list[tuple[Rep, str]] = field(default_factory=list)
    raw: bytes | None = None

    def bytes_(self) -> bytes:
        """The message as a server holds it."""
        if self.raw is not None:
            return self.raw
        message = EmailMessage()
        message["From"] = formataddr(self.sender)
        message["To"] = [_address(p) for p in self.to]
        if self.cc:
            message["Cc"] = [_address(p) for p in self.cc]
        if self.bcc:
            message["Bcc"] = [_address(p) for p in self.bcc]
        message["Subject"] = self.subject
        message["Date"] = format_datetime(self.at)
        message["Message-ID"] = self.message_id
        if self.references:
            message["In-Reply-To"] = self.references[-1]
            message["References"] = " ".join(self.references)
        for name, value in self.headers.items():
            message[name] = value
        self._content(message)
        return message.as_bytes()

    def _content(self, message: EmailMessage) -> None:
        message.set_content(self.body)
        if self.html:
            message.add_alternative(self.html, subtype="html")
        if self.calendar:
            method, text = self.calendar
            message.add_alternative(text.encode(), maintype="text", subtype="calendar", params={"method": method})
        if self.attachment:
            name, kind, data = self.attachment
            main, _, sub = kind.partition("/")
            message.add_attachment(data, maintype=main, subtype=sub, filename=name)


def _address(party: tuple[str, str]) -> Address:
    return Address(display_name=party[0], addr_spec=party[1])


def who(party: Party) -> tuple[str, str]:
    """A header's mailbox for a person or teammate."""
    return party.name, party.address


def signed(party: Party, text: str) -> str:
    """A body with the signature block its writer uses."""
    if isinstance(party, Rep):
        return f"{text}\n\nBest,\n{party.name.split()[0]}\n\n-- \n{party.name}\nHarbourline\n"
    return f"{text}\n\nKind regards,\n{party.name}\n\n-- \n{party.name}\n{party.title}, {party.company}\n{party.phone}\n"


def quoted(body: str, sender: tuple[str, str], at: datetime) -> str:
    """The history a reply carries below."""
    lines = "\n".join(f"> {line}" for line in body.splitlines()[:12])
    return f"\n\nOn {at:%a, %d %b %Y at %H:%M}, {sender[0]} <{sender[1]}> wrote:\n{lines}\n"
