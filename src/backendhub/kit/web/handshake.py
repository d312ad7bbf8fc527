"""A WebSocket from its handshake to its end."""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from backendhub.kit.errors import HubError, NotFound
from backendhub.kit.problems import HttpError
from backendhub.kit.sockets import Disconnected

from .endpoint import Endpoint
from .failures import crash, failure
from .replies import Sent
from .request import Request
from .routing import WEBSOCKET
from .sockets import MAX_MESSAGE, Socket, check_origin

if TYPE_CHECKING:
    from .application import Application

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


async def serve(app: Application, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers a handshake, runs the endpoint, and notes both in log and metrics."""
    start = time.perf_counter()
    request, trace = app.begin(scope)
    await receive()  # websocket.connect
    socket = Socket(request, receive, send, MAX_MESSAGE)
    status, seconds = 101, 0.0
    try:
        endpoint, args = await _shake(app, request)
        seconds = time.perf_counter() - start
        await _converse(app, socket, endpoint, args)
    except HubError as error:
        sent = failure(request, app.mounts.get(request.prefix), error)
        status = await _refuse(app, socket, sent)
    except Exception as error:
        sent = crash(request, app.mounts.get(request.prefix), error)
        status = await _refuse(app, socket, sent)
    app.metrics.observe("GET", request.route, status, seconds)
    lasted = time.perf_counter() - start
    app.note("WEBSOCKET", scope, status, lasted, socket.sent, request.id, trace)


async def _shake(app: Application, request: Request) -> tuple[Endpoint, dict[str, Any]]:
    """The endpoint and its arguments. Raises HubError."""
    if app.draining:
        raise HttpError(503, "The server is going away.")
    mounted, found, values = await app.find(request)
    endpoint = (found or {}).get(WEBSOCKET)
    if endpoint is None:
        raise NotFound(f"There is no WebSocket at {request.path[:200]}.")
    request.route = mounted.prefix + endpoint.route.path
    check_origin(request, app.allowed(mounted))
    if endpoint.gate is not None:
        await app.units.admit(endpoint, request)
    return endpoint, endpoint.arguments(request, values)


async def _converse(app: Application, socket: Socket, endpoint: Endpoint, args: dict[str, Any]) -> None:
    """Runs an endpoint on its socket. Raises what the endpoint raises before it accepts."""
    socket.max_message = endpoint.route.max_body or MAX_MESSAGE
    args[endpoint.socket_name or "socket"] = socket
    task = asyncio.current_task()
    assert task is not None
    app.sockets.open[socket] = task
    app.metrics.move("websockets_open", socket.request.route, 1)
    try:
        await endpoint.await_(socket.request, args)
        await socket.close(1000)
    except Disconnected:
        pass
    except asyncio.CancelledError:
        if not app.draining:
            raise
    except Exception as error:
        if not socket.accepted:
            raise
        await _fail(socket, error)
    finally:
        del app.sockets.open[socket]
        app.metrics.move("websockets_open", socket.request.route, -1)


async def _fail(socket: Socket, error: Exception) -> None:
    """Closes after the handshake: 1008 with the message of an error that is the client's, 1011 for ours."""
    if isinstance(error, HubError) and error.status < 500:
        await socket.close(1008, error.message.encode()[:120].decode("utf-8", "ignore"))
        return
    traceback.print_exception(error, file=sys.stderr)
    await socket.close(1011)


async def _refuse(app: Application, socket: Socket, sent: Sent) -> int:
    """Answers with an HTTP response, where the server can (ASGI's denial response)."""
    app.complete(socket.request, sent)
    await socket.deny(sent)
    return sent.status
