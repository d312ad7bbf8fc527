"""The OpenAPI 3.1 document of a system. FastAPI reads the endpoints' signatures and writes it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, get_type_hints

from backendhub import __version__
from backendhub.kit.errors import HubError

from .dialect import Dialect
from .endpoint import UNTYPED, Endpoint

if TYPE_CHECKING:
    from .mounts import Mounted


def document(mounted: Mounted) -> dict[str, Any]:
    """The document, with the dialect's schema on every failure and the schemes by which users are known."""
    from fastapi import FastAPI

    summary = mounted.row.summary
    description = (mounted.router.description if mounted.router else "") or summary
    app = FastAPI(
        title=f"backendhub {mounted.row.name}",
        version=__version__,
        summary=summary,
        description=description,
        servers=[{"url": mounted.prefix or "/"}],
        separate_input_output_schemas=False,
    )
    shown = [e for e in mounted.endpoints if e.route.in_schema]
    for endpoint, id in zip(shown, _operation_ids(shown), strict=True):
        _add(app, endpoint, id)
    schema: dict[str, Any] = app.openapi()
    components: dict[str, Any] = schema.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for dialect in {e.route.family.dialect for e in shown}:
        schemas[dialect.name] = dialect.schema
    for endpoint in shown:
        operation = schema["paths"].get(_path(endpoint), {}).get(endpoint.route.method.lower())
        if operation is not None:
            _describe_body(operation, endpoint)
            _describe_users(operation, components, endpoint)
            _describe_fields(operation, endpoint)
    return schema


def _path(endpoint: Endpoint) -> str:
    return endpoint.route.path.replace(":path}", "}")


def _operation_ids(endpoints: list[Endpoint]) -> list[str]:
    """A name for each operation: its function's, with the path where a function answers several."""
    names = [e.fn.__name__.rstrip("_") for e in endpoints]
    return [
        name
        if names.count(name) == 1
        else "_".join([name, e.route.method.lower(), *re.findall(r"\w+", e.route.path)])
        for e, name in zip(endpoints, names, strict=True)
    ]


def _add(app: Any, endpoint: Endpoint, id: str) -> None:
    route = endpoint.route
    model = endpoint.result if endpoint.result not in UNTYPED else None
    dialect = route.family.dialect
    content = _failure(dialect)
    responses: dict[int | str, dict[str, Any]] = {
        "default": {"description": dialect.description, "content": content}
    }
    if endpoint.body is not None or endpoint.parameters.validate is not None:
        responses[dialect.invalid] = {"description": "A value breaks a rule", "content": content}
    for status in _statuses(endpoint):
        # What a route names itself it may also say in its own words: a health document, a page, a line of text.
        own = route.media_type != "application/json" and status in route.statuses
        told = content | {route.media_type: {}} if own else content
        responses[status] = {"description": HTTPStatus(status).phrase, "content": told}
    if route.media_type != "application/json":
        responses[endpoint.success] = {"description": "The content", "content": {route.media_type: {}}}
        model = None
    app.add_api_route(
        _path(endpoint),
        _signature_only(endpoint),
        methods=[route.method],
        status_code=endpoint.success,
        response_model=model,
        responses=responses,
        summary=_summary(endpoint.fn),
        description=inspect.getdoc(endpoint.fn) or "",
        operation_id=id,
        name=endpoint.fn.__name__,
    )


def _failure(dialect: Dialect) -> dict[str, Any]:
    return {dialect.media_type: {"schema": {"$ref": f"#/components/schemas/{dialect.name}"}}}


def _statuses(endpoint: Endpoint) -> list[int]:
    """The failures that a route may answer with, besides broken rules."""
    dialect = endpoint.route.family.dialect
    found = [s for s in endpoint.route.statuses if s >= 400]
    if endpoint.body is not None or endpoint.route.declares_media:
        found += [dialect.malformed, 413, 415]
    if endpoint.gate is not None:
        found.append(401)
        if any(g.roles or g.scope for g in endpoint.gate.guards):
            found.append(403)
    if endpoint.parameters.names:
        found.append(404)
    if endpoint.route.idempotent:
        found.append(409)
    return [s for s in dict.fromkeys(found) if s != dialect.invalid or s in endpoint.route.statuses]


def _summary(fn: Callable[..., Any]) -> str:
    return (inspect.getdoc(fn) or fn.__name__).split("\n", 1)[0].rstrip(".")


def _signature_only(endpoint: Endpoint) -> Callable[..., Any]:
    """A function with the endpoint's parameters, less those that our own path injects."""
    hints = get_type_hints(endpoint.fn, include_extras=True)
    given = inspect.signature(endpoint.fn).parameters
    parameters = [
        p.replace(annotation=hints[n], kind=inspect.Parameter.KEYWORD_ONLY)
        for n, p in given.items()
        if n not in endpoint.injected
    ]

    def endpoint_signature(**kwargs: Any) -> Any:
        raise HubError("This function only describes a route.")

    endpoint_signature.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    endpoint_signature.__name__ = endpoint.fn.__name__
    return endpoint_signature


def _describe_body(operation: dict[str, Any], endpoint: Endpoint) -> None:
    """Lists every media type that the route reads; FastAPI knows one."""
    body = operation.get("requestBody")
    if body is not None:
        content = next(iter(body["content"].values()))
        body["content"] = {media: content for media in endpoint.route.consumes}
        body["required"] = True
    elif endpoint.reads_body and endpoint.route.declares_media:
        content = {media: {"schema": {}} for media in endpoint.route.consumes}
        operation["requestBody"] = {"content": content, "required": True}


def _describe_users(operation: dict[str, Any], components: dict[str, Any], endpoint: Endpoint) -> None:
    """Names the schemes by which a guarded route knows its users; `{}` says that none is needed."""
    gate = endpoint.gate
    if gate is None or gate.auth is None:
        return
    schemes = components.setdefault("securitySchemes", {})
    schemes |= {name: dict(scheme) for name, scheme in gate.auth.schemes.items()}
    open_: list[dict[str, list[str]]] = [] if gate.required else [{}]
    operation["security"] = [*open_, *({name: []} for name in gate.auth.schemes)]


def _describe_fields(operation: dict[str, Any], endpoint: Endpoint) -> None:
    """Names the header fields that routes may honour beside their own parameters."""
    fields: dict[str, dict[str, Any]] = {}
    if endpoint.route.idempotent:
        # In words: a schema cannot say that a key belongs to one request, and what is generated from it reuses keys.
        words = "With `Idempotency-Key`, a request that is sent again gets the first answer again."
        operation["description"] = f"{operation.get('description') or ''}\n\n{words}".strip()
    if endpoint.route.prefer:
        fields["Prefer"] = {"type": "string", "examples": ["return=minimal"]}
    for name, schema in fields.items():
        given = {"name": name, "in": "header", "required": False, "schema": schema}
        operation.setdefault("parameters", []).append(given)
