"""Imports deals and tasks. A deal is the same as a known one by its number, else by title and company; a task by
title, due day and what it belongs to. Stages are named, not made: an unknown one is an error that lists the known.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from crm import pipelines
from crm.csvrows import Context, address_book
from crm.csvvalues import BadCell, currency, day, is_day, line, many, moment, money, percent
from crm.models import Contact, Deal, DealContact, DealStageChange, DealValueChange, Stage, Task
from matching.addresses import canonical, one_domain

TASK_TYPES = ("todo", "call", "email", "meeting", "follow_up")


class Deals:
    """The importer of deals."""

    columns: tuple[str, ...] = (
        "title", "number", "product", "company", "company_domain", "contacts", "pipeline", "stage", "value", "currency",
        "probability", "expected_close", "owner", "source", "created_at", "closed_at", "lost_reason",
    )  # fmt: skip
    noun: str = "deal"

    def __init__(self, context: Context) -> None:
        self._context = context
        pipelines.ensure_default(context.session)
        known = pipelines.all_(context.session)
        self._pipelines = {p.name.lower(): pipelines.stages(context.session, p.id) for p in known}
        self._book: dict[str, list[tuple[Contact, bool]]] = {}
        self._by_number: dict[str, Deal] = {}
        self._by_title: dict[tuple[str, int | None], Deal] = {}

    def missing(self, columns: Collection[str]) -> str:
        """What the header lacks, or ""."""
        return "" if "title" in columns else "a column title"

    def prepare(self, rows: list[dict[str, str]]) -> None:
        """Load contacts, companies and deals that the chunk names."""
        session = self._context.session
        self._book = address_book(session, {canonical(a) for r in rows for a in many(r.get("contacts", ""))} - {""})
        self._context.known.load(one_domain(r.get("company_domain", "")) for r in rows)
        titles = {(line(r.get("title", "")) or "").lower() for r in rows}
        numbers = {r.get("number", "").lower() for r in rows} - {""}
        same = func.lower(Deal.title).in_(titles) | func.lower(Deal.number).in_(numbers)
        for deal in session.scalars(select(Deal).where(same, Deal.deleted_at.is_(None)).order_by(Deal.id.desc())):
            self._remember(deal)

    def take(self, at: int, row: dict[str, str]) -> str:
        """One deal: a new one, or more about a known one."""
        context = self._context
        values, stage, closed = self._values(at, row)
        company = context.known.find_or_create(at, row.get("company", ""), row.get("company_domain", ""))
        values["company_id"] = company.id if company else None
        people = self._people(at, row)
        same = self._by_number.get((values["number"] or "").lower()) if values["number"] else None
        if same is None and not values["number"]:
            same = self._by_title.get((values["title"].lower(), values["company_id"]))
        if same is None:
            self._create(at, row, values, stage or self._stage("", ""), closed, people)
            return "created"
        return "updated" if self._merge(at, row, same, values, stage, closed, people) else "unchanged"

    def _values(self, at: int, row: dict[str, str]) -> tuple[dict[str, Any], Stage | None, datetime | None]:
        context, get = self._context, row.get
        title = line(get("title", ""))
        if not title:
            raise BadCell("has no title")
        amount, code = money("value", get("value", ""))
        stage = None
        if get("stage") or get("pipeline"):
            stage = self._stage(get("pipeline", ""), get("stage", ""))
        closed = moment("closed_at", get("closed_at", ""), context.zone)
        if closed and (stage is None or stage.kind == "open"):
            context.warn(at, "closed_at is ignored: the stage is an open one")
            closed = None
        values = {
            "title": title, "number": line(get("number", "")), "product": line(get("product", "")), "value": amount,
            "currency": currency("currency", get("currency", "")) or code,
            "probability": percent("probability", get("probability", "")),
            "expected_close": day("expected_close", get("expected_close", "")),
            "source": line(get("source", "")), "lost_reason": line(get("lost_reason", "")),
            "owner_id": context.owner(at, get("owner", "")),
            "created_at": moment("created_at", get("created_at", ""), context.zone),
        }  # fmt: skip
        return values, stage, closed

    def _stage(self, pipeline: str, name: str) -> Stage:
        stages = self._pipelines.get(pipeline.lower()) if pipeline else next(iter(self._pipelines.values()))
        if stages is None:
            raise BadCell(f"pipeline {pipeline[:60]!r} is not known; there are {', '.join(self._pipelines)}")
        if not name:
            return next(s for s in stages if s.kind == "open")
        found = next((s for s in stages if s.name.lower() == name.lower()), None)
        if found is None:
            raise BadCell(f"stage {name[:60]!r} is not known; there are {', '.join(s.name for s in stages)}")
        return found

    def _people(self, at: int, row: dict[str, str]) -> list[int]:
        found: list[int] = []
        for raw in many(row.get("contacts", "")):
            held = self._book.get(canonical(raw), [])
            first = [c for c, primary in held if primary] or [c for c, _ in held]
            if len(first) == 1:
                found.append(first[0].id)
            else:
                why = "is shared by several contacts" if first else "is nobody's; import contacts first"
                self._context.warn(at, f"contact {raw[:80]!r} {why}: not put on the deal")
        return list(dict.fromkeys(found))

    def _create(
        self,
        at: int,
        row: dict[str, str],
        values: dict[str, Any],
        stage: Stage,
        closed: datetime | None,
        people: list[int],
    ) -> None:
        context = self._context
        born = values["created_at"] or min(context.now, closed or context.now)
        if stage.kind != "open":
            closed = max(closed or context.now, born)
        elif values["value"] is None or values["expected_close"] is None:
            context.warn(at, "the deal has no value or no expected close; forecasts leave it out")
        values.update(created_at=born, currency=values["currency"] or context.currency)
        deal = Deal(
            **values, stage_id=stage.id, pipeline_id=stage.pipeline_id, status=stage.kind, closed_at=closed,
            custom=context.custom(self.noun, row, {}, at) or {},
        )  # fmt: skip
        context.add("deal", deal)
        self._remember(deal)
        context.later.append(lambda: self._history(deal, stage))
        context.later.append(lambda: self._put_people(deal, people))

    def _history(self, deal: Deal, stage: Stage) -> None:
        before = None
        if deal.closed_at is not None:
            before = self._stage(self._name_of(stage), "")
            self._change(deal, None, before, deal.created_at)
        self._change(deal, before, stage, deal.closed_at or deal.created_at)
        self._worth(deal, deal.created_at)
        self._context.touch("deals", deal.id)

    def _change(self, deal: Deal, before: Stage | None, after: Stage, when: datetime) -> None:
        row = DealStageChange(deal_id=deal.id, to_stage_id=after.id, actor_id=self._context.actor_id, at=when)
        row.from_stage_id = before.id if before else None
        self._context.add("stage_change", row)

    def _worth(self, deal: Deal, when: datetime) -> None:
        actor = self._context.actor_id
        row = DealValueChange(deal_id=deal.id, value=deal.value, currency=deal.currency, actor_id=actor, at=when)
        self._context.add("value_change", row)

    def _name_of(self, stage: Stage) -> str:
        return next(name for name, stages in self._pipelines.items() if any(s.id == stage.id for s in stages))

    def _put_people(self, deal: Deal, people: list[int]) -> None:
        for contact_id in people:
            self._context.add("deal_contact", DealContact(deal_id=deal.id, contact_id=contact_id))
        self._context.touch("deals", deal.id)

    def _merge(
        self,
        at: int,
        row: dict[str, str],
        same: Deal,
        values: dict[str, Any],
        stage: Stage | None,
        closed: datetime | None,
        people: list[int],
    ) -> bool:
        context = self._context
        context.settle()
        values["custom"] = context.custom(self.noun, row, same.custom, at)
        if stage is not None and stage.id != same.stage_id:
            before = context.session.get_one(Stage, same.stage_id)
            values.update(stage_id=stage.id, pipeline_id=stage.pipeline_id, status=stage.kind)
            values["closed_at"] = None if stage.kind == "open" else closed or context.now
            self._change(same, before, stage, values["closed_at"] or context.now)
        elif closed is not None:
            values["closed_at"] = closed
        before_ = same.value, same.currency
        changed = context.change("deal", same, values)
        if (same.value, same.currency) != before_:
            self._worth(same, context.now)
        query = select(DealContact.contact_id).where(DealContact.deal_id == same.id)
        fresh = [p for p in people if p not in set(context.session.scalars(query))]
        if changed or fresh:
            self._put_people(same, fresh)
        return bool(changed or fresh)

    def _remember(self, deal: Deal) -> None:
        self._by_title[deal.title.lower(), deal.company_id] = deal
        if deal.number:
            self._by_number[deal.number.lower()] = deal


class Tasks:
    """The importer of tasks."""

    columns: tuple[str, ...] = ("title", "due", "owner", "contact", "deal", "type", "done_at")
    noun: str = "task"

    def __init__(self, context: Context) -> None:
        self._context = context
        self._book: dict[str, list[tuple[Contact, bool]]] = {}
        self._deals: dict[str, list[Deal]] = {}
        self._known: dict[tuple[Any, ...], Task] = {}

    def missing(self, columns: Collection[str]) -> str:
        """What the header lacks, or ""."""
        return "" if "title" in columns else "a column title"

    def prepare(self, rows: list[dict[str, str]]) -> None:
        """Load contacts, deals and tasks that the chunk names."""
        session = self._context.session
        self._book = address_book(session, {canonical(r.get("contact", "")) for r in rows} - {""})
        named = {r.get("deal", "").lower() for r in rows} - {""}
        self._deals = {}
        query = select(Deal).where(
            func.lower(Deal.title).in_(named) | func.lower(Deal.number).in_(named), Deal.deleted_at.is_(None)
        )
        for deal in session.scalars(query.order_by(Deal.id)):
            for key in {deal.title.lower(), (deal.number or "").lower()} - {""}:
                self._deals.setdefault(key, []).append(deal)
        titles = {line(r.get("title", "")) for r in rows}
        for task in session.scalars(select(Task).where(Task.title.in_(titles), Task.deleted_at.is_(None))):
            self._known[_key(task)] = task

    def take(self, at: int, row: dict[str, str]) -> str:
        """One task: a new one, or what became of a known one."""
        context = self._context
        title = line(row.get("title", ""))
        if not title:
            raise BadCell("has no title")
        due = moment("due", row.get("due", ""), context.zone)
        done = moment("done_at", row.get("done_at", ""), context.zone)
        word = row.get("type", "").lower().replace(" ", "_").replace("-", "_") or "todo"
        if word not in TASK_TYPES:
            raise BadCell(f"type {word[:40]!r} is not one of {', '.join(TASK_TYPES)}")
        deal = self._deal(at, row.get("deal", ""))
        contact = self._contact(at, row.get("contact", ""))
        task = Task(
            title=title, due_at=due, due_all_day=is_day(row.get("due", "")), type=word, done_at=done,
            owner_id=context.owner(at, row.get("owner", "")), contact_id=contact, deal_id=deal, origin="import",
            creator_id=context.actor_id, created_at=context.now,
        )  # fmt: skip
        same = self._known.get(_key(task))
        if same is None:
            context.add("task", task)
            self._known[_key(task)] = task
            return "created"
        context.settle()
        changed = context.change("task", same, {"done_at": done, "type": word, "owner_id": task.owner_id})
        return "updated" if changed else "unchanged"

    def _deal(self, at: int, name: str) -> int | None:
        found = self._deals.get(name.lower(), []) if name else []
        if name and len(found) != 1:
            self._context.warn(at, f"deal {name[:80]!r} is {'named by several' if found else 'not known'}: left out")
        return found[0].id if len(found) == 1 else None

    def _contact(self, at: int, raw: str) -> int | None:
        held = self._book.get(canonical(raw), []) if raw else []
        first = [c for c, primary in held if primary] or [c for c, _ in held]
        if raw and len(first) != 1:
            self._context.warn(at, f"contact {raw[:80]!r} is {'shared by several' if first else 'not known'}: left out")
        return first[0].id if len(first) == 1 else None


def _key(task: Task) -> tuple[Any, ...]:
    return task.title.lower(), task.due_at, task.contact_id, task.deal_id
