"""Header fields that make browsers careful: on every response, unless the endpoint says otherwise."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from .replies import Fields

NOSNIFF = (b"x-content-type-options", b"nosniff")
HSTS = (b"strict-transport-security", b"max-age=31536000")
SECURE = ("https", "wss")
"""The schemes under which HSTS means something (RFC 6797 §7.2)."""
SOURCE = re.compile(r"[a-z][a-z0-9+.-]*://[A-Za-z0-9.:\[\]_-]+")
"""An origin that can stand in a policy: nothing in it ends a directive."""


def page_policy(*forms: str) -> str:
    """The Content-Security-Policy of a page: it brings its styles along; scripts, frames and other hosts are for endpoints
    to allow by a policy of their own. `forms` are the addresses to which forms may lead beside this server's, redirects
    from it included (browsers look at those, too)."""
    origins = {f"{u.scheme}://{u.netloc}" for u in map(urlsplit, forms) if u.scheme and u.netloc}
    allowed = " ".join(["'self'", *sorted(o for o in origins if SOURCE.fullmatch(o))])
    return (
        "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; "
        f"form-action {allowed}; base-uri 'none'; frame-ancestors 'none'"
    )


PAGE = {b"content-security-policy": page_policy().encode(), b"referrer-policy": b"no-referrer"}


def protect_page(headers: Fields) -> None:
    """Adds what the headers of an HTML page lack."""
    given = {name for name, _ in headers}
    headers += [(name, value) for name, value in PAGE.items() if name not in given]
