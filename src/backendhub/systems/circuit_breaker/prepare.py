"""What `serve circuit-breaker breakers.yaml` does before the first request: the configuration is read."""

from __future__ import annotations

from backendhub.kit.hub import Hub

from . import board as boards


def prepare(hub: Hub) -> None:
    """Reads the configuration. Raises Invalid for one that is wrong."""
    board = boards.of(hub)
    names = ", ".join(
        f"{name} → {g.instance.upstream}" for name, g in board.guarded.items() if g.instance.upstream
    )
    hub.output.note(f"{len(board.guarded)} breakers{': ' + names if names else ''}; faults at /proxies.")
