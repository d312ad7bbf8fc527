"""What an endpoint may ask of a request beyond its parameters."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl

from backendhub.kit.db import Db
from backendhub.kit.errors import Malformed, StoreBusy
from backendhub.kit.hub import Hub
from backendhub.kit.identity import Principal

if TYPE_CHECKING:
    from backendhub.kit.tracing import Requested

    from .forms import Form

T = TypeVar("T")
MAX_PAIRS = 200


class Request:
    """A request as it came, and the way to the store for async endpoints."""

    traced: Requested | None = None
    """Its span, where somebody wants traces."""
    route = "-"
    """The pattern of the route that answers, once it is found: what metrics count by."""
    prefix = ""
    """The prefix of the system, where there is one."""
    body = b""
    form: Form | None = None
    """The fields of a form, where the body is one."""
    user: Principal | None = None
    """Who asks, once that is known."""
    chunks: Callable[[], AsyncIterator[bytes]] | None = None

    def __init__(self, scope: Mapping[str, Any], headers: dict[bytes, bytes], hub: Hub, id: str) -> None:
        self.scope = scope
        self.hub = hub
        self.id = id
        self.method: str = scope.get("method", "GET")
        path: str = scope["path"]
        self.path = path if path[:1] == "/" else _origin_form(path)
        """The path within the system, without its prefix."""
        self.query: str = scope["query_string"].decode("latin-1")
        self.headers = headers

    def header(self, name: str) -> str | None:
        """A header's value; those of repeated lines are joined by commas."""
        value = self.headers.get(name.lower().encode())
        return None if value is None else value.decode("latin-1")

    @property
    def media_type(self) -> str:
        """The media type of the body, in lower case and without parameters."""
        given = self.headers.get(b"content-type", b"")
        if given == b"application/json":  # as nearly every client spells it
            return "application/json"
        return given.decode("latin-1").partition(";")[0].strip().lower()

    @cached_property
    def cookies(self) -> dict[str, str]:
        """The cookies (RFC 6265 §5.4); of two with one name the first, which is the more specific."""
        found: dict[str, str] = {}
        for pair in (self.header("cookie") or "").split(";"):
            name, equals, value = pair.strip().partition("=")
            if equals:
                found.setdefault(name, value.strip('"'))
        return found

    def pairs(self) -> list[tuple[str, str]]:
        """The query's names and values in order. Raises Malformed for what is no percent-encoded UTF-8."""
        try:
            return parse_qsl(self.query, keep_blank_values=True, errors="strict", max_num_fields=MAX_PAIRS)
        except ValueError:
            raise Malformed("The query string is not well-formed percent-encoded UTF-8.") from None

    @property
    def full_path(self) -> str:
        """The path as the client sees it."""
        return self.prefix + self.path

    @property
    def base_url(self) -> str:
        """Scheme, host and prefix under which the system is reached, without a slash at the end."""
        host = self.header("host") or "localhost"
        return f"{self.scope.get('scheme', 'http')}://{host}{self.prefix}"

    def stream(self) -> AsyncIterator[bytes]:
        """The body as it arrives, on routes with `stream=True`. Raises TooLarge and HttpError 408 on the way."""
        if self.chunks is None:
            raise RuntimeError("Only a route with stream=True reads its body in parts.")
        return self.chunks()

    async def call(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """Runs a writing unit of work from an async endpoint, on behalf of its user."""
        if self.user is not None:
            fn = _acting(f"user:{self.user.id}", fn)
        if not self.hub.store.blocking:
            with contextlib.suppress(StoreBusy):  # another process is writing: wait for it in a thread
                return self.hub.store.unit(fn, *args, **kwargs)
        return await asyncio.to_thread(self.hub.store.unit, fn, *args, **kwargs)

    async def read(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """Runs a unit of work that takes no write lock from an async endpoint."""
        if self.hub.store.blocking:
            return await asyncio.to_thread(self.hub.store.read, fn, *args, **kwargs)
        return self.hub.store.read(fn, *args, **kwargs)


def _acting(actor: str, fn: Callable[..., T]) -> Callable[..., T]:
    """`fn` in a transaction that knows on whose behalf."""

    def unit(db: Db, /, *args: Any, **kwargs: Any) -> T:
        db.actor = actor
        return fn(db, *args, **kwargs)

    return unit


def combined(pairs: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Header fields by name; those of repeated lines joined as RFC 9110 §5.2 and RFC 6265 §5.4 have it."""
    headers: dict[bytes, bytes] = {}
    for name, value in pairs:
        if name in headers:
            headers[name] += (b"; " if name == b"cookie" else b", ") + value
        else:
            headers[name] = value
    return headers


def _origin_form(target: str) -> str:
    """The path of an absolute-form target (RFC 9112 §3.2.2), which some clients send to servers too."""
    if target.startswith(("http://", "https://")):
        return "/" + target.split("://", 1)[1].partition("/")[2]
    return target
