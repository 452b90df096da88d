"""Answers "why is it here?" and "why is it not here?" for a Message-ID or an iCalendar UID, within what the viewer
may see."""

from __future__ import annotations

from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from crm.models import Account, Communication, Company, Contact, Deal, Ledger, Link, Question, Stream, Suggestion
from crm.privacy import Tier, Viewer, ledger_visible, tiers, visible
from crm.vault import Vault

REASONS = {
    "bulk": "It is list or newsletter mail that nobody known wrote by hand.",
    "automatic": "It is an automatic answer, a delivery report or mail from a no-reply sender.",
    "internal": "Only our own side is on it.",
    "never_log": "An address or domain on it is on the never-log list.",
    "folder_off": "Its folder is switched off for this account.",
    "label_off": "Its labels are not among those this account logs.",
    "too_old": "It is older than the window chosen for this account.",
    "draft": "It is a draft.",
    "spam": "It lies in the spam folder.",
    "trash": "It lies in the trash.",
    "private": "It is marked private, and the owner does not keep private items.",
    "erased": "It was erased on request and is not stored again.",
    "not_a_meeting": "It is a birthday, an absence or a working-place note, not a meeting.",
    "invitation": "It is a meeting's invitation or answer; the meeting stands in the log.",
    "unparseable": "It could not be read; it is tried again, and kept by name.",
    "gone": "It is not at the source any more.",
    "audit": "The coverage audit found it missing; it is fetched at the next pass.",
}
STAGES = {"stored": "apply", "skipped": "screen", "quarantined": "parse", "pending": "pull", "removed": "source"}


def explain(session: Session, viewer: Viewer, vault: Vault, query: str) -> dict[str, Any]:
    """Everything known of one id. ``where`` is log, ledger or nowhere; ``says`` one sentence. Items the viewer may
    not see are as if unknown."""
    wanted = _ids(query)
    items = _items(session, viewer, wanted)
    rows = _ledger(session, viewer, wanted, vault)
    if items:
        says = items[0]["says"]
        where = "log"
    elif rows:
        says = rows[0]["says"]
        where = "ledger"
    else:
        says = (
            "No connected account has shown an item with this id. If it should be there, `crm-sync audit` compares the "
            "source with the ledger."
        )
        where = "nowhere"
    return {"query": query, "where": where, "says": says, "items": items, "ledger": rows}


def _ids(query: str) -> list[str]:
    """The id as given, and as a Message-ID with angle brackets."""
    text = query.strip()
    bare = text.strip("<>")
    return list(dict.fromkeys([text, bare, f"<{bare}>"]))


def _items(session: Session, viewer: Viewer, wanted: list[str]) -> list[dict[str, Any]]:
    query = (
        select(Communication)
        .where(or_(Communication.message_id.in_(wanted), Communication.ical_uid.in_(wanted)), visible(viewer))
        .order_by(Communication.occurred_at, Communication.id)
        .limit(500)
    )
    found = list(session.scalars(query))
    seen = tiers(session, viewer, [c.id for c in found])
    return [_item(session, c, seen.get(c.id, Tier.PRIVATE)) for c in found]


def _item(session: Session, c: Communication, tier: Tier) -> dict[str, Any]:
    links = list(
        session.scalars(select(Link).where(Link.communication_id == c.id).order_by(Link.score.desc(), Link.id))
    )
    offers = list(
        session.scalars(select(Suggestion).where(Suggestion.communication_id == c.id).order_by(Suggestion.id))
    )
    questions = session.execute(
        select(Question.kind, Question.group_key, Question.reason).where(Question.communication_id == c.id)
    ).all()
    content = tier >= Tier.FULL
    return {
        "id": c.id,
        "kind": c.kind,
        "message_id": c.message_id,
        "ical_uid": c.ical_uid,
        "recurrence_id": c.recurrence_id,
        "status": c.status,
        "reason": c.reason,
        "visibility": tier.word,
        "says": _says(session, c, links),
        "links": [_link(session, row, content) for row in links if not row.tombstoned],
        "taken_off": [_target(session, row.target_kind, row.target_id) for row in links if row.tombstoned],
        "suggestions": [_offer(session, row, content) for row in offers if not row.lost],
        "lost": [_offer(session, row, content) for row in offers if row.lost],
        "questions": [{"kind": kind, "group": key, "reason": reason} for kind, key, reason in questions],
    }


def _says(session: Session, c: Communication, links: list[Link]) -> str:
    live = [row for row in links if not row.tombstoned]
    if live:
        best = live[0]
        why = best.evidence[0]["says"] if best.evidence else best.method
        return f"Attached to {_target(session, best.target_kind, best.target_id)}: {why}."
    if c.status == "ignored":
        return REASONS.get(c.reason or "", f"Set aside: {c.reason}.")
    if c.status == "review":
        return "Nothing is certain yet; it waits in review."
    return "Nobody on it is known, and there is no sign yet that we deal with them."


def _link(session: Session, row: Link, content: bool) -> dict[str, Any]:
    return {
        "target": _target(session, row.target_kind, row.target_id),
        "method": row.method,
        "score": row.score,
        "pinned": row.pinned,
        "evidence": row.evidence if content else [],
    }


def _offer(session: Session, row: Suggestion, content: bool) -> dict[str, Any]:
    return {
        "target": _target(session, row.target_kind, row.target_id),
        "score": row.score,
        "against": row.against,
        "evidence": row.evidence if content else [],
    }


def _target(session: Session, kind: str, target_id: int) -> str:
    model = {"contact": Contact, "company": Company, "deal": Deal}[kind]
    row = session.get(model, target_id)
    name = "deleted record" if row is None else row.title if isinstance(row, Deal) else row.name  # type: ignore[attr-defined]
    return f"{kind}:{name}"


def _ledger(session: Session, viewer: Viewer, wanted: list[str], vault: Vault) -> list[dict[str, Any]]:
    hashes = [vault.keyed_hash(text) for text in wanted]
    query = (
        select(Ledger, Stream.name, Account.address)
        .join(Stream, Stream.id == Ledger.stream_id)
        .join(Account, Account.id == Ledger.account_id)
        .where(or_(Ledger.message_id.in_(wanted), Ledger.ical_uid.in_(wanted), Ledger.key_hash.in_(hashes)))
        .where(ledger_visible(viewer))
        .order_by(Ledger.id)
        .limit(200)
    )
    return [
        {
            "account": address,
            "stream": stream,
            "remote_id": row.remote_id,
            "state": row.state,
            "reason": row.reason,
            "stage": STAGES.get(row.state, row.state),
            "attempts": row.attempts,
            "says": _row_says(row),
        }
        for row, stream, address in session.execute(query)
    ]


def _row_says(row: Ledger) -> str:
    if row.state == "stored" and not row.reason:
        return "It is in the log."
    if row.state == "quarantined":
        return row.error or REASONS["unparseable"]
    return REASONS.get(row.reason or "", f"{row.state}: {row.reason or 'no reason noted'}.")
