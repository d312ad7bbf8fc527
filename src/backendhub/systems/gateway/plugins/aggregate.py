"""One answer made of several: what is dead is left out, and the client is told so."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from urllib.parse import quote

from pydantic_core import from_json

from backendhub.kit.errors import Invalid, Upstream
from backendhub.kit.output import dumps

from .base import JSON, Answer, Context, Local, Options, Plugin, message

MAX_BODY = 8 * 2**20


class Aggregate(Plugin):
    """Asks several servers at once and merges their JSON, as KrakenD does (ours)."""

    name, priority = "aggregate", 1
    known = "backends timeout_s"

    def read(self, options: Options) -> None:
        """The servers: url (with `{name}` of the route's named groups), group, target, allow, deny, required."""
        self.timeout = float(options.number("timeout_s", 3, 0.01, 600))
        backends = options.config.get("backends")
        if not isinstance(backends, list) or not backends:
            raise Invalid(f"{options.where} has a list of backends.")
        self.backends = [
            self._backend(item, f"{options.where}.backends[{n}]") for n, item in enumerate(backends)
        ]

    def _backend(self, item: Any, where: str) -> dict[str, Any]:
        if not isinstance(item, dict):
            raise Invalid(f"{where} is a mapping.")
        given = Options(item, where, "url group target allow deny required")
        match = re.fullmatch(r"(https?://[^/\s?#]+)(/[^\s#]*)?", given.text("url"))
        if match is None or "{" in match[1]:
            raise Invalid(f"{where} has an http or https url.")
        return {
            "server": match[1], "path": match[2] or "/", "group": given.text("group"), "target": given.text("target"),
            "allow": frozenset(given.texts("allow")), "deny": frozenset(given.texts("deny")),
            "required": given.flag("required"),
        }  # fmt: skip

    async def access(self, context: Context) -> Answer:
        """Merges what comes in time. 502 where nothing does, or what is required does not."""
        if context.request.method not in (b"GET", b"HEAD"):
            return message(405, "Method not allowed", [(b"allow", b"GET, HEAD")])
        found = await asyncio.gather(*(self._ask(context, backend) for backend in self.backends))
        merged: dict[str, Any] = {}
        for backend, part in zip(self.backends, found, strict=True):
            if part is not None:
                merged |= {backend["group"]: part} if backend["group"] else part
        alive = [part is not None for part in found]
        missing = any(b["required"] and not up for b, up in zip(self.backends, alive, strict=True))
        if not any(alive) or missing:
            return message(
                502, "None of the backends answered" if not missing else "A required backend did not answer"
            )
        fields = [JSON, (b"x-krakend-completed", b"true" if all(alive) else b"false")]
        if not all(alive):
            fields.append((b"cache-control", b"no-store"))  # what is not whole must not be kept
        return Local(200, fields, dumps(merged, compact=True).encode())

    async def _ask(self, context: Context, backend: dict[str, Any]) -> Any:
        """The part of one server; None where it does not come in time, or is no JSON."""
        path = re.sub(r"\{(\w+)\}", lambda m: quote(context.groups.get(m[1], ""), safe=""), backend["path"])
        if context.query:
            path += ("&" if "?" in path else "?") + context.query.decode("latin-1")
        origin = context.gateway.origin_of(backend["server"], connect_s=self.timeout, answer_s=self.timeout)
        headers = [(n, v) for n, v in context.headers if n not in (b"content-length", b"accept-encoding")]
        try:
            async with asyncio.timeout(self.timeout):
                incoming = await origin.send(
                    b"GET", path.encode("latin-1"), [*headers, (b"accept", b"application/json")]
                )
                size, parts = 0, []
                async for part in incoming.parts():
                    size += len(part)
                    if size > MAX_BODY:
                        incoming.close()
                        return None
                    parts.append(part)
            value = from_json(b"".join(parts)) if 200 <= incoming.status < 300 else None
        except (Upstream, OSError, TimeoutError, ValueError):
            return None
        for name in filter(None, backend["target"].split(".")):
            value = value.get(name) if isinstance(value, dict) else None
        if isinstance(value, dict):
            allow, deny = backend["allow"], backend["deny"]
            return {k: v for k, v in value.items() if (not allow or k in allow) and k not in deny}
        return value if backend["group"] else None  # without a group only objects merge
