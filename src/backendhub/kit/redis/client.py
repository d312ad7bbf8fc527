"""One blocking connection, for threads and commands: what has no event loop."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from typing import Any

import hiredis

from backendhub.kit.sockets import readable

from .address import Address, RedisFailed, RedisLost, why

Command = Sequence[str | bytes | int | float]


class Client:
    """A connection that is made when first needed, and again when the server has closed it."""

    def __init__(self, address: Address, *, timeout_s: float) -> None:
        self._address = address
        self._timeout = timeout_s
        self._socket: socket.socket | None = None
        self._reader = hiredis.Reader()

    def call(self, commands: Sequence[Command]) -> list[Any]:
        """Sends commands together and gives their answers, errors among them. Raises RedisLost, RedisFailed."""
        try:
            # Something to read although nothing was asked: the server has closed it.
            if self._socket is None or readable(self._socket.fileno()):
                self._open()
            return self._exchange(commands)
        except (OSError, hiredis.ProtocolError) as error:
            self.close()
            reason = "it does not speak Redis" if isinstance(error, hiredis.ProtocolError) else why(error)
            raise RedisLost(self._address.shown, reason) from error

    def _open(self) -> None:
        self.close()
        self._socket = self._address.connect(self._timeout)
        self._reader = hiredis.Reader()
        for reply in self._exchange(self._address.greeting()):
            if isinstance(reply, RedisFailed):
                self.close()
                raise reply

    def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        link = self._socket
        assert link is not None
        link.sendall(b"".join(hiredis.pack_command(tuple(c)) for c in commands))  # type: ignore[arg-type]
        replies: list[Any] = []
        while len(replies) < len(commands):
            reply = self._reader.gets()
            if reply is False:
                data = link.recv(65536)
                if not data:
                    raise ConnectionResetError("the connection was closed")
                self._reader.feed(data)
            elif isinstance(reply, hiredis.ReplyError):
                replies.append(RedisFailed(self._address.shown, str(reply)))
            else:
                replies.append(reply)
        return replies

    def close(self) -> None:
        """Ends the connection."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None
