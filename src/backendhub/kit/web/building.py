"""Makes an application of some systems."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from backendhub.kit import telemetry
from backendhub.kit.hub import Hub

from .application import Application
from .bodies import MAX_BODY
from .cors import Cors
from .guards import Authenticate, Authenticator, authenticator
from .mounts import Mounted, Row


def build_app(
    rows: Iterable[Any],
    hub: Hub,
    *,
    single: bool = False,
    log_format: str = "text",
    cors: Iterable[str] = (),
    max_body: int = MAX_BODY,
    background: Iterable[Callable[[Hub], Coroutine[Any, Any, None]]] = (),
    auth: Authenticate | Authenticator | None = None,
) -> Application:
    """An ASGI application of some systems: a `single` one at `/`, several under `/<name>`.

    `auth` is the authenticator of the whole process: with it, every route that has none of its own and is not declared
    public demands a user. `background` runs from start to end beside the requests, each a coroutine function that is
    given the hub.
    """
    default = authenticator(auth)
    mounts = [
        Mounted(Row(r.name, r.package, r.summary), "" if single else f"/{r.name}", hub, default) for r in rows
    ]
    origins = tuple(cors)
    return Application(
        mounts,
        hub,
        log=telemetry.AccessLog(log_format),
        cors=Cors(origins) if origins else None,
        max_body=max_body,
        background=background,
    )
