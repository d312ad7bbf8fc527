"""FastAPI glue: plain functions become routes, one call is one unit of work.

`Router` collects endpoints. `build_app(…)` makes an ASGI application of some systems. Requests run through our
own short path (one route lookup, one pydantic validation, one unit, one pydantic-core serialisation);
FastAPI reads the same declarations and writes the OpenAPI document.
"""

from __future__ import annotations

from .application import Application, build_app
from .endpoint import Reply, Request, etag, reply, revision
from .routing import Router

__all__ = ["Application", "Reply", "Request", "Router", "build_app", "etag", "reply", "revision"]
