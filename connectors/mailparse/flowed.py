"""format=flowed text to paragraphs (RFC 3676), quote depths and the signature separator kept. Never raises."""

from __future__ import annotations


def unflow(text: str, *, delsp: bool = False) -> str:
    """Join lines that end in a space with the next of equal quote depth; ``delsp`` removes that space."""
    out: list[str] = []
    open_depth = -1
    for line in text.split("\n"):
        depth, body = _depth(line.rstrip("\r"))
        if open_depth != depth or body == "-- ":
            out.append(("\n" if out else "") + ">" * depth + (" " if depth else ""))
        flows = body.endswith(" ") and body != "-- "
        out.append(body[:-1] if flows and delsp else body)
        open_depth = depth if flows else -1
    return "".join(out)


def _depth(line: str) -> tuple[int, str]:
    """Quote depth and the rest, space-stuffing removed."""
    body = line.lstrip(">")
    return len(line) - len(body), body[1:] if body.startswith(" ") else body
