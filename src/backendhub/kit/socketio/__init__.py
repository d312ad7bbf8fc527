"""Socket.IO 5 over Engine.IO 4, for `socket.io-client` 3 and 4: long polling and WebSocket, on the fan-out.

    io = socketio.Server()
    chat = io.namespace("/")

    @chat.on("say")
    async def say(socket, text):
        chat.emit(io.fan(socket.hub), "said", text, to="everyone")
        return "ok"                                  # the acknowledgement

    io.attach(router)                                # at /socket.io/

See docs/guides/fanout.md.
"""

from __future__ import annotations

from .engine import Session
from .packets import ProtocolError
from .server import Namespace, Server, Socket

__all__ = ["Namespace", "ProtocolError", "Server", "Session", "Socket"]
