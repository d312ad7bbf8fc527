"""The commits of a process: what is submitted in one turn of the event loop is stored in one transaction."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid, StoreBusy

from . import log
from .models import Channel, Entry
from .work import Work

if TYPE_CHECKING:
    from backendhub.kit.hub import Hub

Waiting = tuple[str, Entry, "asyncio.Future[Entry]"]
Added = tuple[Channel, list[Entry]]
MAX_WAITING = 1000
"""Entries that may wait for their commit before who publishes has to wait, too."""
MAX_SIZE = 16 << 20
"""The same in the length of what they say."""


class Group(Work):
    """Entries on their way to the store."""

    def __init__(
        self, hub: Hub, space: str, keep: int, committed: Callable[[Channel, Sequence[Entry]], None]
    ) -> None:
        """`committed` gets what is stored, in the order of the channels' names."""
        super().__init__(hub)
        self.space = space
        self.keep = keep
        self.committed = committed
        self._pending: list[Waiting] = []
        self._size = 0
        self._flushing = False
        self._room = asyncio.Event()
        self._room.set()

    def submit(self, channel: str, entry: Entry) -> asyncio.Future[Entry]:
        """Stores an entry. Raises Invalid for what no store keeps: it would take with it what others submit in the same
        turn."""
        check(entry)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Entry] = loop.create_future()
        self._pending.append((channel, entry, future))
        if not self._flushing:
            self._flushing = True
            loop.call_soon(self._flush)
        self._size += len(entry.body)
        if len(self._pending) >= MAX_WAITING or self._size >= MAX_SIZE:
            self._room.clear()
        return future

    async def ready(self) -> None:
        """Waits while too much waits for its commit."""
        await self._room.wait()

    def _flush(self) -> None:
        batch, self._pending = self._pending, []
        if not self.hub.store.blocking:
            try:
                self._settle(batch, self.hub.store.unit(self._write, batch))
            except StoreBusy:
                self.spawn(self._flush_elsewhere(batch))
            except Exception as error:
                self._settle(batch, error)
        else:
            self.spawn(self._flush_elsewhere(batch))

    async def _flush_elsewhere(self, batch: list[Waiting]) -> None:
        try:
            result: list[Added] | Exception = await asyncio.to_thread(self.hub.store.unit, self._write, batch)
        except Exception as error:
            result = error
        self._settle(batch, result)

    def _write(self, db: Db, batch: list[Waiting]) -> list[Added]:
        found = log.by_channel((channel, entry) for channel, entry, _ in batch)
        return [
            (log.append(db, self.space, channel, entries, keep=self.keep), entries)
            for channel, entries in found.items()
        ]

    def _settle(self, batch: list[Waiting], result: list[Added] | Exception) -> None:
        if isinstance(result, list):
            for channel, entries in result:
                try:
                    self.committed(channel, entries)
                except (
                    Exception
                ) as error:  # a codec of one channel: who published must hear of it, and others go on
                    traceback.print_exception(error, file=sys.stderr)
        for _, entry, future in batch:
            self._size -= len(entry.body)
            if future.cancelled():
                continue
            if isinstance(result, list):
                future.set_result(entry)
            else:
                future.set_exception(result)
        self._flushing = bool(self._pending)
        if self._flushing:
            asyncio.get_running_loop().call_soon(self._flush)
        else:
            self._room.set()


def check(entry: Entry) -> None:
    """Raises Invalid for an entry that not every store and wire can carry."""
    for text in (entry.event, entry.body):
        if isinstance(text, str) and not is_text(text):
            raise Invalid("A message is text without NUL and without half of a character.")


def is_text(text: str) -> bool:
    """Whether it can be said in UTF-8 (JSON can name half of a character), without NUL, which PostgreSQL does not keep."""
    if "\x00" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
