"""Failures as responses, in the dialect of the place where they happened."""

from __future__ import annotations

from backendhub.kit import telemetry
from backendhub.kit.errors import HubError
from backendhub.kit.output import dumps

from .dialect import PROBLEMS, Dialect
from .guards import BEARER
from .mounts import Mounted
from .replies import Reply, Sent, encoded
from .request import Request


def failure(request: Request, mounted: Mounted | None, error: HubError) -> Sent:
    """An error in the dialect of the family that the request's path lies in."""
    dialect = mounted.dialect(request.path) if mounted is not None else PROBLEMS
    error.status = dialect.status(error)
    if error.status == 401:  # a 401 says how to do better, wherever it was found out (RFC 9110 §15.5.2)
        error.headers.setdefault("WWW-Authenticate", mounted.challenge(request.path) if mounted else BEARER)
    try:
        return _told(dialect, dialect.problem(error, request), error)
    except Exception as broken:  # a dialect that fails must not hide what it was to tell
        telemetry.crashed(f"the dialect of request {request.id} failed", broken)
        return _told(PROBLEMS, PROBLEMS.problem(error, request), error)


def crash(request: Request, mounted: Mounted | None, error: Exception) -> Sent:
    """What nobody expected: told without a detail, written to stderr with all of them."""
    telemetry.crashed(f"request {request.id} failed", error)
    hidden = HubError("An unexpected failure; it was logged.", hint=f"quote {request.id}")
    return failure(request, mounted, hidden)


def _told(dialect: Dialect, reply: Reply, error: HubError) -> Sent:
    """A failure as bytes, with the fields that HTTP wants whatever the dialect."""
    value = reply.value
    body = (
        value
        if isinstance(value, bytes)
        else value.encode("utf-8", "replace")
        if isinstance(value, str)
        else dumps(value, compact=True).encode("utf-8", "replace")
    )
    fields = {b"cache-control": b"no-store"}
    if retry := error.details.get("retryAfter"):
        fields[b"retry-after"] = str(retry).encode()
    if error.status == 503:
        fields.setdefault(b"retry-after", b"1")
    fields |= dict(encoded(error.headers))
    own = encoded(reply.headers)
    kept = [(name, value) for name, value in fields.items() if name not in dict(own)]
    media = (reply.media_type or dialect.media_type).encode()
    return Sent(reply.status or error.status, kept + own, body, media)
