"""The streams of a mailbox: its mail folders and its calendars, with roles and what is synced when nobody chose.

Folders come from ``mailFolders/delta``, which lists the whole tree at once (the plain listing gives one level a
request and is the fallback). Roles come from the well-known names, asked for in one batch and remembered for as long
as the folders stay the same; display names are localised and serve only where a server knows no well-known name at
all. Search folders and hidden folders hold no mail of their own and are no streams.
Source: Graph mailFolder ("well-known folder names"), "mailFolder: delta", "List calendars".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from connectors.errors import BadItem, NeedsPerson, StreamGone
from connectors.microsoft import batches
from connectors.microsoft.failures import Gone, Scope, Unsupported
from connectors.microsoft.graph import Graph, query, segment
from connectors.types import Stream, StreamKind, StreamRole

FIELDS = "id,displayName,parentFolderId,childFolderCount,totalItemCount,isHidden"
PAGE = 200
MAX_PAGES = 100
MAX_FOLDERS = 5_000
MAX_DEPTH = 64
MEMORY = "microsoft_well_known"
TOP = "msgfolderroot"
ROLES: Mapping[str, StreamRole] = {
    "inbox": StreamRole.INBOX,
    "sentitems": StreamRole.SENT,
    "archive": StreamRole.ARCHIVE,
    "drafts": StreamRole.DRAFTS,
    "junkemail": StreamRole.JUNK,
    "deleteditems": StreamRole.TRASH,
}
SILENT = ("outbox", "conversationhistory", "syncissues", "recoverableitemsdeletions", "scheduled", "clutter")
"""Well-known folders that are off unless chosen, besides those whose role is off."""

OFF_ROLES = frozenset((StreamRole.DRAFTS, StreamRole.JUNK, StreamRole.TRASH))


def streams(graph: Graph) -> Iterator[Stream]:
    """All mail folders and calendars. Raises NeedsPerson when neither may be read."""
    refused: NeedsPerson | None = None
    try:
        yield from mail_folders(graph)
    except NeedsPerson as error:
        if not _permission(error):
            raise
        refused = error
    try:
        yield from calendars(graph)
    except NeedsPerson as error:
        if refused is not None or not _permission(error):
            raise


def _permission(error: NeedsPerson) -> bool:
    """Whether the refusal is of one kind of content (a missing scope), not of the sign-in."""
    return error.code in ("erroraccessdenied", "accessdenied", "authorization_requestdenied", "http_403")


def mail_folders(graph: Graph) -> Iterator[Stream]:
    """The mail folders, parents before children."""
    found = {folder["id"]: folder for folder in _tree(graph) if folder.get("id")}
    known = _roles(graph, found)
    for folder in found.values():
        if _selectable(folder, known):
            yield _stream(folder, found, known)


def calendars(graph: Graph) -> Iterator[Stream]:
    """The calendars; on by default are the mailbox's own (the default one, or one it owns and may edit)."""
    held = list(_pages(graph, "calendars", "/calendars" + query(top=PAGE)))
    own = {"", graph.mailbox, *(_owner(one) for one in held if one.get("isDefaultCalendar"))}
    for one in held:
        default = one.get("isDefaultCalendar") is True
        mine = one.get("canEdit") is not False and _owner(one) in own
        yield Stream(
            id=str(one["id"]),
            name=str(one.get("name") or "Calendar")[:255],
            kind=StreamKind.CALENDAR,
            role=StreamRole.CALENDAR,
            default_on=default or mine,
        )


def _owner(calendar: Mapping[str, Any]) -> str:
    owner = calendar.get("owner")
    return str(owner.get("address") or "").casefold() if isinstance(owner, dict) else ""


def _tree(graph: Graph) -> Iterator[dict[str, Any]]:
    try:
        first = graph.get("mailFolders/delta", "/mailFolders/delta" + query(select=FIELDS))
    except (Unsupported, Gone, StreamGone, BadItem):  # no such function here, or no right: the plain listing tells
        yield from _level(graph, "/mailFolders", 0)
        return
    yield from (folder for folder in _rest(graph, "mailFolders/delta", first) if "@removed" not in folder)


