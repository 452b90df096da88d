"""A mail's HTML made safe to show: a strict allow-list, nothing remote, links that leak nothing.

Shown in a sandboxed iframe all the same. Remote images (tracking pixels among them) lose their source and are
counted, so that the page can say so; ``cid:`` images stay out, as their bytes are not kept. Facts: nh3 (ammonia)
allow-list cleaning. Never fetches anything. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

import nh3

MAX_HTML = 2_000_000
MAX_DATA_IMAGE = 200_000
"""Characters of an inline ``data:`` image that is still shown."""

TAGS = {
    "a", "abbr", "address", "b", "blockquote", "br", "caption", "center", "cite", "code", "col", "colgroup", "dd",
    "del",
    "div", "dl", "dt", "em", "figcaption", "figure", "font", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img",
    "ins",
    "kbd", "li", "mark", "ol", "p", "pre", "q", "s", "small", "span", "strike", "strong", "sub", "sup", "table",
    "tbody",
    "td", "tfoot", "th", "thead", "tr", "tt", "u", "ul",
}
ATTRIBUTES = {
    "*": {"style", "dir", "lang", "title", "align", "background"},
    "a": {"href"},
    "img": {"src", "srcset", "alt", "width", "height"},
    "font": {"color", "size", "face"},
    "table": {"border", "cellpadding", "cellspacing", "width", "bgcolor"},
    "td": {"colspan", "rowspan", "width", "valign", "bgcolor"},
    "th": {"colspan", "rowspan", "width", "valign", "bgcolor"},
    "tr": {"bgcolor", "valign"},
    "ol": {"start", "type"},
    "col": {"width", "span"},
}
STYLES = {
    "color", "background-color", "font-weight", "font-style", "font-size", "font-family", "text-align",
    "text-decoration",
    "text-indent", "line-height", "white-space", "vertical-align", "margin", "margin-left", "margin-right",
    "margin-top",
    "margin-bottom", "padding", "padding-left", "padding-right", "padding-top", "padding-bottom", "border",
    "border-collapse", "border-left", "border-right", "border-top", "border-bottom", "width", "list-style-type",
}
MAX_DEPTH = 4_000
_OPENING = re.compile(r"<(?!(?:p|br|img|li|td|th|tr|hr|dt|dd|col)\b)[a-z]", re.I)
_TAG = re.compile(r"<[^<>]{0,2000}>?")
_SHOWN_IMAGES = ("data:image/png", "data:image/jpeg", "data:image/gif", "data:image/webp")


@dataclass(frozen=True, slots=True)
class Sanitised:
    """``html`` is a fragment to show; ``blocked_remote`` counts the remote references that were taken out."""

    html: str
    blocked_remote: int


def _too_deep(html: str) -> bool:
    if html.count("<") < MAX_DEPTH:
        return False
    return sum(1 for _ in _OPENING.finditer(html)) - html.count("</") > MAX_DEPTH


class _Filter:
    """Judges one attribute at a time and counts what was remote."""

    def __init__(self) -> None:
        self.blocked = 0

    def __call__(self, tag: str, name: str, value: str) -> str | None:
        if name == "style":
            return self._style(value)
        if name in ("background", "srcset") or (tag == "img" and name == "src"):
            return self._source(name, value.strip())
        if name == "href":
            return value if value.strip().lower().startswith(("http://", "https://", "mailto:", "tel:")) else None
        return value

    def _style(self, value: str) -> str | None:
        lowered = value.lower()
        if "url" in lowered or "\\" in lowered or "expression" in lowered or "@import" in lowered:
            self.blocked += 1
            return None
        return value

    def _source(self, name: str, value: str) -> str | None:
        lowered = value.lower()
        if name == "src" and lowered.startswith(_SHOWN_IMAGES) and len(value) <= MAX_DATA_IMAGE:
            return value
        if not lowered.startswith(("cid:", "data:")):
            self.blocked += 1
        return None


def sanitise(html: str) -> Sanitised:
    """``html`` (at most ``MAX_HTML`` characters of it) cleaned for display.

    What is nested deeper than any person's mail is shown as its bare text: parsing costs the square of the depth.
    """
    html = html[:MAX_HTML]
    if _too_deep(html):
        return Sanitised(f"<pre>{escape(_TAG.sub(' ', html))}</pre>", 0)
    judge = _Filter()
    clean = nh3.clean(
        html,
        tags=TAGS,
        clean_content_tags={"script", "style", "title", "head", "svg", "math", "iframe", "object", "template",
            "noscript"},
        attributes=ATTRIBUTES,
        attribute_filter=judge,
        filter_style_properties=STYLES,
        url_schemes={"http", "https", "mailto", "tel", "data", "cid"},
        link_rel="noopener noreferrer",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )
    return Sanitised(clean, judge.blocked)
