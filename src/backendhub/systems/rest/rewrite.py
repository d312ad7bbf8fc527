"""Routes of one's own in front of the resources: `{"/api/*": "/$1", "/posts/:category": "/posts?category=:category"}`.

The patterns are those of json-server 0.17 (express-urlrewrite): `:name` is a path segment, `*` anything, a backslash
takes the meaning from the character behind it; `$1` is what the first of them stands for. Rules are tried in their order, each on what the one before made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote_plus

from backendhub.kit.errors import Invalid

TOKEN = r"\\(.)|:(\w+)|(\*)|(.)"


class Rule:
    """One line of a routes file."""

    def __init__(self, pattern: str, target: str) -> None:
        """Raises Invalid for what is no path."""
        for text in (pattern, target):
            if not isinstance(text, str) or not text.startswith("/"):
                raise Invalid(f"{text!r} is no route.", hint='every route starts with /: {"/api/*": "/$1"}')
        self.names: list[str] = []
        self.target = target
        parts = (self._part(match) for match in re.finditer(TOKEN, pattern))
        self.pattern = re.compile("".join(parts) + "/?")
        self.has_query = "?" in re.sub(r"\\(.)", r"\1", pattern)

    def _part(self, match: re.Match[str]) -> str:
        escaped, name, star, char = match.groups()
        if name or star:
            self.names.append(name or "*")
            return "(.*)" if star else "([^/?&]+?)"
        return re.escape(escaped or char)

    def apply(self, path: str, query: str) -> tuple[str, str] | None:
        """The path and query that take the place of these; None where the rule is about others."""
        whole = f"{path}?{unquote_plus(query)}" if query and self.has_query else path
        match = self.pattern.fullmatch(whole)
        if match is None:
            return None
        values = {str(i): value for i, value in enumerate(match.groups(), 1)}
        values |= dict(zip(self.names, match.groups(), strict=True))
        in_path, question, in_query = self.target.partition("?")
        found = _filled(in_path, values), _filled(in_query, {n: quote(v, safe="") for n, v in values.items()})
        rest = "" if self.has_query else query
        return (
            (found[0], "&".join(part for part in (found[1], rest) if part)) if question else (found[0], rest)
        )


def _filled(text: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\$(\d+)|:(\w+)", lambda m: values.get(m[1] or m[2], m[0]), text)


class Rewriter:
    """The rules of a routes file."""

    def __init__(self, rules: Any) -> None:
        """Raises Invalid for anything but an object of routes."""
        if not isinstance(rules, dict):
            raise Invalid("A routes file holds a JSON object.", hint='{"/api/*": "/$1"}')
        self.texts: dict[str, str] = rules
        self.rules = [Rule(pattern, target) for pattern, target in rules.items()]

    def apply(self, path: str, query: str) -> tuple[str, str]:
        """Where a request goes."""
        for rule in self.rules:
            path, query = rule.apply(path, query) or (path, query)
        return path, query
