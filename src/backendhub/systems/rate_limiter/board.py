"""What a process serves: the configuration from files or from the store, and how it is kept current."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

from backendhub.kit.db import Db
from backendhub.kit.errors import HubError, Invalid
from backendhub.kit.hub import Hub
from backendhub.kit.limits import ALGORITHMS

from . import service
from .config import Config, load
from .engine import Engine
from .models import Defaults

INTERVAL = 1.0
"""Seconds between two looks at the files or the store."""
SUFFIXES = (".yaml", ".yml", ".json")


class Board:
    """The engine of a process and where its configuration comes from."""

    def __init__(self, hub: Hub) -> None:
        """Raises Invalid for settings that make no sense."""
        self.defaults = _defaults(hub)
        self.paths = [
            Path(path) for path in (hub.settings.get("rate_limiter.files") or "").split(os.pathsep) if path
        ]
        self.engine = Engine(hub.limits)
        self.trouble: str | None = None
        """Why the newest configuration is not the one that is served."""
        self._stamp: object = None

    @property
    def config(self) -> Config:
        """What is served."""
        return self.engine.config

    def refresh(self, hub: Hub, *, force: bool = False) -> None:
        """Takes over a configuration that has changed. Raises HubError; what was served before is served on."""
        stamp = self._files_stamp() if self.paths else hub.store.read(service.revision)
        if stamp == self._stamp and not force:
            return
        self._stamp = stamp
        try:
            config = load(self._texts(), self.defaults) if self.paths else hub.store.read(self._stored)
        except HubError as error:
            self.trouble = error.message
            if not isinstance(error, Invalid):
                self._stamp = None  # the store was away: the next look tries again
            raise
        self.trouble = None
        self.engine.config = config

    def preview(self, domain: str, text: str) -> None:
        """Reads a configuration without serving it. Raises Invalid."""
        found = load([(f"The configuration of {domain}", text)], self.defaults)
        if [*found.domains] != [domain]:
            raise Invalid(
                f"The configuration is that of the domain {next(iter(found.domains))!r}, not {domain!r}."
            )

    def _stored(self, db: Db) -> Config:
        return load([(row.domain, row.config) for row in service.domains(db)], self.defaults)

    def _texts(self) -> list[tuple[str, str]]:
        found = []
        for path in self._files():
            try:
                found.append((path.name, path.read_text("utf-8-sig")))
            except (OSError, UnicodeDecodeError) as error:
                raise _unreadable(path, error) from None
        return found

    def _files(self) -> list[Path]:
        files: list[Path] = []
        for path in self.paths:
            try:
                inside = (
                    sorted(p for p in path.iterdir() if p.suffix in SUFFIXES) if path.is_dir() else [path]
                )
            except OSError as error:
                raise _unreadable(path, error) from None
            files += [p for p in inside if p not in files]
        return files

    def _files_stamp(self) -> object:
        """What tells whether to look at the files again; who may read them counts, too."""

        def one(path: Path) -> tuple[str, int, int, int]:
            try:
                stat = path.stat()
            except OSError:
                return str(path), 0, 0, 0
            return str(path), stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size

        try:
            return [one(path) for path in self._files()]
        except Invalid as error:
            return error.message


def _unreadable(path: Path, error: Exception) -> Invalid:
    return Invalid(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.")


def _defaults(hub: Hub) -> Defaults:
    settings = hub.settings
    found = Defaults(shadow=settings.flag("rate_limiter.shadow"))
    algorithm, fail = settings.get("rate_limiter.algorithm"), settings.get("rate_limiter.fail")
    if algorithm not in (None, *ALGORITHMS):
        raise Invalid(f"There is no algorithm {algorithm!r}.", hint="one of " + ", ".join(ALGORITHMS))
    if fail not in (None, "open", "closed"):
        raise Invalid(f"{fail!r} is not how limits fail.", hint="open or closed")
    return replace(found, algorithm=algorithm or found.algorithm, fail=fail or found.fail)


def of(hub: Hub) -> Board:
    """The board of this process."""
    return hub.memory("rate-limiter", lambda: Board(hub))


async def refresh(hub: Hub) -> None:
    """Takes over a configuration that has changed, without holding up the event loop. Raises HubError."""
    if hub.store.blocking:
        await asyncio.to_thread(of(hub).refresh, hub)
    else:
        of(hub).refresh(hub)


async def watch(hub: Hub) -> None:
    """Looks every second for a new configuration, and tells the metrics what happened at each limit."""
    board = of(hub)
    while True:
        try:
            await refresh(hub)
        except HubError as error:
            hub.output.note(f"rate-limiter: {error.message} The configuration before is served on.")
        if hub.metrics is not None:
            gauge = hub.metrics.gauges.setdefault("rate_limiter_hits", {})
            for label, hits in board.engine.hits.items():
                name = label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
                for kind in ("within", "near", "over", "shadow"):
                    gauge[f'limit="{name}",outcome="{kind}"'] = getattr(hits, kind)
        await asyncio.sleep(INTERVAL)
