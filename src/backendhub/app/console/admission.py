"""Who may see the console."""

from __future__ import annotations

import base64
import binascii
import time
from collections import OrderedDict
from hashlib import blake2b
from secrets import token_bytes

from backendhub.kit import accounts
from backendhub.kit.errors import Denied, Unauthenticated
from backendhub.kit.limits import MemoryLimits, Rule, enforce
from backendhub.kit.web import Request

CHALLENGE = 'Basic realm="backendhub console", charset="UTF-8"'
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
PROXIED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
REMEMBER_S = 300.0
"""How long a password that was right is not hashed again; a page asks for several things at once."""
REMEMBERED = 100
GUESSES = Rule(10, 300, name="console")


class Local:
    """On a loopback address: whoever is on this machine, but neither a page that a name server has pointed at it nor what
    a proxy lets in."""

    async def __call__(self, request: Request) -> None:
        """Raises Denied for another host name (DNS rebinding), and for requests that came through a proxy."""
        if any(request.header(name) is not None for name in PROXIED):
            raise Denied("The console does not answer through a proxy.", hint="serve --host … --console")
        host = request.header("host") or ""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        if name.lower() not in LOOPBACK and not name.lower().endswith(".localhost"):
            raise Denied(
                f"The console answers to localhost, not to {name[:80]!r}.", hint="open http://localhost"
            )


class Administrator:
    """Beyond it: an account with the role `admin`, by HTTP Basic (RFC 7617), which needs TLS in front of it."""

    def __init__(self) -> None:
        self._secret = token_bytes(32)
        self._known: OrderedDict[bytes, float] = OrderedDict()
        self._limits = MemoryLimits()

    async def __call__(self, request: Request) -> None:
        """Raises Unauthenticated, Denied, and TooManyHits for whoever keeps guessing."""
        field = request.header("authorization") or ""
        scheme, _, text = field.partition(" ")
        if scheme.lower() != "basic":
            raise _challenged(Unauthenticated("The console needs an administrator."))
        mark = blake2b(text.encode(), key=self._secret, digest_size=16).digest()
        if self._known.get(mark, 0.0) > time.monotonic():
            return
        client = (request.scope.get("client") or ("-",))[0]
        enforce(await self._limits.ahit(f"console:{client}", GUESSES))
        try:
            login, _, password = base64.b64decode(text, validate=True).decode().partition(":")
            user = await accounts.verified(request, login, password, counted=True)
        except (binascii.Error, UnicodeDecodeError):
            raise _challenged(Unauthenticated("These credentials cannot be read.")) from None
        except Unauthenticated as error:
            raise _challenged(error) from None
        if "admin" not in user.roles:
            raise Denied("The console is for administrators.")
        self._known[mark] = time.monotonic() + REMEMBER_S
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


def _challenged(error: Unauthenticated) -> Unauthenticated:
    error.headers["WWW-Authenticate"] = CHALLENGE
    return error
