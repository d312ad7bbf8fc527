"""What is asked of GitHub: the search for repositories, and the trending page."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import quote

from backendhub.kit import clock
from backendhub.kit.errors import Upstream
from backendhub.kit.http import Client, Response

from . import page
from .models import Repo

SINCE = {"day": "daily", "week": "weekly", "month": "monthly"}


class Found(NamedTuple):
    """An answer of the search."""

    repos: list[Repo]
    incomplete: bool
    response: Response


def search(client: Client, query: str, *, limit: int, number: int = 1) -> Found:
    """A page of the repositories that match, the most starred first."""
    params = {"q": query, "sort": "stars", "order": "desc", "per_page": limit, "page": number}
    response = client.get("/search/repositories", params)
    data = response.record()
    items = data.get("items")
    if not isinstance(items, list):
        raise Upstream("GitHub answered the search in an unexpected shape (no items).")
    return Found([_repo(item) for item in items], bool(data.get("incomplete_results")), response)


def _repo(item: Any) -> Repo:
    try:
        return Repo(
            str(item["full_name"]),
            _text(item.get("description")),
            _text(item.get("language")),
            tuple(str(t) for t in item.get("topics") or ()),
            str(item["html_url"]),
            clock.parse(item["created_at"]),
            int(item["stargazers_count"]),
            int(item.get("forks_count") or 0),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Upstream(f"GitHub answered the search in an unexpected shape ({error!r}).") from None


def _text(value: Any) -> str | None:
    return " ".join(value.split()) or None if isinstance(value, str) else None


def listed(client: Client, duration: str, language: str | None) -> tuple[list[page.Listed], Response]:
    """The trending page, read. Raises Upstream where it no longer looks as it did."""
    path = "/trending" + (f"/{quote(language.lower().replace(' ', '-'), safe='')}" if language else "")
    response = client.get(path, {"since": SINCE[duration]}, headers={"accept": "text/html"})
    return page.read(response.text), response
