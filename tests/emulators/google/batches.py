"""A batch of calls in one request (multipart/mixed of application/http), each answered on its own."""

from __future__ import annotations

import email
import http
import json
import uuid

from tests.emulators.google import api
from tests.emulators.google.api import Result
from tests.emulators.google.errors import Refused
from tests.emulators.google.world import World


def answer(world: World, content_type: str, token: str, body: bytes) -> Result:
    """Serve every part; the answer's part ids are the request's with ``response-`` before them."""
    with world.lock:
        world.count("batch", "/batch")
        fault = world.fault_for("batch", "/batch")
        if fault and fault.kind == "status":
            refused = Refused(fault.status, fault.reason, fault.message, retry_after=fault.retry_after)
            return Result(refused.status, refused.headers, json.dumps(refused.body()).encode())
    message = email.message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    parts = message.get_payload() if message.is_multipart() else []
    if len(parts) > world.batch_limit:
        refused = Refused(400, "badRequest",
                          f"The batch request could not be processed. Inner request count exceeds the limit. "
                          f"Limit: {world.batch_limit}")  # fmt: skip
        return Result(400, {}, json.dumps(refused.body()).encode())
    boundary = f"batch_{uuid.uuid4().hex}"
    found = b"".join(_part(world, boundary, part, token) for part in parts)  # type: ignore[arg-type]
    headers = {"Content-Type": f"multipart/mixed; boundary={boundary}"}
    return Result(200, headers, found + f"--{boundary}--\r\n".encode(), fault)


def _part(world: World, boundary: str, part: email.message.Message, token: str) -> bytes:
    text = str(part.get_payload()).lstrip()
    line, _, rest = text.partition("\n")
    method, target, *_ = line.split()
    headers = email.message_from_string(rest)
    own = headers.get("Authorization") or token
    result = api.answer(world, api.parsed(method, target, own, b""), inner=True)
    content_id = str(part["Content-ID"] or "<0>").replace("<", "<response-", 1)
    reason = http.HTTPStatus(result.status).phrase
    extra = "".join(f"{name}: {value}\r\n" for name, value in result.headers.items())
    head = (
        f"--{boundary}\r\nContent-Type: application/http\r\nContent-ID: {content_id}\r\n\r\n"
        f"HTTP/1.1 {result.status} {reason}\r\nContent-Type: application/json; charset=UTF-8\r\n{extra}"
        f"Content-Length: {len(result.body)}\r\n\r\n"
    )
    return head.encode() + result.body + b"\r\n"
