"""What is asked of a connection that lies idle, and how one ends."""

from __future__ import annotations

import select


class Disconnected(Exception):
    """The other side, the network or this server ended the connection. `code` as in RFC 6455 §7.4.1; 1006 where there
    was no closing handshake."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"{code} {reason}".strip())
        self.code = code
        self.reason = reason


def readable(descriptor: int) -> bool:
    """Whether something can be read. On an idle connection of a protocol that only answers, that is its end."""
    if hasattr(select, "poll"):  # select() itself takes no descriptor above 1023
        asked = select.poll()
        asked.register(descriptor, select.POLLIN)
        return bool(asked.poll(0))
    return bool(select.select([descriptor], [], [], 0)[0])
