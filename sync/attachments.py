"""Brings an attachment from its mailbox when somebody asks for it: bytes are never kept here. Only for those who may
read the whole
item; no session is open while the provider talks.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from connectors.errors import ConnectorError
from connectors.protocol import Downloads
from connectors.types import Stream as RemoteStream
from connectors.types import StreamKind
from crm.errors import NotFound, Refused
from crm.models import Account, Communication, Ledger, Sighting, Stream
from crm.privacy import Tier, Viewer, tier
from sync.contexts import open_part, parts_of
from sync.limits import Limits
from sync.service import Service

LIMIT = 25_000_000


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file with its bytes. ``type`` is what the sender said."""

    name: str
    type: str
    content: bytes


def download(service: Service, viewer: Viewer, communication_id: int, index: int) -> Attachment:
    """The attachment at ``index``. Raises NotFound where the viewer may not read the item, Refused with one sentence
    when it can't
    be brought."""
    meta, places = _places(service, viewer, communication_id, index)
    if int(meta.get("size") or 0) > LIMIT:
        raise Refused(f"It is larger than {LIMIT // 1_000_000} MB; open it in the mailbox.")
    problem = "The mailbox it lies in is not connected any more."
    for account, row, remote_id in places:
        try:
            content = _fetch(service, account, row, remote_id, str(meta.get("part") or ""))
        except ConnectorError as error:
            problem = str(error)
            continue
        if content is not None:
            name = str(meta.get("name") or "attachment")
            return Attachment(name, str(meta.get("type") or "application/octet-stream"), content)
    raise Refused(problem)


def _places(
    service: Service, viewer: Viewer, communication_id: int, index: int
) -> tuple[dict[str, Any], Sequence[tuple[Account, Stream, str]]]:
    """The attachment's facts, and where it lies: the viewer's own mailbox first."""
    with service.db.reading() as session:
        row = session.get(Communication, communication_id)
        if row is None or tier(session, viewer, communication_id) < Tier.FULL or not 0 <= index < len(row.attachments):
            raise NotFound("There is no such attachment.")
        query = (
            select(Account, Stream, Ledger.remote_id)
            .join(Stream, Stream.id == Ledger.stream_id)
            .join(Account, Account.id == Ledger.account_id)
            .join(
                Sighting,
                (Sighting.communication_id == Ledger.communication_id) & (Sighting.account_id == Ledger.account_id),
            )
            .where(Ledger.communication_id == communication_id, Ledger.state == "stored", Account.removed_at.is_(None))
            .where((Sighting.owner_id == viewer.user_id) | (Sighting.tier == "full"))
            .order_by(Sighting.owner_id != viewer.user_id, Ledger.id.desc())
            .limit(5)
        )
        return dict(row.attachments[index]), [(a, s, remote) for a, s, remote in session.execute(query)]


def _fetch(service: Service, account: Account, row: Stream, remote_id: str, part: str) -> bytes | None:
    """The bytes, or None where this provider brings none on demand. Raises ConnectorError."""
    chosen = next((p for p in parts_of(account) if p.name == row.part), None)
    if chosen is None:
        return None
    with closing(open_part(service, account, chosen, Limits(service.sleep))) as connector:
        if not isinstance(connector, Downloads):
            return None
        stream = RemoteStream(row.remote_id, row.name, StreamKind(row.kind))
        return connector.download(stream, remote_id, part, LIMIT)
