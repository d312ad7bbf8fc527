"""What `serve rest db.json` does before the first request: settings and files are read, the set is loaded."""

from __future__ import annotations

from backendhub.kit.db import Db
from backendhub.kit.hub import Hub
from backendhub.kit.resources import service

from . import config as configs
from .config import Config


def prepare(hub: Hub) -> None:
    """Reads the configuration, and loads its files where they are new. Raises Invalid, NotFound, Conflict."""
    config = configs.of(hub)
    if config.paths:
        hub.output.note(hub.unit(bring_up_to_date, config))


def bring_up_to_date(db: Db, config: Config) -> str:
    """Loads files that have changed since they were loaded, unless the set was changed by requests since then:
    neither side's work is lost without being asked for (`--reload`). Gives what is told about it."""
    stored = service.find_set(db, config.set_name)
    names = ", ".join(path.name for path in config.paths)
    if stored is None or stored.file_hash is None or config.reload:
        return _loaded(db, config, names)
    if stored.file_hash == configs.file_hash(config):
        return f"Serving what was loaded from {names} before, with the changes made since."
    if stored.content_hash == service.content_hash(db, stored.id):
        return _loaded(db, config, names)
    return (
        f"{names} has changed, and so has what was loaded from it: requests have changed rows. "
        "Serving the store; --reload takes the file and drops these changes."
    )


def _loaded(db: Db, config: Config, names: str) -> str:
    loaded = configs.load(db, config)
    found = service.sizes(db, loaded.id)
    return (
        f"Loaded {names}: " + (", ".join(f"{name} ({count:,})" for name, count in found) or "nothing") + "."
    )
