"""What `serve payment` looks at before the first request: its settings."""

from __future__ import annotations

from backendhub.kit.errors import Invalid
from backendhub.kit.hub import Hub

from .forward import gateway


def prepare(hub: Hub) -> None:
    """Raises Invalid for a setting that cannot be."""
    if hub.settings.get("payment.fixtures") not in (None, "", "stripe"):
        raise Invalid(
            f"There are no fixtures called {hub.settings.get('payment.fixtures')!r}.",
            hint="--fixtures stripe",
        )
    if (url := gateway(hub)) is not None:
        hub.output.note(f"Requests under /v1 go to {url}: what they do is real there.")
