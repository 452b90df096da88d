"""Re-evaluates the past after a change of identity: exactly the items it can touch, found by address, domain, thread,
contact, company and deal, in batches of their own transactions, so that it can be stopped and goes on where it was.

Links made or removed by people never change; that is ``sync.attach``'s reconciliation, used here as everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from crm.models import Address, Communication, CompanyDomain, Contact, Deal, DealContact, Link, Participant
from matching.addresses import family
from sync.attach import decide_and_reconcile
from sync.chunks import chunks
from sync.reconcile import Change
from sync.reread import items_of_series, items_of_threads
from sync.service import Service

THREADS_A_TIME = 200


@dataclass(slots=True)
class Touched:
    """What changed, by the keys matching reads; the payload of "identity.changed"."""

    addresses: set[str] = field(default_factory=set)
    domains: set[str] = field(default_factory=set)
    contacts: set[int] = field(default_factory=set)
    companies: set[int] = field(default_factory=set)
    deals: set[int] = field(default_factory=set)
    threads: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, payloads: Iterable[Mapping[str, Any]]) -> Touched:
        """The union of several payloads."""
        touched = cls()
        for payload in payloads:
            for name in ("addresses", "domains", "contacts", "companies", "deals", "threads"):
                getattr(touched, name).update(payload.get(name) or ())
        return touched


@dataclass(slots=True)
class Scope:
    """The groups to decide again: thread ids and calendar series."""

    threads: set[int] = field(default_factory=set)
    series: set[str] = field(default_factory=set)

    def batches(self) -> Iterable[tuple[Sequence[int], Sequence[str]]]:
        """Bounded pieces, newest threads first: what people look at is right first."""
        for chunk in chunks(sorted(self.threads, reverse=True), THREADS_A_TIME):
            yield chunk, ()
        for series in chunks(sorted(self.series), THREADS_A_TIME):
            yield (), series


def scope_of(session: Session, touched: Touched) -> Scope:
    """Which groups a change can touch."""
    _widen(session, touched)
    scope = Scope(threads=set(touched.threads))
    for condition in conditions(touched):
        query = (
            select(Communication.thread_id, Communication.ical_uid)
            .join(Participant, Participant.communication_id == Communication.id)
            .where(condition)
            .distinct()
        )
        _collect(session, query, scope)
    for kind, ids in (("contact", touched.contacts), ("company", touched.companies), ("deal", touched.deals)):
        for chunk in chunks(sorted(ids)):
            query = (
                select(Communication.thread_id, Communication.ical_uid)
                .join(Link, Link.communication_id == Communication.id)
                .where(Link.target_kind == kind, Link.target_id.in_(chunk))
                .distinct()
            )
            _collect(session, query, scope)
    return scope


def _widen(session: Session, touched: Touched) -> None:
    """A deal touches its people and company; a contact its addresses and its company; a company its domains."""
    for chunk in chunks(sorted(touched.deals)):
        touched.contacts.update(session.scalars(select(DealContact.contact_id).where(DealContact.deal_id.in_(chunk))))
        companies = session.scalars(select(Deal.company_id).where(Deal.id.in_(chunk)))
        touched.companies.update(c for c in companies if c is not None)
    for chunk in chunks(sorted(touched.contacts)):
        touched.addresses.update(session.scalars(select(Address.canonical).where(Address.contact_id.in_(chunk))))
        companies = session.scalars(select(Contact.company_id).where(Contact.id.in_(chunk)))
        touched.companies.update(c for c in companies if c is not None)
    for chunk in chunks(sorted(touched.companies)):
        touched.domains.update(session.scalars(select(CompanyDomain.domain).where(CompanyDomain.company_id.in_(chunk))))


def conditions(touched: Touched) -> Iterable[Any]:
    """Conditions on ``Participant``: by family, address and domain (subdomains too), each a bounded piece."""
    families = sorted({family(a) for a in touched.addresses if a})
    for chunk in chunks(families):
        yield Participant.family.in_(chunk)
    for chunk in chunks(sorted(touched.addresses)):
        yield Participant.canonical.in_(chunk)
    for chunk in chunks(sorted(touched.domains), 50):
        yield or_(
            Participant.domain.in_(chunk), *(Participant.domain.endswith("." + d, autoescape=True) for d in chunk)
        )


def _collect(session: Session, query: Any, scope: Scope) -> None:
    for thread, uid in session.execute(query):
        if thread is not None:
            scope.threads.add(thread)
        elif uid is not None:
            scope.series.add(uid)


def everything(session: Session, since: datetime | None = None) -> Scope:
    """The whole log, or what has happened since."""
    query = select(Communication.thread_id, Communication.ical_uid).distinct()
    if since is not None:
        query = query.where(Communication.occurred_at >= since)
    scope = Scope()
    _collect(session, query, scope)
    return scope


def decide(session: Session, threads: Sequence[int], series: Sequence[str], now: datetime, *, dry_run: bool) -> Change:
    """Decide one batch within the caller's transaction."""
    change = Change()
    if threads:
        change.add(decide_and_reconcile(session, items_of_threads(session, threads), now, dry_run=dry_run))
    if series:
        change.add(decide_and_reconcile(session, items_of_series(session, series), now, dry_run=dry_run))
    return change


def preview(session: Session, touched: Touched, now: datetime) -> Change:
    """What a change, made in this very transaction and not committed, would do: counts only."""
    change = Change()
    for threads, series in scope_of(session, touched).batches():
        change.add(decide(session, threads, series, now, dry_run=True))
    return change


def run(
    service: Service,
    scope: Scope,
    *,
    dry_run: bool = False,
    watch: Callable[[int, int], None] = lambda done, total: None,
    over: Callable[[], bool] = lambda: False,
) -> tuple[Change, Scope]:
    """Decide a scope batch by batch, each in its own transaction. Returns the counts and what was left when
    ``over()``."""
    total, done, change = len(scope.threads) + len(scope.series), 0, Change()
    rest = Scope(set(scope.threads), set(scope.series))
    for threads, series in scope.batches():
        if over() or service.stopping.is_set():
            break
        with service.db.transaction() as session:
            change.add(decide(session, threads, series, service.now(), dry_run=dry_run))
        rest.threads.difference_update(threads)
        rest.series.difference_update(series)
        done += len(threads) + len(series)
        watch(done, total)
    return change, rest
