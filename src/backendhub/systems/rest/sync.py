"""`--watch` and `--save`: a set and its file kept alike while the server runs."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from pathlib import Path

from backendhub.kit.db import Db
from backendhub.kit.errors import HubError
from backendhub.kit.hub import Hub
from backendhub.kit.resources import service

from . import config as configs
from .config import Config

INTERVAL = 0.5
GRACE = 2.0
"""How long after it was noted a change may take to be committed, in seconds."""
log = logging.getLogger("backendhub.rest")


async def run(hub: Hub, config: Config) -> None:
    """Looks at the file and at the set, twice a second, until the server stops; then saves once more."""
    if not (config.watch or config.save):
        return
    saved_at = time.monotonic()
    try:
        while True:
            await asyncio.sleep(INTERVAL)
            saved_at = await _step(hub, config, saved_at)
    finally:
        if config.save and config.changed_at > saved_at - GRACE:
            save(hub, config)


async def _step(hub: Hub, config: Config, saved_at: float) -> float:
    try:
        if config.save and config.changed_at > saved_at - GRACE:
            now = time.monotonic()
            await asyncio.to_thread(save, hub, config)
            return now
        if config.watch:
            await asyncio.to_thread(reload, hub, config)
    except (
        HubError,
        OSError,
    ) as error:  # a file in the middle of being written: the next look may find it whole
        log.warning("%s: %s", config.paths[0].name, error)
    return saved_at


def save(hub: Hub, config: Config) -> bool:
    """Writes the set to its file, whole or not at all. Says whether there was anything new in it."""
    set_id, text = hub.read(_text, config)
    path = config.paths[0]
    pretty = json.dumps(json.loads(text), ensure_ascii=False, indent=2) + "\n"
    if path.read_text("utf-8") == pretty:
        return False
    fresh = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    fresh.write_text(pretty, "utf-8")
    fresh.chmod(path.stat().st_mode & 0o777)
    fresh.replace(path)
    hub.unit(service.note_file, set_id, configs.file_hash(config))
    return True


def _text(db: Db, config: Config) -> tuple[int, str]:
    set_id = config.set_id(db)
    assert set_id is not None
    return set_id, service.text(db, set_id)


def reload(hub: Hub, config: Config) -> bool:
    """Loads the files where somebody has changed them. Says whether they were."""
    if not all(map(Path.exists, config.paths)):
        return False
    stamp = tuple((path.stat().st_mtime_ns, path.stat().st_size) for path in config.paths)
    if stamp == config.stamp:
        return False
    config.stamp = stamp
    found = hub.read(service.find_set, config.set_name)
    if found is not None and found.file_hash == configs.file_hash(config):
        return False
    hub.unit(configs.load, config)
    log.info("%s has changed and was loaded", ", ".join(path.name for path in config.paths))
    return True
