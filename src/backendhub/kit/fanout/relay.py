"""What one process tells the others over Redis: entries, and where that fails, that there are some."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from backendhub.kit.errors import StoreError
from backendhub.kit.events import Gap
from backendhub.kit.ids import uuid7

from .models import Entry

if TYPE_CHECKING:
    from .core import Fanout

AGAIN_S = 0.5
"""How long after a failure the others are told again."""
MAX_WAITING = 10_000
Told = dict[str, Any]


class Relay:
    """The link of a fan-out to those of other processes. Entries are in the store already: a message that is lost on
    the way is only late, because what follows shows that it is missing, and a lost connection makes everybody read."""

    def __init__(self, fan: Fanout) -> None:
        self._fan = fan
        self._node = uuid7()
        self._topic = f"fanout.{fan.space}"
        self._late: dict[str, tuple[str, int]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Task[None] | None = None
        self._open = asyncio.Event()

    # -- telling ------------------------------------------------------------------------------------------

    def tell(self, channel: str, epoch: str, entries: Sequence[Entry]) -> None:
        """Tells the others of entries."""
        self._send(channel, epoch, {"e": [_written(entry) for entry in entries]}, entries[-1].number)

    def ask(self, what: Told) -> None:
        """Tells the others something that is no entry; `Fanout.on_ask` gets it there."""
        self._send("", "", {"a": what}, 0)

    def _send(self, channel: str, epoch: str, body: Told, number: int) -> None:
        told = self._fan.hub.events.publish(self._topic, {"n": self._node, "c": channel, "p": epoch, **body})
        task = asyncio.get_running_loop().create_task(self._sent(told, channel, epoch, number))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _sent(self, told: Any, channel: str, epoch: str, number: int) -> None:
        try:
            await told
        except StoreError:
            if number:
                first = not self._late
                self._late[channel] = (epoch, number)
                if first:
                    await self._again()

    async def _again(self) -> None:
        """Tells of what could not be told, until it could."""
        while self._late:
            await asyncio.sleep(AGAIN_S)
            for channel, (epoch, number) in list(self._late.items()):
                message = {"n": self._node, "c": channel, "p": epoch, "h": number}
                try:
                    await self._fan.hub.events.publish(self._topic, message)
                except StoreError:
                    break
                if self._late.get(channel) == (epoch, number):
                    del self._late[channel]

    # -- hearing ------------------------------------------------------------------------------------------

    async def listening(self) -> None:
        """Waits until what others tell arrives. Raises StoreError where Redis cannot be reached."""
        if self._open.is_set():
            return
        if self._listener is None or self._listener.done():
            self._listener = asyncio.get_running_loop().create_task(self._listen())
        opened = asyncio.get_running_loop().create_task(self._open.wait())
        try:
            await asyncio.wait((opened, self._listener), return_when=asyncio.FIRST_COMPLETED)
        finally:
            opened.cancel()
        if self._listener.done() and not self._listener.cancelled():
            self._listener.result()

    async def _listen(self) -> None:
        messages = self._fan.hub.events.subscribe(self._topic, limit=MAX_WAITING, overflow="gap")
        async with messages:
            self._open.set()
            try:
                async for message in messages:
                    if isinstance(message, Gap):
                        self._fan.lost()
                    else:
                        self._heard(message.data)
            finally:
                self._open.clear()

    def _heard(self, told: Told) -> None:
        if told["n"] == self._node:
            return
        if "a" in told:
            self._fan.asked(told["a"])
        elif "h" in told:
            self._fan.hinted(told["c"], told["p"], told["h"])
        else:
            entries = [_read(told["p"], each) for each in told["e"]]
            if entries[-1].number:
                self._fan.arrived(told["c"], told["p"], entries)
            else:
                self._fan.heard(told["c"], entries[0])

    def close(self) -> None:
        """Ends it."""
        for task in (*self._tasks, *([self._listener] if self._listener is not None else [])):
            with suppress(RuntimeError):
                task.cancel()


def _written(entry: Entry) -> list[Any]:
    body: Any = entry.body if isinstance(entry.body, str) else [base64.b64encode(entry.body).decode()]
    return [entry.number, entry.event, body, entry.at, entry.skip]


def _read(epoch: str, told: list[Any]) -> Entry:
    number, event, body, at, skip = told
    return Entry(
        event,
        body if isinstance(body, str) else base64.b64decode(body[0]),
        number=number,
        epoch=epoch,
        at=at,
        skip=skip,
    )
