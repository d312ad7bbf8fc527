"""Files of `hub.files` as responses."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from backendhub.kit.files.types import is_inline
from backendhub.kit.web.ranges import ranged

if TYPE_CHECKING:
    from backendhub.kit.files import File
    from backendhub.kit.web.replies import Reply
    from backendhub.kit.web.request import Request

SANDBOX = "default-src 'none'; img-src 'self' data:; media-src 'self'; style-src 'unsafe-inline'; sandbox"
"""What a browser lets stored content do if it shows it after all: nothing."""


def stored(
    request: Request,
    file: File,
    *,
    download: bool = False,
    cache: str = "private, max-age=0, must-revalidate",
) -> Reply:
    """A file of `hub.files`: ranges, conditional requests, its name, and nothing that could run in a browser.

    What a browser may show is shown unless `download`; everything else is always downloaded. Raises
    PreconditionFailed, HttpError 416.
    """
    media = f"{file.type}; charset=utf-8" if file.type.startswith("text/") else file.type
    reply = ranged(
        request,
        partial(request.hub.files.aread, file),
        file.size,
        media_type=media,
        etag=file.etag,
        last_modified=file.created_at,
        filename=file.name,
        inline=is_inline(file.type) and not download,
    )
    guard = {
        "Cache-Control": cache,
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    if file.type != "application/pdf":  # the viewers of browsers do not work in a sandbox, and are one
        guard["Content-Security-Policy"] = SANDBOX
    reply.headers = {**dict(reply.headers), **guard}
    return reply
