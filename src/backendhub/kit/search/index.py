"""An index, and how a statement asks it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from backendhub.kit.db import Db

from .query import render


class Hit(NamedTuple):
    """The id of a row that was found. Lower scores are better matches; a score means nothing by itself."""

    id: int
    score: float


class Index:
    """The table of an index and the weights of its columns, at most four: `Index("blog_search", {"title": 4, "body": 1})`.

    `hits` is a sub-query with the columns `id` and `score` for a FROM clause; `condition` restricts a statement to the
    rows that match. Both have one parameter, `:search`, which is `query(db, text)`.
    """

    def __init__(self, name: str, weights: Mapping[str, float]) -> None:
        self.name = name
        self.weights = dict(weights)
        assert 1 <= len(weights) <= 4, "PostgreSQL knows four weights"
        top = max(weights.values())
        # PostgreSQL takes the weights from D to A, the columns being A, B, C, D in order, and none above 1.
        given = [format(w / top, ".4f") for w in weights.values()]
        ranks = ", ".join([*["0"] * (4 - len(given)), *reversed(given)])
        self.hits = {
            "sqlite": f"(SELECT rowid AS id, rank AS score FROM {name} WHERE {name} MATCH :search)",
            "postgres": (
                f"(SELECT id, CAST(-ts_rank('{{{ranks}}}', document, asked, 1) AS double precision) AS score "
                f"FROM {name}, to_tsquery('simple', :search) AS asked WHERE document @@ asked)"
            ),
        }
        self.matches = {
            "sqlite": f"SELECT rowid FROM {name} WHERE {name} MATCH :search",
            "postgres": f"SELECT id FROM {name} WHERE document @@ to_tsquery('simple', :search)",
        }

    def query(self, db: Db, text: str) -> str:
        """The value of `:search` for what somebody typed. Never raises."""
        return render(text, db.dialect)

    def condition(self, db: Db, text: str, key: str = "id") -> tuple[str, dict[str, Any]]:
        """A condition for a WHERE clause and its parameter; `key` is the column that holds the row's id."""
        return f"{key} IN ({self.matches[db.dialect]})", {"search": self.query(db, text)}


def find(db: Db, index: Index, text: str, *, limit: int = 20, after: Hit | None = None) -> list[Hit]:
    """The rows that match what somebody typed, the best first; `after` is the last hit of the page before.

    A text without words finds nothing; none raises.
    """
    behind = "" if after is None else "WHERE (score, id) > (:score, :id) "
    sql = f"SELECT id, score FROM {index.hits[db.dialect]} AS hit {behind}ORDER BY score, id LIMIT :limit"
    place = {} if after is None else after._asdict()
    rows = db.fetch(sql, {"search": index.query(db, text), "limit": limit, **place})
    return [Hit(row[0], row[1]) for row in rows]
