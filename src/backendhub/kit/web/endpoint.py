"""One endpoint, compiled: what its signature asks for, who may call it, how its result is sent."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter

from backendhub.kit.db import Db
from backendhub.kit.output import camel
from backendhub.kit.paging import Page

from .conditional import http_date, unchanged
from .guards import Authenticator, Gate, Guard
from .listing import link
from .parameters import Body, Parameters, is_body
from .preferences import preference
from .replays import replayed
from .replies import Fields, Reply, Sent, encoded
from .request import Request
from .routing import Route
from .sockets import Socket
from .streams import Stream

BODIES = ("POST", "PUT", "PATCH", "DELETE")
JSON = b"application/json"
UNTYPED = (None, type(None), Reply, Stream)
"""Results that no schema describes."""
CONDITIONS = {b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since"}


class Endpoint:
    """A route made ready: arguments in, unit of work, bytes out."""

    def __init__(self, route: Route, system: str, default_auth: Authenticator | None = None) -> None:
        """`default_auth` is the process's authenticator: it guards every route that has none of its own."""
        self.route = route
        self.system = system
        self.fn = route.fn
        self.is_async = inspect.iscoroutinefunction(route.fn)
        self.success = route.status
        self.media = route.media_type.encode()
        hints = get_type_hints(route.fn, include_extras=True)
        self.result = _unpage(hints.pop("return", None))
        self.db_name = next((n for n, h in hints.items() if h is Db), None)
        self.request_name = next((n for n, h in hints.items() if h is Request), None)
        self.socket_name = next((n for n, h in hints.items() if h is Socket), None)
        self.user_name, guard = _user(hints)
        self.injected = {self.db_name, self.request_name, self.socket_name, self.user_name}
        asked = {n: h for n, h in hints.items() if n not in self.injected}
        self.body = next((Body(n, h) for n, h in asked.items() if is_body(h)), None)
        if self.body is not None:
            del asked[self.body.name]
        given = inspect.signature(self.fn).parameters
        defaults = {n: given[n].default for n in asked if given[n].default is not inspect.Parameter.empty}
        self.parameters = Parameters(route, asked, defaults)
        self.gate = _gate(route, guard, default_auth)
        self.writes = route.method not in ("GET", "HEAD") and self.db_name is not None
        self.needs_store = self.db_name is not None or (self.gate is not None and not self.gate.stateless)
        if route.idempotent and (self.is_async or not self.writes):
            raise TypeError(f"{route.path}: an idempotent route is a plain function that writes to its db.")
        self._body_rules(route)
        self.serialize = self._serializer()

    def _body_rules(self, route: Route) -> None:
        """Whether a body is read before the call, and what is asked of its type."""
        raw = self.request_name is not None and (self.is_async or route.declares_media)
        self.reads_body = self.body is not None or (route.method in BODIES and raw)
        self.checks_media = self.body is not None or route.declares_media
        self.reads_forms = any("form" in media for media in route.consumes)
        self.is_large = route.stream or self.reads_forms or route.max_body is not None

    def _serializer(self) -> Callable[[Any], bytes]:
        if self.result in UNTYPED or self.result is Any:
            adapter: TypeAdapter[Any] = TypeAdapter(Any)
        else:
            camelise(self.result)
            adapter = TypeAdapter(self.result)
        to_json = adapter.serializer.to_json
        return lambda value: to_json(value, by_alias=True)

    # -- a request ----------------------------------------------------------------------------------------

    def arguments(self, request: Request, values: list[str]) -> dict[str, Any]:
        """The keyword arguments for the function. Raises Invalid with every violation, Malformed, …"""
        parameters = self.parameters
        args = parameters.read(request, values) if parameters.validate is not None or request.query else {}
        if self.body is not None:
            args[self.body.name] = self.body.read(request)
        if self.request_name is not None:
            args[self.request_name] = request
        return args

    def execute(self, request: Request, args: dict[str, Any]) -> Any:
        """Runs the function in its unit of work."""
        if not self.needs_store:
            return self.call(None, request, args)
        with request.hub.store.transaction(write=self.writes) as db:
            return self.call(db, request, args)

    def call(self, db: Db | None, request: Request, args: dict[str, Any]) -> Any:
        """Calls the function within a transaction, once its user is known."""
        user = None
        if self.gate is not None:
            user = self.gate.admit(db, request)
            if self.user_name is not None:
                args[self.user_name] = user
        if db is not None:  # set each time: units of one group share the transaction
            db.actor = None if user is None else f"user:{user.id}"
        if self.db_name is not None:
            args[self.db_name] = db
        if self.route.idempotent and b"idempotency-key" in request.headers and db is not None:
            return replayed(db, self.system, request, lambda: self.respond(request, self.fn(**args)))
        return self.fn(**args)

    def admit(self, db: Db | None, request: Request) -> None:
        """Finds out who asks, ahead of the call: for async endpoints and before a large body is read."""
        assert self.gate is not None
        self.gate.admit(db, request)

    def await_(self, request: Request, args: dict[str, Any]) -> Awaitable[Any]:
        """Calls an async endpoint, whose user is known by now."""
        if self.user_name is not None:
            args[self.user_name] = request.user
        result: Awaitable[Any] = self.fn(**args)
        return result

    def respond(self, request: Request, value: Any) -> Sent:
        """A result as bytes, conditional requests answered (RFC 9110 §13). Raises PreconditionFailed."""
        if value.__class__ is Sent:
            made: Sent = value
            return made
        status, media = self.success, self.media
        headers: Fields = []
        if isinstance(value, Reply):
            reply, value = value, value.value
            status = reply.status or status
            if reply.media_type is not None:
                media = reply.media_type.encode()
            if reply.headers:
                headers = encoded(reply.headers)
            if _is_unchanged(request, reply, headers):
                return Sent(304, headers, b"")
        if isinstance(value, Page):
            if value.next is not None:
                headers.append((b"link", link(request, next={"cursor": value.next}).encode()))
            value = value.items
        if self.route.prefer and preference(request, "return") == "minimal":
            headers.append((b"preference-applied", b"return=minimal"))
            return Sent(204 if status == 200 else status, headers, b"")
        if status in (204, 304):
            return Sent(status, headers, b"")
        if isinstance(value, Stream):
            fields = headers + encoded(value.headers)
            return Sent(value.status or status, fields, b"", value.media_type.encode(), value)
        body = (
            value
            if isinstance(value, bytes)
            else value.encode()
            if media != JSON and isinstance(value, str)
            else self.serialize(value)
        )
        return Sent(status, headers, body, media)


