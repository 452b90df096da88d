"""The record pages of contacts, companies and deals: facts first, then one timeline with threads folded, and what
stands around them. Every page costs the same statements however much there is."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from flask import render_template, request
from werkzeug.wrappers import Response

from crm import (
    belongings,
    contacts,
    deal_history,
    deals,
    facts,
    lifecycle,
    record_heads,
    record_lists,
    record_log,
    silence,
    stages,
    tasks,
    workspace,
)
from crm.belongings import Belonging
from crm.silence import Silence
from crm.timeline import LogFilter
from web import custom, door, filters
from web.views.companies import blueprint as of_companies
from web.views.contacts import blueprint as of_contacts
from web.views.deals import blueprint as of_deals

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

Page = str | Response | tuple[str, int]
PAGE = 30
BESIDE = 8
PEOPLE = 50
KINDS = {"email": "Mail", "meeting": "Meetings", "call": "Calls", "note": "Notes"}
ACTIVITY = "activity"
CHIPS = {**KINDS, ACTIVITY: "Web and chat"}


@of_contacts.get("/<int:contact_id>")
def page(contact_id: int) -> Page:
    """One person."""
    with door.reading() as session:
        head = record_heads.contact(session, contact_id)
        found = head.record
        offered = belongings.of_contact(session, door.viewer(), found, now=door.now()) if _whole() else []
        context = {
            "contact": found, "company": head.company, "owner": head.owner,
            "lists": record_lists.of_contact(session, found.id), "becomes": lifecycle.NEXT[found.lifecycle],
            "custom": custom.of(session, "contact", found.custom, found.lifecycle),
            "deals": deals.page(session, door.viewer(), deals.Filter(contact_id=found.id), limit=BESIDE),
            "around": record_heads.around(session, door.viewer(), found, now=door.now()),
            **_tasks(session, tasks.Filter(contact_id=found.id)),
            **_timeline(session, {"contact_id": found.id}, offered),
        }  # fmt: skip
        context["facts"] = facts.of_contact(session, door.viewer(), found.id, now=door.now(), known=context["tasks"])
    return render_template("contacts/page.html", record=("contact", found.id), **context)


@of_companies.get("/<int:company_id>", endpoint="page")
def company_page(company_id: int) -> Page:
    """One company with the mail of all its people."""
    with door.reading() as session:
        head = record_heads.company(session, company_id)
        found = head.record
        context = {
            "company": found, "owner": head.owner, "lists": record_lists.of_company(session, found.id),
            "custom": custom.of(session, "company", found.custom),
            "people": contacts.page(session, door.viewer(), contacts.Filter(company_id=found.id), limit=PEOPLE),
            "deals": deals.page(session, door.viewer(), deals.Filter(company_id=found.id), limit=BESIDE),
            **_tasks(session, tasks.Filter(company_id=found.id)), **_timeline(session, {"company_id": found.id}),
        }  # fmt: skip
        context["facts"] = facts.of_company(session, door.viewer(), found.id, now=door.now(), known=context["tasks"])
    return render_template("companies/page.html", record=("company", found.id), **context)


@of_deals.get("/<int:deal_id>", endpoint="page")
def deal_page(deal_id: int) -> Page:
    """One deal: where it stands, who is on it, what was said."""
    with door.reading() as session:
        head = record_heads.deal(session, deal_id)
        found = head.record
        offered = belongings.of_deal(session, door.viewer(), found, now=door.now()) if _whole() else []
        everything, moves = stages.everything(session), deals.history(session, deal_id)
        kept = workspace.several(session, "lost_reasons", "silent_days")
        mine = next((live for pipeline, live, _ in everything if pipeline.id == found.pipeline_id), [])
        context = {
            "deal": found, "stays": deal_history.stays(moves, found, mine, now=door.now()), "pipelines": everything,
            "worths": deal_history.values(session, deal_id), "reasons": kept["lost_reasons"],
            "silence": _silence(session, deal_id, kept["silent_days"]),
            "people": deals.people(session, deal_id), "history": moves,
            "company": head.company, "owner": head.owner, "lists": record_lists.of_deal(session, deal_id),
            "custom": custom.of(session, "deal", found.custom), **_tasks(session, tasks.Filter(deal_id=deal_id)),
            **_timeline(session, {"deal_id": deal_id}, offered),
        }  # fmt: skip
        context["facts"] = facts.of_deal(session, door.viewer(), deal_id, now=door.now(), known=context["tasks"])
    return render_template("deals/page.html", record=("deal", deal_id), **context)


def _silence(session: Session, deal_id: int, silent_days: int) -> Silence:
    found = silence.of_deals(session, door.viewer(), [deal_id], now=door.now(), silent_days=silent_days)
    return found[deal_id]


def _whole() -> bool:
    """Whether the address asks for the record as it is, and not for a part of its log."""
    return not any(request.args.get(name) for name in ("before", "kind", "q", "on"))


def _timeline(session: Session, record: dict[str, Any], offered: list[Belonging] | None = None) -> dict[str, Any]:
    """The record's timeline, folded and narrowed by what the address says, with what lies ahead on its first page."""
    kind = request.args.get("kind", "")
    chosen = LogFilter(
        **record, kinds=frozenset({kind} if kind in KINDS else ()), activities=kind == ACTIVITY,
        text=request.args.get("q", "")[:200], until=_until(),
    )  # fmt: skip
    before = request.args.get("before") or None
    found = record_log.of(
        session, door.viewer(), chosen, offered or [], before=before, limit=PAGE, now=door.now()
    )  # fmt: skip
    kept = {name: value[:200] for name in ("kind", "q", "on") if (value := request.args.get(name, ""))}
    return {
        "rows": found.rows, "next": found.next, "ahead": found.ahead, "briefs": found.briefs, "pinned": found.pinned,
        "offers": found.offers, "chosen": chosen, "kinds": CHIPS, "kept": kept,
    }  # fmt: skip


def _until() -> datetime | None:
    """The end of the day to jump to, in the viewer's zone."""
    try:
        day = datetime.fromisoformat(request.args.get("on", "")[:10]).date()
        return datetime.combine(day + timedelta(days=1), time(), filters.zone())
    except (ValueError, OverflowError):
        return None


def _tasks(session: Session, chosen: tasks.Filter) -> dict[str, Any]:
    return {"tasks": tasks.page(session, door.viewer(), chosen, now=door.now(), zone=door.me().zone, limit=BESIDE)}
