"""Companies: list, record, form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm import companies, users
from web import custom, door, keyset, notes, pick, saving
from web.custom import Custom
from web.forms.parts import options, whole
from web.forms.records import Company, lines_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

blueprint = Blueprint("companies", __name__, url_prefix="/companies")
Page = str | Response | tuple[str, int]
PAGE = 50


@blueprint.get("")
def listing() -> Page:
    """By name, with search in names and domains."""
    chosen = companies.Filter(text=request.args.get("q", "")[:200], owner_id=request.args.get("owner", type=whole))
    with door.reading() as session:
        rows = companies.page(session, door.viewer(), chosen, after=keyset.named(), limit=PAGE + 1)
        total = companies.count(session, door.viewer(), chosen)
        everybody = [(u.id, u.name) for u in users.all_(session)]
    more = keyset.mark(rows[PAGE - 1].name, rows[PAGE - 1].id) if len(rows) > PAGE else None
    return render_template(
        "companies/listing.html", rows=rows[:PAGE], total=total, next=more, chosen=chosen, owners=everybody
    )


@blueprint.get("/new")
def new_page() -> Page:
    """The empty form."""
    return _form_page(Company(formdata=None, data={"owner": door.me().id}), None)


@blueprint.post("/new")
def new() -> Page:
    """Add a company; mail of its domains reaches it at once."""
    form = _form()
    with door.reading() as session:
        values, asked = custom.typed(session, "company")
    if not form.validate() or asked.errors:
        return _form_page(form, None, asked), 422

    def save(session: Session) -> int:
        return companies.create(
            session, name=form.name.data, domains=lines_of(form.domains.data), industry=form.industry.data or None,
            size=form.size.data or None, owner_id=form.owner.data, source="typed", custom=values, now=door.now(),
            actor_id=door.me().id,
        ).id  # fmt: skip

    made = saving.saved(form, save)
    if made is None:
        return _form_page(form, None, asked), 422
    notes.say(f"{form.name.data} is a company now.")
    return redirect(url_for("companies.page", company_id=made), 303)


@blueprint.get("/<int:company_id>/edit")
def edit_page(company_id: int) -> Page:
    """The form filled."""
    with door.reading() as session:
        found = companies.by_id(session, company_id)
        data = {
            "name": found.name, "industry": found.industry, "size": found.size, "owner": found.owner_id,
            "domains": "\n".join(d.domain for d in companies.domains(session, found.id) if d.kind != "excluded"),
        }  # fmt: skip
        asked = custom.of(session, "company", found.custom)
    return _form_page(Company(formdata=None, data=data), found.id, asked)


@blueprint.post("/<int:company_id>/edit")
def edit(company_id: int) -> Page:
    """Save the form: fields and domains."""
    form = _form()
    with door.reading() as session:
        found = companies.by_id(session, company_id)
        values, asked = custom.typed(session, "company", found.custom)
    if not form.validate() or asked.errors:
        return _form_page(form, company_id, asked), 422
    changes = {
        "name": form.name.data, "industry": form.industry.data or None, "size": form.size.data or None,
        "owner_id": form.owner.data, "custom": values,
    }  # fmt: skip

    def save(session: Session) -> bool:
        companies.update(session, company_id, changes, actor_id=door.me().id, now=door.now())
        _set_domains(session, company_id, lines_of(form.domains.data))
        return True

    if not saving.saved(form, save):
        return _form_page(form, company_id, asked), 422
    notes.say("Saved.")
    return redirect(url_for("companies.page", company_id=company_id), 303)


@blueprint.post("/<int:company_id>/delete")
def delete(company_id: int) -> Page:
    """Put away, with a way back."""

    def take(session: Session) -> str:
        name = companies.by_id(session, company_id).name
        companies.delete(session, company_id, actor_id=door.me().id, now=door.now())
        return f"{name} is deleted."

    undo = url_for("companies.restore", company_id=company_id)
    return saving.put_away(take, undo=undo, onward=url_for("companies.listing"))


@blueprint.post("/<int:company_id>/restore")
def restore(company_id: int) -> Page:
    """Bring a deleted company back."""
    return saving.brought_back(
        lambda session: companies.restore(session, company_id, actor_id=door.me().id, now=door.now()),
        says="Back again.",
        onward=url_for("companies.page", company_id=company_id),
        otherwise=url_for("companies.listing"),
    )


def _set_domains(session: Session, company_id: int, wanted: list[str]) -> None:
    """Make the domains those of the form; excluded ones stay as they are."""
    have = {row.domain for row in companies.domains(session, company_id) if row.kind != "excluded"}
    given = [companies.checked_domain(raw) for raw in wanted]
    for domain in given:
        if domain not in have:
            companies.add_domain(session, company_id, domain, actor_id=door.me().id, now=door.now())
    for domain in have - set(given):
        companies.remove_domain(session, company_id, domain, actor_id=door.me().id, now=door.now())


def _form() -> Company:
    form = Company()
    with door.reading() as session:
        form.owner.choices = options(pick.owners(session))
    return form


def _form_page(form: Company, company_id: int | None, asked: Custom | None = None) -> str:
    with door.reading() as session:
        form.owner.choices = options(pick.owners(session))
        asked = asked or custom.of(session, "company")
    return render_template("companies/form.html", form=form, company_id=company_id, custom=asked)
