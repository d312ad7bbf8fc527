"""How an API says what went wrong: one object for a family of routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backendhub.kit import problems
from backendhub.kit.errors import HubError, Malformed

from .replies import Reply

if TYPE_CHECKING:
    from .request import Request


class Dialect:
    """RFC 9457 problems; a subclass with another `problem` and `schema` speaks another wire.

    Whatever goes wrong under the prefix of the family is told in its dialect: unknown paths, methods and media types,
    bodies that are too large or cannot be read, broken rules, refusals and crashes. `error.status` is final when
    `problem` is called, and the fields of `error.headers` (`Allow`, `Retry-After`, `WWW-Authenticate`) are sent in any
    case. `problems.by_field` helps wires that name fields.
    """

    name = "Problem"
    """What the OpenAPI document calls the body."""
    description = "A problem (RFC 9457)"
    media_type = problems.MEDIA_TYPE
    schema: dict[str, Any] = problems.SCHEMA

    def __init__(self, *, invalid: int = 422, malformed: int = 400) -> None:
        """`invalid` is the status of a value that breaks a rule (400 or 422), `malformed` that of a body or query
        that cannot be parsed."""
        self.invalid = invalid
        self.malformed = malformed

    def status(self, error: HubError) -> int:
        """The status of an error on this wire."""
        if isinstance(error, Malformed):
            return self.malformed
        return self.invalid if error.status == 422 else error.status

    def problem(self, error: HubError, request: Request) -> Reply:
        """The response to a failure: a body for JSON, or text or bytes of its own media type."""
        return Reply(
            problems.body(error, instance=request.full_path, request_id=request.id),
            error.status,
            media_type=self.media_type,
        )


PROBLEMS = Dialect()
"""RFC 9457, with 422 for broken rules."""
