"""The page at `/`: what is served, with links that work."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from urllib.parse import quote

from backendhub.kit import web
from backendhub.kit.web.page import page as whole

from .config import Config


def page(request: web.Request, config: Config, sizes: Sequence[tuple[str, int]]) -> str:
    """Every resource and how many rows it has."""
    prefix = escape(request.prefix)
    rows = "".join(
        f'<tr><td><a href="{prefix}/{escape(quote(name))}">/{escape(name)}</a></td><td>{count:,}</td></tr>'
        for name, count in sizes
    )
    table = f"<table><tr><th>Resource</th><th>Rows</th></tr>{rows}</table>" if rows else _NOTHING
    dialect = ("json-server 0.17", "json-server 1")[config.version]
    routes = "".join(
        f"<tr><td><code>{escape(rule)}</code></td><td><code>{escape(target)}</code></td></tr>"
        for rule, target in (config.rewriter.texts if config.rewriter else {}).items()
    )
    return whole(
        "backendhub rest",
        f"<h1>backendhub rest</h1><p>Speaks the dialect of {dialect}.</p>{table}"
        + (f"<h2>Other routes</h2><table>{routes}</table>" if routes else "")
        + f'<p class="dim"><a href="{prefix}/db">db</a> · <a href="{prefix}/docs">docs</a> · '
        f'<a href="{prefix}/openapi.json">openapi.json</a> · <a href="/_hub">all systems</a></p>',
    )


_NOTHING = (
    "<p>There is nothing here yet: <code>backendhub serve rest db.json</code>, or <code>--demo</code>.</p>"
)
