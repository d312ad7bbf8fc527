"""One endpoint, compiled: what its signature asks for, how that is validated, how its result is sent."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl, quote

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic.fields import FieldInfo

from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid, Malformed, PreconditionFailed, UnsupportedMediaType
from backendhub.kit.hub import Hub
from backendhub.kit.output import camel
from backendhub.kit.paging import Page

from .routing import Route

T = TypeVar("T")
Headers = list[tuple[bytes, bytes]]


class Request:
    """What an endpoint may ask of a request beyond its parameters."""

    __slots__ = ("body", "headers", "hub", "id", "method", "path", "prefix", "query", "scope")

    def __init__(
        self, scope: Mapping[str, Any], headers: dict[bytes, bytes], hub: Hub, id: str, prefix: str
    ) -> None:
        self.scope = scope
        self.hub = hub
        self.id = id
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.prefix = prefix
        self.query: str = scope["query_string"].decode("latin-1")
        self.headers = headers
        self.body = b""

    def header(self, name: str) -> str | None:
        """A header's value."""
        value = self.headers.get(name.lower().encode())
        return None if value is None else value.decode("latin-1")

    @property
    def base_url(self) -> str:
        """Scheme, host and prefix under which the system is reached, without a slash at the end."""
        host = self.header("host") or "localhost"
        return f"{self.scope.get('scheme', 'http')}://{host}{self.prefix}"

    async def call(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """Runs a unit of work from an async endpoint."""
        import asyncio

        if self.hub.store.blocking:
            return await asyncio.to_thread(self.hub.store.unit, fn, *args, **kwargs)
        return self.hub.store.unit(fn, *args, **kwargs)


@dataclass(slots=True)
class Reply:
    """A response that is more than its value: other status, headers, an ETag, or a ready-made body."""

    value: Any = None
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    etag: str | None = None
    media_type: str | None = None


@dataclass(slots=True)
class Sent:
    """A response as bytes."""

    status: int
    headers: Headers
    body: bytes


def reply(
    value: T, *, status: int | None = None, headers: dict[str, str] | None = None, etag: str | None = None
) -> T:
    """A value together with what else its response says. Typed as the value, which is what the route documents."""
    return cast(T, Reply(value, status, headers or {}, etag))


def etag(value: object) -> str:
    """A strong entity tag (RFC 9110 §8.8.3)."""
    return f'"{value}"'


def revision(if_match: str | None, *, id: object = None) -> int | None:
    """The revision that `If-Match: "7"` asks for; None where it is absent or `*`.

    Raises PreconditionFailed for a tag that no revision ever had.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    tags = [tag.strip() for tag in if_match.split(",")]
    numbers = [
        t[1:-1]
        for t in tags
        if len(t) > 2 and t[0] == t[-1] == '"' and t[1:-1].isascii() and t[1:-1].isdigit()
    ]
    if len(numbers) != 1 or len(numbers[0]) > 18:
        raise PreconditionFailed(
            "If-Match names no revision that exists.", hint="send the ETag of the last GET"
        )
    return int(numbers[0])


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


def _unpage(hint: Any) -> Any:
    """`Page[T]` is sent as a list of T with a Link header."""
    if get_origin(hint) is Page:
        item: Any = get_args(hint)[0]
        return list[item]
    return hint


def _optional(hint: Any) -> bool:
    return get_origin(hint) in (Union, UnionType) and type(None) in get_args(hint)


class Endpoint:
    """A route made ready: call `run` with a request and get bytes."""

    def __init__(self, route: Route, system: str) -> None:
        self.route = route
        self.system = system
        self.fn = route.fn
        self.is_async = inspect.iscoroutinefunction(route.fn)
        self.writes = route.method not in ("GET", "HEAD")
        self.success = route.status
        hints = get_type_hints(route.fn, include_extras=True)
        self.result = _unpage(hints.pop("return", None))
        self.names = [p.split(":")[0].strip("{}") for p in route.path.split("/") if p.startswith("{")]
        self.db_name = next((n for n, h in hints.items() if h is Db), None)
        self.request_name = next((n for n, h in hints.items() if h is Request), None)
        self.body_name: str | None = None
        self.body_adapter: TypeAdapter[Any] | None = None
        self.lists: set[str] = set()
        self.headers: dict[str, bytes] = {}
        self.query: set[str] = set()
        self.validate = self._parameters(hints)
        self.serialize = self._serializer()

    def _parameters(self, hints: dict[str, Any]) -> Callable[[dict[str, Any]], Any] | None:
        """One validator for path, query and header parameters; finds the body on the way."""
        signature = inspect.signature(self.fn)
        fields: dict[str, Any] = {}
        for name, hint in hints.items():
            if name in (self.db_name, self.request_name):
                continue
            bare = get_args(hint)[0] if get_origin(hint) is Annotated else hint
            infos = [a for a in get_args(hint)[1:] if isinstance(a, FieldInfo)]  # nested Annotated lie flat
            info = infos[-1] if infos else None
            if (info is not None and type(info).__name__ == "Body") or _is_body(bare):
                self.body_name, self.body_adapter = name, TypeAdapter(hint)
                continue
            default = signature.parameters[name].default
            alias = (info.alias if info is not None else None) or name
            if info is not None and type(info).__name__ == "Header":
                alias = name.replace("_", "-")
                self.headers[alias] = alias.lower().encode()
            elif name not in self.names:
                self.query.add(alias)
                if get_origin(bare) in (list, tuple) or any(get_origin(a) is list for a in get_args(bare)):
                    self.lists.add(alias)
            missing = default is inspect.Parameter.empty
            fields[name] = (_bare_constraints(hint), Field(... if missing else default, alias=alias))
        if not fields:
            return None
        model = create_model(f"{self.fn.__name__}_parameters", **fields)
        validate: Callable[[dict[str, Any]], Any] = model.model_validate
        return validate

    def _serializer(self) -> Callable[[Any], bytes]:
        if self.result in (None, type(None), Any, Reply):
            adapter: TypeAdapter[Any] = TypeAdapter(Any)
        else:
            camelise(self.result)
            adapter = TypeAdapter(self.result)
        to_json = adapter.serializer.to_json
        return lambda value: to_json(value, by_alias=True)

    # -- a request ----------------------------------------------------------------------------------------

    def arguments(self, request: Request, values: list[str]) -> dict[str, Any]:
        """The keyword arguments for the function. Raises Invalid with every violation, Malformed, …"""
        args: dict[str, Any] = {}
        if self.validate is not None or request.query:
            raw: dict[str, Any] = dict(zip(self.names, values, strict=False))
            if request.query:
                self._read_query(request.query, raw)
            for name, key in self.headers.items():
                if (value := request.headers.get(key)) is not None:
                    raw[name] = value.decode("latin-1")
            if self.validate is not None:
                try:
                    model = self.validate(raw)
                except ValidationError as error:
                    raise self._explain(error) from None
                args = dict(model.__dict__)
        if self.body_adapter is not None:
            args[self.body_name or ""] = self._read_body(request)
        if self.request_name is not None:
            args[self.request_name] = request
        return args

    def _read_query(self, text: str, raw: dict[str, Any]) -> None:
        try:
            pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=200)
        except ValueError:
            raise Malformed("The query string is not well-formed percent-encoded UTF-8.") from None
        for name, value in pairs:
            if name in self.lists:
                raw.setdefault(name, []).append(value)
            elif name not in self.query:
                if not self.route.open_query:
                    known = ", ".join(sorted(self.query)) or "there are none here"
                    raise Invalid(f"There is no query parameter {name[:80]!r}.", hint=f"known: {known}")
            elif name in raw:
                raise Invalid(f"The query parameter {name!r} is given twice.")
            else:
                raw[name] = value

    def _read_body(self, request: Request) -> Any:
        assert self.body_adapter is not None
        content_type = (request.header("content-type") or "").partition(";")[0].strip().lower()
        if content_type not in self.route.consumes:
            raise UnsupportedMediaType(
                f"The body is {content_type or 'of no declared type'}.",
                hint="send Content-Type: " + " or ".join(self.route.consumes),
            )
        try:
            return self.body_adapter.validate_json(request.body, strict=True)
        except ValidationError as error:
            raise self._explain(error) from None
        except RecursionError:
            raise Malformed("The body is nested too deeply.") from None

    def _explain(self, error: ValidationError) -> Invalid:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        if found[0]["type"] == "json_invalid":
            return Malformed(f"The body is not JSON: {found[0]['msg'].removeprefix('Invalid JSON: ')}.")
        if error.title.endswith("_parameters"):
            errors = [self._of_parameter(str(e["loc"][0]), e["type"], e["msg"]) for e in found]
        else:
            errors = [
                {"in": "body", "pointer": _pointer(e["loc"]), "code": e["type"], "detail": e["msg"]}
                for e in found
            ]
        first = errors[0]
        where = first.get("name") or first.get("pointer") or "the body"
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        return Invalid(f"{where}: {first['detail']}{more}.", errors=errors)

    def _of_parameter(self, name: str, code: str, detail: str) -> dict[str, str]:
        place = "path" if name in self.names else "header" if name in self.headers else "query"
        return {"in": place, "name": name, "code": code, "detail": detail}

    def execute(self, hub: Hub, args: dict[str, Any]) -> Any:
        """Runs the function in its unit of work."""
        if self.db_name is None:
            return self.fn(**args)
        with hub.store.transaction(write=self.writes) as db:
            return self.call(db, args)

    def call(self, db: Db, args: dict[str, Any]) -> Any:
        """Calls the function within a transaction."""
        args[self.db_name or ""] = db
        return self.fn(**args)

    def await_(self, args: dict[str, Any]) -> Awaitable[Any]:
        """Calls an async endpoint."""
        result: Awaitable[Any] = self.fn(**args)
        return result

    def respond(self, request: Request, value: Any) -> Sent:
        """A result as bytes, conditional requests answered (RFC 9110 §13)."""
        status, media, headers = self.success, self.route.media_type, []
        if isinstance(value, Reply):
            reply, value = value, value.value
            status = reply.status or status
            media = reply.media_type or media
            headers = [(k.lower().encode(), v.encode("latin-1")) for k, v in reply.headers.items()]
            if reply.etag is not None:
                headers.append((b"etag", reply.etag.encode()))
                if request.method in ("GET", "HEAD") and _none_match(request, reply.etag):
                    return Sent(304, headers, b"")
        if isinstance(value, Page):
            if value.next is not None:
                headers.append((b"link", _next_link(request, value.next)))
            value = value.items
        if status in (204, 304):
            return Sent(status, headers, b"")
        body = (
            value
            if isinstance(value, bytes)
            else value.encode()
            if media != "application/json" and isinstance(value, str)
            else self.serialize(value)
        )
        headers.append((b"content-type", media.encode()))
        return Sent(status, headers, body)


def _is_body(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, BaseModel)


def _bare_constraints(hint: Any) -> Any:
    """The type with its constraints (`ge`, `max_length`, …), without FastAPI's word for where it comes from."""
    if get_origin(hint) is not Annotated:
        return hint
    kept: list[Any] = []
    for extra in get_args(hint)[1:]:
        kept += extra.metadata if isinstance(extra, FieldInfo) else [extra]
    bare = get_args(hint)[0]
    return Annotated[bare, *kept] if kept else bare


def _pointer(loc: tuple[int | str, ...]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in loc)


def _none_match(request: Request, tag: str) -> bool:
    given = request.headers.get(b"if-none-match")
    if given is None:
        return False
    tags = [t.strip().removeprefix("W/") for t in given.decode("latin-1").split(",")]
    return "*" in tags or tag in tags


def _next_link(request: Request, cursor: str) -> bytes:
    pairs = [(k, v) for k, v in parse_qsl(request.query, keep_blank_values=True) if k != "cursor"]
    query = "&".join(f"{quote(k)}={quote(v)}" for k, v in [*pairs, ("cursor", cursor)])
    return f'<{request.prefix}{request.path}?{query}>; rel="next"'.encode()
