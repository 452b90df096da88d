"""Sign-in, first set-up and one's own password."""

from __future__ import annotations

from wtforms.validators import EqualTo

from web.forms.parts import NAME, Form, line, secret, zones

LEAST_PASSWORD = 10


class SignIn(Form):
    """Address and password."""

    email = line("E-mail address", required=True, type="email", autocomplete="username", autofocus=True)
    password = secret("Password")


class SetUp(Form):
    """The first admin."""

    name = line("Your name", required=True, limit=NAME, autocomplete="name", autofocus=True)
    email = line("E-mail address", required=True, type="email", autocomplete="username")
    password = secret(
        "Password", autocomplete="new-password", least=LEAST_PASSWORD, hint=f"At least {LEAST_PASSWORD} characters."
    )
    time_zone = zones()


class Profile(Form):
    """What one may change of oneself."""

    name = line("Your name", required=True, limit=NAME, autocomplete="name")
    time_zone = zones()


class ChangePassword(Form):
    """The present one proves who asks; changing it ends all other sessions."""

    present = secret("Present password")
    new = secret(
        "New password", autocomplete="new-password", least=LEAST_PASSWORD, hint=f"At least {LEAST_PASSWORD} characters."
    )
    again = secret("New password again", autocomplete="new-password")

    def validate_again(self, field: object) -> None:
        """Both must agree."""
        EqualTo("new", "The two differ.")(self, field)
