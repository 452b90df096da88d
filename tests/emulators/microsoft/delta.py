"""Delta rounds over messages of a folder: opaque tokens, pages, what changed since, and the ways Graph misbehaves."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from tests.emulators.microsoft import options
from tests.emulators.microsoft.answers import Refusal, Request
from tests.emulators.microsoft.mailbox import Folder, Mailbox

CAP = 5_000
DEFAULT_PAGE = 10


@dataclass
class Manners:
    """How deltas behave. ``lag`` hides changes younger than so many seconds; ``duplicates`` repeats the first item of
    a page on the next; ``shuffled`` turns pages round; ``empty_pages`` puts an empty page before each;
    ``partial_updates`` names changed flags only, as Exchange does; ``masters`` has calendar deltas name the master;
    ``latency`` is how long an answer takes, in real seconds."""

    lag: float = 0.0
    duplicates: bool = False
    shuffled: bool = False
    empty_pages: bool = False
    partial_updates: bool = False
    latency: float = 0.0
    masters: bool = False


@dataclass(frozen=True)
class State:
    """What a token encodes. ``waiting`` holds what is left of the round as (id, kind); ``sequence`` is where the next
    round begins."""

    path: str
    owner: str
    folder: str
    sequence: int
    select: str = ""
    expand: str = ""
    clauses: tuple[tuple[str, str], ...] = ()
    waiting: tuple[tuple[str, str], ...] = ()
    echo: str = ""
    gap: bool = False
    window: tuple[str, str] = ("", "")
    known: frozenset[str] = frozenset()


@dataclass
class Tokens:
    """The tokens given out. Expired ones answer 410 or, as nextLinks do, 400 with ``SyncStateNotFound``."""

    held: dict[str, State] = field(default_factory=dict)
    expired: set[str] = field(default_factory=set)
    status: int = 410

    def give(self, state: State) -> str:
        """A new token for a state."""
        token = secrets.token_urlsafe(24)
        self.held[token] = state
        return token

    def expire(self, status: int = 410) -> None:
        """Forget every token given out so far."""
        self.expired.update(self.held)
        self.held.clear()
        self.status = status

    def state(self, token: str, path: str) -> State:
        """The state of a token for this path."""
        state = self.held.get(token)
        if state is None or state.path.casefold() != path.casefold():
            if self.status == 410:
                raise Refusal(410, "SyncStateNotFound", Location="https://graph.microsoft.com/v1.0/me")
            raise Refusal(self.status, "SyncStateNotFound" if self.status == 404 else "resyncRequired")
        return state


def begin(mailbox: Mailbox, folder: Folder, request: Request, manners: Manners) -> State:
    """The state of a first request: a snapshot of the folder."""
    if "$search" in request.query:
        raise Refusal(400, "ErrorInvalidUrlQuery", "$search is not supported with change tracking.")
    clauses = options.received_filter(request.query.get("$filter", ""), delta=True)
    order = options.newest_first(request.query.get("$orderby", ""), delta=True)
    select = request.query.get("$select", "")
    options.selected("message", {}, select)
    horizon = _horizon(mailbox, manners)
    hidden = {e.message for e in mailbox.log if e.sequence > horizon and e.kind == "there" and e.folder == folder.id}
    held = [mailbox.messages[one] for one in folder.messages if one not in hidden]
    held = [m for m in held if options.matches(m.properties["receivedDateTime"], clauses)]
    if order is not None:
        held.sort(key=lambda m: (m.properties["receivedDateTime"], m.created, m.id), reverse=True)
    if clauses:
        held = held[:CAP]
    waiting = tuple((m.id, "there") for m in held)
    return State(
        request.path, mailbox.address, folder.id, horizon, select, request.query.get("$expand", ""), tuple(clauses),
        waiting,
    )  # fmt: skip


def resume(mailbox: Mailbox, state: State, manners: Manners) -> State:
    """The state of a round that begins at a delta token: what changed since."""
    horizon = _horizon(mailbox, manners)
    latest: dict[str, str] = {}
    for entry in mailbox.log:
        if state.sequence < entry.sequence <= horizon and entry.folder == state.folder:
            before = latest.pop(entry.message, "")
            latest[entry.message] = "there" if before == "there" and entry.kind == "flags" else entry.kind
    return replace(state, sequence=horizon, waiting=tuple(latest.items()), echo="", gap=False)


def page(mailbox: Mailbox, state: State, request: Request, manners: Manners) -> tuple[list[dict[str, Any]], State]:
    """One page of a round, and the state after it."""
    if manners.empty_pages and not state.gap and state.waiting:
        return [], replace(state, gap=True)
    size = request.page_size(DEFAULT_PAGE)
    taken, left = state.waiting[:size], state.waiting[size:]
    items = [item for one, kind in taken if (item := _item(mailbox, state, one, kind, request, manners)) is not None]
    if manners.duplicates and state.echo and (again := _item(mailbox, state, state.echo, "there", request, manners)):
        items.insert(0, again)
    if manners.shuffled:
        items.reverse()
    return items, replace(state, waiting=left, echo=taken[0][0] if taken else "", gap=False)


def _item(
    mailbox: Mailbox, state: State, one: str, kind: str, request: Request, manners: Manners
) -> dict[str, Any] | None:
    message = mailbox.messages.get(one)
    here = message is not None and message.folder == state.folder
    if kind == "gone":
        shown = message.ordinary_id if message is not None and not request.immutable else one
        return {"@odata.type": "#microsoft.graph.message", "id": shown, "@removed": {"reason": "deleted"}}
    if not here or message is None:
        return None
    if state.clauses and not options.matches(message.properties["receivedDateTime"], list(state.clauses)):
        return None
    whole = mailbox.render(message, immutable=request.immutable)
    whole["attachments"] = message.attachments
    whole.setdefault("@odata.type", "#microsoft.graph.message")
    shown = options.selected("message", whole, state.select, state.expand)
    if kind == "flags" and manners.partial_updates:
        names = ("@odata.type", "@odata.etag", "id", "isRead", "flag", "categories")
        return {name: shown[name] for name in names if name in shown}
    return shown


def _horizon(mailbox: Mailbox, manners: Manners) -> int:
    """The newest change a delta may show yet."""
    if not manners.lag:
        return mailbox.sequence
    limit = mailbox.now() - timedelta(seconds=manners.lag)
    young = [entry.sequence for entry in mailbox.log if entry.at > limit]
    return min(young) - 1 if young else mailbox.sequence
