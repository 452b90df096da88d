"""Says audit rows as sentences: "moved the deal Acme renewal to Proposal". Names of records, people and stages are
looked up for a whole page at once; content of items is never told, an item is "an item". Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.audit import AuditRow
from crm.models import Account, AutomationRule, Company, Contact, Deal, Stage, Task, User

NAMED: dict[str, tuple[Any, Any]] = {
    "contact": (Contact, Contact.name), "company": (Company, Company.name), "deal": (Deal, Deal.title),
    "task": (Task, Task.title), "user": (User, User.name), "account": (Account, Account.address),
    "rule": (AutomationRule, AutomationRule.name), "stage": (Stage, Stage.name),
}  # fmt: skip
PATHS = {
    "contact": "/contacts/{}", "company": "/companies/{}", "deal": "/deals/{}", "task": "/tasks/{}",
    "user": "/people/{}", "account": "/accounts/{}", "communication": "/log/{}", "rule": "/automation/{}",
}  # fmt: skip
VERBS = {
    "create": "added", "update": "changed", "delete": "deleted", "restore": "brought back", "merge": "merged",
    "unmerge": "took apart", "move": "moved", "done": "closed", "reopen": "opened again", "snooze": "put off",
    "assign": "gave on", "shift": "moved the date of", "pause": "paused", "resume": "resumed", "remove": "disconnected",
    "purge": "disconnected and purged", "folders": "chose folders of", "role": "changed the role of",
    "password": "set a password for", "profile": "changed the profile of", "deactivate": "ended the access of",
    "on": "switched on", "off": "switched off", "contact_add": "put a person on", "contact_remove": "took a person off",
    "address_add": "added an address to", "address_remove": "took an address from", "put": "changed",
    "share": "opened", "unshare": "closed again", "erase": "erased", "export": "exported",
    "rehash": "renewed the hash of", "convert": "converted", "convert_undo": "took the conversion back of",
    "add": "added", "change": "changed", "revoke": "revoked", "pin": "pinned",
}  # fmt: skip
NOUNS = {
    "contact": "the contact", "company": "the company", "deal": "the deal", "task": "the task", "user": "",
    "account": "the mailbox", "communication": "an item of the log", "rule": "the rule", "stage": "the stage",
    "setting": "the setting", "decision": "a decision", "note": "a note", "call": "a call", "field": "the field",
    "file": "a file", "token": "an API token", "goal": "a goal", "import": "an import",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One row as a sentence: who did what to what, with a path to the record and what more is known."""

    row: AuditRow
    did: str
    what: str
    href: str
    more: str


def lines(session: Session, rows: Sequence[AuditRow]) -> list[Line]:
    """Sentences of a page of rows. One statement for each kind of record at most."""
    names = _names(session, rows)
    return [_line(row, names) for row in rows]


def _line(row: AuditRow, names: dict[tuple[str, int], str]) -> Line:
    noun, _, verb = row.action.partition(".")
    kind, number = row.subject_kind, row.subject_id
    name = names.get((kind, number or 0), "")
    if row.action == "access.refused":
        what = f"{kind} {number}" if number else kind
        return Line(row, "was refused", what, "", str(row.detail.get("method", "")))
    if row.action == "user.sign_in":
        return Line(row, "signed in", "", "", "")
    if row.action == "settings.put":
        return Line(row, "changed the setting", str(row.detail.get("name", "")), "/settings", _values(row.detail))
    said = NOUNS.get(kind, kind)
    many = row.detail.get("tasks")
    if kind == "task" and number is None and isinstance(many, list):
        return Line(row, VERBS.get(verb, verb), f"{len(many)} task{'' if len(many) == 1 else 's'}", "/tasks",
                    _more(row, names))  # fmt: skip
    number_only = str(number) if number and not said.startswith("an ") else ""
    what = " ".join(part for part in (said, name or number_only) if part)
    did = VERBS.get(verb) or f"{noun} {verb}".replace("_", " ")
    path = PATHS.get(kind, "").format(number) if number and kind in PATHS and (name or kind == "communication") else ""
    return Line(row, did, what or noun, path, _more(row, names))


def _more(row: AuditRow, names: dict[tuple[str, int], str]) -> str:
    """What the detail tells: fields, from and to; ids of people and stages by name."""
    detail, said = row.detail, []
    if fields := detail.get("fields"):
        said.append(", ".join(str(f).removesuffix("_id").replace("_", " ") for f in fields))
    kind = "stage" if row.action == "deal.move" else "user"
    if "to" in detail and not isinstance(detail["to"], dict):
        begun = detail.get("from")
        start = f"from {_person(begun, kind, names)} " if "from" in detail and not isinstance(begun, list) else ""
        said.append(f"{start}to {_person(detail['to'], kind, names)}")
    for name in ("by", "days", "role", "contacts", "companies", "deals", "tasks", "accounts_paused", "seen", "rule"):
        if name in detail and not isinstance(detail[name], list | dict):
            said.append(f"{name.replace('_', ' ')} {detail[name]}")
    return "; ".join(said)


def _values(detail: dict[str, Any]) -> str:
    if "to" not in detail:
        return ""
    return f"from {_short(detail.get('from'))} to {_short(detail['to'])}"


def _short(value: Any) -> str:
    if isinstance(value, list):
        return f"{len(value)} entries" if len(value) > 3 else ", ".join(map(str, value)) or "nothing"
    return "nothing" if value is None else str(value)[:80]


def _person(value: Any, kind: str, names: dict[tuple[str, int], str]) -> str:
    if isinstance(value, int):
        return names.get((kind, value), str(value))
    return "nobody" if value is None else str(value)


def _names(session: Session, rows: Sequence[AuditRow]) -> dict[tuple[str, int], str]:
    wanted: dict[str, set[int]] = {}
    for row in rows:
        if row.subject_kind in NAMED and row.subject_id is not None:
            wanted.setdefault(row.subject_kind, set()).add(row.subject_id)
        kind = "stage" if row.action == "deal.move" else "user"
        found = {row.detail.get("from"), row.detail.get("to")} if not _nested(row.detail) else set()
        wanted.setdefault(kind, set()).update(v for v in found if isinstance(v, int) and not isinstance(v, bool))
    names: dict[tuple[str, int], str] = {}
    for kind, ids in wanted.items():
        model, label = NAMED[kind]
        if ids:
            for row_id, name in session.execute(select(model.id, label).where(model.id.in_(ids))):
                names[kind, row_id] = name
    return names


def _nested(detail: dict[str, Any]) -> bool:
    return any(isinstance(detail.get(name), list | dict) for name in ("from", "to"))
