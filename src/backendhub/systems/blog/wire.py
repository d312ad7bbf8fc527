"""The two wires of the blog: how each says what went wrong, and by what it knows people."""

from __future__ import annotations

from typing import Any

from backendhub.kit import accounts, web
from backendhub.kit.errors import Denied, HubError, NotFound, Unauthenticated

_SCHEMA: dict[str, Any] = {
    "title": "Errors",
    "description": "What is wrong, by the name of the field or thing that it is about",
    "type": "object",
    "required": ["errors"],
    "properties": {
        "errors": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"type": "array", "minItems": 1, "items": {"type": "string"}},
        }
    },
}
BLANK, TAKEN = "can't be blank", "has already been taken"
_SAID = {"missing": BLANK, "taken": TAKEN, "string_pattern_mismatch": "is invalid"}
_ABOUT = {400: "body", 404: "path", 405: "method", 413: "body", 415: "body", 429: "requests"}


class Conduit(web.Dialect):
    """RealWorld's errors: `{"errors": {"title": ["can't be blank"]}}`."""

    name = "Errors"
    description = "What is wrong, by field"
    media_type = "application/json"
    schema = _SCHEMA

    def problem(self, error: HubError, request: web.Request) -> web.Reply:
        """The response to a failure."""
        return web.Reply({"errors": by_name(error)}, error.status, media_type=self.media_type)


def by_name(error: HubError) -> dict[str, list[str]]:
    """What a failure says, by the name of what it is about."""
    details = error.details
    if details.get("errors"):
        found: dict[str, list[str]] = {}
        for each in details["errors"]:
            said = found.setdefault(_name(each), [])
            said.append(_SAID.get(each.get("code", ""), each.get("detail", error.message)))
        return found
    if (field := details.get("field")) is not None:
        return {field: [_of_account(field, error)]}
    if isinstance(error, (NotFound, Denied)) and "subject" in details:
        return {details["subject"]: ["not found" if isinstance(error, NotFound) else "forbidden"]}
    if isinstance(error, Denied):
        return {"account": ["is not allowed to do this"]}
    if isinstance(error, Unauthenticated):
        if "credentials" in details:
            return {"credentials": [details["credentials"]]}
        return {"token": ["is invalid" if "token" in details else "is missing"]}
    return {_ABOUT.get(error.status, "server"): ["not found" if error.status == 404 else error.message]}


def _name(violation: dict[str, str]) -> str:
    """The field that a violation is in: of `/article/tagList/2` that is `tagList`."""
    parts = (violation.get("name") or violation.get("pointer", "")).split("/")
    return next((part for part in reversed(parts) if part and not part.isdigit()), "body")


def _of_account(field: str, error: HubError) -> str:
    """What the account store says of a name, an address or a password."""
    if isinstance(error, accounts.Taken):
        return TAKEN
    return "is invalid" if field == "email" else error.message


router = web.Router(
    "A blog of several authors. Under `/api` it speaks RealWorld's Conduit: any of its front ends can use it as it is. "
    "`/posts` are the same articles in a plainer form, with categories, drafts, scheduled publishing, full text and "
    "cursors; `/feed.rss`, `/feed.atom` and `/feed.json` are for feed readers.",
    cors=True,
    dialect=web.Dialect(invalid=400),
    auth=accounts.authenticate_token,
)
conduit = router.family("/api", dialect=Conduit())
posts = router.family("/posts")
