"""Builds the screening policy in force for an account from workspace settings, rulings and the account's own choices.
Decides nothing itself."""

from __future__ import annotations

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from crm import workspace
from crm.models import Account, Marker, Ruling
from crm.vault import Vault
from matching.addresses import canonical
from matching.rules import Rules, forbidden
from sync.screen import Policy


def policy_of(session: Session, vault: Vault, account: Account, *, on: bool) -> Policy:
    """The policy for one account; a few small statements a batch."""
    erased = set(session.scalars(select(Marker.hash).where(Marker.kind == "erased")))
    return Policy(
        never_log=never_log(session, account.owner_id),
        keep_private=account.keep_private,
        since=account.since,
        stream_on=on,
        include_labels=frozenset(label.lower() for label in account.include_labels),
        exclude_labels=frozenset(label.lower() for label in account.exclude_labels),
        keyed_hash=vault.keyed_hash,
        erased=erased.__contains__,
        erases=bool(erased),
    )


def never_log(session: Session, owner_id: int | None) -> frozenset[str]:
    """The workspace's list, and the owner's own never-log rulings, in canonical form."""
    entries: list[str] = list(workspace.get(session, "never_log"))
    query = select(Ruling.value).where(
        Ruling.verdict == "never_log", Ruling.active.is_(True), Ruling.scope.in_(("address", "domain")),
        or_(Ruling.user_id.is_(None), Ruling.user_id == owner_id),
    )  # fmt: skip
    return forbidden([*entries, *session.scalars(query)])


def rules(session: Session) -> Rules:
    """The rules of matching as the workspace has them now."""
    values = workspace.all_(session)
    dropbox = values["dropbox_address"]
    mailboxes = session.scalars(select(Account.address).where(Account.keep_private.is_(True)))
    return Rules(
        link=values["link_threshold"],
        suggest=values["suggest_threshold"],
        inbound_before_question=values["review_after"],
        never_log=forbidden(list(values["never_log"])),
        dropbox=frozenset({canonical(dropbox)} if dropbox else ()),
        shared_domains=frozenset(values["shared_domains"]),
        keep_private=frozenset(canonical(address) for address in mailboxes),
    )
