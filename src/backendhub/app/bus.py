"""`backendhub bus`: who this store is on the bus, what waits, how far it has read; and leaving the bus."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from typer import Option

from backendhub.kit import cli, hub
from backendhub.kit.bus import status
from backendhub.kit.settings import without_password

app = cli.commands(
    "bus",
    "Events on a bus: Redis Streams, RabbitMQ or NATS JetStream, named by --bus of `serve` and `jobs run`.",
    examples=("backendhub bus", "backendhub bus leave"),
)
COMMANDS = {"bus": app}


class Shown(NamedTuple):
    """The state of a store on the bus."""

    bus: str | None
    source: str | None
    to_send: int
    readers: int
    partitions: str


@app.command("status", default=True, undoable=False)
def show() -> Shown:
    """Show who this store is on the bus, how many events wait to be sent and how far each partition is read."""
    current = hub.current()
    current.use("outbox")
    found = current.read(status.of)
    url = current.settings.get("bus")
    places = ", ".join(f"{name} at {position or '-'}" for name, position in found.positions)
    return Shown(without_password(url) if url else None, found.source, found.to_send, found.readers, places)


@app.command("leave", undoable=False, says="Left; {} events will not be sent.")
def leave(
    yes: Annotated[bool, Option("--yes", help="Although events wait that are not sent yet.")] = False,
) -> int:
    """Note no more events for the bus. Do this when no process uses it any more; whoever joins again begins anew."""
    current = hub.current()
    current.use("outbox")
    return current.unit(status.leave, anyway=yes)
