"""A form on a website, as an admin sets it up."""

from __future__ import annotations

from wtforms import IntegerField, SelectMultipleField, widgets
from wtforms.validators import NumberRange, Optional

from web.forms.parts import Form, line


class LeadForm(Form):
    """Where its leads go, and what is to be done for each."""

    name = line("Name", required=True, limit=100, hint="Yours; a visitor of the form sees it as its title.")
    source = line("Source", limit=100, hint="What reports call leads of this form.", placeholder="website")
    people = SelectMultipleField(
        "Leads go in turn to", coerce=int, option_widget=widgets.CheckboxInput(),
        widget=widgets.ListWidget(prefix_label=False), description="Nobody ticked: to whoever made the form.",
    )  # fmt: skip
    task_title = line("Task for each lead", limit=200, hint="{contact} is their name; empty makes no task.",
                      placeholder="Call {contact}")  # fmt: skip
    task_days = IntegerField(
        "Due in days", [Optional(), NumberRange(0, 365, "0 to 365.")], default=0, render_kw={"inputmode": "numeric"}
    )
