"""The reading half of the API: lists with cursors, single records, the log, explanations and the review queue, as the
token's owner
may see them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import request

from crm import companies, contacts, deals, facts, item, review, tasks, timeline
from crm.review_group import open_group
from crm.timeline import LogFilter
from sync import explain as explaining
from web import door, keyset
from web.api.asking import Problem, limit, number, user, viewer


def list_contacts() -> dict[str, Any]:
    """Contacts by name."""
    chosen = contacts.Filter(
        text=_text("q"), owner_id=number("owner"), company_id=number("company"), lifecycle=_text("lifecycle")
    )
    with door.reading() as session:
        rows = contacts.page(session, viewer(), chosen, after=keyset.named("cursor"), limit=limit() + 1)
    return _page(rows, lambda row: keyset.mark(row.name, row.id))


def one_contact(contact_id: int) -> dict[str, Any]:
    """A contact with addresses and facts."""
    with door.reading() as session:
        found = contacts.by_id(session, contact_id)
        known = facts.of_contact(session, viewer(), found.id, now=door.now())
        return {
            "id": found.id, "name": found.name, "title": found.title, "company_id": found.company_id,
            "owner_id": found.owner_id,
            "lifecycle": found.lifecycle, "opt_out": found.opt_out, "custom": found.custom,
            "created_at": found.created_at,
            "addresses": [a.raw for a in contacts.addresses(session, found.id)], "facts": known,
        }  # fmt: skip


def list_companies() -> dict[str, Any]:
    """Companies by name."""
    with door.reading() as session:
        chosen = companies.Filter(text=_text("q"), owner_id=number("owner"))
        rows = companies.page(session, viewer(), chosen, after=keyset.named("cursor"), limit=limit() + 1)
    return _page(rows, lambda row: keyset.mark(row.name, row.id))


def one_company(company_id: int) -> dict[str, Any]:
    """A company with its domains and facts."""
    with door.reading() as session:
        found = companies.by_id(session, company_id)
        return {
            "id": found.id, "name": found.name, "industry": found.industry, "size": found.size,
            "owner_id": found.owner_id,
            "custom": found.custom, "created_at": found.created_at,
            "domains": [d.domain for d in companies.domains(session, found.id)],
            "facts": facts.of_company(session, viewer(), found.id, now=door.now()),
        }  # fmt: skip


def list_deals() -> dict[str, Any]:
    """Deals, newest first."""
    chosen = deals.Filter(
        text=_text("q"), owner_id=number("owner"), company_id=number("company"), contact_id=number("contact"),
        stage_id=number("stage"), status=_text("status"),
    )  # fmt: skip
    with door.reading() as session:
        rows = deals.page(session, viewer(), chosen, after=keyset.numbered("cursor"), limit=limit() + 1)
    return _page(rows, lambda row: keyset.mark(row.id))


def list_tasks() -> dict[str, Any]:
    """Tasks by due date; all of them at once, at most 500."""
    chosen = tasks.Filter(
        owner_id=number("owner"), contact_id=number("contact"), company_id=number("company"), deal_id=number("deal"),
        done=_text("done") == "true",
    )  # fmt: skip
    with door.reading() as session:
        rows = tasks.page(session, viewer(), chosen, now=door.now(), zone=user().time_zone or "UTC", limit=limit())
    return {"items": rows, "next": None}


def list_log() -> dict[str, Any]:
    """The log, newest first, each row as far as the viewer may see it."""
    kind = _text("kind")
    chosen = LogFilter(
        kinds=frozenset({kind} if kind else ()), direction=_text("direction"), status=_text("status"),
        reason=_text("reason"),
        contact_id=number("contact"), company_id=number("company"), deal_id=number("deal"), thread_id=number("thread"),
        address=_text("address").lower(), text=_text("q"), since=_moment("since"), until=_moment("until"),
    )  # fmt: skip
    with door.reading() as session:
        found = timeline.page(session, viewer(), chosen, before=keyset.worded("cursor"), limit=limit())
    return {"items": found.rows, "next": keyset.mark(found.next) if found.next else None}


def one_item(item_id: int) -> dict[str, Any]:
    """An item with participants, links and evidence; its HTML is left out."""
    with door.reading() as session:
        found = item.item(session, viewer(), item_id)
    return {name: getattr(found, name) for name in found.__slots__ if name != "html"}


def explain() -> dict[str, Any]:
    """Why an id is where it is, or why it is not in the log."""
    wanted = _text("id", 998)
    if not wanted:
        raise Problem(422, "Bad parameter", "id is a Message-ID or a calendar UID.", field="id")
    with door.reading() as session:
        return explaining.explain(session, viewer(), door.service().vault, wanted)


def list_review() -> dict[str, Any]:
    """The groups of the review queue that are the viewer's to answer."""
    tab = _text("tab") or review.PEOPLE
    if tab not in review.TABS:
        raise Problem(422, "Bad parameter", f"tab is one of {', '.join(review.TABS)}.", field="tab")
    with door.reading() as session:
        counts = review.counts(session, viewer(), now=door.now())
        rows = review.groups(session, viewer(), tab, now=door.now(), limit=limit())
    return {"items": rows, "next": None, "counts": counts}


def one_group() -> dict[str, Any]:
    """One group with its candidates and their evidence."""
    with door.reading() as session:
        found = open_group(session, viewer(), _text("key", 500), now=door.now())
    return {
        "group": found.group,
        "candidates": found.candidates,
        "items": found.lines,
        "ids": found.ids,
        "prefill": found.prefill,
    }


def _page(rows: list[Any], mark: Any) -> dict[str, Any]:
    wanted = limit()
    return {"items": rows[:wanted], "next": mark(rows[wanted - 1]) if len(rows) > wanted else None}


def _text(name: str, longest: int = 200) -> str:
    return request.args.get(name, "")[:longest].strip()


def _moment(name: str) -> datetime | None:
    value = request.args.get(name)
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise Problem(
            422, "Bad parameter", f"{name} is a time with its zone, such as 2026-03-04T09:00:00Z.", field=name
        )
    return found
