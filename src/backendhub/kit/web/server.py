"""The protocols of the server: HTTP by the edge, and uvicorn's WebSockets with goodbyes and frames made once."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState

from backendhub.kit.edge.protocol import HttpProtocol, drain

__all__ = ["SETTINGS", "HttpProtocol", "SocketProtocol"]

CLOSE_PATIENCE_S = 2.0
"""How long a client may take to answer a goodbye."""
MAX_MESSAGE = 16 * 1024 * 1024
SETTINGS: dict[str, Any] = {
    "ws_max_size": MAX_MESSAGE,
    # Its contexts would take 64 KiB of every idle connection, and one frame could unfold a thousandfold.
    "ws_per_message_deflate": False,
}


class SocketProtocol(WebSocketsSansIOProtocol):
    """WebSockets that are told when the server goes away, and a door for frames that are ready-made."""

    def handle_connect(self, event: Any) -> None:
        """Puts the door where `broadcast` finds it."""
        super().handle_connect(event)
        if self.response.status_code == 101:
            scope: Any = self.scope
            scope["backendhub.wire"] = self

    def put(self, frame: bytes, limit: int) -> bool:
        """Writes a frame; False where more than `limit` bytes wait already."""
        if self.close_sent or self.disconnected or self.transport.is_closing():
            return True
        if self.transport.get_write_buffer_size() > limit:
            return False
        self.transport.write(frame)
        return True

    def end(self, code: int, reason: str) -> None:
        """Says goodbye without waiting for room to say it in; who has not answered soon is cut off."""
        if self.close_sent or self.disconnected:
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.close_sent = True
        try:
            self.conn.send_close(code, reason)
        except InvalidState:
            self.transport.close()
            return
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_timer = self.loop.call_later(CLOSE_PATIENCE_S, self.transport.abort)

    def shutdown(self) -> None:
        """1001 where uvicorn says 1012, and time for the client to answer."""
        drain(self)
        self.stop_keepalive()
        if self.handshake_complete and not self.close_sent:
            self.end(1001, "The server is going away.")
        elif self.close_timer is None:
            super().shutdown()
