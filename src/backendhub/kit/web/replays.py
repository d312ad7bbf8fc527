"""`Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header) on routes with `idempotent=True`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from backendhub.kit import idempotency
from backendhub.kit.db import Db
from backendhub.kit.errors import HubError, Malformed
from backendhub.kit.hub import Hub

from .replies import Sent
from .request import Request

PURGE_EVERY_S = 3600.0


def key(request: Request) -> str:
    """The key of a request: a string as structured fields have it (RFC 9651 §3.3.3), or bare as most clients send it.
    Raises Malformed."""
    field = request.header("idempotency-key") or ""
    match = re.fullmatch(r'\s*(?:"([\x20\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x7e]{1,255}))\s*', field)
    if match is None:
        raise Malformed("Idempotency-Key is no string of 1 to 255 printable ASCII characters.")
    return match[1] or match[2]


def replayed(db: Db, system: str, request: Request, run: Callable[[], Sent]) -> Sent:
    """Runs an endpoint once for the request's key, or gives the answer of the first time. In the unit of the effect."""
    scope = f"{system}:{request.user.id if request.user is not None else ''}"
    kept, again = idempotency.once(db, scope, key(request), digest(request), lambda: _kept(run()))
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in kept.headers]
    if again:
        headers.append((b"idempotent-replayed", b"true"))
    return Sent(kept.status, headers, kept.body, kept.media.encode() if kept.media is not None else None)


def _kept(sent: Sent) -> idempotency.Kept:
    if sent.stream is not None:
        raise TypeError("A stream cannot be kept: a route that answers with one cannot be idempotent.")
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in sent.headers]
    media = sent.media.decode() if sent.media is not None else None
    return idempotency.Kept(sent.status, headers, media, sent.body)


def digest(request: Request) -> str:
    """SHA-256 of what makes a request the same: method, path, query and body, fields and files where that is a form."""
    found = sha256(f"{request.method} {request.full_path}?{request.query}\n".encode())
    if request.form is None:
        found.update(request.body)
        return found.hexdigest()
    for name, value in request.form.items:
        whole: Any = sha256()
        for block in [value.encode()] if isinstance(value, str) else value.blocks():
            whole.update(block)
        found.update(f"{len(name)} {name} {whole.hexdigest()}\n".encode())
    return found.hexdigest()


async def forget(hub: Hub) -> None:
    """Removes answers whose time is over, once an hour."""
    while True:
        try:
            await asyncio.to_thread(hub.store.unit, idempotency.purge)
        except HubError as error:
            hub.output.warn(f"old answers could not be removed: {error.message}")
        await asyncio.sleep(PURGE_EVERY_S)
