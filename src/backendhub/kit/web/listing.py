"""How wires page their lists: small functions that make a reply of the rows of a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from .replies import Reply
from .request import Request


def link(request: Request, **rels: Mapping[str, object] | None) -> str:
    """A Link field (RFC 8288): `link(request, next={"page": 3}, prev=None)`.

    Each target is this request's URL with the parameters changed; None leaves the relation out, a parameter of None
    the parameter.
    """
    return ", ".join(
        f'<{_target(request, changes)}>; rel="{rel}"' for rel, changes in rels.items() if changes is not None
    )


def _target(request: Request, changes: Mapping[str, object]) -> str:
    kept = [(name, value) for name, value in request.pairs() if name not in changes]
    added = [(name, str(value)) for name, value in changes.items() if value is not None]
    query = urlencode([*kept, *added], quote_via=quote)
    return request.full_path + ("?" + query if query else "")


def numbered(
    request: Request,
    items: Sequence[Any],
    *,
    page: int,
    size: int,
    total: int,
    parameter: str = "page",
) -> Reply:
    """A page by number: `Link` with first, prev, next and last, and `X-Total-Count`."""
    last = max((total + size - 1) // size, 1)
    to = {
        "first": 1,
        "prev": page - 1 if page > 1 else None,
        "next": page + 1 if page < last else None,
        "last": last,
    }
    rels = {rel: None if number is None else {parameter: number} for rel, number in to.items()}
    return Reply(items, headers={"Link": link(request, **rels), "X-Total-Count": str(total)})


def counted(items: Sequence[Any], total: int) -> Reply:
    """Rows with `X-Total-Count`, which is all that some clients look at."""
    return Reply(items, headers={"X-Total-Count": str(total)})


def enveloped(items: Sequence[Any], *, key: str = "data", **about: Any) -> dict[str, Any]:
    """Rows inside an object that says the rest: `{"data": […], "page": 1, "limit": 20, "total": 57}`."""
    return {key: items, **about}


def cursored(request: Request, items: Sequence[Any], next: str | None, *, parameter: str = "cursor") -> Reply:
    """Rows with `Link: rel=next` by cursor, as a `Page` is sent."""
    changes = None if next is None else {parameter: next}
    return Reply(items, headers={} if changes is None else {"Link": link(request, next=changes)})
