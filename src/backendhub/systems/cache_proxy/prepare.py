"""What `serve cache-proxy` does before the first request: settings are read, the origin's name is looked at."""

from __future__ import annotations

from backendhub.kit.hub import Hub

from .config import Config


def prepare(hub: Hub) -> None:
    """Reads the configuration. Raises Invalid; without an origin too, unless other systems are served beside."""
    config = Config.of(hub.settings, hub.workers)
    if not config.url and len(hub.systems) > 1:
        return
    config.origin().close()
    where = f"in memory and in {config.disk}" if config.disk is not None else "in memory"
    hub.output.note(f"Caching {config.url} {where}.")
    if hub.workers > 1 and hub.settings.get("cache_proxy.disk") != "none":
        hub.output.note(
            f"With {hub.workers} workers there is no disk tier: a worker that is begun anew would find on it what was purged "
            "while it was away."
        )
