"""What a hot route is given, and what it answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote

from backendhub.kit.output import dumps

if TYPE_CHECKING:
    from backendhub.kit.hub import Hub

    from .protocol import HttpProtocol
    from .relay import Relay
    from .tunnel import Tunnel
    from .turn import Turn

Pairs = Iterable[tuple[bytes, bytes]]

STATUS_LINES = {
    status: f"HTTP/1.1 {status} {HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ''}\r\n".encode()
    for status in range(100, 1000)
}
BODILESS = frozenset((204, 304))


class Request:
    """A request whose head is whole and strictly framed. `path` is the one within the system.

    `headers` and `fields` may be those of an equal request before: read them, do not change them.
    """

    __slots__ = (
        "_protocol",
        "_turn",
        "body",
        "fields",
        "headers",
        "hub",
        "memo",
        "method",
        "params",
        "path",
        "query",
        "target",
        "version",
    )

    def __init__(
        self,
        method: bytes,
        target: bytes,
        headers: list[tuple[bytes, bytes]],
        fields: dict[bytes, bytes],
        version: str,
    ) -> None:
        self.method = method
        self.target = target
        """Path and query as they came, without the prefix of the system."""
        path, _, self.query = target.partition(b"?")
        self.path = path.decode("latin-1")
        self.headers = headers
        """The fields as they came; names are in lower case."""
        self.fields = fields
        """The fields by name, repeated ones joined."""
        self.version = version
        self.params: dict[str, str] = {}
        """The parameters of the route's path, decoded."""
        self.body = b""
        """The body, unless the route reads it itself (`stream=True`)."""
        self.hub: Hub = None  # type: ignore[assignment]
        self.memo: dict[str, Any] | None = None
        """What handlers have worked out of it; shared by all requests of the same bytes, where those are kept."""
        self._protocol: HttpProtocol = None  # type: ignore[assignment]
        self._turn: Turn | None = None

    @property
    def client(self) -> str:
        """The address of whoever is connected."""
        return self._protocol.client[0] if self._protocol.client else "-"

    @property
    def scheme(self) -> str:
        """`http` or `https`."""
        return self._protocol.scheme or "http"

    @property
    def local_port(self) -> int | None:
        """The port on which it came."""
        return self._protocol.server[1] if self._protocol.server else None

    @property
    def switches(self) -> bool:
        """Whether it is the handshake of a WebSocket: nothing else may be answered with a Tunnel."""
        return self._turn is not None and self._turn.socket

    @property
    def has_body(self) -> bool:
        """Whether a body follows the head."""
        return (
            b"transfer-encoding" in self.fields
            or self.fields.get(b"content-length", b"0").strip(b"0 \t") != b""
        )

    def header(self, name: str) -> str | None:
        """A field's value."""
        value = self.fields.get(name.encode())
        return None if value is None else value.decode("latin-1")

    async def stream(self) -> AsyncIterator[bytes]:
        """The body as it arrives, on routes with `stream=True`. Raises Gone when the client leaves in the middle."""
        assert self._turn is not None
        async for part in self._turn.chunks():
            yield part

    def interim(self, status: int, headers: Pairs) -> None:
        """Sends an interim response (103) ahead of the answer, to clients that know them."""
        if self.version == "1.1" and (self._turn is None or self._turn.is_next()):
            self._protocol.transport.write(STATUS_LINES[status] + block(headers) + b"\r\n")

    def again(self, protocol: HttpProtocol | None) -> Request:
        """The same request on another connection, or once more on this."""
        made = Request.__new__(Request)
        made.method, made.target, made.path, made.query = self.method, self.target, self.path, self.query
        made.headers, made.fields, made.version = self.headers, self.fields, self.version
        made.params, made.body, made.hub, made._turn = self.params, b"", self.hub, None
        made.memo = self.memo
        made._protocol = protocol  # type: ignore[assignment]
        return made


class Response:
    """An answer as bytes. What repeats is better prepared once: `Response.prepared(head, body)`."""

    __slots__ = ("_whole", "body", "dated", "head", "status")

    def __init__(self, status: int = 200, headers: Pairs = (), body: bytes = b"") -> None:
        """`Content-Length`, `Date` and `Connection` are added. Raises ValueError for a field with a line break."""
        self.status = status
        self.body = body
        self._whole = b""
        fields = block(headers)
        self.dated = b"\r\ndate: " in b"\r\n" + fields.lower()
        if status >= 200 and status not in BODILESS:
            fields += b"content-length: %d\r\n" % len(body)
        self.head: bytes = STATUS_LINES[status] + fields

    @classmethod
    def prepared(cls, status: int, head: bytes, body: bytes, *, dated: bool = True) -> Response:
        """An answer of bytes: its head from the status line to the last field's line end, framing included, and `Date`
        unless it is not `dated`."""
        made = cls.__new__(cls)
        made.status, made.head, made.body, made.dated = status, head, body, dated
        made._whole = b""
        return made

    def whole(self) -> bytes:
        """All of it for a connection that stays; joined once, for those that are sent again and again."""
        if not self._whole:
            self._whole = self.head + b"\r\n" + self.body
        return self._whole

    @classmethod
    def json(cls, value: Any, status: int = 200, headers: Pairs = ()) -> Response:
        """An answer in JSON."""
        fields = [(b"content-type", b"application/json"), *headers]
        return cls(status, fields, dumps(value, compact=True).encode())


class Stream:
    """An answer that is sent while it comes into being: chunked, unless its `length` is known.

    No part is asked for before the client has room for it. An iterator that fails cuts the connection, so that nobody
    takes what arrived for the whole.
    """

    __slots__ = ("headers", "length", "parts", "status")

    def __init__(
        self, status: int, headers: Pairs, parts: AsyncIterator[bytes], length: int | None = None
    ) -> None:
        self.status = status
        self.headers = headers
        self.parts = parts
        self.length = length


class Gone(Exception):
    """The client left before its body was whole."""


Answer: TypeAlias = "Response | Stream | Tunnel | Relay | Awaitable[Response | Stream | Tunnel | None] | None"
"""What a handler returns; None leaves the request to the application."""


def block(headers: Pairs) -> bytes:
    """Fields as lines. Raises ValueError for line breaks and NUL within them."""
    pairs = list(headers)
    lines = b"".join([b"%b: %b\r\n" % pair for pair in pairs])
    count = len(pairs)
    if lines.count(b"\n") != count or lines.count(b"\r") != count or b"\0" in lines:
        raise ValueError("A field has a line break or NUL in it.")
    return lines


def decoded(raw: str) -> str:
    """A path segment without its percent-encoding."""
    return unquote(raw) if "%" in raw else raw
