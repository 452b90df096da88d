"""An HTML body as text a person can read and the quote splitter can judge.

Block structure, lists, quotes ("> "), rules and link targets survive; style, script, hidden preheaders and tracking
pixels do not. Parsed with selectolax (lexbor). Never raises; input and output are bounded.
"""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

MAX_HTML = 2_000_000
MAX_NODES = 200_000

DROPPED = frozenset({"head", "style", "script", "title", "meta", "link", "noscript", "template", "object", "embed",
                     "svg", "iframe", "-comment", "_comment", "!doctype", "select", "textarea", "button"})
PARAGRAPHS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "pre", "table", "blockquote"})
BLOCKS = PARAGRAPHS | {"div", "tr", "li", "section", "article", "header", "footer", "address", "center", "dt", "dd",
                       "form", "fieldset", "main", "nav", "aside", "caption", "thead", "tbody", "figure", "body"}
RULE = "_" * 32
MAX_DEPTH = 4_000
MAX_QUOTE = 20

_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all|font-size\s*:\s*0(?:px|pt|;|\s|$)|"
                     r"max-height\s*:\s*0(?:px|;|\s|$)|opacity\s*:\s*0(?:;|\s|$)", re.I)
_OPENING = re.compile(r"<([a-zA-Z][a-zA-Z0-9]{0,20})")
_TAG = re.compile(r"<[^<>]{0,2000}>?")
_SHALLOW = frozenset({"p", "br", "img", "li", "td", "th", "tr", "hr", "meta", "link", "input", "dt", "dd", "col",
    "tbody",
                      "html", "body", "head", "option", "area", "base"})
_SPACE = re.compile(r"[ \t\r\n\f]+")
_INVISIBLE = re.compile("[\u00ad\u034f\u200b-\u200f\u2060\ufeff\u202a-\u202e]+")
_BLANKS = re.compile(r"\n{3,}")


def text_of(html: str) -> str:
    """Readable text; "" for an empty or hopeless document."""
    if not html:
        return ""
    html = html[:MAX_HTML]
    if _too_deep(html):
        return _BLANKS.sub("\n\n", _TAG.sub("\n", html)).strip()
    root = LexborHTMLParser(html).root
    if root is None:
        return ""
    writer = _Writer()
    _walk(root, writer)
    return writer.text()


def _too_deep(html: str) -> bool:
    """More tags left open than any person's mail has: parsing costs the square of the depth (HTML 13.2.6.4.7)."""
    if html.count("<") < MAX_DEPTH:
        return False
    opened = sum(1 for found in _OPENING.finditer(html) if found[1].lower() not in _SHALLOW)
    return opened - html.count("</") > MAX_DEPTH


class _Writer:
    """Gathers text with pending line breaks and a quote prefix."""

    __slots__ = ("_above", "_breaks", "_line", "_out", "count", "pre", "quote")

    def __init__(self) -> None:
        self._out: list[str] = []
        self._line = ""
        self._breaks = 0
        self._above = 0
        self.quote = 0
        self.pre = 0
        self.count = 0

    def newline(self, breaks: int) -> None:
        """End the line; ``breaks`` 2 asks for an empty line after it. Asking twice is asking once."""
        if self._line.strip():
            self._flush()
            self._breaks = 0
        self._line = ""
        self._breaks = max(self._breaks, breaks)

    def br(self) -> None:
        if self._line.strip():
            self._flush()
            self._line, self._breaks = "", 1
        else:
            self._breaks = min(self._breaks + 1, 2)

    def add(self, text: str) -> None:
        if self.pre:
            pass
        elif not self._line:
            text = text.lstrip(" ")
        elif self._line[-1] == " " and text[:1] == " ":
            text = text[1:]
        self._line += text

    def _flush(self) -> None:
        prefix = "> " * min(self.quote, MAX_QUOTE)
        if self._breaks > 1 and self._out:
            self._out.append(("> " * min(self.quote, self._above, MAX_QUOTE)).rstrip())
        self._out.append(prefix + (self._line.rstrip() if self.pre else self._line.strip(" ")))
        self._above = self.quote

    def text(self) -> str:
        self.newline(1)
        return _BLANKS.sub("\n\n", "\n".join(self._out)).strip("\n")


def _walk(root: LexborNode, writer: _Writer) -> None:
    """Depth first without recursion: documents nest deeper than Python's stack."""
    stack: list[tuple[LexborNode, bool]] = [(root, False)]
    while stack and writer.count < MAX_NODES:
        node, leaving = stack.pop()
        if leaving:
            _leave(node, writer)
            continue
        writer.count += 1
        tag = node.tag or ""
        if tag == "-text":
            _text(node, writer)
        elif _enter(node, tag, writer):
            stack.append((node, True))
            children = []
            child = node.child
            while child is not None:
                children.append((child, False))
                child = child.next
            stack.extend(reversed(children))


def _text(node: LexborNode, writer: _Writer) -> None:
    text = node.text_content or ""
    if writer.pre:
        for n, line in enumerate(text.split("\n")):
            if n:
                writer.br()
            writer.add(line.rstrip("\r"))
        return
    text = _SPACE.sub(" ", text.replace("\xa0", " "))
    if not text.isascii():
        text = _INVISIBLE.sub("", text)
    if text:
        writer.add(text)


def _enter(node: LexborNode, tag: str, writer: _Writer) -> bool:
    """Write what opens a node; False where the node and all in it is dropped."""
    if tag in DROPPED or _hidden(node):
        return False
    if tag == "br":
        writer.br()
    elif tag == "hr":
        writer.newline(1)
        writer.add(RULE)
        writer.newline(1)
    elif tag in BLOCKS:
        writer.newline(2 if tag in PARAGRAPHS else 1)
        if tag == "blockquote":
            writer.quote += 1
        elif tag == "pre":
            writer.pre += 1
        elif tag == "li":
            writer.add("- ")
    elif tag in ("td", "th"):
        writer.add(" ")
    return True


def _leave(node: LexborNode, writer: _Writer) -> None:
    tag = node.tag or ""
    if tag == "a":
        _link(node, writer)
    elif tag in BLOCKS:
        writer.newline(2 if tag in PARAGRAPHS else 1)
        if tag == "blockquote":
            writer.quote -= 1
        elif tag == "pre":
            writer.pre -= 1


def _link(node: LexborNode, writer: _Writer) -> None:
    """Name a link's target after its text, unless the text says it already or the target is a long tracker."""
    href = (node.attributes.get("href") or "").strip()
    if not href.lower().startswith(("http://", "https://", "mailto:")) or len(href) > 200:
        return
    shown = (node.text() or "").strip()
    bare = href.removeprefix("mailto:").split("?")[0] if href.startswith("mailto:") else href
    stem = bare.split("://")[-1].rstrip("/")
    if shown and stem and stem.lower() not in shown.lower():
        writer.add(f" <{bare}>")


def _hidden(node: LexborNode) -> bool:
    attributes = node.attributes
    if not attributes:
        return False
    if "hidden" in attributes:
        return True
    style = attributes.get("style")
    return bool(style) and _HIDDEN.search(style or "") is not None
