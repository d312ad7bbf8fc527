"""Answers to hot requests, given before the ASGI application is asked: cache hits, limit checks, ingestion.

An `Edge` collects routes; `Router(edge=…)` puts them in front of a system's other routes, in the same process and on
the same port. What no route takes, or a handler declines by returning None, goes on to the application.
"""

from __future__ import annotations

from .exchange import Incoming, Interim
from .messages import Answer, Request, Response, Stream
from .relay import Relay
from .routes import Edge, Mount, Route, Table
from .tunnel import Duplex, Tunnel
from .upstream import Origin, TooLate, Unreachable

__all__ = [
    "Answer",
    "Duplex",
    "Edge",
    "Incoming",
    "Interim",
    "Mount",
    "Origin",
    "Relay",
    "Request",
    "Response",
    "Route",
    "Stream",
    "Table",
    "TooLate",
    "Tunnel",
    "Unreachable",
]
