"""Which route a request takes: Kong's traditional router."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from backendhub.kit.errors import Invalid

from .models import Route

HOST, HEADER, URI, METHOD = 0x40, 0x20, 0x10, 0x08
UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
Fields = Mapping[bytes, bytes]
REGEX_URI, PLAIN_HOSTS, WILDCARD_PORT = 0x01, 0x02, 0x04


class Match(NamedTuple):
    """A route, and the part of the path that it matched."""

    route: Route
    prefix: str
    groups: dict[str, str]


@dataclass(slots=True)
class Rule:
    """One path of a route (or none), with the rest of what it asks for."""

    route: Route
    path: str | None
    regex: re.Pattern[str] | None = None
    exact: frozenset[str] = frozenset()
    wild: tuple[re.Pattern[str], ...] = ()
    methods: frozenset[str] = frozenset()
    headers: tuple[tuple[bytes, frozenset[str], tuple[re.Pattern[str], ...]], ...] = ()
    order: tuple[int, ...] = field(default=())

    def matches(self, method: str, host: str, port: str, path: str, fields: Fields) -> Match | None:
        """What it matches; None where the request is not its."""
        if self.methods and method not in self.methods:
            return None
        prefix, groups = "", {}
        if self.regex is not None:
            found = self.regex.match(path)
            if found is None:
                return None
            prefix, groups = found[0], {n: v for n, v in found.groupdict().items() if v is not None}
        elif self.path is not None:
            if not path.startswith(self.path):
                return None
            prefix = self.path
        if self.exact or self.wild:
            full = f"{host}:{port}"
            if not (host in self.exact or full in self.exact or any(w.fullmatch(full) for w in self.wild)):
                return None
        for name, values, patterns in self.headers:
            given = fields.get(name)
            if given is None:
                return None
            text = given.decode("latin-1").lower()
            if text not in values and not any(p.search(text) for p in patterns):
                return None
        return Match(self.route, prefix, groups)


class Router:
    """The rules of a configuration in the order in which they are tried."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Raises Invalid for paths that are no regular expressions."""
        rules = [_rule(route, path) for route in routes for path in (route.paths or (None,))]
        self.rules = sorted(
            rules, key=lambda rule: rule.order
        )  # stable: of equal ones the first in the document

    def find(self, method: str, host: str, port: str, path: str, fields: Fields) -> Match | None:
        """The route of a request whose path is normalised."""
        for rule in self.rules:
            match = rule.matches(method, host, port, path, fields)
            if match is not None:
                return match
        return None


def _rule(route: Route, path: str | None) -> Rule:
    exact = frozenset(h.lower() for h in route.hosts if "*" not in h)
    wild = tuple(_host(h.lower()) for h in route.hosts if "*" in h)
    regex = _regex(path[1:], route) if path is not None and path.startswith("~") else None
    headers = tuple(
        (
            name.lower().encode(),
            frozenset(v.lower() for v in values if not v.startswith("~*")),
            tuple(_regex(v[2:].lower(), route) for v in values if v.startswith("~*")),
        )
        for name, values in route.headers
    )
    rule = Rule(route, path, regex, exact, wild, frozenset(route.methods), headers)
    rule.order = _order(rule)
    return rule


def _order(rule: Rule) -> tuple[int, ...]:
    """Kong's order: how many kinds of things are asked for, which, how exactly, how many headers, how long a path."""
    route = rule.route
    bits = (
        (HOST if route.hosts else 0)
        | (HEADER if route.headers else 0)
        | (URI if rule.path is not None else 0)
        | (METHOD if route.methods else 0)
    )
    sub = (REGEX_URI if rule.regex else 0) | (PLAIN_HOSTS if route.hosts and not rule.wild else 0)
    sub |= WILDCARD_PORT if any("*" in h and ":" in h for h in route.hosts) else 0
    priority = route.regex_priority if rule.regex else 0
    length = len(rule.path or "")
    return -bits.bit_count(), -bits, -sub, -len(route.headers), -priority, -length


def _host(text: str) -> re.Pattern[str]:
    """A host with a `*` at one end; with or without a port."""
    name, colon, port = text.partition(":")
    pattern = re.escape(name).replace(r"\*", ".+")
    return re.compile(pattern + ":" + (re.escape(port) if colon else r"\d*"))


def _regex(text: str, route: Route) -> re.Pattern[str]:
    try:
        return re.compile(re.sub(r"\(\?<(?![=!])", "(?P<", text))
    except re.error as error:
        raise Invalid(f"{route.name}: {text[:100]!r} is no regular expression: {error}.") from None


@lru_cache(maxsize=4096)
def normalised(path: str) -> str | None:
    """A path as routes see it and upstreams get it: no escape that needs none, no `.`, `..` or `//`; None where it climbs
    out of the root or is not well-formed. Two spellings of one resource must not meet different plugins."""
    if "%" not in path and "//" not in path and "/." not in path and "\\" not in path:
        return path
    out = []
    at = 0
    while at < len(path):
        char = path[at]
        if char == "%":
            code = path[at + 1 : at + 3]
            if not re.fullmatch("[0-9A-Fa-f]{2}", code):
                return None
            byte = int(code, 16)
            out.append(chr(byte) if byte in UNRESERVED else "%" + code.upper())
            at += 3
        else:
            out.append(char)
            at += 1
    text = re.sub("/{2,}", "/", "".join(out))
    parts: list[str] = []
    segments = text.split("/")[1:]
    for n, part in enumerate(segments):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part != ".":
            parts.append(part)
            continue
        if n == len(segments) - 1:
            parts.append("")
    return "/" + "/".join(parts)


def upstream_path(base: str | None, path: str, prefix: str, route: Route) -> str:
    """The path that the upstream is asked for, by Kong's rules for `path_handling` v0 and v1."""
    base = base or "/"
    strip = route.strip_path and bool(route.paths)
    rest = path[len(prefix) :] if strip else path[1:]
    if route.path_handling == "v1":
        whole = (
            base[:-1] + "/" + rest.removeprefix("/")
            if base.endswith("/")
            else base + (rest if strip else path)
        )
        return whole if whole.startswith("/") else "/" + whole
    slashed = base.endswith("/")
    if not strip:
        if slashed:
            return base + rest
        return base if path == "/" else base + path
    if not rest:
        keeps = len(path) > 1 and path.endswith("/")
        bare = base.rstrip("/") if slashed and base != "/" else base
        return bare + "/" if keeps and bare != "/" else bare
    return (base[:-1] if slashed else base) + (rest if rest.startswith("/") else "/" + rest)
