"""The cache of this process, and what runs beside it."""

from __future__ import annotations

import asyncio

from backendhub.kit import clock
from backendhub.kit.hub import Hub

from .config import Config
from .proxy import TOPIC, Proxy

NAME = "cache-proxy"


def proxy(hub: Hub) -> Proxy:
    """The cache of a process; made when first asked for. Raises Invalid without an origin."""
    return hub.memory(NAME, lambda: Proxy(Config.of(hub.settings, hub.workers)))


async def watch(hub: Hub) -> None:
    """Closes every second for the statistics, and looks whether somebody has cleared the disk."""
    mine = proxy(hub)
    while mine.config.url:
        await asyncio.sleep(1 - clock.steady() % 1)
        mine.tick(int(clock.steady()))


async def listen(hub: Hub) -> None:
    """Purges what other processes were told to purge."""
    if hub.workers == 1:
        return
    mine = proxy(hub)
    async with hub.events.subscribe(TOPIC, limit=10_000, overflow="gap") as messages:
        async for message in messages:
            apply(mine, getattr(message, "data", None))


def apply(mine: Proxy, data: object) -> None:
    """A purge that came by the bus; what was missed may have been anything, so everything goes."""
    from . import service

    if not isinstance(data, dict):
        mine.purging.everything()
        return
    service.purge(
        mine,
        targets=list(data.get("targets") or ()),
        tags=list(data.get("tags") or ()),
        pattern=data.get("pattern"),
        everything=bool(data.get("everything")),
        soft=bool(data.get("soft")),
        host=str(data.get("host") or ""),
    )
