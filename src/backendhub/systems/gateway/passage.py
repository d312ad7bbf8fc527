"""A body on its way through: what is told of it when it ends, however it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator

from backendhub.kit.edge import Incoming
from backendhub.kit.errors import TooLarge

from .crossing import Attempts
from .plugins.base import Context


async def relayed(context: Context) -> AsyncIterator[bytes]:
    """A request's body as it arrives. Raises TooLarge beyond what a plugin lets through."""
    size = 0
    async for part in context.request.stream():
        size += len(part)
        if context.most is not None and size > context.most:
            context.oversized = True
            raise TooLarge("Request size limit exceeded")
        yield part


class Passage:
    """An answer's body for the client."""

    def __init__(self, context: Context, incoming: Incoming, attempts: Attempts) -> None:
        self.incoming = context.incoming = incoming
        self.context = context
        self.attempts: Attempts | None = attempts
        self.call, context.breaker = context.breaker, None
        self.parts = incoming.parts()
        length = dict(incoming.headers).get(b"content-length")
        self.length = int(length) if length is not None and length.isdigit() else None
        if self.call is not None:
            self.call.heard(incoming.status)

    def __aiter__(self) -> Passage:
        return self

    async def __anext__(self) -> bytes:
        try:
            part = await anext(self.parts)
        except StopAsyncIteration:
            if self.context.keep is not None:
                self.context.keep(b"", True)
            self.ended()
            raise
        except (OSError, TimeoutError) as error:
            if self.call is not None:
                self.call.failed(error)
            self.ended()
            raise
        if self.context.keep is not None:
            self.context.keep(part, False)
        return part

    def ended(self) -> None:
        """It has gone through, or nobody wants the rest."""
        if self.call is not None:
            self.call.settle(good=self.incoming.whole)
        if self.attempts is not None:
            self.attempts.ended()
            self.attempts = None

    async def aclose(self) -> None:
        """Nobody wants the rest."""
        self.ended()
        self.incoming.close()
