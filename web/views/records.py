"""The record pages of contacts, companies and deals: facts first, then one timeline with threads folded, and what
stands around them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import render_template, request
from werkzeug.wrappers import Response

from crm import briefs, companies, contacts, deals, facts, phonebook, pipelines, tasks, timeline, users
from crm.timeline import LogFilter
from web import door
from web.views.companies import blueprint as of_companies
from web.views.contacts import blueprint as of_contacts
from web.views.deals import blueprint as of_deals

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

Page = str | Response | tuple[str, int]
PAGE = 30
AROUND = 8


@of_contacts.get("/<int:contact_id>")
def page(contact_id: int) -> Page:
    """One person."""
    with door.reading() as session:
        found = contacts.by_id(session, contact_id)
        company = companies.by_id(session, found.company_id) if found.company_id else None
        around = (
            contacts.page(session, door.viewer(), contacts.Filter(company_id=found.company_id), limit=AROUND)
            if company
            else []
        )
        context = {
            "contact": found, "company": company, "addresses": contacts.addresses(session, found.id),
            "phones": phonebook.of(session, found.id), "owner": _name(session, found.owner_id),
            "deals": deals.page(session, door.viewer(), deals.Filter(contact_id=found.id), limit=AROUND),
            "around": [row for row in around if row.id != found.id],
            **_tasks(session, tasks.Filter(contact_id=found.id)), **_timeline(session, LogFilter(contact_id=found.id)),
            "facts": facts.of_contact(session, door.viewer(), found.id, now=door.now()),
        }  # fmt: skip
    return render_template("contacts/page.html", record=("contact", found.id), **context)


@of_companies.get("/<int:company_id>", endpoint="page")
def company_page(company_id: int) -> Page:
    """One company with the mail of all its people."""
    with door.reading() as session:
        found = companies.by_id(session, company_id)
        context = {
            "company": found, "domains": companies.domains(session, found.id), "owner": _name(session, found.owner_id),
            "people": contacts.page(session, door.viewer(), contacts.Filter(company_id=found.id), limit=50),
            "deals": deals.page(session, door.viewer(), deals.Filter(company_id=found.id), limit=AROUND),
            **_tasks(session, tasks.Filter(company_id=found.id)), **_timeline(session, LogFilter(company_id=found.id)),
            "facts": facts.of_company(session, door.viewer(), found.id, now=door.now()),
        }  # fmt: skip
    return render_template("companies/page.html", record=("company", found.id), **context)


@of_deals.get("/<int:deal_id>", endpoint="page")
def deal_page(deal_id: int) -> Page:
    """One deal: where it stands, who is on it, what was said."""
    with door.reading() as session:
        found = deals.by_id(session, deal_id)
        stages = pipelines.stages(session, found.pipeline_id)
        context = {
            "deal": found, "stages": stages, "stage": next((s for s in stages if s.id == found.stage_id), None),
            "people": deals.people(session, deal_id), "history": deals.history(session, deal_id),
            "company": companies.by_id(session, found.company_id) if found.company_id else None,
            "owner": _name(session, found.owner_id), **_tasks(session, tasks.Filter(deal_id=deal_id)),
            **_timeline(session, LogFilter(deal_id=deal_id)),
            "facts": facts.of_deal(session, door.viewer(), deal_id, now=door.now()),
        }  # fmt: skip
    return render_template("deals/page.html", record=("deal", deal_id), **context)


def _timeline(session: Session, chosen: LogFilter) -> dict[str, Any]:
    """The record's timeline, folded, with what lies ahead on its first page."""
    before = request.args.get("before")
    found = timeline.page(session, door.viewer(), chosen, before=before, limit=PAGE, fold=True, now=door.now())
    ahead = [] if before else timeline.upcoming(session, door.viewer(), chosen, now=door.now(), limit=5)
    prepared = briefs.of(session, door.viewer(), ahead, now=door.now())
    return {"rows": found.rows, "next": found.next, "ahead": ahead, "briefs": prepared}


def _tasks(session: Session, chosen: tasks.Filter) -> dict[str, Any]:
    return {"tasks": tasks.page(session, door.viewer(), chosen, now=door.now(), zone=door.me().zone, limit=AROUND)}


def _name(session: Session, user_id: int | None) -> str:
    return users.by_id(session, user_id).name if user_id else ""