def _level(graph: Graph, path: str, depth: int) -> Iterator[dict[str, Any]]:
    for folder in _pages(graph, "mailFolders", path + query(top=PAGE)):
        yield folder
        if folder.get("childFolderCount") and depth < MAX_DEPTH:
            yield from _level(graph, f"/mailFolders/{segment(str(folder['id']))}/childFolders", depth + 1)


def _pages(graph: Graph, name: str, path: str) -> Iterator[dict[str, Any]]:
    yield from _rest(graph, name, graph.get(name, path, scope=Scope.ACCOUNT))


def _rest(graph: Graph, name: str, page: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for _ in range(MAX_PAGES):
        yield from (one for one in page.get("value") or () if isinstance(one, dict) and one.get("id"))
        link = page.get("@odata.nextLink")
        if not link:
            return
        page = graph.get(name, str(link), scope=Scope.ACCOUNT)


def _roles(graph: Graph, found: Mapping[str, Any]) -> dict[str, str]:
    """Well-known name by folder id; asked for anew only when the folders are others than the last time."""
    folders = hashlib.sha256("\n".join(sorted(found)).encode()).hexdigest()[:32]
    held = graph.facts.get(MEMORY)
    if isinstance(held, dict) and held.get("folders") == folders and isinstance(held.get("names"), dict):
        return dict(held["names"])
    names = _well_known(graph) or _by_display_name(found)
    graph.remember(MEMORY, {"folders": folders, "names": names})
    return names


def _well_known(graph: Graph) -> dict[str, str]:
    """Well-known name by folder id. A folder the mailbox does not have is left out."""
    paths = {name: f"/mailFolders/{name}" + query(select="id") for name in (TOP, *ROLES, *SILENT)}
    answers = batches.read_all(graph, "mailFolders", paths)
    return {str(found["id"]): name for name, found in answers if isinstance(found, dict) and found.get("id")}


def _by_display_name(found: Mapping[str, Any]) -> dict[str, str]:
    wanted = {name: name for name in (*ROLES, *SILENT)}
    names = {key: str(folder.get("displayName") or "").replace(" ", "").casefold() for key, folder in found.items()}
    return {key: wanted[name] for key, name in names.items() if name in wanted}


def _selectable(folder: Mapping[str, Any], known: Mapping[str, str]) -> bool:
    search = str(folder.get("@odata.type") or "").endswith("mailSearchFolder")
    return not _is_top(folder, known) and folder.get("isHidden") is not True and not search


def _is_top(folder: Mapping[str, Any], known: Mapping[str, str]) -> bool:
    """Whether this is the root, which holds folders only and is no part of a path."""
    return known.get(folder["id"]) == TOP or folder.get("parentFolderId") == folder["id"]


def _stream(folder: Mapping[str, Any], found: Mapping[str, dict[str, Any]], known: Mapping[str, str]) -> Stream:
    names: list[str] = []
    role, silent = StreamRole.OTHER, False
    node: Mapping[str, Any] | None = folder
    while node is not None and not _is_top(node, known) and len(names) < MAX_DEPTH:
        names.append(str(node.get("displayName") or "?"))
        well_known = known.get(node["id"], "")
        inherited = ROLES.get(well_known, StreamRole.OTHER)
        if node is folder or inherited in OFF_ROLES:
            role = inherited
        silent = silent or well_known in SILENT
        node = found.get(str(node.get("parentFolderId") or ""))
    total = folder.get("totalItemCount")
    return Stream(
        id=str(folder["id"]),
        name="/".join(reversed(names))[:1000],
        kind=StreamKind.MAIL,
        role=role,
        default_on=role not in OFF_ROLES and not silent,
        count=total if isinstance(total, int) else None,
    )
