"""What is alike in every request: bodies, failures, responses."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.errors import Denied, HubError, Malformed, UnsupportedMediaType
from backendhub.kit.resources import values
from backendhub.kit.resources.models import Resource, Row
from backendhub.kit.resources.values import as_object

from . import config as configs
from .config import Config

T = TypeVar("T")
Json = dict[str, Any]
MERGE_PATCH = "application/merge-patch+json"
FORM = "application/x-www-form-urlencoded"
NO_CACHE = {"Cache-Control": "no-cache", "Pragma": "no-cache", "Expires": "-1"}
EXPOSED = ("X-Total-Count", "Link", "Location")
CALLBACK = r"[\w$.\[\]]{1,100}"


class RestDialect(web.Dialect):
    """Failures as json-server tells them: version 0 a 404 as `{}`, version 1 `{"error": …}`; what json-server has no
    answer for is an RFC 9457 problem in version 0."""

    def problem(self, error: HubError, request: web.Request) -> web.Reply:
        """The response to a failure; a method that does not exist is a 404 there."""
        config = configs.of(request.hub)
        status = 404 if error.status == 405 and not config.strict else error.status
        if config.version == 0:
            if status == 404:
                return web.Reply({}, 404, media_type="application/json")
            return super().problem(error, request)
        body: Json = {"error": "Not Found" if status == 404 else error.message}
        if errors := error.details.get("errors"):
            body["errors"] = errors
        return web.Reply(body, status, media_type="application/json")


def body(request: web.Request, config: Config) -> Json:
    """The object that was sent: JSON or the fields of a form.

    Raises Malformed, and UnsupportedMediaType for other types. Where it is not strict, nothing is an empty object, and
    JSON that calls itself a form, as curl has it, is taken for JSON.
    """
    sent, media = request.body, request.media_type
    if not sent.strip() and not config.strict:
        return {}
    if media.endswith("json"):
        return as_object(values.read(sent))
    if not config.strict and sent.lstrip()[:1] in (b"{", b"["):
        return as_object(values.read(sent))
    if media == FORM:
        return _form(sent)
    raise UnsupportedMediaType(f"The body is {media or 'of no declared type'}.", hint="send application/json")


def _form(sent: bytes) -> Json:
    try:
        pairs = parse_qsl(
            sent.decode(), keep_blank_values=True, errors="strict", max_num_fields=values.MAX_VALUES
        )
    except ValueError:
        raise Malformed("The form is not well-formed percent-encoded UTF-8.") from None
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return {name: given[0] if len(given) == 1 else given for name, given in found.items()}


def permit(request: web.Request, resource: str, verb: str) -> None:
    """Raises Denied where the caller's credentials are limited to scopes, and `posts:read` is none of them."""
    if request.user is not None and not request.user.has(f"{resource}:{verb}"):
        raise Denied(f"These credentials do not cover {resource}:{verb}.")


class _Pretended(Exception):
    """Takes a change back."""


def change(db: Db, config: Config, make: Callable[[], T]) -> T:
    """Makes a change; with `--pretend` its result is told and nothing is kept."""
    if not config.pretend:
        config.note_change()
        return make()
    made: list[T] = []
    try:
        with db.savepoint():
            made.append(make())
            raise _Pretended
    except _Pretended:
        return made[0]


def headers(config: Config, **more: str) -> dict[str, str]:
    """The fields of a response; version 0 lets nothing be cached unasked, and names what pages may read."""
    own = {name.replace("_", "-"): value for name, value in more.items()}
    if config.version == 1:
        return own
    if exposed := [name for name in EXPOSED if name in own]:
        own["Access-Control-Expose-Headers"] = ", ".join(exposed)
    return NO_CACHE | own


def text(config: Config, resource: Resource, row: Row) -> str:
    """A row's JSON text; ids are text in version 1, also of rows that have been added under version 0."""
    if config.version == 1 and resource.integer_ids and resource.plural:
        return values.write(row.value | {config.rules.id: row.key})
    return row.body


def row(config: Config, resource: Resource, found: Row, *, status: int = 200, **more: str) -> web.Reply:
    """A row as a response, with its entity tag."""
    return web.Reply(text(config, resource, found).encode(), status, headers(config, **more), found.tag)


def document(request: web.Request, config: Config, content: str, **more: str) -> web.Reply:
    """A JSON text as a response with a tag of its content; as JSONP where version 0 is asked for that."""
    encoded = content.encode()
    if config.version == 0 and "callback=" in request.query and (name := _callback(request)):
        script = f"/**/ typeof {name} === 'function' && {name}({content});".encode()
        return web.Reply(script, 200, headers(config, **more), media_type="text/javascript; charset=utf-8")
    tag = web.etag(blake2b(encoded, digest_size=12).hexdigest())
    return web.Reply(encoded, 200, headers(config, **more), tag)


def _callback(request: web.Request) -> str | None:
    name = next((value for name, value in request.pairs() if name == "callback"), "")
    return name if re.fullmatch(CALLBACK, name, re.ASCII) else None


def listing(texts: Sequence[str]) -> str:
    """JSON texts as one array."""
    return "[" + ",".join(texts) + "]"
