"""Lists with cursors, and searches."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from backendhub.kit.db import Db
from backendhub.kit.db.base import contains
from backendhub.systems.payment import objects, resources
from backendhub.systems.payment.errors import ApiError, missing
from backendhub.systems.payment.models import Row

Json = dict[str, Any]
LISTING = """
limit int 1..100
starting_after str 300
ending_before str 300
"""
"""The parameters of every list."""
SEARCHING = """
query! str 1000
limit int 1..100
page str 500
"""


def page(
    db: Db, kind: str, params: Mapping[str, Any], *, url: str, also: Mapping[str, Any] | None = None
) -> Json:
    """A list of a kind. What `params` holds beside the cursor filters by fields; `also` filters further.

    Raises ApiError for a cursor that names nothing.
    """
    limit = params.get("limit") or 10
    after, before = params.get("starting_after"), params.get("ending_before")
    if after and before:
        raise ApiError(
            "You cannot parameterize both starting_after and ending_before.", param="starting_after"
        )
    asked = [
        condition
        for name, value in (dict(params) | dict(also or {})).items()
        for condition in _asked(name, value)
    ]
    edge_after = _edge(db, kind, after, "starting_after") if after else None
    edge_before = _edge(db, kind, before, "ending_before") if before else None
    found = objects.select(db, kind, asked, after=edge_after, before=edge_before, limit=limit + 1)
    more = len(found) > limit
    if more:
        found = found[-limit:] if before else found[:limit]
    return listing(found, url=url, more=more)


def listing(data: list[Json], *, url: str, more: bool = False) -> Json:
    """The list object."""
    return {"object": "list", "data": data, "has_more": more, "url": url}


def _asked(name: str, value: Any) -> list[tuple[str, str, Any]]:
    if name in ("limit", "starting_after", "ending_before", "expand") or value is None:
        return []
    if isinstance(value, list):
        return [(name, "in", [objects.text(each) for each in value])]
    if isinstance(value, dict):
        if set(value) <= {":", "~", "?", "-?", "-:", ">", ">=", "<", "<="}:
            exact = name == "created"
            return [(name, op, objects.text(n) if op == ":" and not exact else n) for op, n in value.items()]
        return [c for key, each in value.items() for c in _asked(f"{name}.{key}", each)]
    return [(name, ":", objects.text(value))]


def _edge(db: Db, kind: str, id: str, param: str) -> Row:
    row = objects.row_of(db, kind, id)
    if row is None:
        raise missing(kind, id, param)
    return row


# -- search ------------------------------------------------------------------------------------------------

_CLAUSE = re.compile(
    r"""\s*(?P<no>-)?(?P<field>[a-z_][a-z_.]*(?:\[(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\])?)"""
    r"""\s*(?P<op>>=|<=|[:~<>])\s*(?P<value>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|-?\d+(?:\.\d+)?|null)\s*"""
)
NUMERIC = (">", ">=", "<", "<=")


def search(db: Db, kind: str, params: Mapping[str, Any], *, url: str) -> Json:
    """A page of what a query finds. Raises ApiError for one that cannot be understood."""
    asked, joined = parse(kind, params["query"])
    limit = params.get("limit") or 10
    edge = _edge(db, kind, _unpage(params["page"]), "page") if params.get("page") else None
    found = objects.select(db, kind, asked, joined=joined, after=edge, limit=limit + 1)
    more = len(found) > limit
    found = found[:limit]
    next_page = urlsafe_b64encode(found[-1]["id"].encode()).decode() if more else None
    return {"object": "search_result", "data": found, "has_more": more, "next_page": next_page, "url": url}


def parse(kind: str, query: str) -> tuple[list[tuple[str, str, Any]], str]:
    """The clauses of a query in Stripe's search language, and what joins them. Raises ApiError."""
    asked: list[tuple[str, str, Any]] = []
    words: set[str] = set()
    at = 0
    while True:
        match = _CLAUSE.match(query, at)
        if match is None:
            raise _unclear(query, "a clause is a field, an operator and a value in quotes")
        asked.append(_clause(kind, query, match))
        at = match.end()
        if at >= len(query):
            break
        joint = re.compile(r"(AND|OR)?\s*", re.I).match(query, at)
        assert joint is not None
        words.add((joint[1] or "AND").upper())
        at = joint.end()
    if len(words) > 1:
        raise _unclear(query, "AND and OR cannot be mixed")
    if len(asked) > 10:
        raise _unclear(query, "there can be up to 10 clauses")
    return asked, words.pop() if words else "AND"


def _clause(kind: str, query: str, match: re.Match[str]) -> tuple[str, str, Any]:
    name, op, value = match["field"], match["op"], match["value"]
    name = re.sub(r"\[(['\"])(.*)\1\]$", lambda m: "." + _bare(m[1] + m[2] + m[1]), name)
    searchable = (*resources.of(kind).search, "created", "metadata")
    if name.split(".")[0] not in searchable and name not in searchable:
        raise _unclear(query, f"the field {name!r} is not searched; {', '.join(sorted(searchable))} are")
    deny = "-" if match["no"] else ""
    if name == "created" and (op == "~" or value == "null"):
        raise _unclear(query, "created is compared with a whole number")
    if value == "null":
        return name, ("" if deny else "-") + "?", None
    text = _bare(value)
    if name == "created" or op in NUMERIC:
        if not re.fullmatch(r"-?\d{1,17}", text):
            raise _unclear(query, f"{name} is compared with a whole number")
        return name, deny + op, int(text)
    if op == "~":
        if len(text) < 3:
            raise _unclear(query, "a text to look for has three characters or more")
        return name, deny + "~", contains(text.lower())
    return name, deny + ":", objects.text(text)


def _bare(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value[:1] in "'\"" else value


def _unpage(token: str) -> str:
    try:
        return urlsafe_b64decode(token.encode()).decode()
    except ValueError:
        raise ApiError("Invalid page token.", param="page") from None


def _unclear(query: str, why: str) -> ApiError:
    return ApiError(
        f"We were unable to parse your search query: {why}.", code="search_query_invalid", param="query"
    )
