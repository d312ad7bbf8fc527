"""Where a process has its configuration from, and how it is kept current."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from backendhub.kit.errors import HubError, Invalid, StoreError
from backendhub.kit.hub import Hub

from . import service
from .config import load
from .models import Config
from .proxy import Gateway

INTERVAL = 1.0


class Board:
    """The gateway of a process, and the file or the row that it follows."""

    def __init__(self, hub: Hub) -> None:
        """Raises Invalid for settings that make no sense."""
        names = [name for name in (hub.settings.get("gateway.files") or "").split(os.pathsep) if name]
        if len(names) > 1:
            raise Invalid("A gateway has one file of configuration.")
        self.path = Path(names[0]) if names else None
        self.gateway = Gateway(hub)
        self.trouble: str | None = None
        """Why the newest configuration is not the one that is served."""
        self._stamp: object = None

    def refresh(self, hub: Hub) -> None:
        """Takes over a configuration that has changed. Raises HubError; what was served before is served on."""
        stamp: object = _stamp(self.path) if self.path is not None else hub.store.read(service.revision)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self.gateway.adopt(self._config(hub), self.path.name if self.path else "config")
        except HubError as error:
            self.trouble = error.message
            if isinstance(error, StoreError):  # not its fault: it is asked for again
                self._stamp = None
            raise
        self.trouble = None

    def _config(self, hub: Hub) -> Config:
        if self.path is None:
            stored = hub.store.read(service.find)
            return load(stored.config, "config") if stored is not None else Config()
        try:
            return load(self.path.read_text("utf-8-sig"), self.path.name)
        except (OSError, UnicodeDecodeError) as error:
            raise Invalid(
                f"{self.path} cannot be read: {getattr(error, 'strerror', None) or error}."
            ) from None


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        stat = path.stat()
    except OSError:
        return ()
    return (
        stat.st_mtime_ns,
        stat.st_ctime_ns,
        stat.st_size,
    )  # that it may be read now changes the second alone


def of(hub: Hub) -> Board:
    """The board of this process, with its configuration read once."""
    return hub.memory("gateway", lambda: Board(hub))


async def refresh(hub: Hub) -> None:
    """Takes over a configuration that has changed, without holding up the event loop. Raises HubError."""
    board = of(hub)
    if hub.store.blocking:
        await asyncio.to_thread(board.refresh, hub)
    else:
        board.refresh(hub)


async def watch(hub: Hub) -> None:
    """Looks every second for a new configuration."""
    while True:
        try:
            await refresh(hub)
        except HubError as error:
            hub.output.note(f"gateway: {error.message} The configuration before is served on.")
        await asyncio.sleep(INTERVAL)
