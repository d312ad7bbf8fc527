"""The small client at `/`: a page, its script and its style, without anything from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from backendhub.kit import web

HERE = Path(__file__).parent
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ws: wss:; img-src 'self' blob:; "
    "form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
KINDS = {
    "index.html": "text/html",
    "chat.js": "text/javascript",
    "chat.css": "text/css",
    "chat.svg": "image/svg+xml",
}


def add(router: web.Router) -> None:
    """Adds these routes."""
    for name in KINDS:
        path = "/" if name == "index.html" else f"/{name}"
        router.get(path, media_type=KINDS[name], in_schema=False, public=True)(_served(name))


def _served(name: str) -> Callable[[web.Request], web.Reply]:
    data = (HERE / name).read_bytes()
    fields = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}

    def serve(request: web.Request) -> web.Reply:
        """A part of the client."""
        here = data.replace(b'="chat.', b'="' + request.prefix.encode() + b"/chat.")
        return web.Reply(here, headers=fields, media_type=f"{KINDS[name]}; charset=utf-8")

    return serve
