"""Connecting a mailbox: where it is, then what is taken and who sees it."""

from __future__ import annotations

from wtforms import IntegerField, RadioField
from wtforms.validators import InputRequired, NumberRange

from web.forms.parts import Form, choice, line, options, secret, text

SECURITY = [
    ("tls", "TLS from the start (port 993)"),
    ("starttls", "STARTTLS (port 143)"),
    ("none", "None: readable by anyone on the way"),
]
WINDOWS = [
    ("365", "the last year"),
    ("90", "the last three months"),
    ("1095", "the last three years"),
    ("0", "everything there is"),
]
TIERS = {
    "full": "Everything: teammates read text and attachments",
    "subject": "Subject: who, when, and the subject; not the text",
    "metadata": "Metadata: who and when only; they can ask you for more",
    "private": "Private: nothing; it does not exist for them",
}


class Address(Form):
    """The first step."""

    address = line("E-mail address", required=True, type="email", autocomplete="email", autofocus=True)


class Imap(Form):
    """Server and sign-in."""

    address = line("E-mail address", required=True, type="email")
    host = line("Server", required=True, limit=253, spellcheck="false", autocapitalize="none")
    port = IntegerField(
        "Port", [InputRequired("Port is needed."), NumberRange(1, 65535, "A port is a number from 1 to 65535.")]
    )
    security = choice("Security", SECURITY)
    username = line(
        "User name", required=True, hint="Usually the whole address.", autocomplete="off", spellcheck="false"
    )
    password = secret("Password", autocomplete="off", hint="Kept encrypted. Typed again only when it changes.")
    caldav_url = line("Calendar address (CalDAV)", hint="Where the provider names one.", type="url")
    aliases = line("Other addresses of yours in this mailbox", hint="Separated by blanks.")


class Archive(Form):
    """Files on this server."""

    address = line("Whose mail it is", required=True, type="email", hint="The address its owner had.")
    paths = text(
        "Paths on this server",
        required=True,
        hint="mbox, Maildir, .eml or .ics files or folders, Takeout zips; one a line.",
        rows=3,
    )


class Choices(Form):
    """What is taken, and who sees it. ``folder`` checkboxes are read from the request."""

    sharing = RadioField("What teammates see of this mailbox", [InputRequired("Choose who sees what.")])
    window = choice("How far back", WINDOWS)

    def offer(self, loosest: str) -> None:
        """Offer the tiers up to what the workspace allows."""
        names = list(TIERS)
        self.sharing.choices = options([(t, TIERS[t]) for t in names[names.index(loosest) :]])


class Password(Form):
    """A new password for an account that was connected before."""

    password = secret("New password", autocomplete="off")


class Sharing(Form):
    """Another tier."""

    sharing = RadioField("What teammates see of this mailbox", [InputRequired("Choose who sees what.")])
    offer = Choices.offer
