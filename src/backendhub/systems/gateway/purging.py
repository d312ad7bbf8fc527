"""`/_admin/proxy-cache`: what the plugin `proxy-cache` keeps, looked at and thrown away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Path

from backendhub.kit import web
from backendhub.kit.errors import NotFound
from backendhub.kit.web.fields import NO_NUL

from .board import Board
from .plugins.caching import Kept, ProxyCache

Word = Annotated[str, Path(pattern=NO_NUL, max_length=300)]
Admitted = Callable[[web.Request], Board]


def declare(family: web.Family, admitted: Admitted) -> None:
    """Adds the routes, for who may administrate. They are for this process: each has a memory of its own."""

    def caches(request: web.Request, plugin: str | None = None) -> list[ProxyCache]:
        found = admitted(request).gateway.state.plugins
        kinds = [p for id, p in found.items() if isinstance(p, ProxyCache) and plugin in (None, id)]
        if plugin is not None and not kinds:
            raise NotFound("Not found")
        return kinds

    @family.delete("/proxy-cache", status=204, statuses=(401, 403))
    def purge_all(request: web.Request) -> None:
        """Throws away every answer that is kept."""
        for plugin in caches(request):
            plugin.cache.clear()

    @family.get("/proxy-cache/{key}", statuses=(401, 403, 404))
    def get_kept(request: web.Request, key: Word) -> dict[str, Any]:
        """An answer that is kept, by its `X-Cache-Key`."""
        return _shown(caches(request), key)

    @family.delete("/proxy-cache/{key}", status=204, statuses=(401, 403, 404))
    def purge(request: web.Request, key: Word) -> None:
        """Throws an answer away."""
        _purged(caches(request), key)

    @family.get("/proxy-cache/{plugin}/caches/{key}", statuses=(401, 403, 404))
    def get_kept_of(request: web.Request, plugin: Word, key: Word) -> dict[str, Any]:
        """An answer that one plugin keeps."""
        return _shown(caches(request, plugin), key)

    @family.delete("/proxy-cache/{plugin}/caches/{key}", status=204, statuses=(401, 403, 404))
    def purge_of(request: web.Request, plugin: Word, key: Word) -> None:
        """Throws away an answer that one plugin keeps."""
        _purged(caches(request, plugin), key)


def _shown(plugins: list[ProxyCache], key: str) -> dict[str, Any]:
    for plugin in plugins:
        if not key.startswith("v:") and (data := plugin.cache.load(key)) is not None:
            kept = Kept.decode(data)
            headers = {name.decode("latin-1"): text.decode("latin-1") for name, text in kept.headers}
            return {
                "status": kept.status, "headers": headers, "body_len": len(kept.body), "timestamp": int(kept.at),
                "ttl": int(kept.ttl),
            }  # fmt: skip
    raise NotFound("Not found")


def _purged(plugins: list[ProxyCache], key: str) -> None:
    if not sum(plugin.cache.delete(key) for plugin in plugins):
        raise NotFound("Not found")
