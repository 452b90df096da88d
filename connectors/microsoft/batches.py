"""Many small reads in few requests: Graph's JSON batching, at most 20 to a batch.

Only the items that were refused for the moment (429, 5xx) are asked again, after the longest wait any of them named;
what succeeded is kept, and once one was throttled later batches are smaller. Each item counts as a request of its own
against Microsoft's limits, so a batch takes as many units as it has items, and as many slots as Microsoft runs of it
at once. Never sends a token in an inner request.
Source: Graph "Combine multiple HTTP requests using JSON batching", "Throttling and batching".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from connectors.errors import BadItem, ConnectorError, StreamGone, TryLater
from connectors.microsoft.failures import Answer, Gone, Scope, Unsupported
from connectors.microsoft.graph import IMMUTABLE, PATIENCE, SLOTS, TRIES, Call, Graph

_OWN_ERRORS = (BadItem, StreamGone, Unsupported)
"""Errors that concern one item of a batch and not its neighbours."""


def read_all(
    graph: Graph, name: str, paths: Mapping[str, str], *, prefer: Sequence[str] = ()
) -> Iterator[tuple[str, dict[str, Any] | ConnectorError]]:
    """GET every path (below the mailbox's root), keyed as given. Yields each key once with its JSON object, or with
    the error of that item alone (``Gone`` for 404). Raises what concerns all of them: TryLater, NeedsPerson, ..."""
    left = list(paths)
    while left:
        keys, left = left[: graph.batch_size], left[graph.batch_size :]
        chunk = {key: paths[key] for key in keys}
        if len(chunk) == 1:
            yield from ((key, _single(graph, name, path, prefer)) for key, path in chunk.items())
        else:
            yield from _read_batch(graph, name, chunk, prefer)


def _single(graph: Graph, name: str, path: str, prefer: Sequence[str]) -> dict[str, Any] | ConnectorError:
    try:
        return graph.get(name, path, prefer=prefer)
    except (Gone, *_OWN_ERRORS) as error:
        return error


def _read_batch(
    graph: Graph, name: str, paths: Mapping[str, str], prefer: Sequence[str]
) -> Iterator[tuple[str, dict[str, Any] | ConnectorError]]:
    waiting = dict(paths)
    for attempt in range(TRIES):
        later: TryLater | None = None
        try:
            answers = list(_post(graph, name, waiting, prefer))
        except (Gone, Unsupported):  # no batches here: one by one, from now on
            graph.batch_size = 1
            yield from ((key, _single(graph, name, path, prefer)) for key, path in waiting.items())
            return
        for key, answer in answers:
            found = dict(answer.body) if answer.status < 300 else graph.judged(answer, Scope.ITEM)
            if isinstance(found, TryLater):
                later = _longer(later, found)
                continue
            waiting.pop(key, None)
            if isinstance(found, ConnectorError) and not isinstance(found, (Gone, *_OWN_ERRORS)):
                raise found
            yield key, found
        if not waiting:
            return
        later = later or TryLater("Microsoft left out a part of a batch.", code="batch_incomplete")
        if later.throttled:  # Microsoft runs four of a batch at once; here it counted more
            graph.batch_size = min(graph.batch_size, SLOTS)
        delay = graph.delay(later, attempt)
        if attempt + 1 >= TRIES or delay > PATIENCE:
            graph.hold_off(later, delay)
            raise later
        graph.wait(delay)


def _longer(first: TryLater | None, second: TryLater) -> TryLater:
    if first is None:
        return second
    return second if (second.retry_after or 0) > (first.retry_after or 0) else first


def _post(
    graph: Graph, name: str, paths: Mapping[str, str], prefer: Sequence[str]
) -> Iterator[tuple[str, Answer]]:
    keys = list(paths)
    headers = {"Prefer": ", ".join((IMMUTABLE, *prefer))}
    inner = [
        {"id": str(number), "method": "GET", "url": f"{graph.root}{paths[key]}", "headers": headers}
        for number, key in enumerate(keys, 1)
    ]
    call = Call(
        f"$batch {name}",
        "POST",
        f"{graph.base}/$batch",
        Scope.ITEM,
        json={"requests": inner},
        weight=min(SLOTS, len(keys)),
        units=len(keys),
    )
    for item in graph.send(call).get("responses") or ():
        number = str(item.get("id", "")) if isinstance(item, dict) else ""
        if number.isdigit() and 1 <= int(number) <= len(keys):
            yield keys[int(number) - 1], _inner(item)


def _inner(item: Mapping[str, Any]) -> Answer:
    headers = item.get("headers") if isinstance(item.get("headers"), dict) else {}
    body = item.get("body")
    return Answer(
        int(item.get("status") or 599),
        {str(key).casefold(): str(value) for key, value in dict(headers or {}).items()},
        body if isinstance(body, dict) else {},
    )
