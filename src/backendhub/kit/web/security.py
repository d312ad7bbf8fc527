"""Header fields that make browsers careful: on every response, unless the endpoint says otherwise."""

from __future__ import annotations

from .replies import Fields

NOSNIFF = (b"x-content-type-options", b"nosniff")
HSTS = (b"strict-transport-security", b"max-age=31536000")
SECURE = ("https", "wss")
"""The schemes under which HSTS means something (RFC 6797 §7.2)."""
PAGE = {
    # Pages bring their styles along; scripts, frames and other hosts are for endpoints to allow by a policy of their own.
    b"content-security-policy": b"default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; "
    b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    b"referrer-policy": b"no-referrer",
}


def protect_page(headers: Fields) -> None:
    """Adds what the headers of an HTML page lack."""
    given = {name for name, _ in headers}
    headers += [(name, value) for name, value in PAGE.items() if name not in given]
