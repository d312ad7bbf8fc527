"""Remarks on articles."""

from __future__ import annotations

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.identity import Principal
from backendhub.systems.blog import store
from backendhub.systems.blog.models import Comment

from . import articles
from .rules import MAX_COMMENT, missing, owns, refused, text, while_there

SHOWN = 1_000


def find(db: Db, slug: str, *, who: Principal | None = None) -> list[Comment]:
    """The comments of an article, the latest first, 1,000 at most. Raises NotFound."""
    article = articles.get(db, slug, who=who)
    viewer = who.id if who else None
    return db.all(Comment, store.COMMENTS, id=article.id, viewer=viewer, limit=SHOWN)


def add(db: Db, who: Principal, slug: str, body: str) -> Comment:
    """Adds a comment; readers may, too. Raises NotFound, Invalid."""
    article = articles.get(db, slug, who=who)
    values = {"article_id": article.id, "author_id": who.id, "body": text("body", body, MAX_COMMENT)}
    with while_there("article", slug):
        id = db.value(store.ADD_COMMENT, **values, now=clock.precise())
    return _one(db, id, article.id, who.id)


def remove(db: Db, who: Principal, slug: str, id: int) -> None:
    """Deletes a comment: its author may, and administrators. Raises NotFound, Denied."""
    article = articles.get(db, slug, who=who)
    comment = _one(db, id, article.id, who.id)
    if not owns(who, comment.author_id):
        raise refused("comment", "This is somebody else's comment.")
    db.run(store.DELETE_COMMENT, id=id)


def _one(db: Db, id: int, article_id: int, viewer: str) -> Comment:
    comment = db.one(Comment, store.COMMENT_BY_ID, id=id, article_id=article_id, viewer=viewer)
    if comment is None:
        raise missing("comment", id)
    return comment
