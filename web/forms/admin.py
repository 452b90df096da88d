"""Users and their roles, as an admin enters them."""

from __future__ import annotations

from web.forms.auth import LEAST_PASSWORD
from web.forms.parts import NAME, Form, choice, line, secret, whole, zones

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
    """Deactivation, with who takes over."""

    to = choice("Contacts, companies, open deals and tasks go to", [], coerce=whole)
