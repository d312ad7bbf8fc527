"""Events within this process: between its event loops and threads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from threading import Lock

from .base import DONE, Events, Message, Subscription, running
from .topics import Routes


class MemoryEvents(Events):
    """Delivers at once. Publishers of several threads are put in one order, which every subscriber sees."""

    def __init__(self) -> None:
        self._routes: Routes[Subscription] = Routes()
        self._loops: set[asyncio.AbstractEventLoop] = set()
        self._lock = Lock()

    def _publish(self, topic: str, body: bytes) -> Awaitable[None]:
        message, loop = Message(topic, body), running()
        with self._lock:
            dead = [sub for sub in self._routes.find(topic) if not sub.push(message, loop)]
            for subscription in dead:
                self._routes.remove(subscription)
        return DONE

    async def attach(self, subscription: Subscription) -> None:
        """Begins to deliver; a loop that is new looks whether others have ended with subscribers left."""
        with self._lock:
            if subscription.loop not in self._loops:
                self._loops = {loop for loop in self._loops if not loop.is_closed()} | {subscription.loop}
                for known in self._routes.all():
                    if known.loop.is_closed():
                        self._routes.remove(known)
            self._routes.add(subscription)

    def detach(self, subscription: Subscription) -> None:
        """Delivers no more."""
        with self._lock:
            self._routes.remove(subscription)

    def __len__(self) -> int:
        return len(self._routes.all())
