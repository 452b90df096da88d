"""Graph's mail: folders, messages, delta, attachments."""

from __future__ import annotations

import base64
import re
from typing import Any
from urllib.parse import quote, urlencode

from tests.emulators.microsoft import delta, options
from tests.emulators.microsoft.answers import Refusal, Reply, Request
from tests.emulators.microsoft.mailbox import Folder, Mailbox, Message

DEFAULT_PAGE = 10
ID = r"(?:\('(?P<{0}q>[^']+)'\)|/(?P<{0}>[^/]+))"
FOLDER = r"^/mailfolders" + ID.format("folder")
ROUTES: list[tuple[str, str]] = [
    (r"^/mailfolders/(?:microsoft\.graph\.)?delta(?:\(\))?$", "folders_delta"),
    (r"^/mailfolders$", "folders"),
    (FOLDER + r"$", "folder"),
    (FOLDER + r"/childfolders$", "children"),
    (FOLDER + r"/messages/(?:microsoft\.graph\.)?delta(?:\(\))?$", "messages_delta"),
    (FOLDER + r"/messages$", "messages"),
    (r"^/messages$", "messages"),
    (r"^/messages" + ID.format("message") + r"$", "message"),
    (r"^/messages" + ID.format("message") + r"/attachments$", "attachments"),
    (r"^/messages" + ID.format("message") + r"/attachments" + ID.format("part") + r"/\$value$", "attachment_value"),
]


