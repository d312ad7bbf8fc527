"""Requests that come as the same bytes again: most clients of a hot route send nothing else. They are not parsed twice."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from .clocks import BUSY, IDLE
from .messages import Response
from .routes import Seen
from .turn import HIGH_WATER, Turn

if TYPE_CHECKING:
    from .protocol import HttpProtocol

MAX_SEEN_BYTES = 2048


def remember(protocol: HttpProtocol, data: bytes) -> None:
    """Keeps what these bytes mean: one whole request without a body, after which the connection stays."""
    turn = protocol.cycle
    if isinstance(turn, Turn) and not turn.more_body and turn.keep_alive and not turn.expects:
        table = protocol.table
        assert table is not None
        if data.endswith(b"\r\n\r\n") and table.met.before(data) and not turn.request.has_body:
            kept = turn.request.again(None)
            kept.memo = {}
            table.remember(data, Seen(kept, turn.url, turn.route, turn.mount))


def again(protocol: HttpProtocol, seen: Seen) -> None:
    """Answers a request whose bytes were parsed before."""
    route, table = seen.route, protocol.table
    request = seen.request.again(protocol)
    start = perf_counter()
    answer: Any
    try:
        answer = route.handler(request)
    except Exception as error:
        answer = error
    if type(answer) is Response and answer.dated and (not route.cors or b"origin" not in request.fields):
        size = len(answer.body)
        if request.method == b"HEAD":
            size = 0
            protocol.transport.write(answer.head + b"\r\n")
        elif size > HIGH_WATER:
            protocol.transport.writelines((answer.head + b"\r\n", answer.body))
        else:
            protocol.transport.write(answer.whole())
        protocol.server_state.total_requests += 1
        protocol.phase = IDLE
        protocol.deadline = protocol.clock.now + protocol.timeout_keep_alive
        assert table is not None
        table.done(request, route, answer.status, perf_counter() - start, size)
        return
    found = (route, seen.mount)
    protocol.cycle = protocol.running = turn = Turn(
        protocol, request, seen.url, found, keep_alive=True, expects=False
    )
    protocol.phase = BUSY
    turn.adopt(answer)
