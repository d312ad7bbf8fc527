"""A system under its prefix: its routes, imported when first asked for, and its documents."""

from __future__ import annotations

from importlib import import_module
from json import loads
from typing import NamedTuple

from backendhub.kit.hub import Hub
from backendhub.kit.output import dumps

from .dialect import PROBLEMS, Dialect
from .endpoint import Endpoint
from .guards import BEARER, Authenticator
from .replies import Sent
from .routing import Router, Tree


class Row(NamedTuple):
    """What the application has to know of a system: a registry row, or anything shaped like one."""

    name: str
    package: str
    summary: str


class Mounted:
    """A system under a prefix; its code is imported at its first request."""

    def __init__(
        self,
        row: Row,
        prefix: str,
        hub: Hub,
        auth: Authenticator | None = None,
        router: Router | None = None,
    ) -> None:
        """`auth` guards every route that has no authenticator of its own and is not public; a `router` that is given is
        no system's, and nothing is imported for it."""
        self.row = row
        self.prefix = prefix
        self.hub = hub
        self.auth = auth
        self.tree: Tree | None = None
        self.router = router
        self.endpoints: list[Endpoint] = []
        self._declared: bytes | None = None

    def load(self) -> Tree:
        """Imports the system's routes and compiles them."""
        if self.tree is None:
            if self.router is None:
                self.hub.use(self.row.name)
                self.router = import_module(f"{self.row.package}.api").router
            assert self.router is not None
            if any(route.idempotent for route in self.router.routes):
                self.hub.use("idempotency")
            tree = Tree()
            for route in self.router.routes:
                endpoint = Endpoint(route, self.row.name, self.auth)
                self.endpoints.append(endpoint)
                tree.add(route.method, route.path, endpoint)
                for prefix in self.router.aliases:
                    tree.add(route.method, prefix + route.path, endpoint)
            self.tree = tree
        return self.tree

    def dialect(self, path: str) -> Dialect:
        """The dialect that failures at a path of the system are told in."""
        return self.router.at(path).dialect if self.router is not None else PROBLEMS

    def challenge(self, path: str) -> str:
        """What a 401 at a path of the system asks for."""
        auth = self.router.at(path).auth if self.router is not None else None
        return auth.challenge if auth is not None else BEARER

    def openapi(self) -> bytes:
        """The OpenAPI 3.1 document: that of the declared routes is made once, what the system makes of it each time."""
        self.load()
        if self._declared is None:
            from .openapi import document

            self._declared = dumps(document(self)).encode()
        described = self.router.described if self.router is not None and self.auth is None else None
        return (
            self._declared
            if described is None
            else dumps(described(self.hub, loads(self._declared))).encode()
        )

    def document(self, path: str) -> Sent:
        """`/openapi.json` or `/docs`."""
        if path == "/openapi.json":
            return Sent(200, [], self.openapi(), b"application/json")
        from .page import docs_page

        return Sent(200, [], docs_page(self).encode(), b"text/html; charset=utf-8")
