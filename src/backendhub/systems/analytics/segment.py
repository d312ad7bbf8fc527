"""Segment's HTTP tracking API: `/v1/track`, `/v1/identify`, … and `/v1/batch` (https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/)."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Literal

from pydantic import BaseModel
from pydantic_core import from_json

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.errors import HubError, Malformed, NotFound, Unauthenticated

from .models import Door
from .service import ingest

KINDS = ("track", "identify", "page", "screen", "group", "alias", "batch", "import")
SHORT = {"t": "track", "i": "identify", "p": "page", "s": "screen", "g": "group", "a": "alias", "b": "batch"}
"""As analytics.js spells them."""
MAX_BATCH = 500 * 1024
"""Bytes of a request."""


class Refusal(web.Dialect):
    """What Segment's libraries read: `success`, a code and a message."""

    name = "SegmentError"
    description = "A request that was not accepted"
    media_type = "application/json"
    schema = {
        "title": "SegmentError",
        "type": "object",
        "required": ["success", "code", "message"],
        "properties": {
            "success": {"const": False},
            "code": {"type": "string"},
            "message": {"type": "string"},
        },
    }

    def problem(self, error: HubError, request: web.Request) -> web.Reply:
        """The response to a failure."""
        body = {"success": False, "code": error.code, "message": error.message}
        return web.Reply(body, error.status, media_type=self.media_type)


class Accepted(BaseModel):
    """What was sent is stored, or will be found among the rejects."""

    success: Literal[True] = True


def accept(db: Db, request: web.Request, kind: str) -> None:
    """Keeps a request. Raises Malformed for what is no JSON object, Unauthenticated for an unknown key."""
    body = read(request)
    kind = SHORT.get(kind, kind)
    if kind not in KINDS:
        raise NotFound(f"There is no call {kind[:50]!r}.", hint=", ".join(KINDS))
    if kind in ("batch", "import") and not isinstance(body.get("batch"), list):
        raise Malformed("A batch is a list of events.")
    key = _key(request) or body.get("writeKey")
    anyone = not request.hub.settings.flag("analytics.known_only")
    known = isinstance(key, str) and ingest.accept(
        db, door=Door.SEGMENT, key=key, kind=kind, body=request.body, anyone=anyone
    )
    if not known:
        raise Unauthenticated(
            "A write key that was given out is sent as the user of HTTP Basic, or as writeKey."
        )


def read(request: web.Request) -> dict[str, Any]:
    """The JSON object of a body, whatever its media type says: beacons come as text/plain. Raises Malformed."""
    try:
        body = from_json(request.body)
    except ValueError as error:
        raise Malformed(f"The body is no JSON: {error}.") from None
    if not isinstance(body, dict):
        raise Malformed("The body is a JSON object.")
    return body


def _key(request: web.Request) -> str | None:
    """The write key in `Authorization: Basic`, where it is the name of the user."""
    scheme, _, text = (request.header("authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(text, validate=True).decode().partition(":")[0] or None
    except (binascii.Error, UnicodeDecodeError):
        raise Unauthenticated("The credentials cannot be read.") from None
