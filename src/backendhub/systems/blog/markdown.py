"""Markdown as HTML that is safe to show anywhere, and as plain text."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urljoin

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

EXCERPT = 200


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


@lru_cache(maxsize=64)
def html(text: str, base: str = "") -> str:
    """CommonMark (with tables and strikethrough) as sanitised HTML; relative links are completed with `base`.

    Raw HTML in the text is let through the parser and then through the sanitiser, which keeps only what cannot act:
    no script, no style, no form, no `javascript:`.
    """
    import nh3

    rendered = _parser().render(text)
    completed = (
        (lambda tag, name, value: urljoin(base, value) if name in ("href", "src") else value)
        if base
        else None
    )
    return nh3.clean(
        rendered,
        attributes={
            "a": {"href", "title"},
            "img": {"src", "alt", "title"},
            "code": {"class"},
            "ol": {"start"},
        },
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        attribute_filter=completed,
    ).strip()


def plain(text: str) -> str:
    """The words of a text, without markup and white space put right."""
    words: list[str] = []
    for token in _parser().parse(text):
        for child in token.children or ():
            if child.type in ("text", "code_inline"):
                words.append(child.content)
            elif child.type in ("softbreak", "hardbreak"):
                words.append(" ")
        if token.type == "inline":
            words.append(" ")
    return re.sub(r"\s+", " ", "".join(words)).strip()


def excerpt(text: str) -> str:
    """What a text begins with, in about 200 characters, cut between words."""
    whole = plain(text) or text.strip()
    if len(whole) <= EXCERPT:
        return whole
    return whole[:EXCERPT].rsplit(" ", 1)[0].rstrip(" ,;:.") + "…"
