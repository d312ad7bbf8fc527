"""Responses: a value with what else is said of it, and the bytes that it becomes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import quote

if TYPE_CHECKING:
    from .streams import Stream

T = TypeVar("T")
Fields = list[tuple[bytes, bytes]]
"""Header fields as ASGI wants them."""
HeaderFields = Mapping[str, str] | Iterable[tuple[str, str]]
"""Header fields as endpoints give them; pairs where a name is repeated."""


@dataclass(slots=True)
class Reply:
    """A response that is more than its value: other status, headers, an ETag, or a ready-made body."""

    value: Any = None
    status: int | None = None
    headers: HeaderFields = field(default_factory=dict)
    etag: str | None = None
    media_type: str | None = None
    last_modified: datetime | None = None


@dataclass(slots=True)
class Sent:
    """A response as bytes, or as a stream of them."""

    status: int
    headers: Fields
    body: bytes
    media: bytes | None = None
    """Its Content-Type; None where there is no content."""
    stream: Stream | None = None


def reply(
    value: T,
    *,
    status: int | None = None,
    headers: HeaderFields | None = None,
    etag: str | None = None,
    last_modified: datetime | None = None,
) -> T:
    """A value together with what else its response says. Typed as the value, which is what the route documents."""
    return cast(T, Reply(value, status, headers or {}, etag, last_modified=last_modified))


def encoded(headers: HeaderFields) -> Fields:
    """Fields as bytes. Raises ValueError for a value with a line break or another control character (RFC 9110 §5.5):
    it could start another field or another response, and servers refuse to send it. In URLs they are encoded."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return [(name.lower().encode("ascii"), _value(name, value)) for name, value in pairs]


def _value(name: str, value: str) -> bytes:
    if value.isascii() and value.isprintable():
        return value.encode()
    if name.lower() in ("location", "link", "content-location") and not re.fullmatch(r"[ -~]*", value):
        value = quote(value, safe="!#$%&'()*+,/:;=?@[]~<>\" ")
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
        raise ValueError(f"The value of {name} has a line break or another control character in it.")
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode()


def cookie(
    name: str,
    value: str,
    *,
    max_age: int | None = None,
    path: str = "/",
    domain: str | None = None,
    secure: bool = True,
    http_only: bool = True,
    same_site: str = "Lax",
) -> tuple[str, str]:
    """A `Set-Cookie` field (RFC 6265 §4.1): `headers=[web.cookie("sid", id), web.cookie("theme", "dark")]`.

    `max_age` in seconds; 0 removes it, None keeps it for the browser's session. Loopback addresses take `secure`
    cookies without TLS. Raises ValueError for what cannot stand in a cookie.
    """
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
        raise ValueError(f"{name!r} is no name for a cookie.")
    if not re.fullmatch(r"[!#-+\--:<-\[\]-~]*", value):
        raise ValueError(f"The value of the cookie {name} needs encoding.")
    if name.startswith("__Host-") and (not secure or path != "/" or domain):
        raise ValueError("A __Host- cookie is secure, has the path / and no domain.")
    parts = [f"{name}={value}", f"Path={path}"]
    if max_age is not None:
        parts.append(f"Max-Age={max_age}")
    if domain:
        parts.append(f"Domain={domain}")
    parts += ["Secure"] * secure + ["HttpOnly"] * http_only + [f"SameSite={same_site}"]
    if any(c in part for part in parts for c in ";\r\n\0"):
        raise ValueError("An attribute of a cookie holds a separator.")
    return "Set-Cookie", "; ".join(parts)
