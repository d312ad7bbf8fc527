"""FastAPI glue: plain functions become routes, one call is one unit of work.

`Router` collects endpoints. `build_app(…)` makes an ASGI application of some systems. Requests run through our
own short path (one route lookup, one pydantic validation, one unit, one pydantic-core serialisation);
FastAPI reads the same declarations and writes the OpenAPI document.
"""

from __future__ import annotations

from .application import Application, build_app
from .conditional import etag, revision
from .cors import Cors
from .dialect import PROBLEMS, Dialect
from .forms import Form, Upload
from .guards import Authenticator, CurrentUser, Guard, MaybeUser, require
from .replies import Reply, cookie, reply
from .request import Request
from .routing import Family, Router

__all__ = [
    "PROBLEMS",
    "Application",
    "Authenticator",
    "Cors",
    "CurrentUser",
    "Dialect",
    "Family",
    "Form",
    "Guard",
    "MaybeUser",
    "Reply",
    "Request",
    "Router",
    "Upload",
    "build_app",
    "cookie",
    "etag",
    "reply",
    "require",
    "revision",
]
