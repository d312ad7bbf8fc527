"""What `serve gateway kong.yml` does before the first request: the configuration is read."""

from __future__ import annotations

from backendhub.kit.hub import Hub

from . import board as boards


def prepare(hub: Hub) -> None:
    """Reads the configuration. Raises Invalid for one that is wrong."""
    board = boards.of(hub)
    board.refresh(hub)
    config = board.gateway.state.config
    hub.output.note(
        f"{len(config.services)} services, {len(config.routes)} routes, {len(config.plugins)} plugins; "
        "Admin API at /_admin."
    )
