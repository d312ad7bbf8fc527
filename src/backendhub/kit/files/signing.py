"""Addresses that prove by themselves that they may be read: `/_files/{id}/{name}?expires=…&signature=…`."""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from urllib.parse import quote

from backendhub.kit import clock
from backendhub.kit.errors import Denied

PREFIX = "/_files"
LONGEST = 7 * 24 * 3600
"""Seconds that an address holds at most; S3 has the same limit."""


def path(secret: str, id: str, name: str, *, expires: int, download: bool) -> str:
    """A signed path that holds for so many seconds."""
    until = int(clock.wall().timestamp()) + expires
    more = "&download=1" if download else ""
    signature = _sign(secret, id, until, download)
    return f"{PREFIX}/{quote(id, safe='')}/{quote(name, safe='')}?expires={until}{more}&signature={signature}"


def check(secret: str, id: str, *, expires: str, signature: str, download: bool) -> None:
    """Raises Denied unless the signature is right and the time not over."""
    right = re.fullmatch(r"[0-9]{1,15}", expires) is not None and hmac.compare_digest(
        _sign(secret, id, int(expires), download).encode(), signature.encode("utf-8", "replace")
    )
    if not right:
        raise Denied("The address is not signed by this server.")
    if int(expires) < int(clock.wall().timestamp()):
        raise Denied("The address has expired.", hint="ask for a new one")


def _sign(secret: str, id: str, until: int, download: bool) -> str:
    # The name is decoration: it is taken from the file itself, so it need not be signed.
    message = f"{id}\n{until}\n{int(download)}".encode("utf-8", "replace")
    return urlsafe_b64encode(hmac.digest(secret.encode(), message, "sha256")).rstrip(b"=").decode()
