"""Plain SQL behind seven verbs, on SQLite by default and on PostgreSQL by URL.

`connect(url)` gives a `Store`; `Store.unit(fn, …)` runs `fn(db, …)` in one transaction and hands it a `Db`.
"""

from __future__ import annotations

from .base import ANEW, Db, Store, contains
from .migrate import Migration, migrate, status
from .records import as_dict, columns, derived

__all__ = [
    "ANEW",
    "Db",
    "Migration",
    "Store",
    "as_dict",
    "columns",
    "connect",
    "contains",
    "derived",
    "migrate",
    "status",
]


def connect(url: str) -> Store:
    """Opens the store at a URL: `sqlite:///path`, a plain path, `:memory:` or `postgresql://…`.

    Nothing is read or created until the first unit of work. Raises Invalid for any other scheme.
    """
    scheme, colon, rest = url.partition("://")
    if not colon or scheme == "sqlite":
        from .sqlite import SqliteStore

        if not colon:
            return SqliteStore(url)
        return SqliteStore(rest[1:] or ":memory:")  # sqlite:///relative and sqlite:////absolute
    if scheme in ("postgresql", "postgres"):
        from .postgres import PostgresStore

        return PostgresStore(url)
    from backendhub.kit.errors import Invalid

    raise Invalid(
        f"{scheme!r} is not a database this product can use.",
        hint="use sqlite:///path/to/file.db or postgresql://user@host/name",
    )
