"""What the application is given of a request that no hot route has taken: uvicorn's cycle."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

if TYPE_CHECKING:
    from .protocol import HttpProtocol

Pairs = list[tuple[bytes, bytes]]


def scope(protocol: HttpProtocol, method: bytes, url: bytes, version: str, headers: Pairs) -> Any:
    """The ASGI scope of a head."""
    parsed = httptools.parse_url(url if url != b"*" else b"/")
    raw: bytes = (parsed.path or b"/") if url != b"*" else url
    path = raw.decode("ascii")
    return {
        "type": "http",
        "asgi": {"version": protocol.asgi_version, "spec_version": "2.3"},
        "http_version": version,
        "server": protocol.server,
        "client": protocol.client,
        "scheme": protocol.scheme,
        "method": method.decode("ascii"),
        "root_path": protocol.root_path,
        "path": protocol.root_path + (unquote(path) if "%" in path else path),
        "raw_path": protocol.root_path.encode("ascii") + raw,
        "query_string": parsed.query or b"",
        "headers": headers,
        "state": protocol.app_state.copy(),
    }


def cycle(
    protocol: HttpProtocol,
    method: bytes,
    url: bytes,
    version: str,
    headers: Pairs,
    keep_alive: bool,
    expects: bool,
) -> RequestResponseCycle:
    """uvicorn's answer to a head, which is still to be started."""
    return RequestResponseCycle(
        scope=scope(protocol, method, url, version, headers),
        transport=protocol.transport,
        flow=protocol.flow,
        logger=protocol.logger,
        access_logger=protocol.access_logger,
        access_log=protocol.access_log,
        default_headers=protocol.server_state.default_headers,
        message_event=asyncio.Event(),
        expect_100_continue=expects,
        keep_alive=keep_alive,
        on_response=protocol.on_response_complete,
    )
