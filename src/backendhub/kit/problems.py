"""RFC 9457 problem details: the one shape in which an API says what went wrong."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from backendhub.kit.errors import HubError

MEDIA_TYPE = "application/problem+json"

SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "Problem details (RFC 9457)",
    "type": "object",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string", "description": "A URI reference of the kind of problem"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string", "description": "A stable, machine-readable name"},
        "hint": {"type": "string"},
        "requestId": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "in": {"type": "string", "enum": ["body", "query", "path", "header"]},
                    "pointer": {"type": "string", "description": "JSON Pointer (RFC 6901) into the body"},
                    "name": {"type": "string"},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


def body(error: HubError, *, instance: str, request_id: str) -> dict[str, Any]:
    """The problem of an error. `message` repeats the detail, which is what simple clients look for."""
    problem: dict[str, Any] = {
        "type": "about:blank" if error.code == "http" else f"urn:backendhub:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.message,
        "message": error.message,
        "code": error.code,
        "instance": instance,
        "requestId": request_id,
    }
    if error.hint:
        problem["hint"] = error.hint
    return problem | error.details


def by_field(error: HubError) -> dict[str, list[str]]:
    """The violations of a failed validation by the name of what breaks a rule (`body` for the whole of it): what
    wires with field-keyed errors are made from."""
    found: dict[str, list[str]] = {}
    for each in error.details.get("errors") or ():
        name = each.get("name") or each.get("pointer", "").rpartition("/")[2] or "body"
        found.setdefault(name, []).append(each.get("detail", error.message))
    return found


class HttpError(HubError):
    """A failure of HTTP itself, for instance 405; the title is the status's own phrase, keywords are fields of the
    response (`allow="GET"`)."""

    code = "http"

    def __init__(self, status: int, message: str, *, hint: str | None = None, **headers: str) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.title = HTTPStatus(status).phrase
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