def _is_unchanged(request: Request, reply: Reply, headers: Fields) -> bool:
    """Adds the validators to the headers, and compares them with what a GET or HEAD asks."""
    if reply.etag is not None:
        headers.append((b"etag", reply.etag.encode()))
    if reply.last_modified is not None:
        headers.append((b"last-modified", http_date(reply.last_modified).encode()))
    given = request.headers
    return (
        request.method in ("GET", "HEAD")
        and not given.keys().isdisjoint(CONDITIONS)
        and unchanged(request, reply.etag, reply.last_modified)
    )


def camelise(hint: Any) -> None:
    """Gives every dataclass in a type camelCase names in JSON; models themselves know no pydantic."""
    for part in get_args(hint):
        camelise(part)
    if (
        isinstance(hint, type)
        and hasattr(hint, "__dataclass_fields__")
        and "__pydantic_config__" not in vars(hint)
    ):
        type.__setattr__(
            hint, "__pydantic_config__", ConfigDict(alias_generator=camel, populate_by_name=True)
        )
        for sub in get_type_hints(hint).values():
            camelise(sub)


def _user(hints: dict[str, Any]) -> tuple[str | None, Guard | None]:
    """The parameter that is the user, and what is demanded of them."""
    for name, hint in hints.items():
        if get_origin(hint) is Annotated:
            for extra in get_args(hint)[1:]:
                if isinstance(extra, Guard):
                    return name, extra
    return None, None


def _gate(route: Route, guard: Guard | None, default_auth: Authenticator | None) -> Gate | None:
    """What stands before a route; None where anybody may pass and nobody is asked for."""
    own = route.family.auth
    closed = own is None and default_auth is not None and not route.public
    guards = (*(() if route.public else route.family.guards), *([guard] if guard is not None else []))
    if not guards and not closed:
        return None
    return Gate(own or default_auth, guards, closed=closed)


def _unpage(hint: Any) -> Any:
    """`Page[T]` is sent as a list of T with a Link header."""
    if get_origin(hint) is Page:
        item: Any = get_args(hint)[0]
        return list[item]
    return hint
