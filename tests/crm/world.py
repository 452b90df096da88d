"""A small team with mailboxes, and a way to put items into the log as sync does, for tests of what people see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from sqlalchemy.orm import Session

from crm import search, users
from crm.models import (
    Account,
    Communication,
    CommunicationBody,
    Link,
    Participant,
    Sighting,
    Thread,
    User,
)
from crm.privacy import Viewer

_numbers = count(1)


@dataclass
class World:
    """Anna and Ben are reps with a mailbox each, Mia is a manager, Ada an admin; both without one."""

    session: Session
    now: datetime
    anna: User = field(init=False)
    ben: User = field(init=False)
    mia: User = field(init=False)
    ada: User = field(init=False)
    accounts: dict[int, Account] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, role in (("anna", "rep"), ("ben", "rep"), ("mia", "manager"), ("ada", "admin")):
            email = f"{name}@ourco.example"
            user = users.create(
                self.session, email=email, name=name.title(), role=role, password=None, now=self.now, actor_id=None
            )
            setattr(self, name, user)
        for user in (self.anna, self.ben):
            account = Account(owner_id=user.id, provider="memory", address=user.email, created_at=self.now)
            self.session.add(account)
            self.accounts[user.id] = account
        self.session.flush()

    def viewer(self, user: User) -> Viewer:
        return users.viewer(user)

    def thread(self, subject: str = "Offer") -> int:
        row = Thread(subject=subject, created_at=self.now)
        self.session.add(row)
        self.session.flush()
        return row.id

    def item(
        self,
        *sightings: tuple[User, str],
        kind: str = "email",
        at: datetime | None = None,
        subject: str = "Secret subject",
        text: str = "confidential words",
        status: str = "linked",
        reason: str | None = None,
        cap: str | None = None,
        thread: int | None = None,
        author: User | None = None,
        sharing: str | None = None,
        direction: str | None = "inbound",
        people: Iterable[tuple[str, str, str]] = (("from", "jane@acme.example", "Jane Doe"),),
        to: Iterable[tuple[str, int]] = (),
        marks: Iterable[str] = (),
        uid: str | None = None,
        cancelled: bool = False,
        evidence: list[dict[str, object]] | None = None,
    ) -> Communication:
        """An item seen by (user, tier) pairs and attached to (kind, id) targets."""
        number = next(_numbers)
        row = Communication(
            key=f"t:{number}", kind=kind, message_id=f"<{number}@x>", thread_id=thread, direction=direction,
            occurred_at=at or self.now, subject=subject, snippet=text[:50], status=status, reason=reason,
            visibility_cap=cap, sharing=sharing, author_id=author.id if author else None, marks=list(marks),
            ical_uid=uid, cancelled=cancelled, created_at=self.now, updated_at=self.now,
            attachments=[{"name": "offer.pdf", "type": "application/pdf", "size": 9}],
        )  # fmt: skip
        self.session.add(row)
        self.session.flush()
        self.session.add(CommunicationBody(communication_id=row.id, text=text))
        for place, (role, address, name) in enumerate(people):
            own = address.endswith("@ourco.example")
            self.session.add(
                Participant(
                    communication_id=row.id, position=place, role=role, canonical=address, name=name, own=own,
                    domain=address.rpartition("@")[2],
                )
            )  # fmt: skip
        for user, tier in sightings:
            account = self.accounts[user.id]
            seen = Sighting(
                communication_id=row.id, account_id=account.id, owner_id=user.id, tier=tier, first_seen_at=self.now
            )
            self.session.add(seen)
        for target_kind, target_id in to:
            reasons = evidence or [{"signal": "address", "weight": 1.0, "says": "exact address jane@acme.example"}]
            self.session.add(
                Link(
                    communication_id=row.id, target_kind=target_kind, target_id=target_id, method="address", score=1.0,
                    evidence=reasons, created_at=self.now,
                )
            )  # fmt: skip
        self.session.flush()
        search.index(self.session, [(row.id, subject, " ".join(f"{n} {a}" for _, a, n in people), text)])
        return row