class MailRoutes:
    """Answers requests about one mailbox's mail. ``base`` is the address links begin with."""

    def __init__(self, tokens: delta.Tokens, manners: delta.Manners) -> None:
        self.tokens = tokens
        self.manners = manners

    def answer(self, mailbox: Mailbox, request: Request, base: str) -> Reply | None:
        """The answer, or None for a path that is not mail's."""
        for pattern, name in ROUTES:
            found = re.match(pattern, request.path, re.IGNORECASE)
            if found:
                named = {k: v for k, v in found.groupdict().items() if v}
                keys = {k.removesuffix("q"): v for k, v in named.items()}
                with mailbox.lock:
                    reply: Reply = getattr(self, f"_{name}")(mailbox, request, base, **keys)
                    return reply
        return None

    # folders

    def _folder_json(self, mailbox: Mailbox, folder: Folder) -> dict[str, Any]:
        children = sum(1 for one in mailbox.folders.values() if one.parent == folder.id)
        unread = sum(1 for m in folder.messages if not mailbox.messages[m].properties["isRead"])
        return {
            "id": folder.id,
            "displayName": folder.name,
            "parentFolderId": folder.parent or folder.id,
            "childFolderCount": children,
            "unreadItemCount": unread,
            "totalItemCount": len(folder.messages),
            "isHidden": folder.hidden,
        }

    def _find(self, mailbox: Mailbox, key: str) -> Folder:
        for folder in mailbox.folders.values():
            if key == folder.id or (folder.well_known and key.casefold() == folder.well_known):
                return folder
        if key.startswith(("AAMk", "AQMk", "AAkA")):
            raise Refusal(404, "ErrorItemNotFound", "The specified object was not found in the store.")
        raise Refusal(400, "ErrorInvalidIdMalformed", "Id is malformed.")

    def _folders_delta(self, mailbox: Mailbox, request: Request, base: str) -> Reply:
        token = self.tokens.give(delta.State(request.path, mailbox.address, "", 0))
        listed = [f for f in mailbox.folders.values() if f.parent]
        held = [options.selected("mailFolder", self._folder_json(mailbox, f), _select(request)) for f in listed]
        return Reply(body={"@odata.deltaLink": f"{base}{request.path}?$deltatoken={token}", "value": held})

    def _folders(self, mailbox: Mailbox, request: Request, base: str) -> Reply:
        top = mailbox.folder("msgfolderroot").id
        return self._listed(mailbox, request, base, top)

    def _children(self, mailbox: Mailbox, request: Request, base: str, folder: str) -> Reply:
        return self._listed(mailbox, request, base, self._find(mailbox, folder).id)

    def _listed(self, mailbox: Mailbox, request: Request, base: str, parent: str) -> Reply:
        hidden = request.query.get("includeHiddenFolders", "").casefold() == "true"
        held = [f for f in mailbox.folders.values() if f.parent == parent and (hidden or not f.hidden)]
        shown = [options.selected("mailFolder", self._folder_json(mailbox, f), _select(request)) for f in held]
        return paged(shown, request, base)

    def _folder(self, mailbox: Mailbox, request: Request, base: str, folder: str) -> Reply:
        found = self._folder_json(mailbox, self._find(mailbox, folder))
        return Reply(body=options.selected("mailFolder", found, _select(request)))

    # messages

    def _messages_delta(self, mailbox: Mailbox, request: Request, base: str, folder: str) -> Reply:
        place = self._find(mailbox, folder)
        if token := request.query.get("$skiptoken"):
            state = self.tokens.state(token, request.path)
        elif token := request.query.get("$deltatoken"):
            state = delta.resume(mailbox, self.tokens.state(token, request.path), self.manners)
        else:
            state = delta.begin(mailbox, place, request, self.manners)
        items, after = delta.page(mailbox, state, request, self.manners)
        kind, name = ("$skiptoken", "nextLink") if after.waiting else ("$deltatoken", "deltaLink")
        link = f"{base}{request.path}?{kind}={self.tokens.give(after)}"
        return Reply(body={"@odata.context": f"{base}/$metadata#Collection(message)", f"@odata.{name}": link,
                           "value": items})  # fmt: skip

    def _messages(self, mailbox: Mailbox, request: Request, base: str, folder: str = "") -> Reply:
        held = list(mailbox.messages.values())
        if folder:
            place = self._find(mailbox, folder)
            held = [mailbox.messages[one] for one in place.messages]
        options.selected("message", {}, _select(request))
        clauses = options.received_filter(request.query.get("$filter", ""), delta=False)
        order = options.newest_first(request.query.get("$orderby", ""), delta=False)
        held = [m for m in held if options.matches(m.properties["receivedDateTime"], clauses)]
        held.sort(key=lambda m: (m.properties["receivedDateTime"], m.created, m.id), reverse=order is not False)
        at = int(request.query.get("$skip", "0"))
        size = request.page_size(DEFAULT_PAGE)
        shown = [self._shown(mailbox, m, request) for m in held[at : at + size]]
        return _page_of(shown, len(held), at, size, request, base)

    def _shown(self, mailbox: Mailbox, message: Message, request: Request) -> dict[str, Any]:
        whole = {**mailbox.render(message, immutable=request.immutable), "attachments": message.attachments}
        kind = str(whole.get("@odata.type") or "").removeprefix("#microsoft.graph.") or "message"
        return options.selected(kind, whole, _select(request), request.query.get("$expand", ""))

    def _message(self, mailbox: Mailbox, request: Request, base: str, message: str) -> Reply:
        return Reply(body=self._shown(mailbox, self._one(mailbox, message), request))

    def _one(self, mailbox: Mailbox, key: str) -> Message:
        for message in (mailbox.messages.get(key), *mailbox.messages.values()):
            if message is not None and key in (message.id, message.ordinary_id):
                return message
        if key.startswith(("AAMk", "AAkA", "AQMk")):
            raise Refusal(404, "ErrorItemNotFound", "The specified object was not found in the store.")
        raise Refusal(400, "ErrorInvalidIdMalformed", "Id is malformed.")

    def _attachments(self, mailbox: Mailbox, request: Request, base: str, message: str) -> Reply:
        held = self._one(mailbox, message).attachments
        return Reply(body={"value": [options.selected("attachment", one, _select(request)) for one in held]})

    def _attachment_value(self, mailbox: Mailbox, request: Request, base: str, message: str, part: str) -> Reply:
        for one in self._one(mailbox, message).attachments:
            if one["id"] == part:
                return Reply(raw=base64.b64decode(one["contentBytes"]), content_type=one["contentType"])
        raise Refusal(404, "ErrorItemNotFound", "The specified object was not found in the store.")


def _select(request: Request) -> str:
    return request.query.get("$select", "")


def paged(shown: list[dict[str, Any]], request: Request, base: str) -> Reply:
    """A collection in pages by ``$top`` and ``$skip``."""
    at, size = int(request.query.get("$skip", "0")), request.page_size(DEFAULT_PAGE)
    return _page_of(shown[at : at + size], len(shown), at, size, request, base)


def _page_of(shown: list[dict[str, Any]], count: int, at: int, size: int, request: Request, base: str) -> Reply:
    body: dict[str, Any] = {"value": shown}
    if at + size < count:
        kept = {**request.query, "$skip": str(at + size)}
        body["@odata.nextLink"] = f"{base}{request.path}?" + urlencode(kept, quote_via=quote, safe="$")
    return Reply(body=body)
