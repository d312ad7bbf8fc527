"""What is asked of a connection that lies idle."""

from __future__ import annotations

import select


def readable(descriptor: int) -> bool:
    """Whether something can be read. On an idle connection of a protocol that only answers, that is its end."""
    if hasattr(select, "poll"):  # select() itself takes no descriptor above 1023
        asked = select.poll()
        asked.register(descriptor, select.POLLIN)
        return bool(asked.poll(0))
    return bool(select.select([descriptor], [], [], 0)[0])
