"""format=flowed text to paragraphs (RFC 3676), quote depths and the signature separator kept. Never raises."""

from __future__ import annotations


def unflow(text: str, *, delsp: bool = False) -> str:
    """Join lines that end in a space with the next of equal quote depth; ``delsp`` removes that space."""
    out: list[str] = []
    open_depth = -1
    for line in text.split("\n"):
        depth, body = _depth(line.rstrip("\r"))
        flows = body.endswith(" ") and body != "-- "
        if open_depth == depth and out and body != "-- ":
            out[-1] += body[:-1] if flows and delsp else body
        else:
            out.append(("> " if depth == 1 else ">" * depth + " " if depth else "")
                       + (body[:-1] if flows and delsp else body))
        open_depth = depth if flows else -1
    return "\n".join(out)


def _depth(line: str) -> tuple[int, str]:
    """Quote depth and the rest, space-stuffing removed."""
    body = line.lstrip(">")
    return len(line) - len(body), body[1:] if body.startswith(" ") else body
