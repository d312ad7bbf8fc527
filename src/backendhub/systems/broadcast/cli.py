"""`backendhub broadcast`: a server, and a client for a terminal or a pipe."""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

from backendhub.kit import cli, hub
from backendhub.kit.errors import Invalid

from . import service
from .models import Message, Summary

app = cli.commands(
    "broadcast",
    "One message to everyone who is connected.",
    examples=(
        "backendhub broadcast start",
        "backendhub broadcast connect                    # type, and read what others type",
        "echo 'Deployed.' | backendhub broadcast connect # each line is a message",
        "backendhub broadcast connect --listen --json | jq .data",
    ),
)
Port = Annotated[int, Option(min=0, max=65535, help="Port of the server; with start 0 takes a free one.")]
Channel = Annotated[str, Option(help="The channel.", metavar="NAME")]


@app.command(undoable=False, examples=("backendhub broadcast start --port 9000 --history 100",))
def start(
    host: Annotated[str, Option(help="Address to listen on.")] = "127.0.0.1",
    port: Port = 8000,
    history: Annotated[
        int | None, Option(min=1, max=service.MAX_KEPT, help="Messages to keep of a channel.")
    ] = None,
    memory: Annotated[bool, Option("--memory", help="Keep everything in memory; gone at the end.")] = False,
) -> None:
    """Start a server. (`backendhub serve broadcast` has more options.)"""
    words = ["broadcast", "--host", host, "--port", str(port)]
    words += ["--history", str(history)] if history is not None else []
    hub.current().serve([*words, *(["--memory"] if memory else [])])


@app.command(
    undoable=False,
    examples=(
        "backendhub broadcast connect --port 9000 --channel news --last 5",
        "printf 'one\\ntwo\\n' | backendhub broadcast connect --channel news",
    ),
)
def connect(
    url: Annotated[
        str | None, Argument(help="Where the server is, for instance ws://host:8000/.", metavar="URL")
    ] = None,
    host: Annotated[str, Option(help="Address of the server.")] = "127.0.0.1",
    port: Port = 8000,
    channel: Channel = service.MAIN,
    last: Annotated[int, Option(min=0, max=1000, help="Begin with this many of the last messages.")] = 0,
    listen: Annotated[bool, Option("--listen", help="Only read; nothing is sent.")] = False,
    token: Annotated[
        str | None,
        Option(help="Token of an account, where the server asks for one.", envvar="BACKENDHUB_TOKEN"),
    ] = None,
) -> None:
    """Connect: what you type goes to everybody, what others type is shown; from a pipe each line is a message."""
    from . import client

    service.public(channel)
    address = url or f"ws://{f'[{host}]' if ':' in host else host}:{port}/"
    if not address.startswith(("ws://", "wss://")):
        raise Invalid(f"{address!r} is no address of a WebSocket.", hint="ws://127.0.0.1:8000/")
    client.run(client.Target(address, channel, last, token), hub.output(), listen=listen)


@app.command(undoable=False, columns=("name", "messages", "kept", "used_at"), empty="Nothing was sent yet.")
def channels() -> list[Summary]:
    """Channels of the local store."""
    return hub.read(service.channels, limit=1000)


@app.command(
    undoable=False,
    columns=("id", "event", "data", "at"),
    empty="There are no messages.",
    examples=("backendhub broadcast history news --last 20",),
)
def history(
    channel: Annotated[str, Argument(help="The channel.", metavar="CHANNEL")] = service.MAIN,
    last: Annotated[int, Option(min=1, max=1000, help="How many of the last messages.")] = 20,
) -> list[Message]:
    """Messages that the local store keeps of a channel."""
    return hub.read(service.history, channel, last=last, limit=last)
