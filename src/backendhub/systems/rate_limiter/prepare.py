"""What `serve rate-limiter limits.yaml` does before the first request: the configuration is read."""

from __future__ import annotations

from backendhub.kit.hub import Hub

from . import board as boards


def prepare(hub: Hub) -> None:
    """Reads the configuration. Raises Invalid for one that is wrong."""
    board = boards.of(hub)
    board.refresh(hub)
    names = ", ".join(board.config.domains) or "none yet; PUT /domains/{domain}"
    hub.output.note(f"{len(board.config.limits())} limits; domains: {names}.")
