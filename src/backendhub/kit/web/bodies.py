"""Reads request bodies: declared types, limits of size and time, forms."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from backendhub.kit import encodings
from backendhub.kit.errors import TooLarge, UnsupportedMediaType
from backendhub.kit.problems import HttpError

from . import forms
from .deadlines import Deadlines

if TYPE_CHECKING:
    from .endpoint import Endpoint
    from .request import Request

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

MAX_BODY = 1024 * 1024
PATIENCE_S = 30.0
"""How long a body may take before it has to arrive at `MIN_RATE`."""
MIN_RATE = 1024
"""Bytes a second that a slow body must bring."""


class Reader:
    """Reads the bodies of one application."""

    def __init__(self, limit: int) -> None:
        """`limit` in bytes, for routes without one of their own."""
        self.limit = limit
        self._deadlines = Deadlines()

    async def read(self, request: Request, endpoint: Endpoint, receive: Receive) -> None:
        """Puts the body where the endpoint looks for it. Raises UnsupportedMediaType, TooLarge, Malformed and HttpError
        408 for one that is too slow."""
        media = request.media_type
        if endpoint.checks_media and media not in endpoint.route.consumes:
            check_media(media, endpoint.route.consumes)
        limit = endpoint.route.max_body or self.limit
        declared = request.headers.get(b"content-length")
        if declared is not None and (not declared.isdigit() or int(declared) > limit):
            raise _too_large(limit)
        coding = request.headers.get(b"content-encoding")
        names = encodings.codings(coding.decode("latin-1")) if coding is not None else []
        if endpoint.route.stream:
            request.chunks = lambda: self.chunks(receive, limit, names)
            return
        form = media if endpoint.reads_forms else ""
        if form == forms.MULTIPART:
            content_type = request.header("content-type") or ""
            request.form = await forms.multipart(content_type, self.chunks(receive, limit, names))
            return
        if names:
            request.body = b"".join([part async for part in self.chunks(receive, limit, names)])
        else:
            request.body = await self._whole(receive, limit)
        if form == forms.URLENCODED:
            request.form = forms.urlencoded(request.body)

    async def _whole(self, receive: Receive, limit: int) -> bytes:
        try:
            message = await self._deadlines.wait(receive(), PATIENCE_S)
        except TimeoutError:
            raise _too_slow() from None
        body: bytes = message.get("body", b"")
        if message["type"] == "http.request" and not message.get("more_body", False):
            if len(body) > limit:
                raise _too_large(limit)
            return body
        return b"".join([part async for part in self._raw(receive, limit, message)])

    async def chunks(self, receive: Receive, limit: int, names: list[str]) -> AsyncIterator[bytes]:
        """The parts of a body, unfolded where it is compressed. The limit holds for either form of it."""
        if not names:
            async for part in self._raw(receive, limit):
                yield part
            return
        size = 0
        async for part in encodings.decoded(self._raw(receive, limit), names):
            size += len(part)
            if size > limit:
                raise _too_large(limit)
            yield part

    async def _raw(
        self, receive: Receive, limit: int, message: MutableMapping[str, Any] | None = None
    ) -> AsyncIterator[bytes]:
        """The parts of a body; `message` is its first one where that was taken already."""
        start, size = time.monotonic(), 0
        while True:
            if message is None:
                left = start + PATIENCE_S + size / MIN_RATE - time.monotonic()
                try:
                    message = await self._deadlines.wait(receive(), left)
                except TimeoutError:
                    raise _too_slow() from None
            if message["type"] == "http.disconnect":
                raise HttpError(400, "The client went away.")
            part: bytes = message.get("body", b"")
            size += len(part)
            if size > limit:
                raise _too_large(limit)
            yield part
            if not message.get("more_body", False):
                return
            message = None


def check_media(media: str, consumes: tuple[str, ...]) -> None:
    """Raises UnsupportedMediaType for a type that a route does not name; `*/*` and `text/*` name many."""
    if "*/*" in consumes or f"{media.partition('/')[0]}/*" in consumes:
        return
    raise UnsupportedMediaType(
        f"The body is {media or 'of no declared type'}.", hint="send Content-Type: " + " or ".join(consumes)
    )


def _too_large(limit: int) -> TooLarge:
    error = TooLarge(f"The body is larger than {limit} bytes.")
    error.headers["Connection"] = "close"
    return error


def _too_slow() -> HttpError:
    return HttpError(408, "The body did not arrive in time.", connection="close")
