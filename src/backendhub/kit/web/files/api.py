"""`/_files/…`: files behind signed addresses, for whoever holds one (`hub.files.url`)."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated

from fastapi import Query

from backendhub.kit import clock
from backendhub.kit.web.replies import Reply
from backendhub.kit.web.request import Request
from backendhub.kit.web.routing import Router

from . import stored

router = Router("Files behind signed addresses.", cors=True)


@router.get("/{id}/{name}", open_query=True, public=True, statuses=(403, 404, 412, 416))
async def read_file(
    request: Request,
    id: str,
    name: str,
    expires: Annotated[str, Query(max_length=20)] = "",
    signature: Annotated[str, Query(max_length=100)] = "",
    download: Annotated[str, Query(max_length=5)] = "",
) -> Reply:
    """Read a file, or ranges of it."""
    files = request.hub.files
    admit = partial(files.admit, id, expires=expires, signature=signature, download=download == "1")
    file = await asyncio.to_thread(admit) if files.store.blocking else admit()
    left = max(0, int(expires) - int(clock.now().timestamp()))
    return stored(request, file, download=download == "1", cache=f"private, max-age={left}")
