"""What all forms share: the form class, trimmed text fields, and how a service's refusal lands at its field."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from flask_wtf import FlaskForm
from wtforms import Field, PasswordField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Length, Optional

from crm.errors import Refused

NAME = 200
LINE = 500
TEXT = 20_000


class Form(FlaskForm):
    """A form whose post is checked with CSRF on; ``form_errors`` are those of no single field."""

    def refuse(self, error: Refused) -> None:
        """Show a service's refusal at the field it names, or above the form."""
        field = self._fields.get(error.field) if error.field else None
        if field is None:
            self.form_errors.append(str(error))
        else:
            field.errors = [*field.errors, str(error)]


def trimmed(value: str | None) -> str | None:
    """Without blanks around; control characters have no place in a name."""
    return "".join(c for c in value if c.isprintable() or c in "\n\t").strip() if value else value


def line(label: str, *, required: bool = False, limit: int = LINE, hint: str = "", **attributes: Any) -> Field:
    """One line of text."""
    first = InputRequired(f"{label} is needed.") if required else Optional()
    return StringField(
        label,
        [first, Length(max=limit, message=f"At most {limit} characters.")],
        filters=[trimmed],
        description=hint,
        render_kw={"maxlength": limit, **attributes},
    )


def text(label: str, *, required: bool = False, limit: int = TEXT, hint: str = "", **attributes: Any) -> Field:
    """Several lines of text."""
    first = InputRequired(f"{label} is needed.") if required else Optional()
    return TextAreaField(
        label,
        [first, Length(max=limit, message=f"At most {limit} characters.")],
        filters=[trimmed],
        description=hint,
        render_kw={"maxlength": limit, **attributes},
    )


def secret(label: str, *, autocomplete: str = "current-password", least: int = 0, hint: str = "") -> Field:
    """A password; never written back into the page."""
    rules = [InputRequired(f"{label} is needed."), Length(max=1000, message="At most 1,000 characters.")]
    if least:
        rules.append(Length(min=least, message=f"At least {least} characters, so that it can't be guessed."))
    return PasswordField(label, rules, description=hint, render_kw={"autocomplete": autocomplete})


def zones(label: str = "Time zone", hint: str = "Times are shown in it.") -> Field:
    """One of the IANA zones."""
    return SelectField(
        label,
        choices=options(
            [(z, z.replace("_", " ")) for z in ["UTC", *sorted(z for z in available_timezones() if "/" in z)]]
        ),
        description=hint,
    )


def options(pairs: list[tuple[str, str]]) -> list[SelectChoice]:
    """Value and label of each choice, as WTForms wants them."""
    return [SelectChoice(value=value, label=label) for value, label in pairs]


def choice(
    label: str, choices: list[tuple[str, str]], *, hint: str = "", coerce: Any = str, default: str | None = None
) -> Field:
    """One of a list; an empty first choice stands for none. ``default`` is what a post without it means."""
    return SelectField(label, choices=options(choices), coerce=coerce, description=hint, default=default)


def whole(value: str | None) -> int | None:
    """Coerce a select's value to an id, or None for the empty choice."""
    return int(value) if value else None
