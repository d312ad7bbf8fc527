"""The hot routes of the systems that are served: where the protocol finds them, and what is noted of their answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from backendhub.kit import telemetry
from backendhub.kit.edge import Edge, Mount, Request, Route, Table

from .mounts import Mounted

if TYPE_CHECKING:
    from .application import Application


def table(application: Application) -> Table | None:
    """The hot routes of a process; None where it cannot have any."""
    root = application.root
    if root is not None and (root.router is None or root.router.edge is None):
        return None
    found = [_mount(application, mounted) for mounted in application.mounts.values()]
    return Table(found, application.hub, _observer(application))


def _mount(application: Application, mounted: Mounted) -> Mount:
    def edge() -> Edge | None:
        if mounted.router is None or mounted.tree is None:
            try:
                application.load(mounted)
            except Exception:  # the application fails in the same way, and knows how to tell it
                return None
        assert mounted.router is not None
        return mounted.router.edge

    def cors(origin: bytes) -> list[tuple[bytes, bytes]]:
        allowed = application.allowed(mounted)
        return allowed.fields(origin) if allowed is not None else []

    return Mount(mounted.prefix, edge, mounted.auth is not None, cors)


def _observer(application: Application) -> Callable[[Request, Route, int, float, int], None]:
    names = {method.encode(): method for method in application.known_methods}
    log, observe = application.log, application.metrics.observe

    def done(request: Request, route: Route, status: int, seconds: float, size: int) -> None:
        observe(names.get(request.method, "OTHER"), route.path, status, seconds)
        observer = application.observer if application.watched() else None
        if observer is None and log.format == "none":
            return
        target, method = request.target.decode("latin-1"), request.method.decode("latin-1")
        if "signature=" in target:
            path, _, query = request.target.partition(b"?")
            target = (path + b"?" + telemetry.masked(query)).decode("latin-1")
        if observer is not None:
            observer(method, target, status, seconds, size, request.client)
        if log.format != "none":
            given = telemetry.request_id(request.fields.get(b"x-request-id"))
            log.add(method, target, status, seconds, size, given, request.client, None)

    return done
