"""The end of a connection: its last answer, and a body that is read only to be told from what follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backendhub.kit import problems, telemetry
from backendhub.kit.errors import HubError
from backendhub.kit.output import dumps
from backendhub.kit.problems import HttpError

from .framing import Refused
from .messages import Response

if TYPE_CHECKING:
    from .protocol import HttpProtocol


class Refusal:
    """The last answer on a connection."""

    response_complete = disconnected = more_body = False
    keep_alive = False

    def __init__(self, protocol: HttpProtocol, refused: Refused) -> None:
        self.protocol = protocol
        self.refused = refused

    def start(self) -> None:
        """Sends it."""
        error = HttpError(self.refused.status, self.refused.text, connection="close")
        response = problem(error, self.protocol.url[:200].decode("latin-1") or "/")
        self.protocol.transport.write(response.head + self.protocol.date() + b"\r\n" + response.body)
        self.response_complete = True
        self.protocol.done(self)


class Rest:
    """The body of a request that asked for an upgrade which is not done here: llhttp would not read it."""

    def __init__(self, protocol: HttpProtocol) -> None:
        self.protocol = protocol

    def on_message_begin(self) -> None:
        """The head was read before."""

    def on_body(self, body: bytes) -> None:
        """Goes on."""
        self.protocol.on_body(body)

    def on_message_complete(self) -> None:
        """Nothing is read after it."""
        self.protocol.on_message_complete()
        self.protocol.deaf = True


def problem(error: HubError, path: str) -> Response:
    """An error as RFC 9457 has it."""
    fields = [(b"content-type", problems.MEDIA_TYPE.encode()), (b"cache-control", b"no-store")]
    fields += [(name.lower().encode(), str(value).encode("latin-1")) for name, value in error.headers.items()]
    if error.status == 503 and "Retry-After" not in error.headers:
        fields.append((b"retry-after", b"1"))
    shown = problems.body(error, instance=path, request_id=telemetry.request_id(None))
    return Response(error.status, fields, dumps(shown, compact=True).encode("utf-8", "replace"))


def drain(protocol: Any) -> None:
    """Tells the application that the server stops; it may be told many times."""
    if (tell := protocol.app_state.get("drain")) is not None:
        tell()
