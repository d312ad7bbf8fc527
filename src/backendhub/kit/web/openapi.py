"""The OpenAPI 3.1 document of a system. FastAPI reads the endpoints' signatures and writes it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, get_type_hints

from backendhub import __version__
from backendhub.kit import problems
from backendhub.kit.errors import HubError

from .endpoint import Endpoint, Reply

if TYPE_CHECKING:
    from .application import Mounted

PROBLEM = {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}


def document(mounted: Mounted) -> dict[str, Any]:
    """The document, with the problem schema on every failure."""
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
    for endpoint in mounted.endpoints:
        if endpoint.route.in_schema:
            _add(app, endpoint)
    schema: dict[str, Any] = app.openapi()
    schema.setdefault("components", {}).setdefault("schemas", {})["Problem"] = problems.SCHEMA
    for endpoint in mounted.endpoints:
        _describe_body(schema, endpoint)
    return schema


def _add(app: Any, endpoint: Endpoint) -> None:
    route = endpoint.route
    model = endpoint.result if endpoint.result not in (None, type(None), Reply) else None
    responses: dict[int | str, dict[str, Any]] = {
        "default": {"description": "A problem (RFC 9457)", "content": PROBLEM}
    }
    if endpoint.body_adapter is not None or endpoint.validate is not None:
        responses[422] = {"description": "A value breaks a rule", "content": PROBLEM}
    if endpoint.body_adapter is not None:
        responses |= {s: {"description": HTTPStatus(s).phrase, "content": PROBLEM} for s in (400, 413, 415)}
    responses |= {s: {"description": HTTPStatus(s).phrase, "content": PROBLEM} for s in _statuses(endpoint)}
    if route.media_type != "application/json":
        responses[endpoint.success] = {"description": "The content", "content": {route.media_type: {}}}
        model = None
    app.add_api_route(
        route.path.replace(":path}", "}"),
        _signature_only(endpoint),
        methods=[route.method],
        status_code=endpoint.success,
        response_model=model,
        responses=responses,
        summary=_summary(endpoint.fn),
        description=inspect.getdoc(endpoint.fn) or "",
        operation_id=endpoint.fn.__name__.rstrip("_"),
        name=endpoint.fn.__name__,
    )


def _statuses(endpoint: Endpoint) -> list[int]:
    found = [s for s in endpoint.route.statuses if s >= 400]
    return [*found, *([404] if endpoint.names and 404 not in found else [])]


def _summary(fn: Callable[..., Any]) -> str:
    return (inspect.getdoc(fn) or fn.__name__).split("\n", 1)[0].rstrip(".")


def _signature_only(endpoint: Endpoint) -> Callable[..., Any]:
    """A function with the endpoint's parameters, less those that our own path injects."""
    hints = get_type_hints(endpoint.fn, include_extras=True)
    hidden = {endpoint.db_name, endpoint.request_name}
    given = inspect.signature(endpoint.fn).parameters
    parameters = [
        p.replace(annotation=hints[n], kind=inspect.Parameter.KEYWORD_ONLY)
        for n, p in given.items()
        if n not in hidden
    ]

    def endpoint_signature(**kwargs: Any) -> Any:
        raise HubError("This function only describes a route.")

    endpoint_signature.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    endpoint_signature.__name__ = endpoint.fn.__name__
    return endpoint_signature


def _describe_body(schema: dict[str, Any], endpoint: Endpoint) -> None:
    """Lists every media type that the route reads; FastAPI knows one."""
    operation = (
        schema["paths"].get(endpoint.route.path.replace(":path}", "}"), {}).get(endpoint.route.method.lower())
    )
    body = (operation or {}).get("requestBody")
    if body is None:
        return
    content = next(iter(body["content"].values()))
    body["content"] = {media: content for media in endpoint.route.consumes}
    body["required"] = True
