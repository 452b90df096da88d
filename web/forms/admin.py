"""Users and their roles, as an admin enters them."""

from __future__ import annotations

from web.forms.auth import LEAST_PASSWORD
from web.forms.parts import NAME, Form, choice, line, secret, text, zones

ROLES = [
    ("rep", "Rep: own mailboxes and everything shared"),
    ("manager", "Manager: the same, and assigns the team's work"),
    ("admin", "Admin: also people, settings and health; no content"),
]


class NewUser(Form):
    """Someone who may sign in."""

    name = line("Name", required=True, limit=NAME, autocomplete="off")
    email = line("E-mail address", required=True, type="email", autocomplete="off")
    role = choice("Role", ROLES)
    password = secret(
        "First password",
        autocomplete="new-password",
        least=LEAST_PASSWORD,
        hint="Tell them; they change it on their own page.",
    )
    time_zone = zones()


class Role(Form):
    """Another role."""

    role = choice("Role", ROLES)


class Leave(Form):
    """Leaving: who takes over, all of it or each sort, and what becomes of the mailboxes."""

    to = choice("What is theirs goes to", [], default="")
    contacts = choice("Contacts", [], default="")
    companies = choice("Companies", [], default="")
    deals = choice("Open deals", [], default="")
    tasks = choice("Open tasks", [], default="")
    mailboxes = choice("Their mailboxes", [
        ("pause", "are paused; undo lets them go on"),
        ("disconnect", "are disconnected for good; the log stays"),
    ], default="pause")  # fmt: skip

    def successor(self, noun: str) -> int | None:
        """Who gets one sort: as chosen for it, else for all; None for nobody."""
        value = getattr(self, noun).data or self.to.data
        return int(value) if value and value != "0" else None


class CustomField(Form):
    """A field of one's own on contacts, companies or deals."""

    noun = choice("On", [("contact", "Contacts"), ("company", "Companies"), ("deal", "Deals")])
    label = line("Name", required=True, limit=60, autocomplete="off")
    type = choice("Kind", [("text", "Text"), ("number", "Number"), ("date", "Date"), ("choice", "Choice"),
                           ("checkbox", "Yes or no"), ("url", "Link")])  # fmt: skip
    options = text("Choices", hint="One a line; for the kind Choice only.", rows=3, limit=4_000)
    lifecycle = choice("Asked of", [("", "everybody"), ("lead", "leads only"), ("client", "clients only"),
                                    ("past_client", "past clients only")])  # fmt: skip
