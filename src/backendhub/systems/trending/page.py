"""github.com/trending read as HTML: opt-in, and loud when GitHub changes it (as it did in 2016, 2017, 2019…)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from backendhub.kit.errors import Upstream

VOID = ("img", "br", "hr", "input", "meta", "link", "path", "source", "wbr", "circle", "rect")


@dataclass(slots=True)
class Row:
    """What was found between <article> and </article>."""

    name: str = ""
    parts: dict[str, str] = field(default_factory=dict)


class _Page(HTMLParser):
    """Collects the text of the few elements that matter in each article."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Row] = []
        self._row: Row | None = None
        self._path: list[str] = []  # open elements, each by the part that its text belongs to

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {k: v or "" for k, v in attrs}
        if tag == "article":
            self._row, self._path = Row(), []
            self.rows.append(self._row)
        if self._row is not None and tag not in VOID:
            self._path.append(self._part(tag, given) or (self._path[-1] if self._path else "gained"))

    def _part(self, tag: str, given: dict[str, str]) -> str:
        assert self._row is not None
        link = given.get("href", "").split("?")[0]
        if tag == "a" and "heading" in self._path and re.fullmatch(r"/[\w.-]+/[\w.-]+", link):
            self._row.name = link[1:]
        if tag == "a" and link.endswith("/stargazers"):
            return "stars"
        if given.get("itemprop") == "programmingLanguage":
            return "language"
        return {"h1": "heading", "h2": "heading", "p": "description", "a": "other", "article": "gained"}.get(
            tag, ""
        )

    def handle_endtag(self, tag: str) -> None:
        if tag == "article":
            self._row = None
        elif self._row is not None and self._path and tag not in VOID:
            self._path.pop()

    def handle_data(self, data: str) -> None:
        if self._row is not None and self._path:
            part = self._path[-1]
            self._row.parts[part] = self._row.parts.get(part, "") + data


@dataclass(frozen=True, slots=True)
class Listed:
    """A repository as the page lists it."""

    full_name: str
    description: str | None
    language: str | None
    stars: int
    gained: int | None


def read(html: str) -> list[Listed]:
    """The repositories on the page, in its order. Raises Upstream where it no longer looks as it did."""
    page = _Page()
    page.feed(html)
    if not page.rows:
        raise _changed("it lists no repository")
    return [_listed(row) for row in page.rows]


def _listed(row: Row) -> Listed:
    parts = {name: " ".join(text.split()) for name, text in row.parts.items()}
    stars = re.fullmatch(r"([\d,]+)", parts.get("stars", ""))
    if not row.name or stars is None:
        raise _changed(f"{row.name or 'an entry'} has no {'number of stars' if row.name else 'name'}")
    gained = re.search(r"([\d,]+) stars? (?:today|this week|this month)", parts.get("gained", ""))
    return Listed(
        row.name,
        parts.get("description") or None,
        parts.get("language") or None,
        _number(stars[1]),
        _number(gained[1]) if gained else None,
    )


def _number(text: str) -> int:
    return int(text.replace(",", "") or 0)


def _changed(what: str) -> Upstream:
    return Upstream(
        f"github.com/trending does not look as it did: {what}.",
        hint="use --by created, which asks the search API; please report this",
    )
