"""Creates contacts by the workspace's or account's policy from what was stored. The policy and its vetoes are
``matching.creation``; this asks it and writes what it proposes, once. With the default policy, suggest, nothing is
created: people answer in review."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm import companies, contacts, workspace
from crm.correspondence import facts_of
from crm.directory import load
from crm.models import Account, Marker, Sighting
from matching.creation import Action, Policy, Proposal, propose
from matching.directory import NOTHING
from sync.policy import rules as rules_in_force
from sync.reread import items_with
from sync.service import Service

PASSIVE = frozenset({"none", "suggest"})


def policy_for(session: Session, ids: Sequence[int]) -> str:
    """The loosest policy among the accounts that saw these items, else the workspace's."""
    query = (
        select(Account.creation_policy)
        .join(Sighting, Sighting.account_id == Account.id)
        .where(Sighting.communication_id.in_(list(ids)[:400]), Account.creation_policy.is_not(None))
        .distinct()
    )
    own = [p for p in session.scalars(query) if p]
    order = ("none", "suggest", "wrote_to", "both_ways", "all")
    return max(own, key=order.index) if own else str(workspace.get(session, "creation_policy"))


def consider(service: Service, ids: Sequence[int]) -> int:
    """Create contacts for the strangers in these items as the policy says. Returns how many were made."""
    with service.db.transaction() as session:
        policy = policy_for(session, ids)
        if policy in PASSIVE:
            return 0
        return sum(_create(session, service, proposal) for proposal in _proposals(session, service, ids, policy))


def _proposals(session: Session, service: Service, ids: Sequence[int], policy: str) -> list[Proposal]:
    loaded = items_with(session, ids)
    items = [item for group in loaded.groups.values() for item in group]
    directory, rules = load(session, items), rules_in_force(session)
    addresses = sorted({p.address for i in items for p in i.parties if p.address and not directory.is_own(p.address)})
    facts = facts_of(session, addresses)
    markers = set(session.scalars(select(Marker.hash).where(Marker.kind == "do_not_recreate")))
    found = []
    for address in addresses:
        proposal = propose(
            address,
            [i for i in items if any(p.address == address for p in i.parties)],
            facts.total.get(address, NOTHING),
            Policy(policy),
            directory,
            rules,
            do_not_recreate=service.vault.keyed_hash(address) in markers,
        )
        if proposal.action is Action.CREATE:
            found.append(proposal)
    return found


def _create(session: Session, service: Service, proposal: Proposal) -> bool:
    """Write one. The company is made once, by its domain."""
    company_id = proposal.company
    if company_id is None and proposal.company_domain:
        company_id = companies.by_domain_or_create(
            session, proposal.company_domain, now=service.now(), actor_id=None
        ).id
    name = proposal.name.value if proposal.name else proposal.address.partition("@")[0]
    contacts.create(
        session,
        name=name,
        emails=[proposal.address],
        company_id=company_id,
        source="policy",
        actor_id=None,
        now=service.now(),
    )
    return True
