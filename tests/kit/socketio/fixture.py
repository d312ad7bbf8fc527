"""The server that the public suites of the two protocols ask for: python fixture.py PORT."""

from __future__ import annotations

import asyncio
import sys
from types import SimpleNamespace
from typing import Any

import uvicorn

from backendhub.kit import hub, socketio, web
from backendhub.kit.settings import Settings
from backendhub.kit.web import mounts, server


class Echo(socketio.Server):
    """Engine.IO alone: what comes goes back."""

    def _received(self, session: socketio.Session, message: str | bytes) -> None:
        session.say(message if isinstance(message, bytes) else "4" + message)


def router() -> web.Router:
    """Both servers, with the short times that the suites ask for."""
    made = web.Router("Fixture")
    io = socketio.Server(ping_s=0.3, timeout_s=0.2, connect_s=1)
    for name in ("/", "/custom"):
        namespace = io.namespace(name)

        async def connected(socket: socketio.Socket) -> None:
            socket.join("all")
            # The suites' clients wait for one packet at a time, and do not see a second one in the same segment.
            await asyncio.sleep(0.03)
            socket.emit("auth", socket.auth)

        async def message(socket: socketio.Socket, *args: Any) -> None:
            socket.emit("message-back", *args)

        async def with_ack(socket: socketio.Socket, *args: Any) -> tuple[Any, ...]:
            return args

        async def everyone(socket: socketio.Socket, *args: Any) -> None:
            socket.namespace.emit(socket.hub, "said", *args, to="all")

        async def others(socket: socketio.Socket, *args: Any) -> None:
            socket.namespace.emit(socket.hub, "said", *args, to="all", skip=socket)

        async def ask(socket: socketio.Socket, question: str) -> Any:
            return await socket.call("question", question)

        namespace.connected = connected
        namespace.handlers = {
            "message": message,
            "message-with-ack": with_ack,
            "everyone": everyone,
            "others": others,
            "ask": ask,
        }
    io.attach(made)
    Echo(ping_s=0.3, timeout_s=0.2, connect_s=1000).attach(made, "/engine.io")
    return made


def main(port: int) -> None:
    """Serves until it is stopped."""
    mounts.import_module = lambda name: SimpleNamespace(router=router())  # type: ignore[assignment]
    row: Any = SimpleNamespace(name="fixture", package="fixture", summary="")
    current = hub.Hub(Settings({"database": ":memory:"}))
    current.use = lambda *names: None  # type: ignore[method-assign]
    app: Any = web.build_app([row], current, single=True, log_format="none")
    uvicorn.run(
        app,
        port=port,
        http=server.HttpProtocol,
        ws=server.SocketProtocol,
        log_level="warning",
        access_log=False,
        **server.SETTINGS,
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
