"""What can be wrong with a connection. A toxic is one stage on the way of the bytes; it may wait, cut, drop or end them."""

from __future__ import annotations

import asyncio
import random
import time
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar

from backendhub.kit.errors import Malformed

if TYPE_CHECKING:
    from .link import Stage

MOST = 2**31 - 1
TINY = 0.1
"""Seconds between the parts of what a slow line sends."""


@dataclass(slots=True)
class Toxic(ABC):
    """Attributes of a kind of toxic; whole numbers, as on the wire."""

    kind: ClassVar[str]

    @abstractmethod
    async def run(self, stage: Stage) -> None:
        """Takes chunks from the stage before and hands them on, until it is told to stop or ends the stream."""

    @property
    def attributes(self) -> dict[str, int]:
        """Its attributes as the wire has them."""
        return asdict(self)


@dataclass(slots=True)
class Latency(Toxic):
    """Everything arrives `latency` ms later, give or take `jitter`."""

    latency: int = 0
    jitter: int = 0
    kind = "latency"

    async def run(self, stage: Stage) -> None:
        """Waits from the moment a chunk arrived, so that the line is slow and not narrow."""
        async for chunk in stage.chunks():
            late = self.latency + (random.randrange(2 * self.jitter) - self.jitter if self.jitter > 0 else 0)
            due = chunk.at + late / 1000
            if (rest := due - time.monotonic()) > 0:
                await asyncio.sleep(rest)
            stage.emit(chunk._replace(at=max(due, chunk.at)))


@dataclass(slots=True)
class Bandwidth(Toxic):
    """`rate` KB a second; 0 is no limit."""

    rate: int = 0
    kind = "bandwidth"

    async def run(self, stage: Stage) -> None:
        """Sends parts of a tenth of a second."""
        debt = 0.0
        async for chunk in stage.chunks():
            if self.rate <= 0:
                stage.emit(chunk)
                continue
            step = max(1, round(self.rate * 1000 * TINY))
            while chunk.data:
                part, rest = chunk.data[:step], chunk.data[step:]
                debt += len(part) / (self.rate * 1000)
                began = time.monotonic()
                await asyncio.sleep(debt)
                debt -= time.monotonic() - began
                stage.emit(chunk._replace(data=part))
                chunk = chunk._replace(data=rest)
                stage.held = chunk


@dataclass(slots=True)
class SlowClose(Toxic):
    """The end of the stream comes `delay` ms later."""

    delay: int = 0
    kind = "slow_close"

    async def run(self, stage: Stage) -> None:
        """Hands all on; waits with the end."""
        async for chunk in stage.chunks():
            stage.emit(chunk)
        await asyncio.sleep(self.delay / 1000)


@dataclass(slots=True)
class Timeout(Toxic):
    """Nothing gets through. After `timeout` ms without anything the connection is closed; 0: never."""

    timeout: int = 0
    kind = "timeout"

    async def run(self, stage: Stage) -> None:
        """Drops everything."""
        chunks = stage.chunks()
        while True:
            try:
                async with asyncio.timeout(self.timeout / 1000 if self.timeout > 0 else None):
                    await anext(chunks)
            except TimeoutError:
                stage.cut()
                return
            except StopAsyncIteration:
                return
            stage.held = None


@dataclass(slots=True)
class Slicer(Toxic):
    """Data comes in pieces of about `average_size` bytes, give or take `size_variation`, `delay` µs apart."""

    average_size: int = 0
    size_variation: int = 0
    delay: int = 0
    kind = "slicer"

    async def run(self, stage: Stage) -> None:
        """Cuts each chunk up."""
        async for chunk in stage.chunks():
            for start, end in self._pieces(0, len(chunk.data)):
                stage.emit(chunk._replace(data=chunk.data[start:end]))
                stage.held = chunk._replace(data=chunk.data[end:])
                await asyncio.sleep(self.delay / 1_000_000)

    def _pieces(self, start: int, end: int) -> list[tuple[int, int]]:
        size, variation = max(1, self.average_size), min(self.size_variation, self.average_size - 1)
        found = []
        while start < end:
            piece = size + (random.randint(-variation, variation) if variation > 0 else 0)
            found.append((start, min(end, start + piece)))
            start += piece
        return found


@dataclass(slots=True)
class LimitData(Toxic):
    """The connection is closed after `bytes` bytes."""

    bytes: int = 0
    kind = "limit_data"

    async def run(self, stage: Stage) -> None:
        """Counts over the life of the connection, also where the limit is changed meanwhile."""
        async for chunk in stage.chunks():
            part = chunk.data[: max(0, self.bytes - stage.passed)]
            stage.passed += len(part)
            if part:
                stage.emit(chunk._replace(data=part))
            if stage.passed >= self.bytes:
                stage.cut()
                return


@dataclass(slots=True)
class ResetPeer(Toxic):
    """The connection is reset (RST) `timeout` ms after something was sent."""

    timeout: int = 0
    kind = "reset_peer"

    async def run(self, stage: Stage) -> None:
        """Waits for anything, the end included."""
        async for _ in stage.chunks():
            break
        await asyncio.sleep(self.timeout / 1000)
        stage.cut(reset=True)


KINDS: dict[str, type[Toxic]] = {
    kind.kind: kind for kind in (Latency, Bandwidth, SlowClose, Timeout, Slicer, LimitData, ResetPeer)
}
DIRECTIONS = ("upstream", "downstream")


@dataclass(slots=True)
class Placed:
    """A toxic of a proxy: its name, the direction it is in, and the part of the connections that it meets."""

    name: str
    stream: str
    toxicity: float
    toxic: Toxic
    kind: str = field(init=False)

    def __post_init__(self) -> None:
        """Its kind by name."""
        self.kind = self.toxic.kind

    def shown(self) -> dict[str, Any]:
        """As the wire has it."""
        return {
            "attributes": self.toxic.attributes,
            "name": self.name,
            "type": self.kind,
            "stream": self.stream,
            "toxicity": self.toxicity,
        }

    def update(self, toxicity: Any, attributes: Any) -> None:
        """Takes over what is given. Raises Malformed, and changes nothing then."""
        number = self.toxicity if toxicity is None else toxicity
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise Malformed("bad request body: toxicity is no number")
        found = checked(type(self.toxic), attributes)
        self.toxicity = float(number)
        for name, value in found.items():
            setattr(self.toxic, name, value)


def checked(kind: type[Toxic], attributes: Any) -> dict[str, int]:
    """The attributes that a kind of toxic has; others are passed over, as Toxiproxy does. Raises Malformed."""
    if attributes is None:
        return {}
    if not isinstance(attributes, dict):
        raise Malformed("bad request body: attributes are no object")
    found = {f.name: attributes[f.name] for f in fields(kind) if attributes.get(f.name) is not None}
    for name, value in found.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or value % 1 or abs(value) > MOST:
            raise Malformed(f"bad request body: {name} is no whole number")
    return {name: max(0, int(value)) for name, value in found.items()}
