"""An answer that another server gives, over a connection that is kept: no task, no future, no timer of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from .exchange import Incoming, Interim, Outgoing

if TYPE_CHECKING:
    from .link import Link
    from .turn import Turn
    from .upstream import Origin


class Relay(ABC):
    """What a handler returns for a request without a body that may be sent twice. Where no connection lies idle, or the
    one that did has ended, `slowly` is asked for the answer instead."""

    __slots__ = ("_link", "_origin", "_outgoing", "_turn")

    def __init__(self, origin: Origin, outgoing: Outgoing) -> None:
        self._origin = origin
        self._outgoing = outgoing
        self._link: Link | None = None
        self._turn: Turn | None = None

    # -- for who makes one --------------------------------------------------------------------------------

    @abstractmethod
    def answered(self, incoming: Incoming) -> Any:
        """The answer for the client. The head is there, and what has come with it; `whole` where that is all."""

    @abstractmethod
    def failed(self, error: Exception) -> Any:
        """The answer where none came: an Unreachable, or a TooLate."""

    @abstractmethod
    def slowly(self) -> Awaitable[Any]:
        """The answer by way of `origin.send`."""

    @abstractmethod
    def left(self) -> None:
        """The client is gone before there was an answer."""

    @abstractmethod
    def told(self, interim: Interim) -> None:
        """An interim answer has come."""

    # -- for the edge -------------------------------------------------------------------------------------

    def start(self, turn: Turn) -> None:
        """Sends the request."""
        link = self._origin.kept()
        if link is None:
            turn.take(self.slowly())
            return
        self._turn, self._link = turn, link
        link.begin(self._outgoing, self.told, self)

    def cancel(self) -> None:
        """The client is gone."""
        if self._link is not None:
            link, self._link = self._link, None
            link.drop()
            self._origin.places.give()
            self.left()

    def arrived(self, incoming: Incoming) -> None:
        """The head has come."""
        turn, self._link = self._turn, None
        assert turn is not None
        try:
            answer = self.answered(incoming)
        except Exception as error:
            incoming.close()
            answer = error
        turn.answer(answer)

    def broke(self, error: Exception) -> None:
        """No answer has come."""
        link, self._link = self._link, None
        turn = self._turn
        assert link is not None and turn is not None
        self._origin.places.give()
        try:
            ended = isinstance(error, ConnectionError) and not link.heard
            answer = self.slowly() if ended else self.failed(self._origin.failure(error))
        except Exception as failure:
            answer = failure
        turn.answer(answer)
