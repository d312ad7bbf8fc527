"""Full text behind one call: FTS5 on SQLite, tsvector on PostgreSQL, the same words found by both.

    ARTICLES = search.Index("blog_search", {"title": 4, "body": 1})
    hits = search.find(db, ARTICLES, 'rust "memory safety" -java asy', limit=20)

The tables are made by a migration (`schema` writes its text) and kept by triggers, so that whatever changes a row,
`undo` included, changes the index in the same transaction. See docs/guides/search.md.
"""

from __future__ import annotations

from .index import Hit, Index, find
from .query import Term, parse, render
from .schema import schema
from .words import fold, words

__all__ = ["Hit", "Index", "Term", "find", "fold", "parse", "render", "schema", "words"]
