"""The setting `mail.url`: which server takes our mail, and how we talk to it.

`smtp://host:25` (STARTTLS where the server offers it), `smtp+starttls://host:587` (or not at all), `smtps://host:465`
(TLS from the start); with `user:password@` in front of the host. A password is never sent in clear text except to
this machine. `?verify=no` accepts any certificate.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from backendhub.kit.errors import Invalid

PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
HINT = "smtp://host:25, smtp+starttls://user:password@host:587 or smtps://user:password@host:465"
TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server and how to reach it."""

    host: str
    port: int
    tls: bool
    starttls: bool | None
    user: str | None
    password: str | None = field(repr=False)
    verify: bool

    @property
    def options(self) -> dict[str, Any]:
        """What aiosmtplib.send takes."""
        return {
            "hostname": self.host,
            "port": self.port,
            "use_tls": self.tls,
            "start_tls": self.starttls,
            "username": self.user,
            "password": self.password,
            "validate_certs": self.verify,
            "timeout": TIMEOUT_S,
        }


def server(url: str) -> Server:
    """Reads `mail.url`. Raises Invalid, without repeating a password."""
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), parts.hostname or "", parts.port
    except ValueError:
        scheme, host, port = "", "", None
    if scheme not in PORTS or not re.fullmatch(r"[A-Za-z0-9:.-]+", host):
        raise Invalid("The setting mail.url is no address of a mail server.", hint=HINT)
    query = parse_qs(parts.query)
    if set(query) - {"verify"} or query.get("verify", ["yes"])[-1] not in ("yes", "no"):
        raise Invalid("The setting mail.url has options that do not exist.", hint="?verify=no")
    user = unquote(parts.username) if parts.username else None
    forced = scheme == "smtp+starttls" or (user is not None and not _here(host))
    return Server(
        host=host,
        port=port or PORTS[scheme],
        tls=scheme == "smtps",
        starttls=False if scheme == "smtps" else True if forced else None,
        user=user,
        password=unquote(parts.password or "") if user is not None else None,
        verify=query.get("verify", ["yes"])[-1] == "yes",
    )


def _here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
