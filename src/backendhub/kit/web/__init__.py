"""FastAPI glue: plain functions become routes, one call is one unit of work.

`Router` collects endpoints. `build_app(…)` makes an ASGI application of some systems. Requests run through our
own short path (one route lookup, one pydantic validation, one unit, one pydantic-core serialisation);
FastAPI reads the same declarations and writes the OpenAPI document.
"""

from __future__ import annotations

from backendhub.kit.files.names import disposition
from backendhub.kit.merge import merge_patch
from backendhub.kit.sockets import Disconnected

from .application import Application
from .building import build_app
from .conditional import etag, precondition, revision
from .cors import Cors
from .dialect import PROBLEMS, Dialect
from .files import stored
from .forms import Form, Upload
from .guards import Authenticator, CurrentUser, Guard, MaybeUser, require
from .listing import counted, cursored, enveloped, link, numbered
from .preferences import preference
from .ranges import file, ranged
from .replies import Reply, cookie, reply
from .request import Request
from .routing import Family, Router
from .security import page_policy
from .sockets import Socket, broadcast
from .streams import Event, Stream, events

__all__ = [
    "PROBLEMS",
    "Application",
    "Authenticator",
    "Cors",
    "CurrentUser",
    "Dialect",
    "Disconnected",
    "Event",
    "Family",
    "Form",
    "Guard",
    "MaybeUser",
    "Reply",
    "Request",
    "Router",
    "Socket",
    "Stream",
    "Upload",
    "broadcast",
    "build_app",
    "cookie",
    "counted",
    "cursored",
    "disposition",
    "enveloped",
    "etag",
    "events",
    "file",
    "link",
    "merge_patch",
    "numbered",
    "page_policy",
    "precondition",
    "preference",
    "ranged",
    "reply",
    "require",
    "revision",
    "stored",
]
