"""One tree of errors: each kind knows its HTTP status, its exit code and its machine-readable code.

Services raise these; the command line turns them into one line on stderr and an exit code, the web layer
into an RFC 9457 problem. Nothing else is allowed to reach a user.
"""

from __future__ import annotations

from typing import Any


class HubError(Exception):
    """A failure that is explained to the user: `message` says what, `hint` says what to do about it.

    `details` are extra members of the problem body (for instance `errors=[…]` of a validation failure), `headers`
    the HTTP fields that belong to it (for instance `WWW-Authenticate`).
    """

    status: int = 500
    exit_code: int = 1
    code: str = "error"
    title: str = "Internal error"

    def __init__(self, message: str, *, hint: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details
        self.headers: dict[str, str] = {}


class Invalid(HubError):
    """A value that breaks a rule."""

    status, exit_code, code, title = 422, 2, "invalid", "Invalid value"


class Malformed(Invalid):
    """A request that cannot even be parsed."""

    status, code, title = 400, "malformed", "Malformed request"


class NotFound(HubError):
    """No such thing."""

    status, exit_code, code, title = 404, 3, "not_found", "Not found"


class Conflict(HubError):
    """The thing is in a state that forbids this."""

    status, exit_code, code, title = 409, 1, "conflict", "Conflict"


class PreconditionFailed(HubError):
    """An `If-Match` that no longer holds (RFC 9110 §13.1.1)."""

    status, exit_code, code, title = 412, 1, "precondition_failed", "Precondition failed"


class TooLarge(HubError):
    """More bytes than are accepted."""

    status, exit_code, code, title = 413, 2, "too_large", "Content too large"


class UnsupportedMediaType(HubError):
    """A body in a format the route does not read."""

    status, exit_code, code, title = 415, 2, "unsupported_media_type", "Unsupported media type"


class Unauthenticated(HubError):
    """Who are you? No or wrong credentials."""

    status, exit_code, code, title = 401, 4, "unauthenticated", "Authentication required"


class Denied(HubError):
    """Known, but not allowed."""

    status, exit_code, code, title = 403, 4, "denied", "Not allowed"


class Upstream(HubError):
    """Another server or the network failed."""

    status, exit_code, code, title = 502, 5, "upstream", "Upstream failure"


class TooMany(HubError):
    """A rate limit, ours or an upstream's."""

    status, exit_code, code, title = 429, 6, "rate_limited", "Too many requests"


class StoreError(HubError):
    """The store is locked, damaged, full, read-only or of another version."""

    status, exit_code, code, title = 503, 7, "store", "Store unavailable"


class PolicyViolation(HubError):
    """Something the user asked to be strict about (`--strict`)."""

    status, exit_code, code, title = 422, 8, "policy", "Policy violated"


class MissingExtra(HubError):
    """An optional dependency is not installed."""

    status, exit_code, code, title = 501, 2, "missing_extra", "Optional feature not installed"

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs the optional extra {extra!r}.",
            hint=f"pipx install 'backendhub[{extra}]' --force   (or: pip install 'backendhub[{extra}]')",
        )


class StoreBusy(StoreError):
    """Another process holds the write lock and did not let go in time."""
