"""`/readyz`: whether new requests are welcome, and which engine cannot be reached."""

from __future__ import annotations

import asyncio
import contextlib

from backendhub.kit.errors import HubError
from backendhub.kit.hub import Hub

PATIENCE_S = 1.0
"""How long a database may take to give a sign of life."""


class Readiness:
    """Asks the engines of one hub; one question at a time, however many probes there are."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._asking: asyncio.Task[str] | None = None

    async def __call__(self) -> tuple[int, str]:
        """The status and a line for each thing that is wrong. A database must answer, and Redis where events go over
        it; caches and limits go on without it, as they declare."""
        if not self._hub.ready:
            return 503, "draining\n"
        status, lines = 200, []
        if reason := await self._database():
            status, lines = 503, [f"database: {reason}"]
        if reason := await self._redis():
            status = 503 if "events" in self._hub.__dict__ else status
            lines.append(f"redis: {reason}")
        if trouble := getattr(self._hub.__dict__.get("bus"), "trouble", None):
            lines.append(f"bus: {trouble}")  # events wait in the store
        return status, "".join(f"{line}\n" for line in lines) or "ok\n"

    async def _database(self) -> str:
        if not self._hub.store.blocking:
            return ""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(asyncio.to_thread(self._ask_database))
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(asyncio.shield(self._asking), PATIENCE_S)
        return "no answer in time"

    def _ask_database(self) -> str:
        try:
            self._hub.store.read(lambda db: db.value("SELECT 1"))
        except HubError as error:
            return error.message
        return ""

    async def _redis(self) -> str:
        redis = self._hub.redis
        if redis is None:
            return ""
        try:
            await redis.acall("PING")
        except HubError as error:
            return error.message
        return getattr(self._hub.__dict__.get("events"), "trouble", None) or ""
