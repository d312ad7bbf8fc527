"""The protocols of the server: HTTP by the edge, and uvicorn's WebSockets with goodbyes and frames made once."""

from __future__ import annotations

import logging
from codecs import getincrementaldecoder
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol

from backendhub.kit.edge.protocol import HttpProtocol
from backendhub.kit.edge.refusal import drain

__all__ = ["SETTINGS", "HttpProtocol", "SocketProtocol"]

CLOSE_PATIENCE_S = 2.0
"""How long a client may take to answer a goodbye."""
SMALL, AHEAD = 4096, 16
"""A message of more bytes is handed on before the next is read, as are this many that are shorter."""
MAX_MESSAGE = 16 * 1024 * 1024
SETTINGS: dict[str, Any] = {
    "ws_max_size": MAX_MESSAGE,
    # Its contexts would take 64 KiB of every idle connection, and one frame could unfold a thousandfold.
    "ws_per_message_deflate": False,
}


utf8 = getincrementaldecoder("utf-8")


class Strict(ServerProtocol):
    """The rules of RFC 6455 where `websockets` is lax or too strict: text is looked at fragment by fragment, and a
    client may close in the middle of a message."""

    _text: Any = None
    """Reads a text message whose end has not come."""

    def recv_frame(self, frame: Frame) -> None:
        """Takes a frame. Raises UnicodeDecodeError for text that is no UTF-8, as soon as that is certain."""
        opcode = frame.opcode
        if opcode is Opcode.TEXT and self.current_size is None:
            if frame.fin:
                bytes(frame.data).decode()
            else:
                self._text = utf8()
                self._text.decode(frame.data)
        elif opcode is Opcode.CONT and self._text is not None:
            self._text.decode(frame.data, final=frame.fin)
            if frame.fin:
                self._text = None
        elif opcode is Opcode.CLOSE:
            self.current_size = None
        super().recv_frame(frame)


class SocketProtocol(WebSocketsSansIOProtocol):
    """WebSockets that are told when the server goes away, and a door for frames that are ready-made."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.conn = Strict(max_size=self.config.ws_max_size, logger=logging.getLogger("uvicorn.error"))
        self._pong = b""

    def data_received(self, data: bytes) -> None:
        """What came before a mistake is still handed on."""
        self.conn.receive_data(data)
        self.handle_events()
        if self.conn.parser_exc is not None and not self.close_sent:
            self.handle_parser_exception()

    def send_receive_event_to_app(self) -> None:
        """Reads on while little waits: uvicorn stops and goes on for each message, which costs two system calls."""
        paused, self.read_paused = self.read_paused, True
        size = sum(map(len, self.frames))
        super().send_receive_event_to_app()
        self.read_paused = paused
        if not paused and not self.close_sent and (size > SMALL or self.queue.qsize() >= AHEAD):
            self.read_paused = True
            self.transport.pause_reading()

    def at_most(self, size: int) -> None:
        """Takes no message of more bytes, of which a part would otherwise wait for the rest."""
        self.conn.max_message_size = min(size, MAX_MESSAGE)

    def handle_cont(self, event: Any) -> None:
        """Keeps the parts of a message as one: a million of one byte would take fifty times their size."""
        frames: list[Any] = self.frames
        if not isinstance(frames[0], bytearray):
            frames[0] = bytearray(frames[0])
        frames[0] += event.data
        if event.fin:
            frames[0] = bytes(frames[0])
            self.send_receive_event_to_app()

    def handle_ping(self) -> None:
        """Answers, or where the client does not read, answers the last one once it does (RFC 6455 §5.5.3)."""
        answer = b"".join(self.conn.data_to_send())  # to all the pings that were read at once
        if self.writable.is_set():
            self.transport.write(answer)
        else:
            self._pong = answer or self._pong

    def resume_writing(self) -> None:
        """There is room again."""
        super().resume_writing()
        pong, self._pong = self._pong, b""
        if pong and not self.close_sent:
            self.transport.write(pong)

    def handle_connect(self, event: Any) -> None:
        """Puts the door where `broadcast` finds it."""
        super().handle_connect(event)
        if self.response.status_code == 101:
            scope: Any = self.scope
            scope["backendhub.wire"] = self

    async def send(self, message: Any) -> None:
        """A handshake that was answered with a response is complete: nothing for uvicorn to complain of."""
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True

    def put(self, frame: bytes, limit: int) -> bool:
        """Writes a frame; False where more than `limit` bytes wait already."""
        transport = self.transport
        if self.close_sent or self.disconnected or transport.is_closing():
            return True
        if transport.get_write_buffer_size() > limit:
            return False
        transport.write(frame)
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
