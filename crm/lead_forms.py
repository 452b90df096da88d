"""Forms on a website: what is sent becomes one lead with an owner and a task, in one transaction. The same person again
updates their record and is nobody's second contact. What is sent is never trusted: lengths are bounded, and nothing
that a person of ours wrote is overwritten.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm import audit, contacts, due, notes, tasks
from crm.addresses import checked
from crm.companies import by_domain_or_create
from crm.errors import NotFound, Refused
from crm.models import Communication, CommunicationBody, Contact, ContactPhone, LeadForm, Link, Task, User
from crm.privacy import Viewer
from matching.addresses import host_of
from matching.domains import shared_kind

MESSAGE_MAX = 5_000
FIELD_MAX = 200
DAYS_MAX = 365
SAME_MESSAGE = timedelta(days=1)
TRACKING = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "referrer")
"""What says where a visitor came from (Google Analytics' campaign parameters, and the page before)."""


@dataclass(frozen=True, slots=True)
class Enquiry:
    """What a visitor sent. ``tracking`` by the names of ``TRACKING``."""

    email: str
    name: str = ""
    phone: str = ""
    company: str = ""
    message: str = ""
    tracking: Mapping[str, str] | None = None


def all_(session: Session) -> list[LeadForm]:
    """Every form, those that are closed last."""
    return list(session.scalars(select(LeadForm).order_by(LeadForm.closed_at.is_not(None), LeadForm.id)))


def by_id(session: Session, form_id: int) -> LeadForm:
    """The form. Raises NotFound."""
    form = session.get(LeadForm, form_id)
    if form is None:
        raise NotFound("There is no such form.")
    return form


def by_key(session: Session, key: str) -> LeadForm:
    """The open form of this public address, locked for this transaction, so that twins sent at one moment meet.
    Raises NotFound."""
    form = session.scalar(select(LeadForm).where(LeadForm.key == key, LeadForm.closed_at.is_(None)).with_for_update())
    if form is None:
        raise NotFound("There is no such form.")
    return form


def save(
    session: Session, form_id: int | None, *, name: str, source: str, people: Sequence[int], task_title: str,
    task_days: int, actor_id: int, now: datetime,
) -> LeadForm:  # fmt: skip
    """Add a form, or change one. Raises Refused, NotFound."""
    title = " ".join(name.split())[:FIELD_MAX]
    if not title:
        raise Refused("A form needs a name.", "name")
    if not 0 <= task_days <= DAYS_MAX:
        raise Refused(f"A task is due in 0 to {DAYS_MAX} days.", "task_days")
    known = set(session.scalars(select(User.id).where(User.id.in_(list(people)), User.active.is_(True))))
    if set(people) - known:
        raise Refused("Choose people of your team.", "people")
    form = by_id(session, form_id) if form_id else None
    if form is None:
        form = LeadForm(key=secrets.token_urlsafe(12), created_by=actor_id, created_at=now)
        session.add(form)
    form.name, form.source, form.people = title, source.strip()[:FIELD_MAX] or "website", list(dict.fromkeys(people))
    form.task_title, form.task_days = task_title.strip()[:FIELD_MAX], task_days
    session.flush()
    action = "lead_form.update" if form_id else "lead_form.create"
    audit.record(session, actor_id=actor_id, action=action, subject_id=form.id, now=now)
    return form


def switch(session: Session, form_id: int, *, on: bool, actor_id: int, now: datetime) -> LeadForm:
    """Open or close a form; a closed one is as if it were not there. Raises NotFound."""
    form = by_id(session, form_id)
    form.closed_at = None if on else now
    session.flush()
    action = "lead_form.open" if on else "lead_form.close"
    audit.record(session, actor_id=actor_id, action=action, subject_id=form_id, now=now)
    return form


def submit(session: Session, key: str, enquiry: Enquiry, *, now: datetime) -> Contact:
    """One lead with its owner, task and what it asked; for somebody known, their record gains what was missing. Raises
    NotFound for a form that is not open, Refused for a bad or own address."""
    form, address = by_key(session, key), checked(enquiry.email)
    contact = contacts.by_address(session, address)
    if contact is None:
        contact = _new(session, form, enquiry, address, now)
    else:
        _complete(session, contact, enquiry, now)
    if contact.owner_id is None:
        contact.owner_id = _next(session, form)
        session.flush()
    _ask(session, form, contact, enquiry, now)
    _follow_up(session, form, contact, now)
    return contact


def _new(session: Session, form: LeadForm, enquiry: Enquiry, address: str, now: datetime) -> Contact:
    host = host_of(address)
    company, named = None, enquiry.company.strip()[:FIELD_MAX]
    if named and host and not shared_kind(host):
        company = by_domain_or_create(session, host, name=named, now=now, actor_id=None).id
    tracked = {k: v.strip()[:FIELD_MAX] for k, v in (enquiry.tracking or {}).items() if k in TRACKING and v.strip()}
    return contacts.create(
        session, name=enquiry.name[:FIELD_MAX], emails=[address], phones=_phones(enquiry), company_id=company,
        owner_id=_next(session, form), source=form.source, custom=tracked, now=now, actor_id=None,
    )  # fmt: skip


def _complete(session: Session, contact: Contact, enquiry: Enquiry, now: datetime) -> None:
    """Fill what nobody has filled; what is there stays."""
    if enquiry.name.strip() and "@" in contact.name:
        contacts.update(session, contact.id, {"name": enquiry.name[:FIELD_MAX]}, actor_id=None, now=now)
    known = list(session.scalars(select(ContactPhone.raw).where(ContactPhone.contact_id == contact.id)))
    if not known and (phones := _phones(enquiry)):
        contacts.set_phones(session, contact.id, phones)


def _phones(enquiry: Enquiry) -> list[str]:
    return [enquiry.phone.strip()[:50]] if enquiry.phone.strip() else []


def _next(session: Session, form: LeadForm) -> int:
    """Whose turn it is: the form's active people one after the other, else its maker; never nobody."""
    active = set(session.scalars(select(User.id).where(User.id.in_([*form.people, form.created_by]), User.active)))
    order = [int(person) for person in form.people if person in active] or [form.created_by]
    chosen = order[form.turn % len(order)]
    form.turn += 1
    session.flush()
    return chosen


def _ask(session: Session, form: LeadForm, contact: Contact, enquiry: Enquiry, now: datetime) -> None:
    """What they asked, as a note on their record; the same words within a day are one."""
    said = enquiry.message.strip()[:MESSAGE_MAX]
    text = f"Enquiry by the form {form.name}" + (f":\n{said}" if said else ".")
    same = (
        select(func.count())
        .select_from(Communication)
        .join(Link, Link.communication_id == Communication.id)
        .join(CommunicationBody, CommunicationBody.communication_id == Communication.id)
        .where(Link.target_kind == "contact", Link.target_id == contact.id, Communication.kind == "note")
        .where(Communication.occurred_at > now - SAME_MESSAGE, CommunicationBody.text == text)
    )
    if session.scalar(same):
        return
    author = Viewer(contact.owner_id or form.created_by, "rep")
    notes.add(session, author, kind="note", text=text, target=("contact", contact.id), by_us=False, now=now)


def _follow_up(session: Session, form: LeadForm, contact: Contact, now: datetime) -> None:
    """The form's task for this lead, once while it is open."""
    origin = f"form: {form.name}"
    if not form.task_title:
        return
    open_ = Task.contact_id == contact.id, Task.origin == origin, Task.done_at.is_(None), Task.deleted_at.is_(None)
    if session.scalar(select(Task.id).where(*open_).limit(1)) is not None:
        return
    zone = due.zone_of(session.scalar(select(User.time_zone).where(User.id == contact.owner_id)))
    day = due.today(now, zone) + timedelta(days=form.task_days)
    tasks.create(
        session, title=form.task_title.replace("{contact}", contact.name), type="call", owner_id=contact.owner_id,
        due_at=due.all_day(day), contact_id=contact.id, origin=origin, now=now, actor_id=None,
    )  # fmt: skip
